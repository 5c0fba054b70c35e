//! Tool servers on this machine: which programs the operator lets agents start, by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use heartbeat_domain::ids::ProjectId;
use heartbeat_tools::{Declared, DeclaredServers};
use serde::Deserialize;

/// `[mcp.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct McpConfig {
    command: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    projects: Option<Vec<String>>,
}

/// The declared servers; programs that are named without a path are looked for in `search`, as `PATH`
/// has it, because the child has no `PATH` of ours.
pub(crate) fn declared(
    configured: &BTreeMap<String, McpConfig>,
    search: Option<&str>,
) -> anyhow::Result<DeclaredServers> {
    let mut servers = BTreeMap::new();
    for (name, config) in configured {
        let server = config
            .declared(search)
            .with_context(|| format!("[mcp.{name}]"))?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || !name.chars().all(is_plain) {
            bail!("[mcp.{name}]: a name has letters, digits, `-` and `_` only");
        }
        servers.insert(name.clone(), server);
    }
    Ok(DeclaredServers(servers))
}

impl McpConfig {
    fn declared(&self, search: Option<&str>) -> anyhow::Result<Declared> {
        if let Some(name) = self
            .env
            .keys()
            .find(|name| name.is_empty() || name.contains(['=', '\0']))
        {
            bail!("env: `{name}` cannot be the name of a variable");
        }
        let parsed = |id: &String| {
            id.parse::<ProjectId>()
                .with_context(|| format!("projects: `{id}` is not the id of a project"))
        };
        let projects = match &self.projects {
            None => None,
            Some(ids) => Some(ids.iter().map(parsed).collect::<anyhow::Result<_>>()?),
        };
        Ok(Declared {
            program: program(&self.command, search)?,
            args: self.args.clone(),
            env: self.env.clone(),
            projects,
        })
    }
}

/// A program that is not there yet is no reason not to start: its calls will say so.
fn program(command: &str, search: Option<&str>) -> anyhow::Result<PathBuf> {
    let path = Path::new(command);
    if command.trim().is_empty() {
        bail!("command: it is empty");
    }
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    if path.components().count() > 1 {
        bail!("command: `{command}` must be an absolute path, or a name to be found in PATH");
    }
    let found = std::env::split_paths(search.unwrap_or_default())
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(command))
        .find(|candidate| candidate.is_file());
    Ok(found.unwrap_or_else(|| path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<DeclaredServers> {
        #[derive(Deserialize)]
        struct File {
            mcp: BTreeMap<String, McpConfig>,
        }
        declared(
            &toml::from_str::<File>(text)?.mcp,
            Some("/nonexistent:/bin"),
        )
    }

    #[test]
    fn a_program_is_found_where_the_server_would_find_it() {
        let servers = read("[mcp.house]\ncommand = \"sh\"\nargs = [\"-c\"]\n").unwrap();
        let house = &servers.0["house"];
        assert_eq!(house.program, PathBuf::from("/bin/sh"));
        assert_eq!((house.projects.clone(), house.env.len()), (None, 0));
    }

    #[test]
    fn what_is_wrong_is_refused_with_its_place() {
        for (text, place) in [
            ("[mcp.a]\ncommand = \"./server\"\n", "command"),
            ("[mcp.a]\ncommand = \"\"\n", "command"),
            (
                "[mcp.a]\ncommand = \"sh\"\nprojects = [\"acme\"]\n",
                "projects",
            ),
            (
                "[mcp.a]\ncommand = \"sh\"\nenv = { \"A=B\" = \"c\" }\n",
                "env",
            ),
            ("[mcp.\"a b\"]\ncommand = \"sh\"\n", "a b"),
            ("[mcp.a]\ncommand = \"sh\"\nurl = \"x\"\n", "url"),
        ] {
            let error = read(text).unwrap_err();
            assert!(format!("{error:#}").contains(place), "{error:#}");
        }
    }
}
