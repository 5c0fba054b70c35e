//! What the operator configured about models. Plain values: this room never reads the environment.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use heartbeat_domain::budget::Rates;

/// A secret that does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret; an empty one is none.
    pub fn new(secret: impl Into<String>) -> Option<Self> {
        let secret = secret.into().trim().to_owned();
        (!secret.is_empty()).then_some(Self(secret))
    }

    /// The secret itself, for the one header that carries it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Which wire format a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Chat Completions, as OpenAI, Ollama, llama.cpp, vLLM and OpenRouter speak it.
    OpenAi,
    /// Anthropic Messages.
    Anthropic,
    /// Gemini's `generateContent`.
    Gemini,
}

/// How long an answer that has begun may be silent. At 4,096 output tokens a turn, a model that
/// thinks before it speaks and writes 35 tokens a second is heard again within it.
pub const STALL: Duration = Duration::from_secs(120);

/// A model that the configuration gives a name of its own.
#[derive(Clone, Debug)]
pub struct NamedModel {
    /// Which wire format.
    pub dialect: Dialect,
    /// Where, with the version in the path where the server wants one.
    pub base_url: String,
    /// The key, where one is needed.
    pub api_key: Option<Secret>,
    /// What the server calls the model.
    pub model: String,
    /// Requests at once.
    pub max_in_flight: Option<usize>,
}

/// Everything the operator said about models.
#[derive(Clone, Debug, Default)]
pub struct ModelSettings {
    /// The model of agents that name none.
    pub default_model: Option<String>,
    /// `OPENAI_API_KEY`.
    pub openai_api_key: Option<Secret>,
    /// `OPENAI_BASE_URL`; any server with the same dialect.
    pub openai_base_url: Option<String>,
    /// `ANTHROPIC_API_KEY`.
    pub anthropic_api_key: Option<Secret>,
    /// `ANTHROPIC_BASE_URL`.
    pub anthropic_base_url: Option<String>,
    /// `GEMINI_API_KEY`.
    pub gemini_api_key: Option<Secret>,
    /// `GEMINI_BASE_URL`.
    pub gemini_base_url: Option<String>,
    /// `OLLAMA_HOST`, in any of the forms that Ollama takes.
    pub ollama_host: Option<String>,
    /// Where LM Studio listens, if not on its own port of this machine.
    pub lm_studio_url: Option<String>,
    /// Where llama-server listens, if not on its own port of this machine.
    pub llama_server_url: Option<String>,
    /// Models from the configuration, by the name that agents use.
    pub named: BTreeMap<String, NamedModel>,
    /// What models cost, by the name that agents use.
    pub rates: BTreeMap<String, Rates>,
    /// How long an answer that has begun may be silent; [`STALL`] where nothing is said.
    pub stall: Option<Duration>,
}

impl ModelSettings {
    /// Ollama's address as a URL without a slash at its end.
    #[must_use]
    pub fn ollama_url(&self) -> String {
        local_url(self.ollama_host.as_deref(), 11434)
    }

    /// LM Studio's address.
    #[must_use]
    pub fn lm_studio_url(&self) -> String {
        local_url(self.lm_studio_url.as_deref(), 1234)
    }

    /// llama-server's address.
    #[must_use]
    pub fn llama_server_url(&self) -> String {
        local_url(self.llama_server_url.as_deref(), 8080)
    }
}

/// `host`, `host:port`, `:port` or a URL; an address to listen on becomes one to call.
fn local_url(given: Option<&str>, port: u16) -> String {
    let given = given
        .map(str::trim)
        .unwrap_or_default()
        .trim_end_matches('/');
    let (scheme, rest) = given.split_once("://").unwrap_or(("http", given));
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let (host, has_port) = match authority.rsplit_once(':') {
        Some((host, digits))
            if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) =>
        {
            (host, Some(digits))
        }
        _ => (authority, None),
    };
    let host = match host {
        "" | "0.0.0.0" => "127.0.0.1",
        "[::]" => "[::1]",
        host => host,
    };
    match (has_port, scheme) {
        (Some(digits), _) => format!("{scheme}://{host}:{digits}{path}"),
        (None, "https") => format!("https://{host}{path}"),
        (None, _) => format!("{scheme}://{host}:{port}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ollama_host_is_taken_in_all_its_forms() {
        for (given, expected) in [
            ("", "http://127.0.0.1:11434"),
            ("0.0.0.0", "http://127.0.0.1:11434"),
            (":9000", "http://127.0.0.1:9000"),
            ("gpu.local", "http://gpu.local:11434"),
            ("http://gpu.local:80/", "http://gpu.local:80"),
            (
                "https://ollama.example/api-root",
                "https://ollama.example/api-root",
            ),
            ("[::1]:11434", "http://[::1]:11434"),
            ("[::1]", "http://[::1]:11434"),
        ] {
            assert_eq!(local_url(Some(given), 11434), expected, "{given}");
        }
    }

    #[test]
    fn keys_do_not_print() {
        let openai_api_key = Secret::new("sk-very-secret");
        let settings = ModelSettings {
            openai_api_key,
            ..ModelSettings::default()
        };
        assert!(!format!("{settings:?}").contains("very-secret"));
    }
}
