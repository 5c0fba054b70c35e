//! An HTTP GET for a watch.
//!
//! Who names the URL decides: a project does, so it leads to public addresses and to the networks of
//! the project's plan only; hosts that the operator lists go where their names say.

use std::time::Duration;

use http::{HeaderMap, Method};
use serde_json::Value;

use crate::outgoing::{Ask, Outgoing, OutgoingError, Reach};
use crate::probe::ProbeError;

/// Most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Longest time for one look.
const LOOK_MAX: Duration = Duration::from_secs(15);

/// Where the URLs of one agent may lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UrlBounds {
    /// Networks beyond the public ones, by the project's plan.
    pub allow_networks: Vec<String>,
    /// If set, the only hosts that may be asked: the agent's list, once one of its tools reads private
    /// data.
    pub hosts: Option<Vec<String>>,
}

impl UrlBounds {
    /// As the outgoing client understands it.
    pub(crate) fn reach(&self, trusted: &[String]) -> Result<Reach, OutgoingError> {
        Ok(Reach {
            hosts: self.hosts.clone(),
            trusted: trusted.to_vec(),
            ..Reach::networks(&self.allow_networks)?
        })
    }
}

/// Looks at URLs, with the hosts that the operator lists beyond the public ones.
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts {
    hosts: Vec<String>,
    outgoing: Outgoing,
}

impl AllowedHosts {
    /// Hosts as `name` or `name:port`.
    #[must_use]
    pub fn new(hosts: Vec<String>, outgoing: Outgoing) -> Self {
        Self { hosts, outgoing }
    }

    /// Checks that a URL may be asked, as far as it can be told without asking it.
    ///
    /// # Errors
    /// It is no http(s) URL, carries credentials, or leads to where this project may not reach.
    pub fn check(&self, url: &str, bounds: &UrlBounds) -> Result<(), ProbeError> {
        let checked = bounds
            .reach(&self.hosts)
            .and_then(|reach| reach.check(url).map(drop));
        checked.map_err(refused)
    }

    /// Looks once; JSON is answered as what it is, everything else as text.
    ///
    /// # Errors
    /// [`AllowedHosts::check`] refuses it, its host turns out to be where this project may not reach,
    /// it does not answer in time or not with a 2xx, or the answer is too large or not text.
    pub async fn get(&self, url: &str, bounds: &UrlBounds) -> Result<Value, ProbeError> {
        let reach = bounds.reach(&self.hosts).map_err(refused)?;
        let ask = Ask {
            method: Method::GET,
            url: url.to_owned(),
            headers: HeaderMap::new(),
            body: None,
        };
        let answer = self
            .outgoing
            .fetch(&ask, &reach, (LOOK_MAX, ANSWER_BYTES_MAX))
            .await
            .map_err(refused)?;
        if !answer.status.is_success() {
            let status = answer.status;
            return Err(ProbeError::new(format!(
                "the host answered with status {status}"
            )));
        }
        let text = String::from_utf8(answer.body.into())
            .map_err(|_| ProbeError::new("the answer is not text"))?;
        Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
}

/// Adds what an operator can do about an address that is refused.
fn refused(error: OutgoingError) -> ProbeError {
    match error {
        OutgoingError::AddressRefused { .. } => ProbeError::new(format!(
            "{error}; the operator can allow the host in `watch.http_hosts`, or the network in the \
             plan's `allow_networks`"
        )),
        other => ProbeError::new(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(list: &[&str]) -> AllowedHosts {
        let hosts = list.iter().map(|&host| host.to_owned()).collect();
        AllowedHosts::new(hosts, Outgoing::default())
    }

    fn bounds(networks: &[&str]) -> UrlBounds {
        UrlBounds {
            allow_networks: networks.iter().map(|&word| word.to_owned()).collect(),
            hosts: None,
        }
    }

    #[test]
    fn public_hosts_and_those_that_the_operator_lists_may_be_asked() {
        let hosts = hosts(&["127.0.0.1:8080"]);
        let public = bounds(&[]);
        assert!(hosts.check("https://status.example/api", &public).is_ok());
        assert!(hosts.check("http://127.0.0.1:8080/", &public).is_ok());
        for url in [
            "http://127.0.0.1:8081/",
            "http://10.0.0.1/",
            "http://169.254.169.254/latest/meta-data",
            "https://user:pass@status.example/",
            "file:///etc/passwd",
            "not a url",
        ] {
            assert!(hosts.check(url, &public).is_err(), "{url} was allowed");
        }
    }

    #[test]
    fn a_plan_opens_networks_but_never_metadata() {
        let hosts = hosts(&[]);
        let own = bounds(&["loopback", "private"]);
        assert!(hosts.check("http://127.0.0.1:8081/", &own).is_ok());
        assert!(hosts.check("http://192.168.1.1/", &own).is_ok());
        assert!(hosts.check("http://169.254.169.254/", &own).is_err());
    }

    #[test]
    fn an_agents_list_shuts_out_even_what_the_operator_lists() {
        let listed = UrlBounds {
            hosts: Some(vec!["docs.example".into()]),
            ..bounds(&["loopback"])
        };
        let hosts = hosts(&["127.0.0.1:8080"]);
        assert!(hosts.check("https://docs.example/", &listed).is_ok());
        assert!(hosts.check("http://127.0.0.1:8080/", &listed).is_err());
    }

    #[test]
    fn a_refused_address_says_what_an_operator_can_do() {
        let refused = hosts(&[])
            .check("http://10.0.0.1/", &bounds(&[]))
            .unwrap_err();
        assert!(refused.message.contains("watch.http_hosts"), "{refused}");
        assert!(refused.message.contains("allow_networks"), "{refused}");
    }
}
