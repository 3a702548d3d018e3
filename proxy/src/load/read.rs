//! One reading of the kernel's files below a root, so that recorded trees can stand in for a system.
//! What isn't there is left out; nothing here fails.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::place::{self, Cgroups, Hierarchy};
use super::text;

/// The longest file that is read, in bytes: nodes with thousands of mounts have a long mountinfo.
const MAX_LENGTH: u64 = 4 << 20;
/// The most threads that are looked at.
const MAX_THREADS: usize = 4_096;
/// After so many readings the places are looked for again: a process may be moved.
const PLACES_HOLD: u32 = 60;
/// The file that only the root of a hierarchy of version 1 has. The root is the machine, no cgroup of a process's own.
const ONLY_IN_ROOT: &str = "release_agent";

/// What was read at one moment.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// When.
    pub(super) at: Instant,
    /// The process's cgroup and those around it, from within; none where it is in no cgroup of its own.
    pub(super) levels: Vec<Level>,
    /// CPU time of the process itself.
    pub(super) process: Option<Duration>,
    /// Cores that it may run on, whatever its quota.
    pub(super) cores: f64,
    /// For how long each thread was runnable and did not run.
    pub(super) waits: Option<BTreeMap<u32, Duration>>,
}

/// A cgroup's CPU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Level {
    /// Time used, of all processes in it.
    pub(super) used: Duration,
    /// Cores allowed in the long run; `None` without a quota.
    pub(super) quota: Option<f64>,
}

/// The files of a system.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    places: Option<Cgroups>,
    /// Readings until the places are looked for again.
    hold: u32,
}

impl Files {
    /// Those below a root: `/`, but in tests.
    pub(super) fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), places: None, hold: 0 }
    }

    /// Reads them.
    pub(super) fn read(&mut self) -> Reading {
        if self.hold == 0 {
            let mounts = self.text("proc/self/mountinfo").unwrap_or_default();
            self.places = self.text("proc/self/cgroup").and_then(|cgroup| place::find(&cgroup, &mounts));
            self.hold = PLACES_HOLD;
        }
        self.hold -= 1;
        let levels = match &self.places {
            Some(Cgroups::V1 { cpu, cpuacct, .. }) => self.v1(cpu, cpuacct),
            Some(Cgroups::V2(cgroup)) => self.v2(cgroup),
            None => Vec::new(),
        };
        Reading {
            levels,
            process: self.text("proc/self/stat").and_then(|stat| text::process_time(&stat)),
            cores: self.cores(),
            waits: self.waits(),
            // Last, so that what takes long to read stands for the time it took.
            at: Instant::now(),
        }
    }

    fn v1(&self, cpu: &Hierarchy, cpuacct: &Hierarchy) -> Vec<Level> {
        let levels = cpu.levels().into_iter().zip(cpuacct.levels());
        let level = |(cpu, cpuacct): (PathBuf, PathBuf)| {
            if self.path(&cpu.join(ONLY_IN_ROOT)).exists() {
                return None;
            }
            let used = text::usage_nanos(&self.text(cpuacct.join("cpuacct.usage"))?)?;
            let period = self.text(cpu.join("cpu.cfs_period_us"));
            let quota = self.text(cpu.join("cpu.cfs_quota_us")).zip(period);
            Some(Level { used, quota: quota.and_then(|(quota, period)| text::cfs(&quota, &period)) })
        };
        levels.filter_map(level).collect()
    }

    /// The root of version 2 has no `cpu.max`, nor has a cgroup without the CPU controller.
    fn v2(&self, cgroup: &Hierarchy) -> Vec<Level> {
        let level = |directory: PathBuf| {
            let quota = text::cpu_max(&self.text(directory.join("cpu.max"))?);
            let used = text::usage_usec(&self.text(directory.join("cpu.stat"))?)?;
            Some(Level { used, quota })
        };
        cgroup.levels().into_iter().filter_map(level).collect()
    }

    /// The fewest of the CPUs of the machine, of the cpuset and of the process's own mask.
    fn cores(&self) -> f64 {
        let cpuset = match &self.places {
            Some(Cgroups::V1 { cpuset, .. }) => cpuset.as_ref(),
            Some(Cgroups::V2(cgroup)) => Some(cgroup),
            None => None,
        };
        let names = ["cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"];
        let in_cpuset = cpuset.into_iter().flat_map(Hierarchy::levels).find_map(|directory| {
            names.iter().find_map(|name| text::cpus(&self.text(directory.join(name))?))
        });
        let online = self.text("sys/devices/system/cpu/online").and_then(|online| text::cpus(&online));
        let mask = self.text("proc/self/status").and_then(|status| text::allowed(&status));
        let fewest = [in_cpuset, online, mask].into_iter().flatten().min();
        f64::from(fewest.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1))
        }))
    }

    fn waits(&self) -> Option<BTreeMap<u32, Duration>> {
        let threads = std::fs::read_dir(self.root.join("proc/self/task")).ok()?.flatten();
        let wait = |thread: std::fs::DirEntry| {
            let schedstat = self.text(thread.path().join("schedstat"))?;
            Some((thread.file_name().to_str()?.parse().ok()?, text::run_delay(&schedstat)?))
        };
        let waits: BTreeMap<_, _> = threads.take(MAX_THREADS).filter_map(wait).collect();
        (!waits.is_empty()).then_some(waits)
    }

    fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let mut text = String::new();
        File::open(self.path(path.as_ref())).ok()?.take(MAX_LENGTH).read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// A path of the system, below the root.
    fn path(&self, path: &Path) -> PathBuf {
        if path.starts_with(&self.root) {
            path.to_owned()
        } else {
            self.root.join(path.strip_prefix("/").unwrap_or(path))
        }
    }
}

#[cfg(test)]
mod tests;
