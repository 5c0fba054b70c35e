//! The address of a database as people write it: one server or several.

use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

use super::OpenOptions;
use super::failure::failure;
use crate::StoreError;
use crate::verbs::Result;

/// The parameter by which other programs of PostgreSQL choose among servers.
const ATTRIBUTES: &str = "target_session_attrs";

/// A URL without its password and parameters.
pub(crate) fn shown(url: &str) -> Result<String> {
    let mut places = Vec::new();
    let mut name = String::new();
    for one in each(url)? {
        let parsed: PgConnectOptions = one.parse().map_err(|error: sqlx::Error| {
            StoreError::Unavailable(format!(
                "this is not the address of a PostgreSQL database ({error}); write \
                 postgres://user:password@host:5432/name"
            ))
        })?;
        places.push(match parsed.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", parsed.get_host(), parsed.get_port()),
        });
        name = parsed
            .get_database()
            .unwrap_or(parsed.get_username())
            .to_owned();
    }
    Ok(format!("postgres://{}/{name}", places.join(",")))
}

/// How to connect to each server of a URL.
pub(super) fn connect_options(url: &str, options: OpenOptions) -> Result<Vec<PgConnectOptions>> {
    each(url)?
        .iter()
        .map(|one| {
            let parsed = one.parse::<PgConnectOptions>();
            Ok(limited(parsed.map_err(|error| failure(&error))?, options))
        })
        .collect()
}

fn limited(parsed: PgConnectOptions, options: OpenOptions) -> PgConnectOptions {
    let limit = |limit: std::time::Duration| format!("{}ms", limit.as_millis());
    let limits = [
        ("statement_timeout", limit(options.statement_timeout)),
        ("lock_timeout", limit(options.lock_timeout)),
        // A plan made for the values of one run looks cheaper, since it sees one month only; but it
        // is made anew for each run, which costs more than the run.
        ("plan_cache_mode", "force_generic_plan".to_owned()),
        // Every statement finds its rows by a key. A table that was empty when a plan was made would
        // be read from end to end until somebody counts it.
        ("enable_seqscan", "off".to_owned()),
        ("enable_hashjoin", "off".to_owned()),
        ("enable_mergejoin", "off".to_owned()),
        // What is switched off counts as dear, and dear plans are compiled first, for longer than any
        // statement here takes.
        ("jit", "off".to_owned()),
        // A node that was frozen in a transaction must not hold what it locked.
        (
            "idle_in_transaction_session_timeout",
            limit(options.lock_timeout),
        ),
    ];
    let named = parsed.get_application_name().is_some();
    let parsed = parsed
        .options(limits)
        .statement_cache_capacity(256)
        .disable_statement_logging();
    match named {
        true => parsed,
        false => parsed.application_name("heartbeat"),
    }
}

/// A URL for each server of one that names several, as in `postgres://user@a:5432,b:5432/name`.
fn each(url: &str) -> Result<Vec<String>> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    let tail = without_attributes(tail)?;
    let hosts: Vec<&str> = hosts.split(',').collect();
    if hosts.len() > 1 && hosts.iter().any(|host| host.is_empty()) {
        return Err(StoreError::Unavailable(
            "the address names several servers, and one of them is empty; write \
             postgres://user:password@first:5432,second:5432/name"
                .into(),
        ));
    }
    let one = |host: &&str| format!("{scheme}://{user}{host}{tail}");
    Ok(hosts.iter().map(one).collect())
}

/// A path and parameters without the choice among servers, which is always for the one that takes
/// writes.
fn without_attributes(tail: &str) -> Result<String> {
    let Some((path, parameters)) = tail.split_once('?') else {
        return Ok(tail.to_owned());
    };
    let mut others = Vec::new();
    for parameter in parameters.split('&') {
        match parameter.split_once('=') {
            Some((ATTRIBUTES, "any" | "read-write" | "primary")) => {}
            Some((ATTRIBUTES, other)) => {
                return Err(StoreError::Unavailable(format!(
                    "{ATTRIBUTES} of the address is `{other}`; it must be read-write, because \
                     Heartbeat writes"
                )));
            }
            _ => others.push(parameter),
        }
    }
    Ok(match others.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{}", others.join("&")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_of_an_address_has_all_the_rest_of_it() {
        let url = "postgres://ada:p%40ss@one:5432,two:5433,[::1]:5434/beats\
            ?sslmode=require&target_session_attrs=read-write";
        assert_eq!(
            each(url).unwrap(),
            [
                "postgres://ada:p%40ss@one:5432/beats?sslmode=require",
                "postgres://ada:p%40ss@two:5433/beats?sslmode=require",
                "postgres://ada:p%40ss@[::1]:5434/beats?sslmode=require",
            ]
        );
        assert_eq!(
            shown(url).unwrap(),
            "postgres://one:5432,two:5433,[::1]:5434/beats"
        );
        let options = connect_options(url, OpenOptions::default()).unwrap();
        let ports: Vec<u16> = options.iter().map(PgConnectOptions::get_port).collect();
        assert_eq!(ports, [5432, 5433, 5434]);
    }

    #[test]
    fn one_server_stays_as_it_was_written() {
        for url in [
            "postgres://localhost/beats",
            "postgresql://ada@db:5432/beats?sslmode=verify-full",
            "postgres:///beats?host=/run/postgresql",
        ] {
            assert_eq!(each(url).unwrap(), [url]);
        }
        let any = "postgres://db/beats?target_session_attrs=any";
        assert_eq!(each(any).unwrap(), ["postgres://db/beats"]);
    }

    #[test]
    fn a_wrong_choice_among_servers_says_what_to_write() {
        let refused = each("postgres://a,b/beats?target_session_attrs=standby").unwrap_err();
        assert!(
            refused.to_string().contains("must be read-write"),
            "{refused}"
        );
        let refused = each("postgres://a:1,,b:2/beats").unwrap_err();
        assert!(
            refused.to_string().contains("one of them is empty"),
            "{refused}"
        );
    }
}
