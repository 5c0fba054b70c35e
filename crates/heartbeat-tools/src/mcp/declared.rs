//! Servers that the operator declares by name: the only ones for which a process is started.

use std::collections::BTreeMap;
use std::path::PathBuf;

use heartbeat_domain::ids::ProjectId;

use crate::hands::{HandsError, Server};

/// `[mcp.NAME]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Declared {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// All of its environment.
    pub env: BTreeMap<String, String>,
    /// The projects that may use it; `None` is every project whose plan has local access.
    pub projects: Option<Vec<ProjectId>>,
}

impl std::fmt::Debug for Declared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Declared")
            .field("program", &self.program)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// All declared servers by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeclaredServers(pub BTreeMap<String, Declared>);

impl DeclaredServers {
    /// The server of that name, if this project may use it. A name that is declared for others is
    /// refused in the words of one that is not declared.
    pub(super) fn find(&self, name: &str, asker: &Server) -> Result<&Declared, HandsError> {
        if !asker.local_access {
            return Err(HandsError {
                code: "LOCAL_ACCESS_OFF",
                message: "tool servers on this machine need a plan with local access; reach the \
                          server over HTTP instead"
                    .into(),
            });
        }
        let may_use = |declared: &&Declared| match &declared.projects {
            None => true,
            Some(projects) => projects.contains(&asker.project_id),
        };
        self.0.get(name).filter(may_use).ok_or_else(|| HandsError {
            code: "NOT_DECLARED",
            message: format!(
                "no tool server `{name}` is declared for this project; the operator declares \
                     it as [mcp.{name}] in the settings file"
            ),
        })
    }
}
