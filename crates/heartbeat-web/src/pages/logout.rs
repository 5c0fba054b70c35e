//! Signing out.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};

use crate::Web;
use crate::refusal::Refusal;
use crate::session::{Cookie, Deed};

/// Ends the session here and in the store.
pub(crate) async fn leave(State(web): State<Web>, deed: Deed) -> Result<Response, Refusal> {
    web.control.sign_out(&deed.session.secret).await?;
    let cookie = [(header::SET_COOKIE, Cookie::Session.set("", &web.settings))];
    Ok((cookie, Redirect::to("/login")).into_response())
}
