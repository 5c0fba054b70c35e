//! Tool servers that nobody here wrote, for the tests: one over stdio, one over streamable HTTP.
//!
//! The tests find them in the environment: `HEARTBEAT_TEST_PYTHON` (a Python with
//! `mcp_server_time`), `HEARTBEAT_TEST_NODE`, and `HEARTBEAT_TEST_EVERYTHING` (the program of
//! `@modelcontextprotocol/server-everything`), all absolute paths.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::node::{NodePackage, ensure_node, ensure_node_package};
use crate::python::{PythonPackage, ensure_python_packages};
use crate::repo::Repo;

const EVERYTHING: NodePackage = NodePackage {
    name: "@modelcontextprotocol/server-everything",
    version: "2026.8.31",
};

/// With the protocol library that it was seen to work with.
const TIME: [PythonPackage; 2] = [
    PythonPackage {
        name: "mcp-server-time",
        version: "2026.10.19",
    },
    PythonPackage {
        name: "mcp",
        version: "2.3.0",
    },
];

/// Where the servers are.
pub(crate) struct ToolServers {
    python: PathBuf,
    node: PathBuf,
    everything: PathBuf,
}

/// Installs them if need be; a failure here is a failure of the suite.
pub(crate) fn prepare(repo: &Repo) -> Result<ToolServers> {
    Ok(ToolServers {
        python: ensure_python_packages(repo, &TIME)?,
        node: ensure_node()?,
        everything: ensure_node_package(repo, &EVERYTHING)?.join("dist/index.js"),
    })
}

impl ToolServers {
    /// Tells a command where they are.
    pub(crate) fn tell(&self, command: &mut Command) {
        command
            .env("HEARTBEAT_TEST_PYTHON", &self.python)
            .env("HEARTBEAT_TEST_NODE", &self.node)
            .env("HEARTBEAT_TEST_EVERYTHING", &self.everything);
    }
}
