//! What the operator does, seen from outside: who leads, and the audit log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sluice_tests::cluster::operators::{PODS, lease};
use sluice_tests::cluster::product::{PATIENCE, SYSTEM};
use sluice_tests::cluster::{Cluster, Entry, eventually};

const USER: &str = "system:serviceaccount:sluice-system:sluice-operator";

pub(crate) fn leader(cluster: &Cluster) -> String {
    eventually("a leader", PATIENCE, || lease(cluster).ok_or_else(|| "none".to_owned())).0
}

pub(crate) fn another_leader(cluster: &Cluster, former: &str) -> String {
    eventually("another leader", PATIENCE, || {
        lease(cluster)
            .map(|lease| lease.0)
            .filter(|holder| holder != former)
            .ok_or_else(|| "the former".to_owned())
    })
}

/// `host:8083` of the operator's Service: what producers know as the manager.
pub(crate) fn manager(cluster: &Cluster) -> String {
    let place = "-o=jsonpath={.spec.clusterIP}";
    format!("{}:8083", cluster.kubectl(&["-n", SYSTEM, "get", "service/sluice-operator", place]))
}

/// Writes of the operator to anything but its lease and Events.
pub(crate) fn writes(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    entries.iter().filter(|entry| {
        entry.user == USER && entry.is_write() && !["leases", "events"].contains(&&*entry.resource)
    })
}

/// Waits until the operator has written nothing for some seconds.
pub(crate) fn until_quiet(cluster: &Cluster) {
    eventually("the operator to be quiet", Duration::from_secs(120), || {
        let mark = cluster.audit_mark();
        std::thread::sleep(Duration::from_secs(4));
        let entries = cluster.audit_since(mark);
        let last = writes(&entries).last().map(|entry| format!("{entry:?}"));
        last.map_or(Ok(()), Err)
    });
}

/// Waits until a rollout of the operators is over.
pub(crate) fn rolled_out(cluster: &Cluster) -> Result<String, String> {
    let status = ["rollout", "status", "deployment/sluice-operator", "--timeout=180s"];
    cluster.try_kubectl(&[&["-n", SYSTEM][..], &status].concat())
}

/// Operators that are away; they are back when this is dropped.
pub(crate) struct Away<'a>(&'a Cluster);

impl<'a> Away<'a> {
    pub(crate) fn new(cluster: &'a Cluster) -> Self {
        let away = Self(cluster);
        away.scale("--replicas=0").expect("a Deployment");
        eventually("the operators to be gone", PATIENCE, || {
            // One that ends answers for a while.
            let left = cluster.try_kubectl(&["-n", SYSTEM, "get", "pods", "-l", PODS, "-o", "name"])?;
            if left.is_empty() { Ok(()) } else { Err(left) }
        });
        away
    }

    fn scale(&self, replicas: &str) -> Result<String, String> {
        self.0.try_kubectl(&["-n", SYSTEM, "scale", "deployment/sluice-operator", replicas])
    }
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        let back = self.scale("--replicas=2").and_then(|_| rolled_out(self.0));
        if let Err(error) = back {
            eprintln!("the operators are not back: {error}");
        }
    }
}

/// Installs the chart as it was installed before, however a test ends.
pub(crate) struct Reinstall<'a>(pub(crate) &'a Cluster);

impl Drop for Reinstall<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return self.0.helm_install(&[]);
        }
        // A test that has failed already says more than this could.
        let install = std::panic::AssertUnwindSafe(|| self.0.helm_install(&[]));
        let _ = std::panic::catch_unwind(install);
    }
}

/// Tries again and again while something is done; no try may fail. Gives how many there were.
pub(crate) fn meanwhile(mut once: impl FnMut() -> Result<(), String> + Send, work: impl FnOnce()) -> usize {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let tries = scope.spawn(|| {
            let mut count = 0;
            while !done.load(Ordering::Relaxed) {
                once().map_err(|error| format!("after {count}: {error}"))?;
                count += 1;
            }
            Ok::<_, String>(count)
        });
        // Work that panics is still followed by the thread's end.
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        done.store(true, Ordering::Relaxed);
        let count = tries.join().unwrap();
        if let Err(panic) = worked {
            std::panic::resume_unwind(panic);
        }
        count.unwrap()
    })
}
