//! From what went wrong on the wire to a [`ModelError`] that says so to people.
//!
//! Invariant: no key in a message. Providers echo keys, whole or masked, in their refusals.

use jiff::SignedDuration;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde_json::Value;

use super::{ModelError, ModelErrorKind};

const EXCERPT_CHARS: usize = 300;

/// The request did not get an answer at all.
pub(super) fn from_sending(server: &str, error: reqwest::Error) -> ModelError {
    let kind = if error.is_builder() {
        ModelErrorKind::Rejected
    } else {
        ModelErrorKind::Unreachable
    };
    let cause = root_cause(&error.without_url());
    ModelError::new(kind, format!("{server} could not be reached: {cause}"))
}

/// The answer stopped before its end.
pub(super) fn from_reading(error: reqwest::Error) -> ModelError {
    if error.is_timeout() {
        let message = "the answer stalled: it began, then nothing more of it came in time";
        return ModelError::broken(message);
    }
    let cause = root_cause(&error.without_url());
    ModelError::broken(format!("the answer was cut: {cause}"))
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// The answer is an HTTP error.
pub(super) fn from_status(status: u16, headers: &HeaderMap, body: &str) -> ModelError {
    let said = said(body);
    let kind = match status {
        401 | 403 => ModelErrorKind::Denied,
        400 if is_about_the_account(body) => ModelErrorKind::Denied,
        408 | 429 | 500.. => ModelErrorKind::Overloaded,
        _ if is_unknown_model(status, body, &said) => ModelErrorKind::UnknownModel,
        _ => ModelErrorKind::Rejected,
    };
    ModelError {
        kind,
        message: format!("HTTP {status}: {}", without_keys(&said)),
        status: Some(status),
        retry_after: retry_after(headers).or_else(|| retry_info(body)),
        spent: None,
    }
}

/// Google answers 400 to a key that is none, and where an account may not use the API at all.
fn is_about_the_account(body: &str) -> bool {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let error = &body["error"];
    let bad_key = details(error).any(|detail| detail["reason"] == "API_KEY_INVALID");
    bad_key || error["status"] == "FAILED_PRECONDITION"
}

/// Google says in the body how long to stay away: `"retryDelay": "37.5s"`.
fn retry_info(body: &str) -> Option<SignedDuration> {
    let body: Value = serde_json::from_str(body).ok()?;
    let delay = details(&body["error"]).find_map(|detail| detail["retryDelay"].as_str())?;
    let seconds: f64 = delay.strip_suffix('s')?.parse().ok()?;
    SignedDuration::try_from_secs_f64(seconds)
        .ok()
        .map(not_negative)
}

fn details(error: &Value) -> impl Iterator<Item = &Value> {
    error["details"].as_array().into_iter().flatten()
}

/// An error inside an answer that began as a success. Overload is worth asking again only while
/// nothing of the answer has been seen.
pub(super) fn from_event(error: &Value, nothing_seen: bool) -> ModelError {
    let kind = match error_class(error) {
        Class::Passing if nothing_seen => ModelErrorKind::Overloaded,
        _ => ModelErrorKind::Broken,
    };
    let said = without_keys(&excerpt(&message_of(error)));
    ModelError::new(
        kind,
        format!("the provider ended the answer with an error: {said}"),
    )
}

enum Class {
    Passing,
    Other,
}

fn error_class(error: &Value) -> Class {
    let code = error["code"].as_u64().unwrap_or(0);
    let kind = error["type"].as_str().unwrap_or_default();
    let passing = [
        "overloaded_error",
        "rate_limit_error",
        "api_error",
        "server_error",
    ];
    if code == 408 || code == 429 || code >= 500 || passing.contains(&kind) {
        Class::Passing
    } else {
        Class::Other
    }
}

fn said(body: &str) -> String {
    let trimmed = body.trim_start();
    if looks_like_html(trimmed) {
        return "a web page instead of an API answer; is the base URL right?".to_owned();
    }
    match serde_json::from_str::<Value>(trimmed) {
        Ok(Value::Array(list)) if !list.is_empty() => excerpt(&message_of(&list[0])),
        Ok(value) => excerpt(&message_of(&value)),
        Err(_) if trimmed.is_empty() => "no explanation".to_owned(),
        Err(_) => excerpt(trimmed),
    }
}

/// Whether a body is a page for browsers.
pub(super) fn looks_like_html(body: &str) -> bool {
    let start: String = body.trim_start().chars().take(15).collect();
    let start = start.to_ascii_lowercase();
    start.starts_with("<!doctype") || start.starts_with("<html")
}

fn message_of(value: &Value) -> String {
    let error = value.get("error").unwrap_or(value);
    let message = [
        &error["message"],
        error,
        &value["detail"],
        &value["message"],
    ];
    let message = message.iter().find_map(|candidate| candidate.as_str());
    message.map_or_else(|| value.to_string(), str::to_owned)
}

fn excerpt(text: &str) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match flat.char_indices().nth(EXCERPT_CHARS) {
        Some((end, _)) => format!("{}…", &flat[..end]),
        None => flat,
    }
}

fn is_unknown_model(status: u16, body: &str, said: &str) -> bool {
    if body.contains("model_not_found") {
        return true;
    }
    let said = said.to_ascii_lowercase();
    let marks = [
        "not found",
        "not exist",
        "not a valid model",
        "unknown model",
        "invalid model",
    ];
    matches!(status, 400 | 404)
        && said.contains("model")
        && (said.starts_with("model:") || marks.iter().any(|mark| said.contains(mark)))
}

/// Blots out every word that begins like an API key.
fn without_keys(text: &str) -> String {
    let blot = |word: &str| {
        let start = ["sk-", "AIza"].into_iter().find_map(|start| {
            let at = word.find(start)?;
            Some(format!("{}{start}…", &word[..at]))
        });
        start.unwrap_or_else(|| word.to_owned())
    };
    text.split(' ').map(blot).collect::<Vec<_>>().join(" ")
}

/// Reads `retry-after-ms` and `retry-after`; a date is measured against the answer's own `date`,
/// so no clock is needed.
fn retry_after(headers: &HeaderMap) -> Option<SignedDuration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(ms) = text("retry-after-ms").and_then(|ms| ms.parse::<f64>().ok()) {
        return SignedDuration::try_from_secs_f64(ms / 1_000.0)
            .ok()
            .map(not_negative);
    }
    let value = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = value.parse::<f64>() {
        return SignedDuration::try_from_secs_f64(seconds)
            .ok()
            .map(not_negative);
    }
    let date = |text: &str| {
        jiff::fmt::rfc2822::parse(text)
            .ok()
            .map(|zoned| zoned.timestamp())
    };
    let (until, sent) = (date(value)?, date(text(DATE.as_str())?)?);
    Some(not_negative(until.duration_since(sent)))
}

fn not_negative(wait: SignedDuration) -> SignedDuration {
    wait.max(SignedDuration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, body: &str) -> ModelErrorKind {
        from_status(status, &HeaderMap::new(), body).kind
    }

    #[test]
    fn statuses_become_the_kinds_that_the_session_acts_on() {
        assert_eq!(kind(401, ""), ModelErrorKind::Denied);
        assert_eq!(kind(429, ""), ModelErrorKind::Overloaded);
        assert_eq!(kind(529, ""), ModelErrorKind::Overloaded);
        assert_eq!(kind(404, "<html>"), ModelErrorKind::Rejected);
        let ollama = r#"{"error":{"message":"model \"x\" not found, try pulling it first"}}"#;
        assert_eq!(kind(404, ollama), ModelErrorKind::UnknownModel);
        let anthropic =
            r#"{"type":"error","error":{"type":"not_found_error","message":"model: x"}}"#;
        assert_eq!(kind(404, anthropic), ModelErrorKind::UnknownModel);
        assert_eq!(
            kind(400, r#"{"error":{"code":"model_not_found"}}"#),
            ModelErrorKind::UnknownModel
        );
        assert_eq!(
            kind(400, r#"{"error":"messages must not be empty"}"#),
            ModelErrorKind::Rejected
        );
    }

    #[test]
    fn what_google_says_in_the_body_is_understood() {
        let bad_key = r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.",
            "status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo",
            "reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}"#;
        assert_eq!(kind(400, bad_key), ModelErrorKind::Denied);
        let unbilled = r#"{"error":{"code":400,"message":"User location is not supported for the API use.",
            "status":"FAILED_PRECONDITION"}}"#;
        assert_eq!(kind(400, unbilled), ModelErrorKind::Denied);
        let unknown = r#"{"error":{"code":404,"message":"models/x is not found for API version v1beta,
            or is not supported for generateContent.","status":"NOT_FOUND"}}"#;
        assert_eq!(kind(404, unknown), ModelErrorKind::UnknownModel);
        let malformed =
            r#"{"error":{"code":400,"message":"Invalid value","status":"INVALID_ARGUMENT"}}"#;
        assert_eq!(kind(400, malformed), ModelErrorKind::Rejected);
        let busy = r#"{"error":{"code":429,"message":"Please retry in 37.5s.","status":
            "RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure"},
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"37.5s"}]}}"#;
        let error = from_status(429, &HeaderMap::new(), busy);
        assert_eq!(error.kind, ModelErrorKind::Overloaded);
        assert_eq!(error.retry_after, Some(SignedDuration::from_millis(37_500)));
    }

    #[test]
    fn a_key_that_the_provider_echoes_is_blotted_out() {
        let body = r#"{"error":{"message":"Incorrect API key provided: sk-abc***xyz. See docs."}}"#;
        let error = from_status(401, &HeaderMap::new(), body);
        assert_eq!(
            error.message,
            "HTTP 401: Incorrect API key provided: sk-… See docs."
        );
    }

    #[test]
    fn retry_after_is_read_in_all_its_forms() {
        let read = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            retry_after(&headers)
        };
        assert_eq!(
            read(&[("retry-after", "7")]),
            Some(SignedDuration::from_secs(7))
        );
        assert_eq!(
            read(&[("retry-after-ms", "250")]),
            Some(SignedDuration::from_millis(250))
        );
        let date = [
            ("date", "Sun, 22 Nov 2026 05:00:00 GMT"),
            ("retry-after", "Sun, 22 Nov 2026 05:00:09 GMT"),
        ];
        assert_eq!(read(&date), Some(SignedDuration::from_secs(9)));
        assert_eq!(read(&[("retry-after", "soon")]), None);
    }
}
