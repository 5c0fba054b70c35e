//! Steps that are carried out one after another, each with its title and time, up to the first
//! failure.

use std::time::Instant;

use anyhow::{Context, Result};

use crate::output::say;
use crate::repo::Repo;

/// One thing to do.
pub(crate) struct Step {
    pub(crate) title: &'static str,
    pub(crate) run: fn(&Repo) -> Result<()>,
}

/// Carries out all steps; stops at the first that fails.
pub(crate) fn run_all(repo: &Repo, steps: &[Step]) -> Result<()> {
    for step in steps {
        say(&format!("step: {}", step.title));
        let started = stopwatch();
        let result = (step.run)(repo);
        let seconds = started.elapsed().as_secs_f64();
        let word = if result.is_ok() { "done" } else { "FAILED" };
        say(&format!(
            "step: {} {word} after {seconds:.1} s\n",
            step.title
        ));
        result.with_context(|| format!("step {}", step.title))?;
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a chore measures itself; no rule depends on it"
)]
fn stopwatch() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(_: &Repo) -> Result<()> {
        anyhow::bail!("no")
    }

    fn never(_: &Repo) -> Result<()> {
        unreachable!("the step before failed")
    }

    #[test]
    fn a_failed_step_is_the_last_and_is_named() {
        let repo = Repo::find().unwrap();
        let steps = [
            Step {
                title: "first",
                run: fail,
            },
            Step {
                title: "second",
                run: never,
            },
        ];
        let error = run_all(&repo, &steps).unwrap_err();
        assert_eq!(format!("{error:#}"), "step first: no");
    }
}
