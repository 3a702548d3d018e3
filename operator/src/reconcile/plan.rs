//! What is wanted of everything, against what is there: the writes that are missing, and who is to be asked.
//! It takes what was seen and gives what to do; it sends nothing.

mod children;
mod configuration;
mod credentials;
mod default_fleet;
mod endpoints;
mod linger;
mod rollout;
mod scaling;
mod statuses;
mod strays;
mod trust;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::ObjectMeta;
use serde_json::Value;
use sluice_crds::{DataStream, ProxyFleet};

use super::queue::Queue;
use super::views::Views;
use super::{Kept, Memory};
use crate::apply::{About, Write, compare};
use crate::build::objects::Context;
use crate::clock;
use crate::credentials::Wanted;
use crate::names::{Name, name_of};
use crate::nodes::{Pace, Target, Targets};
use crate::observe::{FaultKind, NodeView};
use crate::pki::Bundle;
use crate::resolve::{self, Cluster, Decision, FleetKey, Place, Resolution, Written};
use crate::scale;
use crate::watch::cluster::{ChildKey, Store};

pub(crate) use credentials::Given;
pub(crate) use linger::Leaving;

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// What to write, the most needed first.
    pub(super) writes: Vec<Write>,
    /// What to write after all that.
    late: Vec<Write>,
    /// Which nodes to ask.
    pub(super) targets: Targets,
    /// Which Secrets with tokens to read.
    pub(super) secrets: Wanted,
    /// When to plan again even if nothing changes.
    pub(super) again: Option<Instant>,
    /// How many objects are in which condition.
    pub(super) census: Census,
    /// Fleets that got more or fewer proxies since the last plan.
    pub(super) scaled: Vec<scale::Kind>,
    /// The trust bundle, if every namespace with a fleet has it.
    pub(super) trusted: Option<Bundle>,
    /// What keeps the default fleet from being made.
    pub(super) no_default_fleet: Option<String>,
}

/// Objects by kind, condition and status.
pub type Census = BTreeMap<(&'static str, String, String), i64>;

/// What one round of planning works with.
struct Round<'a> {
    store: &'a Store,
    context: &'a Context,
    views: Views,
    resolution: Resolution,
    proofs: credentials::Proofs,
    now: Instant,
    now_ms: u64,
    time: Time,
    /// Writes of endpoint ConfigMaps and statuses in a second.
    write_rate: u32,
}

/// Plans everything anew, while `queue` has writes on their way.
pub(super) fn plan(store: &Store, memory: &mut Memory, queue: &Queue, context: &Context) -> Plan {
    memory.forget(store, context);
    let views = Views::of(store, memory, context);
    let wanted = default_fleet::Wanted::of(store, memory, context);
    let resolution = resolve(store, &views, &wanted, context);
    let mut round = Round {
        store,
        context,
        views,
        resolution,
        proofs: credentials::Proofs::default(),
        now: Instant::now(),
        now_ms: clock::millis(),
        time: Time(Timestamp::now()),
        write_rate: queue.rate(),
    };
    let no_default_fleet = wanted.missing().map(str::to_owned);
    let mut plan = Plan { no_default_fleet, ..Plan::default() };
    default_fleet::plan(&round, memory, &wanted, &mut plan);
    trust::plan(&round, memory, &mut plan);
    linger::plan(&mut round, memory, &mut plan);
    credentials::fill(&mut round, &memory.given);
    plan.secrets = std::mem::take(&mut round.proofs.wanted);
    configuration::plan(&mut round, memory, &mut plan);
    let sizes = scaling::plan(&round, memory, &mut plan);
    let mut pending = children::plan(&round, memory, &sizes, &mut plan);
    memory.forget_mended(&plan, queue.on_the_way());
    // What was found just now is told at once.
    round.views.update(memory, &mut pending);
    statuses::plan(&round, memory, &mut plan);
    strays::plan(&round, memory, &mut plan);
    let late = std::mem::take(&mut plan.late);
    plan.writes.extend(late);
    plan.targets = targets(&round);
    plan
}

impl Memory {
    /// Forgets what is about things that are there no more.
    fn forget(&mut self, store: &Store, context: &Context) {
        let beside = store.sidecars.values().map(|(_, view)| view.node.uid.as_str());
        let uids: BTreeSet<&str> =
            store.pods.values().map(|(_, node)| node.uid.as_str()).chain(beside).collect();
        self.told.retain(|uid| uids.contains(uid.as_str()));
        self.answers.retain(|uid, _| uids.contains(uid.as_str()));
        self.loads.retain(|uid, _| uids.contains(uid.as_str()));
        self.scales.retain(|fleet, _| store.fleets.contains_key(fleet));
        // Why the default fleet can't be made is known before it is there.
        self.faults.retain(|subject, faults| match subject {
            Subject::Fleet(fleet) if store.fleets.contains_key(fleet) => true,
            Subject::Fleet(fleet) => {
                faults.retain(|about, _| matches!(about, About::DefaultFleet(_)));
                *fleet == context.default_fleet
            }
            Subject::Stream(stream) => store.streams.contains_key(stream),
        });
        self.publish.retain(|fleet, _| store.fleets.contains_key(fleet));
        self.fits.retain(|fleet, _| store.fleets.contains_key(fleet));
        self.kept.retain(|key, _| store.children.contains_key(key));
    }

    /// A fault of a write that is wanted no more is mended.
    fn forget_mended(&mut self, plan: &Plan, on_the_way: &BTreeSet<About>) {
        if self.faults.values().all(BTreeMap::is_empty) {
            return;
        }
        let wanted: BTreeSet<About> = plan.writes.iter().chain(&plan.late).map(Write::about).collect();
        for faults in self.faults.values_mut() {
            faults.retain(|about, fault| {
                // A template's is about no write; every plan looks at it.
                fault.kind == FaultKind::InvalidPodTemplate
                    || wanted.contains(about)
                    || on_the_way.contains(about)
            });
        }
    }
}

fn resolve(store: &Store, views: &Views, wanted: &default_fleet::Wanted, context: &Context) -> Resolution {
    let namespaces: BTreeMap<String, BTreeMap<String, String>> =
        store.namespaces.iter().map(|(name, view)| (name.clone(), view.labels.clone())).collect();
    let fleets =
        by_age(store.fleets.values().filter(|fleet| stays(store, &fleet.metadata)), |fleet| &fleet.metadata);
    let streams =
        by_age(store.streams.values().filter(|stream| stays(store, &stream.metadata)), |s| &s.metadata);
    let known: BTreeMap<Name, &DataStream> =
        streams.iter().map(|stream| (name_of(&stream.metadata), *stream)).collect();
    let runs = |stream: &crate::ObjectRef, fleet: &FleetKey| {
        known.get(&stream.key()).is_some_and(|stream| {
            let uid = stream.metadata.uid.as_deref().unwrap_or_default();
            views.run(uid, generation(stream), fleet)
        })
    };
    let cluster = Cluster {
        namespaces: &namespaces,
        default_fleet: &context.default_fleet,
        no_default_fleet: wanted.missing(),
        runs: &runs,
    };
    resolve::resolve(&written(&fleets), &written(&streams), Place::Cluster(cluster))
}

fn written<'a, K>(resources: &[&'a K]) -> Vec<Written<'a, K>> {
    resources.iter().map(|resource| Written { file: "", resource: *resource }).collect()
}

/// Whether neither the resource nor its namespace is being deleted: in such a namespace nothing can be made, and
/// nothing has to be removed.
fn stays(store: &Store, metadata: &ObjectMeta) -> bool {
    let space = metadata.namespace.as_ref().and_then(|name| store.namespaces.get(name));
    metadata.deletion_timestamp.is_none() && !space.is_some_and(|space| space.terminating)
}

/// Older ones first, then by namespace and name.
fn by_age<'a, K>(
    resources: impl Iterator<Item = &'a std::sync::Arc<K>>,
    metadata: impl Fn(&K) -> &ObjectMeta,
) -> Vec<&'a K> {
    let mut resources: Vec<&K> = resources.map(AsRef::as_ref).collect();
    resources.sort_by_cached_key(|resource| {
        let metadata = metadata(resource);
        let created = metadata.creation_timestamp.as_ref().map(|time| time.0);
        (created, metadata.namespace.clone(), metadata.name.clone())
    });
    resources
}

fn generation(stream: &DataStream) -> i64 {
    stream.metadata.generation.unwrap_or(0)
}

impl Round<'_> {
    fn fleet(&self, key: &FleetKey) -> Option<&ProxyFleet> {
        self.store.fleets.get(key).map(AsRef::as_ref)
    }

    fn is_paused(&self, key: &FleetKey) -> bool {
        self.views.get(key).is_some_and(|view| view.paused)
    }

    fn stream(&self, decision: &Decision) -> Option<&DataStream> {
        self.store.streams.get(&decision.stream.key()).map(AsRef::as_ref)
    }
}

/// Every pod that has an address is asked: soon while its fleet is not all that it should be.
fn targets(round: &Round<'_>) -> Targets {
    let mut targets = Targets::new();
    let streams: BTreeMap<FleetKey, usize> =
        round.resolution.fleets.iter().map(|fleet| (fleet.key(), fleet.streams.len())).collect();
    for (key, view) in round.views.iter() {
        let settled = |status: &sluice_wire::status::NodeStatus| {
            Some(status.revision) == view.revision && status.streams.iter().all(|stream| stream.ready)
        };
        // A node may still run what is wanted no more.
        let told = view.nodes.iter().filter_map(|node| Some(node.status.as_ref()?.streams.len())).max();
        let longest = longest(streams.get(key).copied().max(told).unwrap_or(0));
        let soon = !view.nodes.iter().all(|node| node.ready && node.status.as_deref().is_some_and(settled));
        for node in view.nodes.iter().filter(|node| !node.terminating) {
            let pace = match (&view.sidecars, soon) {
                (Some(_), _) => beside(node, view.revision),
                (None, true) => Pace::Soon,
                (None, false) => Pace::Later,
            };
            if let Some(ip) = node.ip {
                targets.insert(node.uid.clone(), Target { ip, pace, longest });
            }
        }
    }
    targets
}

/// How often a sidecar is asked. What is new its heartbeats say, so that it is asked in between.
fn beside(node: &NodeView, published: Option<u64>) -> Pace {
    let is_settled =
        node.ready && node.status.as_ref().is_some_and(|status| Some(status.revision) == published);
    if is_settled { Pace::Seldom } else { Pace::Later }
}

/// The longest answer that a node with so many streams is listened to, in bytes.
const fn longest(streams: usize) -> usize {
    // Sinks, and streams of which nobody knows any more.
    const BASE: usize = 8 << 20;
    /// A message of 1 KiB, and names.
    const STREAM: usize = 4 << 10;
    BASE.saturating_add(streams.saturating_mul(STREAM))
}

/// What keeps the default fleet from being made, as far as it is known without a plan.
pub(super) fn no_default_fleet(store: &Store, memory: &Memory, context: &Context) -> Option<String> {
    default_fleet::Wanted::of(store, memory, context).missing().map(str::to_owned)
}

/// What was told of scaling is not told again.
pub(super) use scaling::note_told;

/// Who is told when a write fails.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// A fleet.
    Fleet(FleetKey),
    /// A stream.
    Stream(Name),
}

/// The fleet or the stream that a write is for, if there is such a one.
pub(super) fn subject(store: &Store, write: &Write) -> Option<Subject> {
    match write.about() {
        About::Configuration(fleet) | About::Fleet(fleet) | About::DefaultFleet(fleet) => {
            Some(Subject::Fleet(fleet))
        }
        About::Stream(stream) => Some(Subject::Stream(stream)),
        About::Pod(_) => None,
        About::Child(key) => {
            let uid = match write {
                Write::Apply { wanted, .. } => {
                    compare::owner(wanted).or_else(|| compare::first_owner(wanted))
                }
                _ => store.children.get(&key).and_then(|child| child.owner.as_deref()),
            }?;
            let owned = |metadata: &&ObjectMeta| metadata.uid.as_deref() == Some(uid);
            let fleet = store.fleets.values().map(|fleet| &fleet.metadata).find(owned);
            let stream = || store.streams.values().map(|stream| &stream.metadata).find(owned);
            let fleet = fleet.map(|metadata| Subject::Fleet(name_of(metadata)));
            fleet.or_else(|| stream().map(|metadata| Subject::Stream(name_of(metadata))))
        }
    }
}

/// Notes an object that the API server keeps otherwise than it was asked to, so that it is not asked again and again.
/// What somebody wrote since `answered` is no answer.
pub(super) fn note_kept(store: &Store, memory: &mut Memory, write: &Write, answered: u64) {
    match write {
        Write::Apply { key, wanted, .. } => {
            if let Some(live) = store.children.get(key).filter(|live| live.version == answered)
                && compare::stand(live, wanted) == compare::Stand::Differs
            {
                tracing::warn!(object = %key, "the API server keeps this object otherwise than it was wanted");
                memory.kept.insert(key.clone(), Kept::of(live, compare::digest_of(wanted)));
            }
        }
        Write::Scale { key, replicas, .. } => {
            if let Some(live) = store.children.get(key).filter(|live| live.version == answered)
                && rollout::replicas(&live.value) != Some(*replicas)
            {
                tracing::warn!(object = %key, "the API server keeps another number of pods than was wanted");
                memory.kept.insert(key.clone(), Kept::of(live, replicas.to_string()));
            }
        }
        Write::DefaultFleet { key, wanted, .. } => {
            default_fleet::note_kept(store, memory, key, wanted, answered);
        }
        _ => {}
    }
}

/// The write that brings `wanted` about, if it is missing.
fn missing(store: &Store, memory: &Memory, key: ChildKey, wanted: Value) -> Option<Write> {
    let wanted = compare::hashed(wanted);
    let Some(live) = store.children.get(&key) else {
        return Some(Write::Apply { key, wanted, new: true });
    };
    match compare::stand(live, &wanted) {
        compare::Stand::Same | compare::Stand::Leaving => None,
        compare::Stand::Differs => {
            let kept = || Kept::of(live, compare::digest_of(&wanted));
            let known = memory.kept.get(&key).is_some_and(|known| *known == kept());
            (!known).then_some(Write::Apply { key, wanted, new: false })
        }
    }
}
