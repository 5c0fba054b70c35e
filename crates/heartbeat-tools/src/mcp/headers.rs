//! The headers that a project has set for its server.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::hands::HandsError;

/// Headers that belong to the connection or to the protocol.
const OURS: [&str; 14] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "idempotency-key",
    "keep-alive",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The headers as they are sent; their values are shown by nothing that prints them.
///
/// # Errors
/// One of them is no header, or not the project's to set. The value is not in the message.
pub(super) fn checked(headers: &[(String, String)]) -> Result<HeaderMap, HandsError> {
    let refuse = |name: &str, why: &str| HandsError {
        code: "TOOL_SERVER_HEADERS",
        message: format!("header `{name}` {why}"),
    };
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let parsed = HeaderName::from_bytes(name.trim().as_bytes())
            .map_err(|_| refuse(name, "has a name that no header can have"))?;
        if OURS.contains(&parsed.as_str()) || parsed.as_str().starts_with("proxy-") {
            return Err(refuse(
                name,
                "is set by the connection and cannot be set here",
            ));
        }
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| refuse(name, "has a value that no header can have"))?;
        value.set_sensitive(true);
        map.append(parsed, value);
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str) -> Result<HeaderMap, HandsError> {
        checked(&[(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn a_header_is_sent_and_not_shown() {
        let headers = check("Authorization", "Bearer s3cret").unwrap();
        assert_eq!(headers["authorization"], "Bearer s3cret");
        assert!(!format!("{headers:?}").contains("s3cret"));
    }

    #[test]
    fn headers_of_the_connection_and_of_the_protocol_are_refused_by_name() {
        for name in [
            "Host",
            "Content-Length",
            "Mcp-Session-Id",
            "Proxy-Authorization",
        ] {
            let refused = check(name, "x").unwrap_err();
            assert!(refused.message.contains(name), "{refused}");
        }
    }

    #[test]
    fn a_value_with_a_line_end_is_refused_without_being_repeated() {
        let refused = check("X-Key", "s3cret\r\nHost: evil").unwrap_err();
        assert!(!refused.message.contains("s3cret"), "{refused}");
    }
}
