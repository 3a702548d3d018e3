//! What is told, as scenarios: one for each reason of each condition, and how statuses change.

mod beside;
mod change;
mod documented;
mod scenarios;
mod tokens;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use sluice_crds::fleet::Sidecars;
use sluice_crds::{DataStream, DataStreamStatus, Kind, ProxyFleet, ProxyFleetStatus};
use sluice_wire::status::{NodeStatus, NotReady};

use super::*;
use crate::ObjectRef;
use crate::observe::{Fault, FaultKind, FleetView, NodeView, SidecarsView, Silent, WorkloadView};
use crate::resolve::{self, Cluster, Decision, FleetKey, Place, Resolution, Written};

const GENERATION: i64 = 3;

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

fn key(fleet: &str) -> FleetKey {
    let (namespace, name) = fleet.split_once('/').unwrap();
    (namespace.to_owned(), name.to_owned())
}

fn data_stream(name: &str, spec: &Value) -> DataStream {
    serde_json::from_value(json!({
        "apiVersion": "sluice.dev/v1alpha1", "kind": "DataStream",
        "metadata": {"namespace": "shop", "name": name, "generation": GENERATION}, "spec": spec
    }))
    .unwrap()
}

fn orders() -> DataStream {
    data_stream("orders", &json!({}))
}

fn proxy_fleet(fleet: &str, more: &Value) -> ProxyFleet {
    let (namespace, name) = key(fleet);
    let mut spec = json!({
        "sinks": [{"name": "kafka", "kafka": {"bootstrapServers": "k:9092"}}, {"name": "local", "file": {}}],
        "allowedStreams": {"namespaces": {"from": "All"}}
    });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "apiVersion": "sluice.dev/v1alpha1", "kind": "ProxyFleet",
        "metadata": {"namespace": namespace, "name": name, "generation": GENERATION}, "spec": spec
    }))
    .unwrap()
}

fn resolved(fleets: &[ProxyFleet], streams: &[DataStream]) -> Resolution {
    let fleets: Vec<_> = fleets.iter().map(|resource| Written { file: "", resource }).collect();
    let streams: Vec<_> = streams.iter().map(|resource| Written { file: "", resource }).collect();
    let cluster = Cluster {
        namespaces: &BTreeMap::new(),
        default_fleet: &key("sluice-system/default"),
        no_default_fleet: None,
        runs: &|_: &ObjectRef, _: &FleetKey| false,
    };
    resolve::resolve(&fleets, &streams, Place::Cluster(cluster))
}

/// What is decided of `orders` on the default fleet.
fn served() -> Decision {
    let fleet = proxy_fleet("sluice-system/default", &json!({}));
    resolved(&[fleet], &[orders()]).streams.remove(0)
}

/// The same while it moves to `data/new`.
fn moving() -> Decision {
    Decision { moving_to: Some(key("data/new")), ..served() }
}

/// What a node says of `orders`, changed.
fn says(change: impl FnOnce(&mut NodeStatus)) -> NodeStatus {
    let mut status: NodeStatus = serde_json::from_value(json!({
        "version": "1", "state": "ready", "fleet": {"namespace": "sluice-system", "name": "default"},
        "revision": 7, "configError": null, "inflightBytes": 0, "connections": 0,
        "sinks": [{"name": "kafka", "ready": true}],
        "streams": [{
            "namespace": "shop", "name": "orders", "generation": GENERATION, "groupId": "shop",
            "streamId": "orders", "topic": "shop.orders", "ready": true, "replicas": 3, "minInsyncReplicas": 2,
            "counts": {"reportsAccepted": 0, "reportsRefused": 0, "recordsAdmitted": 0, "recordsDelivered": 0,
                "recordsFailed": 0, "recordsUnknown": 0}
        }]
    }))
    .unwrap();
    change(&mut status);
    status
}

fn good() -> NodeStatus {
    says(|_| {})
}

/// A node whose stream is not ready.
fn not_ready(reason: NotReady, message: &str) -> NodeStatus {
    says(|status| {
        status.streams[0].ready = false;
        status.streams[0].reason = Some(reason);
        status.streams[0].message = message.to_owned();
    })
}

/// A node whose sink is not ready.
fn bad_sink(reason: NotReady, message: &str) -> NodeStatus {
    says(|status| {
        status.sinks[0].ready = false;
        status.sinks[0].reason = Some(reason);
        status.sinks[0].message = message.to_owned();
    })
}

fn node(status: Option<NodeStatus>) -> NodeView {
    NodeView { ready: true, status: status.map(Arc::new), ..NodeView::default() }
}

/// A fleet of ready nodes that said this, rolled out.
fn seen<const N: usize>(nodes: [NodeStatus; N]) -> FleetView {
    let count = i32::try_from(N).unwrap();
    FleetView {
        revision: Some(7),
        workload: Some(WorkloadView {
            observed: true,
            desired: count,
            replicas: count,
            updated: count,
            ready: count,
        }),
        nodes: nodes.into_iter().map(|status| node(Some(status))).collect(),
        ..FleetView::default()
    }
}

/// A stream on a fleet, seen so.
fn on(view: &FleetView) -> Seen<'_> {
    Seen { fleet: Some(view), ..Seen::default() }
}

fn tell(stream: &DataStream, decision: &Decision, view: &FleetView) -> DataStreamStatus {
    let url = Some("http://default.sluice-system.svc:46802".to_owned());
    super::stream(stream, decision, Seen { url, ..on(view) }, &at(0))
}

/// The same for a stream that asks its producers for something.
fn tell_guarded(stream: &DataStream, view: &FleetView, proof: &Proof) -> DataStreamStatus {
    super::stream(stream, &served(), Seen { proof: Some(proof), ..on(view) }, &at(0))
}

/// What a stream asks for whose Secret `producers` has these tokens.
fn proof(tokens: &[(&str, Option<u64>)], trouble: Trouble) -> Proof {
    let tokens = tokens.iter().map(|(id, since)| ((*id).to_owned(), *since)).collect();
    Proof { mark: "new".to_owned(), tokens, secret: Some("producers".to_owned()), trouble }
}

/// A node that has what is asked for under this mark.
fn holds(mark: &str) -> NodeStatus {
    says(|status| status.streams[0].auth = Some(mark.to_owned()))
}

fn tell_fleet(fleet: &ProxyFleet, view: &FleetView) -> ProxyFleetStatus {
    let resolution = resolved(std::slice::from_ref(fleet), &[orders()]);
    super::fleet(fleet, &resolution.fleets[0], view, "a=b".to_owned(), &at(0))
}

fn of<'a>(conditions: &'a [Condition], condition: &str) -> &'a Condition {
    conditions.iter().find(|known| known.type_ == condition).unwrap_or_else(|| panic!("no {condition}"))
}
