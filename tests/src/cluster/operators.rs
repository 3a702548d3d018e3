//! The operators of the product on the cluster: which there are, and which one leads.

use super::product::{PATIENCE, SYSTEM};
use super::{Cluster, eventually};

/// Selects their pods.
pub const PODS: &str = "app.kubernetes.io/name=sluice-operator";
/// How many the chart installs.
const REPLICAS: usize = 2;

/// One line a pod: its name, its address, how often it started again, whether it is ready, and since when it is going.
const ROWS: &str = r#"-o=jsonpath={range .items[*]}{.metadata.name} {.status.podIP} {.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready} {.metadata.deletionTimestamp}{"\n"}{end}"#;

/// An operator's pod that is not going.
#[derive(Debug)]
pub struct Operator {
    /// Its name.
    pub name: String,
    /// Its address.
    pub ip: String,
    /// How often it started again.
    pub restarts: String,
    ready: bool,
}

/// What `kubectl` prints of all of them but what the node has evicted, and those that have an address and are not going.
fn rows(cluster: &Cluster) -> Result<(String, Vec<Operator>), String> {
    let there = "--field-selector=status.phase!=Failed";
    let rows = cluster.try_kubectl(&["-n", SYSTEM, "get", "pods", "-l", PODS, there, ROWS])?;
    let running = rows.lines().filter_map(|row| match row.split(' ').collect::<Vec<_>>()[..] {
        [name, ip, restarts, ready, ""] if !ip.is_empty() => Some(Operator {
            name: name.to_owned(),
            ip: ip.to_owned(),
            restarts: restarts.to_owned(),
            ready: ready == "true",
        }),
        _ => None,
    });
    let running = running.collect();
    Ok((rows, running))
}

/// Those that have an address and are not going.
///
/// # Panics
/// When the API server does not tell.
#[must_use]
pub fn operators(cluster: &Cluster) -> Vec<Operator> {
    rows(cluster).expect("the operators' pods").1
}

/// The pod that leads, and since when.
///
/// # Panics
/// When the lease has a time that is none.
#[must_use]
pub fn lease(cluster: &Cluster) -> Option<(String, jiff::Timestamp)> {
    let place = "-o=jsonpath={.spec.holderIdentity} {.spec.acquireTime}";
    let text = cluster.try_kubectl(&["-n", SYSTEM, "get", "lease/sluice-operator", place]).ok()?;
    let (holder, acquired) = text.split_once(' ')?;
    (!holder.is_empty()).then(|| (holder.to_owned(), acquired.parse().expect("a time")))
}

/// Waits until as many as the chart installs are ready, one of them leads, and none is going: one that ends answers for a
/// while.
///
/// # Panics
/// When it takes too long.
pub fn until_settled(cluster: &Cluster) {
    eventually("operators of which none comes or goes", PATIENCE, || {
        let (all, running) = rows(cluster)?;
        let leader = lease(cluster).map(|lease| lease.0);
        let leads = running.iter().any(|operator| leader.as_ref() == Some(&operator.name));
        let ready = running.iter().filter(|operator| operator.ready).count();
        let settled = leads && all.lines().count() == REPLICAS && ready == REPLICAS;
        if settled { Ok(()) } else { Err(format!("{leader:?} leads of\n{all}")) }
    });
}
