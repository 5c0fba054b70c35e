//! How far a request may reach, and what can be said about a URL before anything is asked.

use std::net::IpAddr;

use reqwest::Url;

use super::failure::OutgoingError;
use super::networks::Networks;

/// How far the requests of a project may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Networks beyond the public ones.
    pub networks: Networks,
    /// If set, the only hosts that may be reached, as `name` or `name:port`.
    pub hosts: Option<Vec<String>>,
    /// Hosts that the operator named: these go where their names say.
    pub trusted: Vec<String>,
}

/// How the addresses of one host are treated.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Treatment {
    Checked(Networks),
    Trusted,
}

impl Reach {
    /// The public networks and those that the words of a plan name.
    ///
    /// # Errors
    /// A word is no network.
    pub fn networks(words: &[String]) -> Result<Self, OutgoingError> {
        let networks =
            Networks::parse(words).map_err(|error| OutgoingError::BadUrl(error.to_string()))?;
        Ok(Self {
            networks,
            ..Self::default()
        })
    }

    /// Checks a URL without connecting: its form, its host, and the address if it is written in it.
    ///
    /// # Errors
    /// It is no http(s) URL, carries credentials, its host is not listed, or its address is closed.
    pub fn check(&self, url: &str) -> Result<Url, OutgoingError> {
        let bad = |what: String| OutgoingError::BadUrl(what);
        let url = Url::parse(url).map_err(|error| bad(format!("`url` is not a URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad("`url` must begin with http:// or https://".into()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("`url` must not carry credentials".into()));
        }
        let host = url.host_str().unwrap_or_default();
        if host.is_empty() {
            return Err(bad("`url` names no host".into()));
        }
        if let Some(hosts) = &self.hosts
            && !is_listed(hosts, &url)
        {
            return Err(OutgoingError::HostNotListed { host: host.into() });
        }
        let refusal = literal(host)
            .filter(|_| !is_listed(&self.trusted, &url))
            .and_then(|address| self.networks.refusal(address));
        match refusal {
            Some(what) => Err(OutgoingError::AddressRefused {
                host: host.into(),
                what,
            }),
            None => Ok(url),
        }
    }

    /// How the addresses of a checked URL's host are treated.
    pub(super) fn treatment(&self, url: &Url) -> Treatment {
        match is_listed(&self.trusted, url) {
            true => Treatment::Trusted,
            false => Treatment::Checked(self.networks.clone()),
        }
    }
}

/// The address, if the host is written as one.
fn literal(host: &str) -> Option<IpAddr> {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    bare.parse().ok()
}

/// Names are compared without regard to case and to a dot at their end.
fn is_listed(hosts: &[String], url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    let port = url.port_or_known_default().unwrap_or_default();
    hosts.iter().any(|listed| {
        let listed = listed.trim();
        match listed.rsplit_once(':') {
            Some((name, number)) if !name.contains(':') || name.ends_with(']') => {
                name.eq_ignore_ascii_case(host) && number.parse() == Ok(port)
            }
            _ => listed.eq_ignore_ascii_case(host),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(words: &[&str]) -> Reach {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        Reach::networks(&words).unwrap()
    }

    #[test]
    fn what_is_no_http_url_or_carries_credentials_is_refused() {
        for url in [
            "file:///etc/passwd",
            "ftp://example.org/",
            "not a url",
            "https://user:pass@example.org/",
            "https://user@example.org/",
            "data:text/html,hi",
        ] {
            let refused = reach(&[]).check(url).unwrap_err();
            assert!(
                matches!(refused, OutgoingError::BadUrl(_)),
                "{url}: {refused}"
            );
        }
    }

    #[test]
    fn an_address_is_recognised_however_it_is_written() {
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://0x7f.0.0.1/",
            "http://2130706433/",
            "http://0177.0.0.1/",
            "http://127.0.0.1./",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[0:0:0:0:0:ffff:7f00:1]/",
            "http://169.254.169.254/latest/meta-data",
            "http://１２７.0.0.1/",
        ] {
            let refused = reach(&[]).check(url).unwrap_err();
            assert!(
                matches!(refused, OutgoingError::AddressRefused { .. }),
                "{url}: {refused}"
            );
        }
        assert!(reach(&["loopback"]).check("http://127.1/").is_ok());
    }

    #[test]
    fn a_list_of_hosts_shuts_all_others_out() {
        let listed = Reach {
            hosts: Some(vec!["docs.example".into(), "api.example:8443".into()]),
            ..reach(&[])
        };
        assert!(listed.check("https://docs.example/a").is_ok());
        assert!(listed.check("https://DOCS.example./a").is_ok());
        assert!(listed.check("https://api.example:8443/").is_ok());
        for url in [
            "https://api.example/",
            "https://docs.example.evil.example/",
            "https://evil.example/?docs.example",
        ] {
            let refused = listed.check(url).unwrap_err();
            assert!(
                matches!(refused, OutgoingError::HostNotListed { .. }),
                "{url}: {refused}"
            );
        }
    }

    #[test]
    fn a_host_that_the_operator_named_goes_where_it_says() {
        let trusting = Reach {
            trusted: vec!["127.0.0.1:8080".into()],
            ..reach(&[])
        };
        assert!(trusting.check("http://127.0.0.1:8080/").is_ok());
        assert!(trusting.check("http://127.0.0.1:8081/").is_err());
    }
}
