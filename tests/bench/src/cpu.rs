//! What a process used: CPU time of all its threads, and memory.

use std::fs;
use std::time::Duration;

/// CPU time of a process's living threads, from the kernel's own nanosecond count.
pub(crate) fn used(pid: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a process's threads");
    let nanos = tasks.flatten().filter_map(|task| {
        let stat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        stat.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}
