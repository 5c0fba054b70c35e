//! `heartbeat tool`, as people type it.

use clap::{Args as ClapArgs, Subcommand};

use crate::args::BotWithin;

/// `heartbeat tool`.
#[derive(Debug, Subcommand)]
pub(crate) enum ToolCommand {
    /// List the tool servers of agents
    List(BotWithin),
    /// Add a tool server to an agent and ask it for its tools
    Add(Box<AddArgs>),
    /// Show a tool server with its tools
    Show(ServerArgs),
    /// Change a tool server, or decide about one of its tools with --tool
    Set(Box<SetArgs>),
    /// Ask a tool server for its tools
    Refresh(ServerArgs),
    /// Ask a tool server for its tools and say how that went
    Test(ServerArgs),
    /// Offer the tools of a server
    Enable(ServerArgs),
    /// Offer no tool of a server
    Disable(ServerArgs),
    /// Remove a tool server with its secrets
    Remove(ServerArgs),
}

/// Which tool server.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct ServerArgs {
    /// Tool server, by label or id
    pub(crate) server: String,
    #[command(flatten)]
    pub(crate) bot: BotWithin,
}

/// Where a tool server is, and what it is sent.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct PlaceArgs {
    /// Address of a server that speaks streamable HTTP
    #[arg(long, value_name = "URL", conflicts_with = "declared")]
    pub(crate) url: Option<String>,
    /// A server that the settings file declares as [mcp.NAME]
    #[arg(long, value_name = "NAME")]
    pub(crate) declared: Option<String>,
    /// A header that is sent, such as "X-Team: 7"; may be repeated
    #[arg(long, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
    /// A header whose value is in an environment variable, so that no list of processes shows it
    #[arg(long, value_name = "NAME=VARIABLE")]
    pub(crate) header_from_env: Vec<String>,
    /// What new tools start as: never (they may be called), always (they ask), tool-specific (off)
    #[arg(long, value_name = "WHEN")]
    pub(crate) require_approval: Option<String>,
}

/// `heartbeat tool add`.
#[derive(Debug, ClapArgs)]
pub(crate) struct AddArgs {
    /// Name for people
    pub(crate) label: String,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Believe what it says of its tools when a call's answer is lost
    #[arg(long)]
    pub(crate) trusted: bool,
    #[command(flatten)]
    pub(crate) bot: BotWithin,
}

/// `heartbeat tool set`.
#[derive(Debug, ClapArgs)]
pub(crate) struct SetArgs {
    #[command(flatten)]
    pub(crate) target: ServerArgs,
    /// New name for people
    #[arg(long)]
    pub(crate) label: Option<String>,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Send no headers any more
    #[arg(long, conflicts_with_all = ["header", "header_from_env"])]
    pub(crate) no_headers: bool,
    /// Whether what it says of its tools counts when a call's answer is lost
    #[arg(long)]
    pub(crate) trusted: Option<bool>,
    /// One of its tools, to decide about
    #[arg(long, value_name = "TOOL")]
    pub(crate) tool: Option<String>,
    /// Whether the tool may be called: allowed, asks or off
    #[arg(long, requires = "tool", value_name = "PERMISSION")]
    pub(crate) permission: Option<String>,
    /// What to do when the tool's answer was lost: safe (call again), by_effect_id (call again under
    /// the same id), never, or default (what the server says, if it is trusted)
    #[arg(long, requires = "tool", value_name = "REPEAT")]
    pub(crate) repeat: Option<String>,
}
