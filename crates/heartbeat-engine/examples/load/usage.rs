//! What this process takes of the machine, as the kernel counts it.

use super::Fallible;

/// Memory and processor time so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// Resident set, in bytes.
    pub(crate) resident: u64,
    /// Its highest so far, in bytes.
    pub(crate) resident_max: u64,
    /// Processor time, user and system, in milliseconds.
    pub(crate) cpu_ms: u64,
}

/// Clock ticks a second, as every Linux reports them to programs.
const TICKS: u64 = 100;

impl Usage {
    pub(crate) fn of_this_process() -> Fallible<Self> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let kilobytes = |name: &str| -> Fallible<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|rest| rest.split_whitespace().next());
            Ok(number
                .ok_or_else(|| format!("no {name} in /proc/self/status"))?
                .parse()?)
        };
        Ok(Self {
            resident: kilobytes("VmRSS:")? * 1_024,
            resident_max: kilobytes("VmHWM:")? * 1_024,
            cpu_ms: cpu_ms()?,
        })
    }
}

fn cpu_ms() -> Fallible<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name of the program, in parentheses, may hold blanks; user and system time are the 12th
    // and 13th fields after it.
    let (_, after) = stat.rsplit_once(')').ok_or("/proc/self/stat has no name")?;
    let mut fields = after.split_whitespace().skip(11);
    let mut next = || -> Fallible<u64> {
        Ok(fields
            .next()
            .ok_or("/proc/self/stat is too short")?
            .parse()?)
    };
    Ok((next()? + next()?) * 1_000 / TICKS)
}
