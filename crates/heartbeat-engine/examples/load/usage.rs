//! What processes take of the machine, as the kernel counts it.

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
    /// Processor time of both, memory of the one that has more.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            resident: self.resident.max(other.resident),
            resident_max: self.resident_max.max(other.resident_max),
            cpu_ms: self.cpu_ms + other.cpu_ms,
        }
    }

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
    let own = Process::read("self")?;
    Ok((own.field(USER)? + own.field(SYSTEM)?) * 1_000 / TICKS)
}

/// A server whose processes run on this machine and do nothing else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalServer {
    /// The process that is the parent of all others.
    parent: u64,
}

impl LocalServer {
    /// The one that has this process for a connection.
    pub(crate) fn of_connection(process: i64) -> Fallible<Self> {
        let parent = Process::read(&process.to_string())?.field(PARENT)?;
        Ok(Self { parent })
    }

    /// Processor time of all its processes so far, those that have ended too, in milliseconds.
    pub(crate) fn cpu_ms(self) -> Fallible<u64> {
        let own = Process::read(&self.parent.to_string())?;
        let mut ticks = own.field(USER)?
            + own.field(SYSTEM)?
            + own.field(USER_OF_CHILDREN)?
            + own.field(SYSTEM_OF_CHILDREN)?;
        for entry in std::fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(id) = name.to_str().filter(|id| id.parse::<u64>().is_ok()) else {
                continue;
            };
            // One that has just ended is its parent's.
            let Ok(process) = Process::read(id) else {
                continue;
            };
            if process.field(PARENT)? == self.parent {
                ticks += process.field(USER)? + process.field(SYSTEM)?;
            }
        }
        Ok(ticks * 1_000 / TICKS)
    }
}

/// Fields of `/proc/…/stat`, counted from the one after the name of the program.
const PARENT: usize = 1;
const USER: usize = 11;
const SYSTEM: usize = 12;
const USER_OF_CHILDREN: usize = 13;
const SYSTEM_OF_CHILDREN: usize = 14;

/// What the kernel says of a process.
struct Process(String);

impl Process {
    fn read(id: &str) -> Fallible<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
        // The name of the program, in parentheses, may hold blanks.
        let (_, after) = stat.rsplit_once(')').ok_or("/proc/…/stat has no name")?;
        Ok(Self(after.to_owned()))
    }

    fn field(&self, place: usize) -> Fallible<u64> {
        let field = self.0.split_whitespace().nth(place);
        Ok(field.ok_or("/proc/…/stat is too short")?.parse()?)
    }
}
