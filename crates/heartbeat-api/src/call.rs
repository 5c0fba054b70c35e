//! One request of a key, and the things that it names. Another project's things do not exist.

use axum::body::Body;
use axum::extract::{FromRequest, Query, Request};
use axum::http::Method;
use futures::StreamExt as _;
use heartbeat_domain::bot::Bot;
use heartbeat_domain::ids::{HeartbeatId, ProjectId};
use heartbeat_engine::control::Control;
use heartbeat_store::verbs::{BotRef, HeartbeatKey, Key, KeyScope};
use heartbeat_store::{StoreError, Thing};
use serde_json::Value;

use crate::input::{IdText, Input};
use crate::problem::Problem;
use crate::{Api, ApiLimits};

/// One request of a key.
pub(crate) struct Call {
    pub(crate) control: Control,
    pub(crate) input: Input,
    key: Key,
}

impl FromRequest<Api> for Call {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let key = request.extensions().get::<Key>().copied();
        let key =
            key.ok_or_else(|| Problem::unauthorized("send `Authorization: Bearer <API key>`"))?;
        let query = from_query(&request)?;
        let input = match *request.method() {
            Method::POST | Method::PUT => from_body(request.into_body(), api.limits).await?,
            _ => Input::Query(query.clone()),
        };
        // Some published calls POST with everything in the query.
        let input = match input {
            Input::Body(fields) if fields.is_empty() && !query.is_empty() => Input::Query(query),
            input => input,
        };
        Ok(Self {
            control: api.control.clone(),
            input,
            key,
        })
    }
}

fn from_query(request: &Request) -> Result<Vec<(String, String)>, Problem> {
    let query = Query::try_from_uri(request.uri());
    let Query(pairs) = query.map_err(|error| Problem::malformed(error.to_string()))?;
    Ok(pairs)
}

/// Whatever the content type says, or if it says nothing, a body is JSON.
async fn from_body(body: Body, limits: ApiLimits) -> Result<Input, Problem> {
    let bytes = read(body, limits).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Input::Body(serde_json::Map::new()));
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(fields)) => Ok(Input::Body(fields)),
        Ok(_) => Err(Problem::malformed("The body must be a JSON object")),
        Err(error) => Err(Problem::malformed(format!(
            "The body is not valid JSON: {error}"
        ))),
    }
}

async fn read(body: Body, limits: ApiLimits) -> Result<Vec<u8>, Problem> {
    let mut chunks = body.into_data_stream();
    let (mut bytes, mut total) = (Vec::new(), 0);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Problem::malformed("The body broke off"))?;
        total += chunk.len();
        if total <= limits.body_max {
            bytes.extend_from_slice(&chunk);
        } else if total > limits.drain_max {
            break;
        }
    }
    if total > limits.body_max {
        return Err(Problem::too_large(limits.body_max));
    }
    Ok(bytes)
}

impl Call {
    /// Who calls, for the record.
    pub(crate) fn who(&self) -> String {
        format!("key {}", self.key.id)
    }

    /// The project that the request names: the key's own, or any for an admin key.
    pub(crate) async fn project(&self) -> Result<ProjectId, Problem> {
        let IdText(text) = self.input.required("project_id")?;
        let unknown = || Problem::from(Thing::Project);
        let id: ProjectId = text.parse().map_err(|_| unknown())?;
        if self.key.scope == KeyScope::Admin {
            return Ok(self.control.store().project(id).await?.id);
        }
        (id == self.key.project_id)
            .then_some(id)
            .ok_or_else(unknown)
    }

    /// The agent that the request names, by UUID or row number.
    pub(crate) async fn bot(&self) -> Result<Bot, Problem> {
        let project_id = self.project().await?;
        self.bot_of(project_id, &self.input.required("bot_id")?)
            .await
    }

    /// The agent that the request narrows a list to, if it does.
    pub(crate) async fn optional_bot(&self, project_id: ProjectId) -> Result<Option<Bot>, Problem> {
        match self.input.optional("bot_id")? {
            Some(id) => Ok(Some(self.bot_of(project_id, &id).await?)),
            None => Ok(None),
        }
    }

    async fn bot_of(&self, project_id: ProjectId, id: &IdText) -> Result<Bot, Problem> {
        let bot = bot_ref(id).ok_or(StoreError::NotFound(Thing::Bot))?;
        Ok(self.control.store().bot(project_id, bot).await?)
    }

    /// The heartbeat that the request names.
    pub(crate) async fn heartbeat(&self) -> Result<HeartbeatKey, Problem> {
        let bot = self.bot().await?;
        let id = self.input.required("heartbeat_id")?;
        heartbeat_key(&bot, &id)
    }

    /// The heartbeat that the request narrows a list to, if it does; it may be gone.
    pub(crate) fn optional_heartbeat(&self) -> Result<Option<HeartbeatId>, Problem> {
        let id = self.input.optional::<IdText>("heartbeat_id")?;
        id.map(|IdText(text)| text.parse().map_err(|_| Thing::Heartbeat.into()))
            .transpose()
    }

    /// Subscribers do not exist yet, so none that is named is found.
    pub(crate) fn no_member(&self) -> Result<(), Problem> {
        match self.input.optional::<IdText>("member_id")? {
            Some(_) => Err(Thing::Member.into()),
            None => Ok(()),
        }
    }

    /// Refuses keys that are not an admin's.
    pub(crate) fn require_admin(&self) -> Result<(), Problem> {
        match self.key.scope {
            KeyScope::Admin => Ok(()),
            _ => Err(Problem::forbidden(
                "ADMIN_KEY_REQUIRED",
                "This endpoint needs an admin key",
            )),
        }
    }
}

/// An agent's UUID, or its row number.
fn bot_ref(IdText(text): &IdText) -> Option<BotRef> {
    let by_id = text.parse().map(BotRef::Id).ok();
    by_id.or_else(|| text.parse().map(BotRef::Number).ok())
}

/// A heartbeat of that agent, whether it exists or not.
pub(crate) fn heartbeat_key(bot: &Bot, IdText(text): &IdText) -> Result<HeartbeatKey, Problem> {
    let id = text.parse().map_err(|_| Thing::Heartbeat)?;
    Ok(HeartbeatKey {
        project_id: bot.project_id,
        bot_id: bot.id,
        id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_named_by_uuid_or_number() {
        let read = |text: &str| bot_ref(&IdText(text.into()));
        assert_eq!(read("17"), Some(BotRef::Number(17)));
        let id = "c2d1e0aa-88f1-4f0b-9e57-1d2f3c4b0002";
        assert_eq!(read(id), Some(BotRef::Id(id.parse().unwrap())));
        for unknown in ["B-1", "17.0", "1e3", "99999999999999999999"] {
            assert_eq!(read(unknown), None, "{unknown}");
        }
    }
}
