//! Who asks: a key, what it may do, and how often.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use heartbeat_store::verbs::{Key, KeyScope};

use crate::Api;
use crate::problem::Problem;
use crate::rate_limit::Allowance;

/// Lets requests with a key through, as often as its plan allows.
pub(crate) async fn admit(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let key = match authenticated(&api, request.headers()).await {
        Ok(key) => key,
        Err(problem) => return problem.into_response(),
    };
    let allowance = match counted(&api, key).await {
        Ok(allowance) => allowance,
        Err((allowance, problem)) => return answer(problem.into_response(), allowance),
    };
    if let Err(problem) = may(key, request.method()) {
        return answer(problem.into_response(), allowance);
    }
    request.extensions_mut().insert(key);
    answer(next.run(request).await, allowance)
}

async fn authenticated(api: &Api, headers: &HeaderMap) -> Result<Key, Problem> {
    let Some(secret) = bearer(headers) else {
        return Err(Problem::unauthorized(
            "send `Authorization: Bearer <API key>`",
        ));
    };
    let key = api.control.authenticate(secret).await?;
    key.ok_or_else(|| Problem::unauthorized("the API key is unknown"))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = given.split_once(' ')?;
    let secret = secret.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !secret.is_empty()).then_some(secret)
}

async fn counted(api: &Api, key: Key) -> Result<Option<Allowance>, (Option<Allowance>, Problem)> {
    let plan = api.control.plan_of(key.project_id).await;
    let (_, plan) = plan.map_err(|error| (None, error.into()))?;
    let counted = api.rates.count(key.id, &plan, api.control.now());
    counted.map_err(|(allowance, problem)| (Some(allowance), problem))
}

fn may(key: Key, method: &Method) -> Result<(), Problem> {
    if key.scope != KeyScope::ReadOnly || matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    Err(Problem::forbidden(
        "READ_ONLY_KEY",
        "This API key may only read; use another one to change",
    ))
}

fn answer(mut response: Response, allowance: Option<Allowance>) -> Response {
    if let Some(allowance) = allowance {
        allowance.write(response.headers_mut());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_is_read_in_any_case_and_nothing_else_is() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, text.parse().unwrap());
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(read("Bearer K-1").as_deref(), Some("K-1"));
        assert_eq!(read("bearer  K-1 ").as_deref(), Some("K-1"));
        for wrong in ["K-1", "Basic K-1", "Bearer", "Bearer "] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
