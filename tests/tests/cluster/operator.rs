//! What the operator does, seen from outside: its lease and the audit log.

use std::time::Duration;

use sluice_tests::cluster::product::{PATIENCE, SYSTEM};
use sluice_tests::cluster::{Cluster, Entry, eventually};

/// Selects the operator's pods.
pub(crate) const PODS: &str = "app.kubernetes.io/name=sluice-operator";

const USER: &str = "system:serviceaccount:sluice-system:sluice-operator";

/// A pod, and since when it leads.
pub(crate) fn lease(cluster: &Cluster) -> Option<(String, jiff::Timestamp)> {
    let place = "-o=jsonpath={.spec.holderIdentity} {.spec.acquireTime}";
    let text = cluster.try_kubectl(&["-n", SYSTEM, "get", "lease/sluice-operator", place]).ok()?;
    let (holder, acquired) = text.split_once(' ')?;
    (!holder.is_empty()).then(|| (holder.to_owned(), acquired.parse().expect("a time")))
}

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
