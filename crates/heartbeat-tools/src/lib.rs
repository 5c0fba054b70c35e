//! The hands of Heartbeat: looking at other people's systems and at this machine.
//!
//! It knows the domain; it knows neither the agent nor the store. Nothing here decides whether to
//! look: it is told to, and answers what it saw or why it could not.

mod file;
mod hands;
mod host_status;
mod http_get;
mod mcp;
mod outgoing;
mod probe;
mod select;
mod web_fetch;

pub use self::file::LocalFiles;
pub use self::hands::{CallEnd, HandCall, Hands, HandsError, NoHands, Server};
pub use self::host_status::{describe as describe_host, host_name, host_status};
pub use self::http_get::{AllowedHosts, UrlBounds};
pub use self::mcp::{Declared, DeclaredServers, McpHands, PROCESSES_MAX};
pub use self::outgoing::{
    Answer, Ask, Lookup, Networks, NetworksError, Outgoing, OutgoingError, Reach, SystemLookup,
};
pub use self::probe::{Observe, ProbeError, Probes};
pub use self::select::{Selection, check_selector, select};
pub use self::web_fetch::{FetchAsk, FetchError, FetchedText, WebFetch};
