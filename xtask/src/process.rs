//! Other programs: started without stdin, their output passed through as it is.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// A program ended with a failure; the exit code becomes ours.
#[derive(Debug)]
pub(crate) struct Failed {
    program: String,
    code: Option<i32>,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.code {
            Some(code) => write!(f, "`{}` failed with exit code {code}", self.program),
            None => write!(f, "`{}` was ended by a signal", self.program),
        }
    }
}

impl std::error::Error for Failed {}

/// The exit code to end with after this error.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    let code = error
        .downcast_ref::<Failed>()
        .and_then(|failed| failed.code);
    code.and_then(|code| u8::try_from(code).ok())
        .filter(|code| *code != 0)
        .unwrap_or(1)
}

/// The cargo that started this program.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs to the end; a failure is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let program = describe(command);
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start `{program}`"))?;
    match status.success() {
        true => Ok(()),
        false => Err(Failed {
            program,
            code: status.code(),
        }
        .into()),
    }
}

/// Runs quietly; what it printed, or nothing if it could not be started or failed.
pub(crate) fn answer(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

fn describe(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|part| part.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_of_a_failed_program_becomes_ours() {
        let error = run(cargo().args(["--no-such-option"]).stderr(Stdio::null())).unwrap_err();
        assert_eq!(exit_code(&error), 1);
        let failed = Failed {
            program: "cargo test".into(),
            code: Some(101),
        };
        assert_eq!(exit_code(&anyhow::Error::new(failed).context("tests")), 101);
        assert_eq!(exit_code(&anyhow::anyhow!("something else")), 1);
    }
}
