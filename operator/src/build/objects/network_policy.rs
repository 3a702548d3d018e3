//! Who may connect to a fleet's pods, where the cluster's network holds to such rules: producers from anywhere to where
//! reports are taken; to metrics and status the operator and who watches. Probes come from the pod's own node, which may
//! always connect.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;

use super::container::ADMIN_PORT;
use super::context::Context;
use super::{labels, names, value};
use crate::marks::MANAGER;
use crate::resolve::ResolvedFleet;

/// The label by which every namespace can be selected by its name.
const NAMESPACE: &str = "kubernetes.io/metadata.name";

/// What policies are made with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Network {
    /// Namespaces whose pods may read metrics.
    pub monitoring: Vec<String>,
    /// Where proxies may connect to; empty: anywhere.
    pub egress: Vec<NetworkPolicyEgressRule>,
}

pub(super) fn network_policy(fleet: &ResolvedFleet, context: &Context) -> Option<Value> {
    let network = context.network.as_ref()?;
    let reports = NetworkPolicyIngressRule {
        ports: Some(fleet.spec.listeners.ports().map(|(_, number)| port(number.into())).collect()),
        ..NetworkPolicyIngressRule::default()
    };
    let monitoring = network.monitoring.iter().map(|namespace| pods_of(namespace));
    let metrics = NetworkPolicyIngressRule {
        ports: Some(vec![port(ADMIN_PORT.into())]),
        from: Some(std::iter::once(operator(context)).chain(monitoring).collect()),
    };
    let egress = Some(network.egress.clone()).filter(|rules| !rules.is_empty());
    let types = ["Ingress"].into_iter().chain(egress.as_ref().map(|_| "Egress"));
    let policy = NetworkPolicy {
        metadata: labels::meta(fleet, names::fleet(&fleet.name)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labels::selector(&fleet.name)),
            policy_types: Some(types.map(str::to_owned).collect()),
            ingress: Some(vec![reports, metrics]),
            egress,
        }),
    };
    Some(value(&policy))
}

fn port(number: i32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(number)),
        protocol: Some("TCP".to_owned()),
        ..NetworkPolicyPort::default()
    }
}

fn selected(key: &str, value: &str) -> LabelSelector {
    let labels = BTreeMap::from([(key.to_owned(), value.to_owned())]);
    LabelSelector { match_labels: Some(labels), ..LabelSelector::default() }
}

fn operator(context: &Context) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        namespace_selector: Some(selected(NAMESPACE, &context.settings.0)),
        pod_selector: Some(selected(labels::NAME, MANAGER)),
        ..NetworkPolicyPeer::default()
    }
}

fn pods_of(namespace: &str) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        namespace_selector: Some(selected(NAMESPACE, namespace)),
        ..NetworkPolicyPeer::default()
    }
}
