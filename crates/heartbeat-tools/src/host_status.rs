//! Disk, memory and load of the machine that runs the node.

use crate::probe::ProbeError;
use serde_json::{Value, json};
use sysinfo::{Disks, MemoryRefreshKind, RefreshKind, System};

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

/// The machine's figures as they are now.
///
/// # Errors
/// The operating system does not tell.
pub fn host_status() -> Result<Value, ProbeError> {
    let memory = MemoryRefreshKind::nothing().with_ram();
    let system = System::new_with_specifics(RefreshKind::nothing().with_memory(memory))
        .map_err(|error| untold("memory", &error))?;
    let load = System::load_average().map_err(|error| untold("load", &error))?;
    Ok(json!({
        "host": System::host_name().ok(),
        "uptime_seconds": System::uptime().ok(),
        "cpus": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        "load": { "one": round(load.one), "five": round(load.five), "fifteen": round(load.fifteen) },
        "memory": share(system.total_memory(), system.available_memory()),
        "disk": fullest_disk()?,
    }))
}

fn untold(what: &str, error: &sysinfo::Error) -> ProbeError {
    ProbeError::new(format!(
        "the operating system does not tell the {what}: {error}"
    ))
}

/// Name of this machine, or `this machine` where it has none.
#[must_use]
pub fn host_name() -> String {
    System::host_name().unwrap_or_else(|_| "this machine".into())
}

/// The figures in one line for people.
#[must_use]
pub fn describe(status: &Value) -> String {
    let number = |pointer: &str| {
        status
            .pointer(pointer)
            .and_then(Value::as_f64)
            .unwrap_or(0.0)
    };
    format!(
        "disk {} {:.0} % free ({:.1} of {:.1} GiB), memory {:.0} % free ({:.1} of {:.1} GiB), load {:.2}",
        status
            .pointer("/disk/mount")
            .and_then(Value::as_str)
            .unwrap_or("?"),
        number("/disk/free_percent"),
        number("/disk/free_gib"),
        number("/disk/total_gib"),
        number("/memory/free_percent"),
        number("/memory/free_gib"),
        number("/memory/total_gib"),
        number("/load/one"),
    )
}

/// The disk with the least room, in percent, among those that hold files of their own.
fn fullest_disk() -> Result<Value, ProbeError> {
    let disks = Disks::new_with_refreshed_list().map_err(|error| untold("disks", &error))?;
    let fullest = disks
        .iter()
        .filter(|disk| disk.total_space() > 0 && !disk.is_read_only())
        .min_by(|one, other| {
            let room = |disk: &sysinfo::Disk| percent(disk.total_space(), disk.available_space());
            room(one).total_cmp(&room(other))
        });
    let Some(disk) = fullest else {
        return Ok(Value::Null);
    };
    let mut answer = share(disk.total_space(), disk.available_space());
    answer["mount"] = Value::String(disk.mount_point().display().to_string());
    Ok(answer)
}

fn share(total: u64, free: u64) -> Value {
    json!({
        "total_gib": round(gib(total)),
        "free_gib": round(gib(free)),
        "free_percent": round(percent(total, free)),
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "sizes are shown with two digits"
)]
fn gib(bytes: u64) -> f64 {
    bytes as f64 / GIB
}

#[expect(
    clippy::cast_precision_loss,
    reason = "shares are shown with two digits"
)]
fn percent(total: u64, part: u64) -> f64 {
    if total == 0 {
        0.0
    } else {
        part as f64 * 100.0 / total as f64
    }
}

fn round(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_this_machine_are_plausible() {
        let status = host_status().unwrap();
        let total = status["memory"]["total_gib"].as_f64().unwrap();
        let free = status["memory"]["free_percent"].as_f64().unwrap();
        assert!(total > 0.0, "{status}");
        assert!((0.0..=100.0).contains(&free), "{status}");
        assert!(describe(&status).contains("% free"));
    }
}
