//! Signing in. Opening a link shows a button, and only the button redeems the code, so a preview of
//! the link by a mail or chat program does not burn it.

use askama::Template;
use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap};
use axum::response::{AppendHeaders, Html, IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::refusal::Refusal;
use crate::session::Cookie;
use crate::{Web, token};

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    /// The code that came with the link.
    code: &'a str,
    token: String,
    problem: Option<&'a str>,
}

/// What the link carries.
#[derive(Deserialize)]
pub(crate) struct Link {
    #[serde(default)]
    code: String,
}

/// What the form sends.
#[derive(Deserialize)]
pub(crate) struct LoginForm {
    #[serde(default)]
    code: String,
    #[serde(default)]
    token: String,
}

/// The form, with the code of the link filled in. It redeems nothing.
pub(crate) async fn show(
    State(web): State<Web>,
    headers: HeaderMap,
    Query(link): Query<Link>,
) -> Result<Response, Refusal> {
    form(&web, &headers, &link.code, None)
}

/// Trades the code for a session.
pub(crate) async fn redeem(
    State(web): State<Web>,
    headers: HeaderMap,
    Form(sent): Form<LoginForm>,
) -> Result<Response, Refusal> {
    let visit = Cookie::Visit.read(&headers, &web.settings);
    let belongs = visit.is_some_and(|visit| token::fits(&visit, &sent.token));
    if !belongs {
        let problem = "The form was too old, or this browser keeps no cookies. Press the button \
                       again.";
        return form(&web, &headers, code_in(&sent.code), Some(problem));
    }
    let signed_in = web.control.sign_in(code_in(&sent.code)).await?;
    let Some((_, secret)) = signed_in else {
        let problem = "This code is unknown, too old or was used before. A code works once, for \
                       15 minutes.";
        return form(&web, &headers, "", Some(problem));
    };
    let cookies = AppendHeaders([
        (
            header::SET_COOKIE,
            Cookie::Session.set(&secret, &web.settings),
        ),
        (header::SET_COOKIE, Cookie::Visit.set("", &web.settings)),
    ]);
    Ok((cookies, Redirect::to("/")).into_response())
}

/// People paste the code, or the whole link.
fn code_in(pasted: &str) -> &str {
    let code = pasted.rsplit("code=").next().unwrap_or(pasted);
    code.trim()
}

fn form(
    web: &Web,
    headers: &HeaderMap,
    code: &str,
    problem: Option<&str>,
) -> Result<Response, Refusal> {
    let visit = match Cookie::Visit.read(headers, &web.settings) {
        Some(visit) => visit,
        None => random()?,
    };
    let page = LoginPage {
        code,
        token: token::of(&visit),
        problem,
    };
    let status = match problem {
        Some(_) => StatusCode::FORBIDDEN,
        None => StatusCode::OK,
    };
    let cookie = [(header::SET_COOKIE, Cookie::Visit.set(&visit, &web.settings))];
    Ok((status, cookie, Html(page.render()?)).into_response())
}

fn random() -> Result<String, Refusal> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| heartbeat_store::StoreError::Unavailable(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::code_in;

    #[test]
    fn a_code_is_found_in_the_whole_link() {
        assert_eq!(code_in(" abc-_1 \n"), "abc-_1");
        assert_eq!(code_in("http://127.0.0.1:7070/login?code=abc"), "abc");
    }
}
