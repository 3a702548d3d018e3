//! The two Services of a fleet: the one producers use, and the headless one that gives each node a name.
//! Neither ever leaves the cluster; that is for whoever runs a gateway.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;
use sluice_crds::pods::Mode;

use super::container::{ADMIN_PORT, METRICS};
use super::context::Context;
use super::{labels, names, value};
use crate::resolve::ResolvedFleet;

/// The first minor version of Kubernetes that knows `PreferSameNode`.
const SAME_NODE_SINCE: u32 = 34;

/// What producers report to.
pub(super) fn service(fleet: &ResolvedFleet, context: &Context) -> Value {
    let spec = ServiceSpec {
        type_: Some("ClusterIP".to_owned()),
        selector: Some(labels::selected(&fleet.name)),
        ports: Some(reports(fleet)),
        traffic_distribution: Some(distribution(fleet.spec.mode, context.kubernetes_minor).to_owned()),
        ..ServiceSpec::default()
    };
    object(fleet, names::fleet(&fleet.name), spec)
}

/// A name for each ready node, and all their addresses under one.
pub(super) fn nodes_service(fleet: &ResolvedFleet) -> Value {
    let metrics = ServicePort {
        name: Some(METRICS.to_owned()),
        port: ADMIN_PORT.into(),
        target_port: Some(IntOrString::String(METRICS.to_owned())),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    };
    let spec = ServiceSpec {
        type_: Some("ClusterIP".to_owned()),
        cluster_ip: Some("None".to_owned()),
        selector: Some(labels::selected(&fleet.name)),
        ports: Some([reports(fleet), vec![metrics]].concat()),
        ..ServiceSpec::default()
    };
    object(fleet, names::nodes_service(&fleet.name), spec)
}

fn object(fleet: &ResolvedFleet, name: String, spec: ServiceSpec) -> Value {
    let service = Service { metadata: labels::meta(fleet, name), spec: Some(spec), status: None };
    value(&service)
}

/// Where reports are taken.
fn reports(fleet: &ResolvedFleet) -> Vec<ServicePort> {
    fleet.spec.listeners.ports().map(|(name, number)| port(name, number)).collect()
}

/// A port whose name is that of its protocol too.
fn port(name: &str, port: u16) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: i32::from(port),
        target_port: Some(IntOrString::String(name.to_owned())),
        protocol: Some("TCP".to_owned()),
        app_protocol: Some(name.to_owned()),
        ..ServicePort::default()
    }
}

/// Near first, so that reports stay in their zone; with a proxy on each node, on their node.
const fn distribution(mode: Mode, kubernetes_minor: u32) -> &'static str {
    match mode {
        Mode::DaemonSet if kubernetes_minor >= SAME_NODE_SINCE => "PreferSameNode",
        _ => "PreferClose",
    }
}
