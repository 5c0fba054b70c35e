//! `web_fetch`: a page as readable text for a model.
//!
//! What comes back is outside content, bounded, and says where it came from and what it was.

mod page;

use std::fmt::Write as _;
use std::time::Duration;

use encoding_rs::{Encoding, UTF_8};
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, Method};

use crate::http_get::UrlBounds;
use crate::outgoing::{Answer, Ask, Outgoing, OutgoingError};

/// Most bytes of a page that are read.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most bytes of text that come back; a model sees less.
const TEXT_BYTES_MAX: usize = 256 * 1024;

/// Longest time for the page.
const FETCH_MAX: Duration = Duration::from_secs(20);

/// How far into a page its own word on its encoding is looked for, as browsers do.
const ENCODING_WITHIN: usize = 1024;

/// What is to be fetched, and how far it may lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchAsk {
    /// URL, as the model wrote it.
    pub url: String,
    /// Networks beyond the public ones, by the project's plan.
    pub allow_networks: Vec<String>,
    /// If set, the only hosts that may be asked.
    pub hosts: Option<Vec<String>>,
}

/// A fetched page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedText {
    /// Where it came from, after redirects.
    pub url: String,
    /// Status; a page of an error is a page too.
    pub status: u16,
    /// Its type, as the host wrote it.
    pub content_type: String,
    /// Bytes that were read.
    pub bytes: usize,
    /// Where redirects led, in order.
    pub redirects: Vec<String>,
    /// Its title, if it has one.
    pub title: Option<String>,
    /// Its text.
    pub text: String,
    /// Whether the text was cut.
    pub is_cut: bool,
}

/// Why nothing came back; for the model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FetchError {
    /// What happened.
    pub message: String,
}

/// Fetches pages.
#[derive(Clone, Debug, Default)]
pub struct WebFetch {
    outgoing: Outgoing,
}

impl WebFetch {
    /// Through that client.
    #[must_use]
    pub fn new(outgoing: Outgoing) -> Self {
        Self { outgoing }
    }

    /// Fetches a page.
    ///
    /// # Errors
    /// It may not be reached, does not answer in time, is too large, or is not text.
    pub async fn fetch(&self, ask: &FetchAsk) -> Result<FetchedText, FetchError> {
        let bounds = UrlBounds {
            allow_networks: ask.allow_networks.clone(),
            hosts: ask.hosts.clone(),
        };
        let reach = bounds.reach(&[]).map_err(failed)?;
        let accept = HeaderValue::from_static(
            "text/html, application/xhtml+xml, text/markdown, text/plain, application/json;q=0.9, \
             */*;q=0.5",
        );
        let request = Ask {
            method: Method::GET,
            url: ask.url.trim().to_owned(),
            headers: HeaderMap::from_iter([(ACCEPT, accept)]),
            body: None,
        };
        let answer = self
            .outgoing
            .fetch(&request, &reach, (FETCH_MAX, PAGE_BYTES_MAX))
            .await
            .map_err(failed)?;
        // Reading a large page takes long enough to be felt by everybody else.
        tokio::task::spawn_blocking(move || readable(&answer))
            .await
            .unwrap_or_else(|_| {
                let message = "the page could not be read as text".to_owned();
                Err(FetchError { message })
            })
    }
}

impl FetchedText {
    /// The page as a model is shown it: what it is, then its text.
    #[must_use]
    pub fn for_model(&self) -> String {
        let mut shown = format!(
            "url: {}\nstatus: {}\ntype: {}, {} bytes\n",
            self.url, self.status, self.content_type, self.bytes
        );
        for redirect in &self.redirects {
            let _ = writeln!(shown, "redirected to: {redirect}");
        }
        if let Some(title) = &self.title {
            let _ = writeln!(shown, "title: {title}");
        }
        let cut = if self.is_cut {
            "\n[cut: the page is longer]"
        } else {
            ""
        };
        format!("{shown}\n{}{cut}", self.text)
    }
}

fn failed(error: OutgoingError) -> FetchError {
    FetchError {
        message: format!("the page was not fetched: {error}"),
    }
}

/// What kind of text a page is.
enum Kind {
    Html,
    Plain,
}

fn readable(answer: &Answer) -> Result<FetchedText, FetchError> {
    let content_type = answer.content_type.clone().unwrap_or_default();
    let kind = kind(&content_type, &answer.body).ok_or_else(|| FetchError {
        message: format!(
            "the page is not text but `{content_type}` ({} bytes), which cannot be read here",
            answer.body.len()
        ),
    })?;
    let source = decoded(&content_type, &answer.body);
    let (title, text) = match kind {
        Kind::Html => {
            let page = page::read(&source, &answer.url, TEXT_BYTES_MAX);
            (
                Some(page.title).filter(|title| !title.is_empty()),
                page.text,
            )
        }
        Kind::Plain => (None, source),
    };
    let (text, is_cut) = cut(text);
    Ok(FetchedText {
        url: answer.url.to_string(),
        status: answer.status.as_u16(),
        content_type: match content_type.is_empty() {
            true => "unknown".into(),
            false => content_type,
        },
        bytes: answer.body.len(),
        redirects: answer.redirects.iter().map(ToString::to_string).collect(),
        title,
        text,
        is_cut,
    })
}

fn kind(content_type: &str, body: &[u8]) -> Option<Kind> {
    let named = content_type.split(';').next().unwrap_or_default().trim();
    match named.to_ascii_lowercase().as_str() {
        "text/html" | "application/xhtml+xml" => Some(Kind::Html),
        "" if body.contains(&0) => None,
        "" if body.trim_ascii_start().starts_with(b"<") => Some(Kind::Html),
        ""
        | "application/json"
        | "application/xml"
        | "application/javascript"
        | "application/yaml"
        | "application/toml" => Some(Kind::Plain),
        other if other.starts_with("text/") => Some(Kind::Plain),
        other if other.ends_with("+json") || other.ends_with("+xml") => Some(Kind::Plain),
        _ => None,
    }
}

/// The page as text, in the encoding of its type, of its mark, or of its own word, else UTF-8.
fn decoded(content_type: &str, body: &[u8]) -> String {
    let labelled = |text: &str| {
        let lower = text.to_ascii_lowercase();
        let (_, rest) = lower.split_once("charset=")?;
        let rest = rest.trim_start_matches(['"', '\'']);
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':');
        let label = rest.split(|c| !is_part(c)).next()?;
        Encoding::for_label(label.as_bytes())
    };
    let head = String::from_utf8_lossy(&body[..body.len().min(ENCODING_WITHIN)]);
    let encoding = labelled(content_type)
        .or_else(|| labelled(&head))
        .unwrap_or(UTF_8);
    encoding.decode(body).0.into_owned()
}

fn cut(mut text: String) -> (String, bool) {
    if text.len() <= TEXT_BYTES_MAX {
        return (text, false);
    }
    let end = (0..=TEXT_BYTES_MAX)
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or_default();
    text.truncate(end);
    (text, true)
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use reqwest::Url;

    use super::*;

    fn read(content_type: &str, body: &[u8]) -> Result<FetchedText, FetchError> {
        readable(&Answer {
            status: StatusCode::OK,
            content_type: Some(content_type.to_owned()).filter(|named| !named.is_empty()),
            url: Url::parse("https://docs.example/a").unwrap(),
            redirects: Vec::new(),
            body: body.to_vec().into(),
        })
    }

    #[test]
    fn a_page_becomes_its_words() {
        let fetched = read(
            "text/html; charset=utf-8",
            b"<title>Prices &amp; terms</title><p>One <a href=\"/x\">euro</a> a day.",
        )
        .unwrap();
        assert_eq!(fetched.title.as_deref(), Some("Prices & terms"));
        assert_eq!(fetched.text, "One euro (https://docs.example/x) a day.");
    }

    #[test]
    fn json_and_plain_text_stay_what_they_are() {
        assert_eq!(
            read("application/json", b"{\"a\": 1}").unwrap().text,
            "{\"a\": 1}"
        );
        assert_eq!(read("text/plain", b"a < b").unwrap().text, "a < b");
        assert_eq!(read("", b"words").unwrap().text, "words");
    }

    #[test]
    fn an_encoding_is_minded_wherever_it_is_named() {
        assert_eq!(
            read("text/plain; charset=ISO-8859-1", b"caf\xe9")
                .unwrap()
                .text,
            "café"
        );
        let inside = read(
            "text/html",
            b"<meta charset=\"windows-1252\"><p>caf\xe9 \x80</p>",
        );
        assert!(inside.unwrap().text.contains("café €"));
    }

    #[test]
    fn what_is_not_text_is_refused_by_its_type() {
        let refused = read("image/png", b"\x89PNG").unwrap_err();
        assert!(refused.message.contains("image/png"), "{refused}");
        assert!(read("", b"\0\0").is_err());
    }

    #[test]
    fn a_long_page_is_cut_and_says_so() {
        let fetched = read("text/plain", "ä".repeat(TEXT_BYTES_MAX).as_bytes()).unwrap();
        assert!(fetched.is_cut);
        assert!(fetched.for_model().ends_with("[cut: the page is longer]"));
    }

    #[test]
    fn the_model_is_told_what_the_page_is() {
        let shown = read("text/plain", b"words").unwrap().for_model();
        assert!(
            shown.starts_with(
                "url: https://docs.example/a\nstatus: 200\ntype: text/plain, 5 bytes\n"
            )
        );
    }
}
