//! What every request to a page passes: only hosts that are ours, no foreign origins, and headers
//! under which a browser loads nothing from elsewhere and runs nothing from a message.

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::{Web, WebSettings};

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
                      connect-src 'self'; img-src 'self' data:; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// `same-origin` and not `no-referrer`, under which browsers send `Origin: null` with our own forms.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

/// Refuses what comes by another name or from another site, and seals what goes out.
pub(crate) async fn watch_over(State(web): State<Web>, request: Request, next: Next) -> Response {
    let mut response = match objection(&web.settings, &request) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

fn objection(settings: &WebSettings, request: &Request) -> Option<(StatusCode, String)> {
    let host = host(request.headers(), request.uri()).unwrap_or_default();
    if !is_ours(settings, &host) {
        let shown: String = host.chars().take(200).collect();
        let message = format!(
            "This server does not answer to \"{shown}\". Open it by the address that it listens \
             on, or set public_url to the address that people use.\n"
        );
        return Some((StatusCode::MISDIRECTED_REQUEST, message));
    }
    if let Some(origin) = request.headers().get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        if !is_our_origin(settings, origin) {
            return Some(foreign());
        }
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    (!reads && comes_from_elsewhere(request.headers())).then(foreign)
}

fn foreign() -> (StatusCode, String) {
    let message = "This request came from another site and was not carried out.\n";
    (StatusCode::FORBIDDEN, message.to_owned())
}

/// What browsers say of a request that they do not let a page change.
fn comes_from_elsewhere(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-site")
        .is_some_and(|site| site != "same-origin" && site != "none")
}

/// By which name the server was called.
fn host(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let named = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let host = named.or_else(|| uri.authority().map(|authority| authority.as_str()))?;
    Some(host.to_ascii_lowercase())
}

fn is_our_origin(settings: &WebSettings, origin: &str) -> bool {
    let origin = origin.to_ascii_lowercase();
    if let Some((scheme, authority)) = public(settings)
        && origin == format!("{scheme}://{authority}")
    {
        return true;
    }
    origin
        .strip_prefix("http://")
        .is_some_and(|host| is_local(settings, host))
}

fn is_ours(settings: &WebSettings, host: &str) -> bool {
    public(settings).is_some_and(|(_, authority)| authority == host) || is_local(settings, host)
}

/// The address that is listened on, and the names of this machine with its port.
fn is_local(settings: &WebSettings, host: &str) -> bool {
    let port = settings.listen.port();
    let names = ["localhost", "127.0.0.1", "[::1]"];
    let with_port = |name: &str| host == format!("{name}:{port}") || (port == 80 && host == name);
    names.into_iter().any(with_port) || host == settings.listen.to_string()
}

/// Scheme and authority of the public URL, as browsers send them.
fn public(settings: &WebSettings) -> Option<(String, String)> {
    let url = settings.public_url.as_deref()?.to_ascii_lowercase();
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let usual_port = if scheme == "https" { ":443" } else { ":80" };
    let authority = authority.strip_suffix(usual_port).unwrap_or(authority);
    Some((scheme.to_owned(), authority.to_owned()))
}

/// Whether cookies may travel over TLS alone.
pub(crate) fn is_https(settings: &WebSettings) -> bool {
    public(settings).is_some_and(|(scheme, _)| scheme == "https")
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
    fn a_name_that_is_not_ours_is_refused() {
        let plain = settings(None);
        for host in ["127.0.0.1:7070", "localhost:7070", "[::1]:7070"] {
            assert!(is_ours(&plain, host), "{host}");
        }
        for host in [
            "localhost",
            "localhost:80",
            "evil.example",
            "127.0.0.1:7071",
            "",
        ] {
            assert!(!is_ours(&plain, host), "{host}");
        }
        let public = settings(Some("https://Beats.example/"));
        assert!(is_ours(&public, "beats.example"));
        assert!(!is_ours(&public, "beats.example:8443"));
        assert!(is_https(&public) && !is_https(&plain));
    }

    #[test]
    fn an_origin_is_ours_with_its_scheme_and_port() {
        let public = settings(Some("https://beats.example:443"));
        assert!(is_our_origin(&public, "https://beats.example"));
        assert!(is_our_origin(&public, "http://localhost:7070"));
        for origin in [
            "http://beats.example",
            "null",
            "https://evil.example",
            "http://localhost:7071",
            "https://localhost:7070",
        ] {
            assert!(!is_our_origin(&public, origin), "{origin}");
        }
    }
}
