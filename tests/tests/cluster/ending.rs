//! However a cluster ends, nothing of it stays.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sluice_tests::cluster::Cluster;
use sluice_tests::process::{Signal, descendants, is_alive, signal};
use sluice_tests::{paths, wait};

const SOON: Duration = Duration::from_secs(60);

/// A cluster in its start: its namespaces, groups, mounts and first processes are there.
fn begin(name: &str) -> (Child, PathBuf) {
    let directory = std::env::temp_dir().join(format!("sluice-cluster-{name}-{}", std::process::id()));
    let child = Command::new(paths::repository().join("tests/cluster/start.sh"))
        .arg(&directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait::until("the container runtime", SOON * 3, || directory.join("run/containerd.up").exists());
    (child, directory)
}

/// The control groups named after a cluster's keeper.
fn groups(keeper: u32) -> Vec<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    let roots =
        mounts.lines().filter(|line| line.contains(" cgroup")).filter_map(|line| line.split(' ').nth(1));
    let prefix = format!("sluice-{keeper}-");
    let ours = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with(&prefix);
    roots
        .flat_map(|root| std::fs::read_dir(root).unwrap().flatten().filter(ours).map(|entry| entry.path()))
        .collect()
}

fn ends_clean(name: &str, end: impl FnOnce(&mut Child)) {
    // A start takes all that the machine has, and the pods of other tests would not start beside it.
    let _turn = Cluster::nobody();
    let (mut child, directory) = begin(name);
    let below = descendants(child.id());
    assert!(below.len() > 5 && !groups(child.id()).is_empty(), "{below:?}");
    end(&mut child);
    child.wait().unwrap();
    wait::until("its directory to be gone", SOON, || !Path::new(&directory).exists());
    assert_eq!(groups(child.id()), [""; 0].map(PathBuf::from));
    // The sweeper is one of them, and ends after it has removed the directory.
    wait::until("its processes to be gone", SOON, || !below.iter().any(|&pid| is_alive(pid)));
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    assert!(!mounts.contains(directory.to_str().unwrap()), "{mounts}");
}

#[test]
fn the_end_of_its_input_leaves_nothing() {
    ends_clean("input", |child| drop(child.stdin.take()));
}

#[test]
fn sigterm_leaves_nothing() {
    ends_clean("term", |child| signal(child.id(), Signal::SIGTERM));
}

#[test]
fn sigkill_leaves_nothing() {
    ends_clean("kill", |child| signal(child.id(), Signal::SIGKILL));
}
