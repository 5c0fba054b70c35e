//! `heartbeat config`.

use crate::args::ConfigCommand;
use crate::config::DEFAULT_FILE;
use crate::output::Out;

/// Prints the commented settings.
pub(crate) fn run(ask: &ConfigCommand, out: &mut Out) -> anyhow::Result<()> {
    match ask {
        ConfigCommand::Default => out.line(DEFAULT_FILE.trim_end()),
    }
    Ok(())
}
