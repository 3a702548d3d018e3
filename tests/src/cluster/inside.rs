//! Work from within a pod's network, as its application does it.

use std::fs::{self, File};
use std::thread::{self, JoinHandle};

use nix::sched::{CloneFlags, setns};

use super::Cluster;

/// The network of a pod. It stays for as long as this is held, whatever becomes of the pod.
#[derive(Debug)]
pub struct PodNetwork(File);

impl Cluster {
    /// The network of a pod that has a process.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn network_of(&self, namespace: &str, pod: &str) -> PodNetwork {
        let uid = self.kubectl(&["-n", namespace, "get", "pod", pod, "-o=jsonpath={.metadata.uid}"]);
        let is_its = |process: &String| {
            let groups = fs::read_to_string(format!("/proc/{process}/cgroup"));
            groups.is_ok_and(|groups| groups.contains(&format!("pod{uid}")))
        };
        let entries = fs::read_dir("/proc").expect("processes").flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut processes = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        let process = processes.find(is_its).unwrap_or_else(|| panic!("no process of {namespace}/{pod}"));
        PodNetwork(File::open(format!("/proc/{process}/ns/net")).expect("root may look"))
    }
}

impl PodNetwork {
    /// Does `work` in a thread of its own, whose network, and that of every thread it makes, is the pod's.
    ///
    /// # Panics
    /// The thread, when it can't enter.
    pub fn inside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let network = self.0.try_clone().expect("another handle");
        thread::spawn(move || {
            setns(network, CloneFlags::CLONE_NEWNET).expect("root may enter");
            work()
        })
    }
}
