//! Links that came with a message: only `https` and `mailto`, each shown with where it leads.

/// A link that a person may follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) href: String,
    /// The host, or the address of a mail.
    pub(crate) host: String,
}

impl Link {
    /// The link, unless it is of another kind or has no host that could be shown.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let host = match url.split_once(':')? {
            (scheme, rest) if scheme.eq_ignore_ascii_case("https") => host(rest)?,
            (scheme, rest) if scheme.eq_ignore_ascii_case("mailto") => address(rest)?,
            _ => return None,
        };
        let plain = url
            .chars()
            .all(|char| !char.is_control() && !char.is_whitespace());
        plain.then(|| Self {
            href: url.to_owned(),
            host: host.to_owned(),
        })
    }
}

/// The host that a browser would go to; a backslash is a slash there, and what is before an `@` is
/// not the host.
fn host(rest: &str) -> Option<&str> {
    let authority = rest
        .strip_prefix("//")?
        .split(['/', '\\', '?', '#'])
        .next()?;
    let host = authority.rsplit('@').next()?;
    Some(host).filter(|host| !host.is_empty())
}

fn address(rest: &str) -> Option<&str> {
    rest.split('?')
        .next()
        .filter(|address| address.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_mailto_are_links_and_their_host_is_shown() {
        let host = |url: &str| Link::parse(url).map(|link| link.host);
        assert_eq!(
            host("https://example.org/a?b").as_deref(),
            Some("example.org")
        );
        assert_eq!(
            host("https://good.example@bad.example/").as_deref(),
            Some("bad.example")
        );
        assert_eq!(
            host("https://bad.example\\@good.example").as_deref(),
            Some("bad.example")
        );
        assert_eq!(
            host("mailto:a@example.org?subject=b").as_deref(),
            Some("a@example.org")
        );
        for refused in [
            "http://example.org",
            "javascript:alert(1)",
            "data:text/html,x",
            "//example.org",
            "https:example.org",
            "https://",
            "https://exa\nmple.org",
        ] {
            assert_eq!(Link::parse(refused), None, "{refused}");
        }
    }
}
