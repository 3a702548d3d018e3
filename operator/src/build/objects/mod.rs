//! Makes the Kubernetes objects that the operator owns, as values: a fleet's, a stream's, and the default fleet.
//! It is pure: no client, no clock, no look at what exists; what can be reloaded never reaches a pod template.
//!
//! | module | makes |
//! |---|---|
//! | [`names`], [`labels`] | every name, every label |
//! | [`owner`] | what objects go with |
//! | [`pod`], [`container`], [`volumes`] | the pod template of a fleet |
//! | [`pod_template`] | what of `spec.podTemplate` is refused, and the rest merged over ours |
//! | [`workload`], [`deployment`], [`stateful_set`], [`daemon_set`] | what runs the pods |
//! | [`service`], [`service_account`], [`disruption_budget`], [`network_policy`] | what stands beside it |
//! | [`sidecar`] | the proxy's container in applications' pods, and what it mounts |
//! | [`endpoints`] | the endpoint ConfigMap of a stream |
//! | [`trust`] | the trust bundle of a namespace |
//! | [`default_fleet`] | the fleet for streams that name none |

mod container;
mod context;
mod daemon_set;
mod default_fleet;
mod deployment;
mod disruption_budget;
mod endpoints;
pub mod labels;
mod network_policy;
mod owner;
mod pod;
mod pod_template;
mod service;
mod service_account;
mod sidecar;
mod stateful_set;
mod trust;
mod volumes;
mod workload;

pub use crate::names;
pub use context::{Context, OLDEST_MINOR};
pub use default_fleet::{DefaultFleet, default_fleet};
pub use endpoints::{MAX_LISTED, endpoints, url};
pub use network_policy::Network;
pub use owner::Owner;
pub use pod_template::Fault;
pub use sidecar::{ADMIN_PORT, Sidecar, sidecar, sidecar_image};
pub use trust::trust;
pub use workload::{resize, workload_kind};

use serde::Serialize;
use serde_json::Value;
use sluice_crds::pods::Mode;

use crate::resolve::ResolvedFleet;

/// The container of every fleet's pod that is the proxy.
pub const PROXY_CONTAINER: &str = "proxy";

/// The container of an application's pod that is the proxy.
pub const SIDECAR_CONTAINER: &str = "sluice-proxy";

/// What a fleet comes to. Objects have their `apiVersion` and `kind`, and only fields that the operator sets.
#[derive(Clone, Debug, PartialEq)]
pub struct FleetObjects {
    /// In the order in which they are applied. Without the workload where there are faults: then that stays as
    /// it is, and all else is still kept as it should be.
    pub objects: Vec<Value>,
    /// What is wrong with the fleet's `spec.podTemplate`.
    pub faults: Vec<Fault>,
}

impl FleetObjects {
    /// What is wrong, in one line; `None` if nothing is.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        let faults: Vec<String> = self.faults.iter().map(ToString::to_string).collect();
        (!faults.is_empty()).then(|| faults.join("; "))
    }
}

/// The objects of `fleet`, all in its namespace and owned by it; none of a fleet of sidecars, whose pods are others'. Equal
/// fleets give equal objects.
#[must_use]
pub fn fleet(fleet: &ResolvedFleet, context: &Context) -> FleetObjects {
    if fleet.spec.mode == Mode::Sidecar {
        return FleetObjects { objects: Vec::new(), faults: Vec::new() };
    }
    let mut objects = vec![
        service_account::service_account(fleet),
        service::service(fleet, context),
        service::nodes_service(fleet),
    ];
    objects.extend(disruption_budget::disruption_budget(fleet));
    objects.extend(network_policy::network_policy(fleet, context));
    match pod_template::over(pod::template(fleet, context), fleet.spec.pod_template.as_ref()) {
        Ok(template) => {
            objects.extend(workload::workload(fleet, template, context));
            FleetObjects { objects, faults: Vec::new() }
        }
        Err(faults) => FleetObjects { objects, faults },
    }
}

fn value(object: &impl Serialize) -> Value {
    // The API's types are plain data with string keys, which always have a JSON form.
    serde_json::to_value(object).unwrap_or_default()
}

#[cfg(test)]
mod tests;
