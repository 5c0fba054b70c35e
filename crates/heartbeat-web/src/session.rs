//! Who is signed in: a cookie with a secret, the project behind it, and forms that belong to it.

use axum::extract::{Form, FromRequest, FromRequestParts, Request};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::request::Parts;
use heartbeat_domain::bot::Project;
use heartbeat_engine::control::SESSION_LASTS;

use crate::refusal::Refusal;
use crate::{Web, WebSettings, guard, token};

/// A signed-in visitor.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) project: Project,
    /// Whether they also see what is the installation's.
    pub(crate) is_operator: bool,
    pub(crate) secret: String,
}

impl FromRequestParts<Web> for Session {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Refusal> {
        let secret = Cookie::Session
            .read(&parts.headers, &web.settings)
            .ok_or(Refusal::SignedOut)?;
        let visit = web.control.session(&secret).await?;
        let visit = visit.ok_or(Refusal::SignedOut)?;
        let project = web.control.store().project(visit.project_id).await?;
        Ok(Self {
            project,
            is_operator: visit.is_operator,
            secret,
        })
    }
}

/// A form that a page of this session sent.
#[derive(Debug)]
pub(crate) struct Deed {
    pub(crate) session: Session,
    /// The page to go back to.
    pub(crate) back: String,
    /// What was filled in.
    pub(crate) fields: Fields,
}

/// What was filled in. There may be secrets in it, so `Debug` shows nothing.
#[derive(Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fields(…)")
    }
}

impl Fields {
    /// A field that was sent with something in it.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(own, _)| own == name);
        let value = found.map(|(_, value)| value.trim());
        value.filter(|value| !value.is_empty())
    }

    /// Whether a box is ticked.
    pub(crate) fn is_ticked(&self, name: &str) -> bool {
        self.find(name).is_some()
    }
}

impl FromRequest<Web> for Deed {
    type Rejection = Refusal;

    async fn from_request(request: Request, web: &Web) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let session = Session::from_request_parts(&mut parts, web).await?;
        let request = Request::from_parts(parts, body);
        let Ok(Form(form)) = Form::<Vec<(String, String)>>::from_request(request, web).await else {
            return Err(Refusal::stale_form());
        };
        let fields = Fields(form);
        if !token::fits(&session.secret, fields.find("token").unwrap_or_default()) {
            return Err(Refusal::stale_form());
        }
        let back = own_path(fields.find("back").unwrap_or_default()).to_owned();
        Ok(Self {
            session,
            back,
            fields,
        })
    }
}

/// A path of ours; home for anything that a browser could take for another place.
fn own_path(path: &str) -> &str {
    let plain = path
        .chars()
        .all(|char| char.is_ascii_graphic() && char != '\\');
    if plain && path.starts_with('/') && !path.starts_with("//") {
        path
    } else {
        "/"
    }
}

/// Our cookies. Over TLS their names carry `__Host-`, so no other host can have set them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cookie {
    /// The session's secret.
    Session,
    /// What binds a sign-in form to the browser that asked for it.
    Visit,
}

impl Cookie {
    fn name(self, settings: &WebSettings) -> &'static str {
        match (self, guard::is_https(settings)) {
            (Self::Session, false) => "heartbeat_session",
            (Self::Session, true) => "__Host-heartbeat_session",
            (Self::Visit, false) => "heartbeat_visit",
            (Self::Visit, true) => "__Host-heartbeat_visit",
        }
    }

    /// Its value in a request.
    pub(crate) fn read(self, headers: &HeaderMap, settings: &WebSettings) -> Option<String> {
        let name = self.name(settings);
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, value)| *key == name && !value.is_empty())
            .map(|(_, value)| value.to_owned())
    }

    /// The header that sets it; an empty value takes it away.
    pub(crate) fn set(self, value: &str, settings: &WebSettings) -> HeaderValue {
        let seconds = match self {
            _ if value.is_empty() => 0,
            Self::Session => SESSION_LASTS.as_secs(),
            Self::Visit => 3_600,
        };
        let secure = if guard::is_https(settings) {
            "; Secure"
        } else {
            ""
        };
        let name = self.name(settings);
        let line =
            format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
        HeaderValue::try_from(line).expect("our secrets are URL-safe base64")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(public_url: Option<&str>) -> WebSettings {
        WebSettings {
            public_url: public_url.map(str::to_owned),
            listen: "127.0.0.1:7070".parse().unwrap(),
            model_line: String::new(),
            is_demo_model: false,
        }
    }

    #[test]
    fn over_tls_the_cookie_is_secure_and_bound_to_its_host() {
        let plain = Cookie::Session.set("abc", &settings(None));
        assert_eq!(
            plain,
            "heartbeat_session=abc; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000"
        );
        let tls = Cookie::Session.set("", &settings(Some("https://beats.example")));
        assert_eq!(
            tls,
            "__Host-heartbeat_session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0; Secure"
        );
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        let line = "a=b; xheartbeat_session=no; heartbeat_session=yes; c";
        headers.insert(header::COOKIE, HeaderValue::from_static(line));
        let read = Cookie::Session.read(&headers, &settings(None));
        assert_eq!(read.as_deref(), Some("yes"));
        assert_eq!(Cookie::Visit.read(&headers, &settings(None)), None);
    }

    #[test]
    fn nobody_is_sent_back_to_another_place() {
        assert_eq!(own_path("/inbox?page=2"), "/inbox?page=2");
        for elsewhere in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "",
            "/a\nb",
        ] {
            assert_eq!(own_path(elsewhere), "/", "{elsewhere}");
        }
    }
}
