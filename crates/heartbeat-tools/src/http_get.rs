//! An HTTP GET of a host that the operator's configuration names.
//!
//! The list is the operator's, so these hosts may be anywhere; a project can only choose among
//! them. Redirects are not followed, sizes and times are bounded, proxy variables are not read.

use std::time::Duration;

use serde_json::Value;

use crate::probe::ProbeError;

/// Most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Longest time for one look.
const LOOK_MAX: Duration = Duration::from_secs(15);

/// Hosts that watches may ask.
#[derive(Clone, Debug)]
pub struct AllowedHosts {
    hosts: Vec<String>,
    client: reqwest::Client,
}

impl AllowedHosts {
    /// Hosts as `name` or `name:port`.
    ///
    /// # Errors
    /// The HTTP client cannot be built.
    pub fn new(hosts: Vec<String>) -> Result<Self, ProbeError> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(LOOK_MAX)
            .user_agent("heartbeat")
            .build()
            .map_err(|error| ProbeError::new(format!("no HTTP client: {error}")))?;
        Ok(Self { hosts, client })
    }

    /// Checks that a URL may be asked, without asking it.
    ///
    /// # Errors
    /// It is no http(s) URL, carries credentials, or its host is not on the list.
    pub fn check(&self, url: &str) -> Result<reqwest::Url, ProbeError> {
        let parsed = reqwest::Url::parse(url)
            .map_err(|error| ProbeError::new(format!("`url` is not a URL: {error}")))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(ProbeError::new("`url` must begin with http:// or https://"));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(ProbeError::new("`url` must not carry credentials"));
        }
        let host = parsed.host_str().unwrap_or_default();
        let with_port = format!(
            "{host}:{}",
            parsed.port_or_known_default().unwrap_or_default()
        );
        if self
            .hosts
            .iter()
            .any(|allowed| allowed == host || *allowed == with_port)
        {
            return Ok(parsed);
        }
        let message = format!("host `{host}` is not on the operator's list `watch.http_hosts`");
        Err(ProbeError::new(message))
    }

    /// Looks once; JSON is answered as what it is, everything else as text.
    ///
    /// # Errors
    /// [`AllowedHosts::check`] refuses it, the host does not answer in time or not with a 2xx, or
    /// the answer is too large or not text.
    pub async fn get(&self, url: &str) -> Result<Value, ProbeError> {
        let url = self.check(url)?;
        let failed = |error: reqwest::Error| {
            ProbeError::new(format!("the host did not answer: {}", error.without_url()))
        };
        let mut answer = self.client.get(url).send().await.map_err(failed)?;
        let status = answer.status();
        if !status.is_success() {
            return Err(ProbeError::new(format!(
                "the host answered with status {status}"
            )));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES_MAX {
                let message = format!("the answer has more than {ANSWER_BYTES_MAX} bytes");
                return Err(ProbeError::new(message));
            }
        }
        let text =
            String::from_utf8(body).map_err(|_| ProbeError::new("the answer is not text"))?;
        Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(list: &[&str]) -> AllowedHosts {
        let _ = rustls_installed();
        AllowedHosts::new(list.iter().map(|&host| host.to_owned()).collect()).unwrap()
    }

    fn rustls_installed() -> bool {
        rustls::crypto::ring::default_provider()
            .install_default()
            .is_ok()
    }

    #[test]
    fn only_hosts_on_the_list_may_be_asked() {
        let hosts = hosts(&["status.example", "127.0.0.1:8080"]);
        assert!(hosts.check("https://status.example/api").is_ok());
        assert!(hosts.check("http://127.0.0.1:8080/").is_ok());
        for url in [
            "http://127.0.0.1:8081/",
            "http://169.254.169.254/latest/meta-data",
            "https://status.example.evil.example/",
            "https://user:pass@status.example/",
            "file:///etc/passwd",
            "not a url",
        ] {
            assert!(hosts.check(url).is_err(), "{url} was allowed");
        }
    }
}
