//! The command line, as people type it.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::tool_args::ToolCommand;

/// Wakes agents on schedule, lets them work, tells people what matters, and keeps a record.
#[derive(Debug, Parser)]
#[command(name = "heartbeat", version, about, propagate_version = true)]
pub(crate) struct Args {
    /// Database: sqlite://heartbeat.db, sqlite:///absolute/path.db or postgres://user@host/name
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database: Option<String>,
    /// Settings file; `heartbeat config default` prints one
    #[arg(long, global = true, value_name = "FILE", env = "HEARTBEAT_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// File with the key that seals secrets
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Print JSON in the place of tables
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server: API, pages and the pulse
    Serve(ServeArgs),
    /// Projects
    #[command(subcommand)]
    Project(ProjectCommand),
    /// API keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Print a link that signs in to the pages, once, within 15 minutes
    Login(LoginArgs),
    /// Agents
    #[command(subcommand)]
    Bot(BotCommand),
    /// Tool servers of agents, and what may be called of them
    #[command(subcommand)]
    Tool(ToolCommand),
    /// Create a heartbeat, or change one with --uuid
    Configure(Box<ConfigureArgs>),
    /// List heartbeats
    List(BotWithin),
    /// Show one heartbeat
    Read(HeartbeatArgs),
    /// Let a heartbeat run on its schedule
    Enable(HeartbeatArgs),
    /// Stop a heartbeat from running on its schedule
    Disable(HeartbeatArgs),
    /// Delete a heartbeat; its record stays
    Delete(HeartbeatArgs),
    /// Carry a heartbeat out now and wait for its end
    Trigger(TriggerArgs),
    /// Stop what is under way of a heartbeat, within 5 seconds
    Cancel(HeartbeatArgs),
    /// Stop everything: all projects, one project or one agent
    Pause(ReachArgs),
    /// End a pause
    Resume(ReachArgs),
    /// Print when a schedule fires
    Next(NextArgs),
    /// The record of executions
    Logs(LogsArgs),
    /// One execution with all its steps
    Log(LogArgs),
    /// Says whether a call whose outcome is unknown happened
    Review(ReviewArgs),
    /// Counts of the last days
    Stats(StatsArgs),
    /// Credits and tokens of a month: what was used, what is left
    Usage(UsageArgs),
    /// Messages to people
    Inbox(InboxArgs),
    /// Nodes of the database: which are at work, how busy they are, how far their clocks are off
    Nodes,
    /// Look for what is wrong, and say what to do
    Doctor,
    /// Settings
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// `heartbeat serve`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ServeArgs {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Make an agent with heartbeats on this machine's own state, and show them at work
    #[arg(long)]
    pub(crate) demo: bool,
}

/// Which project.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Within {
    /// Project, by name or id; may be left out where there is only one
    #[arg(long)]
    pub(crate) project: Option<String>,
}

/// `heartbeat login`.
#[derive(Debug, ClapArgs)]
pub(crate) struct LoginArgs {
    #[command(flatten)]
    pub(crate) within: Within,
    /// Also show what is the installation's, such as its nodes; not for customers
    #[arg(long)]
    pub(crate) operator: bool,
}

/// `heartbeat project`.
#[derive(Debug, Subcommand)]
pub(crate) enum ProjectCommand {
    /// Make a project with an API key, which is shown this once
    Create {
        /// Name
        name: String,
        /// Plan
        #[arg(long, default_value = "self_hosted")]
        plan: String,
    },
    /// List projects
    List,
    /// Move a project to another plan
    Plan {
        /// Project, by name or id
        project: String,
        /// Plan
        plan: String,
    },
    /// Put credit on a project's balance, take some back, or list what came and went
    Credit {
        /// Project, by name or id
        project: String,
        /// Whole credits; less than nothing takes back. Left out, the ledger is listed
        #[arg(allow_negative_numbers = true)]
        credits: Option<i64>,
        /// Why
        #[arg(long, default_value = "")]
        note: String,
    },
}

/// `heartbeat usage`.
#[derive(Debug, ClapArgs)]
pub(crate) struct UsageArgs {
    #[command(flatten)]
    pub(crate) within: Within,
    /// A calendar month, such as 2026-11; this one where left out
    #[arg(long, value_name = "YYYY-MM")]
    pub(crate) month: Option<String>,
    /// What to list: bot, member or heartbeat
    #[arg(long, default_value = "bot")]
    pub(crate) by: String,
    /// Agent, by name, number or id
    #[arg(long)]
    pub(crate) bot: Option<String>,
}

/// `heartbeat key`.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make an API key, which is shown this once
    Create {
        #[command(flatten)]
        within: Within,
        /// What it may do: admin, project or read_only
        #[arg(long, default_value = "project")]
        scope: String,
    },
}

/// Which agent.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct BotWithin {
    #[command(flatten)]
    pub(crate) within: Within,
    /// Agent, by name, number or id; all where left out
    #[arg(long)]
    pub(crate) bot: Option<String>,
}

/// What to set of an agent.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct BotFields {
    /// `provider/name`, or a name from the settings
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// What it is told first in every session
    #[arg(long)]
    pub(crate) instruction: Option<String>,
    /// Whether it works at all
    #[arg(long)]
    pub(crate) status: Option<bool>,
    /// Whether it may have heartbeats
    #[arg(long)]
    pub(crate) heartbeat: Option<bool>,
    /// Most credits in a calendar month: a number, or `unlimited`
    #[arg(long, value_name = "CREDITS")]
    pub(crate) credit_limit: Option<CreditLimit>,
    /// The only hosts of pages and of watches on web addresses, with commas between them; `none` for
    /// no host at all, `any` to take the list away
    #[arg(long, value_name = "HOSTS")]
    pub(crate) web_hosts: Option<WebHosts>,
}

/// Hosts, as an argument says them.
#[derive(Clone, Debug)]
pub(crate) enum WebHosts {
    Any,
    Only(Vec<String>),
}

impl std::str::FromStr for WebHosts {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hosts = text.split(',').map(str::trim);
        let hosts = hosts.filter(|host| !host.is_empty()).map(str::to_owned);
        Ok(match text.trim() {
            "any" => Self::Any,
            "none" => Self::Only(Vec::new()),
            _ => Self::Only(hosts.collect()),
        })
    }
}

/// Most credits, as an argument says it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CreditLimit {
    Unlimited,
    Credits(u64),
}

impl std::str::FromStr for CreditLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "unlimited" => Ok(Self::Unlimited),
            number => number
                .parse()
                .map(Self::Credits)
                .map_err(|_| "must be a whole number of credits, or `unlimited`".to_owned()),
        }
    }
}

/// `heartbeat bot`.
#[derive(Debug, Subcommand)]
pub(crate) enum BotCommand {
    /// Make an agent
    Create {
        /// Name
        name: String,
        #[command(flatten)]
        fields: BotFields,
        #[command(flatten)]
        within: Within,
    },
    /// List agents
    List(Within),
    /// Show one agent
    Read {
        /// Agent, by name, number or id
        bot: String,
        #[command(flatten)]
        within: Within,
    },
    /// Change an agent
    Update {
        /// Agent, by name, number or id
        bot: String,
        /// New name
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        fields: BotFields,
        #[command(flatten)]
        within: Within,
    },
    /// Delete an agent with its heartbeats; the record stays
    Delete {
        /// Agent, by name, number or id
        bot: String,
        #[command(flatten)]
        within: Within,
    },
}

/// When something fires.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct ScheduleArgs {
    /// Minutes between fires
    #[arg(long, value_name = "N")]
    pub(crate) interval_minutes: Option<u32>,
    /// Five cron fields
    #[arg(long, visible_alias = "cron-pattern", value_name = "P")]
    pub(crate) cron: Option<String>,
    /// Active window, such as 09:00-17:30
    #[arg(long, value_name = "HH:MM-HH:MM")]
    pub(crate) active_hours: Option<String>,
    /// Active weekdays, such as 1-5; 1 is Monday
    #[arg(long, value_name = "D")]
    pub(crate) active_days: Option<String>,
    /// IANA time zone
    #[arg(long, value_name = "Z")]
    pub(crate) timezone: Option<String>,
}

/// `heartbeat configure`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ConfigureArgs {
    /// Agent, by name, number or id
    #[arg(long)]
    pub(crate) bot: Option<String>,
    /// The heartbeat to change; without it a new one is made
    #[arg(long)]
    pub(crate) uuid: Option<String>,
    /// What to carry out each time
    #[arg(long)]
    pub(crate) prompt: Option<String>,
    /// A name for people
    #[arg(long)]
    pub(crate) label: Option<String>,
    /// The model in the place of the agent's own
    #[arg(long)]
    pub(crate) run_model: Option<String>,
    #[command(flatten)]
    pub(crate) schedule: ScheduleArgs,
    /// A watch as JSON, such as {"tool":"host_status","selector":{"jsonpath":"$.load.one"},"condition":{"above":4}}
    #[arg(long, value_name = "JSON")]
    pub(crate) watch: Option<String>,
    /// Most credits for each calendar month (UTC)
    #[arg(long)]
    pub(crate) credit_budget: Option<u64>,
    /// Errors in a row that pause it
    #[arg(long)]
    pub(crate) max_consecutive_errors: Option<u32>,
    /// How old a missed fire may be to be caught up with
    #[arg(long)]
    pub(crate) catch_up_minutes: Option<u32>,
    /// Width over which starts are spread
    #[arg(long)]
    pub(crate) spread_minutes: Option<u32>,
    /// Whether it runs on its schedule
    #[arg(long)]
    pub(crate) enabled: Option<bool>,
    #[command(flatten)]
    pub(crate) within: Within,
}

/// Which heartbeat.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct HeartbeatArgs {
    /// Heartbeat, by id or label
    pub(crate) heartbeat: String,
    #[command(flatten)]
    pub(crate) within: Within,
}

/// `heartbeat trigger`.
#[derive(Debug, ClapArgs)]
pub(crate) struct TriggerArgs {
    #[command(flatten)]
    pub(crate) target: HeartbeatArgs,
    /// How long to wait for the end
    #[arg(long, default_value_t = 110, value_name = "N")]
    pub(crate) wait_seconds: u32,
}

/// How far a pause reaches.
#[derive(Debug, ClapArgs)]
#[group(required = true, multiple = false)]
pub(crate) struct ReachArgs {
    /// Every project
    #[arg(long)]
    pub(crate) all: bool,
    /// One project, by name or id
    #[arg(long)]
    pub(crate) project: Option<String>,
    /// One agent, by name, number or id
    #[arg(long)]
    pub(crate) bot: Option<String>,
}

/// `heartbeat next`.
#[derive(Debug, ClapArgs)]
pub(crate) struct NextArgs {
    #[command(flatten)]
    pub(crate) schedule: ScheduleArgs,
    /// The previous due time; its local time of day is the anchor [default: now]
    #[arg(long, value_name = "RFC3339")]
    pub(crate) from: Option<String>,
    /// How many fires to print
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) count: usize,
}

/// `heartbeat logs`.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct LogsArgs {
    #[command(flatten)]
    pub(crate) bot: BotWithin,
    /// Heartbeat, by id or label
    #[arg(long)]
    pub(crate) heartbeat: Option<String>,
    /// success, error, skipped, cancelled, running or waiting
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// Only those that a person has to look at
    #[arg(long)]
    pub(crate) needs_review: bool,
    /// Page
    #[arg(long, default_value_t = 1)]
    pub(crate) page: u32,
    /// Rows on a page, at most 100
    #[arg(long, default_value_t = 20)]
    pub(crate) per_page: u32,
    /// Go on printing executions as they end
    #[arg(long, short)]
    pub(crate) follow: bool,
}

/// `heartbeat log`.
#[derive(Debug, ClapArgs)]
pub(crate) struct LogArgs {
    /// Execution, by id
    pub(crate) execution: String,
    #[command(flatten)]
    pub(crate) within: Within,
}

/// `heartbeat review`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ReviewArgs {
    /// Execution, by id
    pub(crate) execution: String,
    /// The call: number of its step, as `heartbeat log` shows it
    pub(crate) step: u32,
    /// done or not_done
    pub(crate) outcome: String,
    #[command(flatten)]
    pub(crate) within: Within,
}

/// `heartbeat stats`.
#[derive(Debug, ClapArgs)]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    pub(crate) bot: BotWithin,
    /// How many days
    #[arg(long, default_value_t = 30)]
    pub(crate) days: u32,
}

/// `heartbeat inbox`.
#[derive(Debug, ClapArgs)]
pub(crate) struct InboxArgs {
    #[command(flatten)]
    pub(crate) within: Within,
    /// Only those not yet read
    #[arg(long)]
    pub(crate) unread: bool,
}

/// `heartbeat config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print all settings with comments
    Default,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Args::command().debug_assert();
    }
}
