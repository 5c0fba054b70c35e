//! What a visitor is told when there is no page: signed out, not found, refused, out of order.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use heartbeat_store::StoreError;

/// Why a request got no page of its own.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is no session; the way in is shown.
    SignedOut,
    /// A page that says what is wrong.
    Told {
        status: StatusCode,
        title: &'static str,
        message: String,
    },
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct RefusalPage<'a> {
    title: &'a str,
    message: &'a str,
}

impl Refusal {
    /// A form that does not belong to this session.
    pub(crate) fn stale_form() -> Self {
        Self::told(
            StatusCode::FORBIDDEN,
            "Nothing was changed",
            "The form was not from a page of this session. Open the page again and repeat it.",
        )
    }

    /// There is no such thing in this project.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::told(
            StatusCode::NOT_FOUND,
            "Not found",
            format!("There is no such {what} in this project."),
        )
    }

    /// A page that is the installation's and no project's.
    pub(crate) fn operators_only() -> Self {
        Self::told(
            StatusCode::FORBIDDEN,
            "For the operator",
            "This page is about the whole installation. Whoever runs it signs in with the link of \
             `heartbeat login --operator`.",
        )
    }

    fn told(status: StatusCode, title: &'static str, message: impl Into<String>) -> Self {
        Self::Told {
            status,
            title,
            message: message.into(),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::NotFound(thing) => {
                Self::not_found(thing.to_string().to_lowercase().as_str())
            }
            StoreError::Violation(_) => Self::told(StatusCode::BAD_REQUEST, "Refused", message),
            StoreError::Limit(_) => Self::told(StatusCode::FORBIDDEN, "Refused", message),
            StoreError::Conflict(_) | StoreError::Fenced => {
                Self::told(StatusCode::CONFLICT, "Not possible now", message)
            }
            StoreError::Unavailable(_) | StoreError::Corrupt(_) => {
                tracing::warn!(%message, "A page could not be shown");
                let advice = format!(
                    "{message}. The heartbeats go on as soon as the database does; \
                     `heartbeat doctor` looks for the cause."
                );
                Self::told(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The database has a problem",
                    advice,
                )
            }
        }
    }
}

impl From<askama::Error> for Refusal {
    fn from(error: askama::Error) -> Self {
        tracing::error!(%error, "A page could not be rendered");
        Self::told(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The page could not be made",
            "The server's log has the details.",
        )
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, title, message) = match self {
            Self::SignedOut => return Redirect::to("/login").into_response(),
            Self::Told {
                status,
                title,
                message,
            } => (status, title, message),
        };
        let page = RefusalPage {
            title,
            message: &message,
        };
        match page.render() {
            Ok(html) => (status, Html(html)).into_response(),
            Err(_) => (status, message).into_response(),
        }
    }
}
