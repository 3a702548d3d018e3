//! Streams: to their fleet and sink, under their ids, into their topic, or why not.
//! A stream that can't be served is left out and told; nothing else changes by it.

use std::collections::BTreeMap;

use sluice_crds::stream::StreamSink;
use sluice_crds::{DataStream, Kind, ProxyFleet, Size};

use super::fleet::key;
use super::{Assigned, DEFAULT_FLEET, DEFAULT_FLEET_NAMESPACE, FleetKey, ResolvedStream, Written};
use crate::{ObjectRef, Problem, Reason};

/// What a form may hold besides the encoded body, in bytes.
const FORM_EXTRA: u64 = Size::kibi(64).bytes();

/// What each byte of a body may take in a form, percent-encoded.
const FORM_FACTOR: u64 = 3;

/// Why a stream can't be served: the field, the reason and the words.
type Refusal = (&'static str, Reason, String);

/// What streams before have claimed.
#[derive(Default)]
struct Claims<'a> {
    /// Which stream has a groupId and streamId.
    ids: BTreeMap<(String, String), ObjectRef>,
    /// Which fleet has a groupId.
    groups: BTreeMap<String, &'a FleetKey>,
}

pub(super) fn assign(
    fleets: &[Written<'_, ProxyFleet>],
    streams: &[Written<'_, DataStream>],
    problems: &mut Vec<Problem>,
) -> Assigned {
    let known: BTreeMap<FleetKey, &ProxyFleet> =
        fleets.iter().map(|fleet| (key(fleet.resource), fleet.resource)).collect();
    let mut claims = Claims::default();
    let mut assigned = Assigned::new();
    for stream in streams {
        let id = reference(stream.resource);
        match place(&known, &mut claims, stream.resource, &id) {
            Ok((fleet, resolved)) => assigned.entry(fleet.clone()).or_default().push(resolved),
            Err((field, reason, message)) => problems.push(Problem {
                file: stream.file.to_owned(),
                object: Some(id),
                field: field.to_owned(),
                reason,
                message,
            }),
        }
    }
    assigned
}

fn reference(stream: &DataStream) -> ObjectRef {
    ObjectRef {
        kind: Kind::DataStream,
        namespace: stream.metadata.namespace.clone().unwrap_or_default(),
        name: stream.metadata.name.clone().unwrap_or_default(),
    }
}

fn place<'a>(
    known: &'a BTreeMap<FleetKey, &ProxyFleet>,
    claims: &mut Claims<'a>,
    stream: &DataStream,
    id: &ObjectRef,
) -> Result<(&'a FleetKey, ResolvedStream), Refusal> {
    let (fleet_key, fleet) = find_fleet(known, stream, id)?;
    let resolved = effective(stream, id, fleet)?;
    fits(&resolved, fleet)?;
    claims.claim(&resolved, id, fleet_key)?;
    Ok((fleet_key, resolved))
}

fn find_fleet<'a, 'f>(
    known: &'a BTreeMap<FleetKey, &'f ProxyFleet>,
    stream: &DataStream,
    id: &ObjectRef,
) -> Result<(&'a FleetKey, &'f ProxyFleet), Refusal> {
    let (wanted, missing) = match &stream.spec.fleet {
        Some(fleet) => {
            let namespace = fleet.namespace.clone().unwrap_or_else(|| id.namespace.clone());
            ((namespace, fleet.name.clone()), Reason::FleetNotFound)
        }
        None => ((DEFAULT_FLEET_NAMESPACE.to_owned(), DEFAULT_FLEET.to_owned()), Reason::NoDefaultFleet),
    };
    known.get_key_value(&wanted).map(|(key, fleet)| (key, *fleet)).ok_or_else(|| {
        let (namespace, name) = &wanted;
        let message = match missing {
            Reason::NoDefaultFleet => {
                format!(
                    "there is no valid ProxyFleet {namespace}/{name}, the default; add it or name another"
                )
            }
            _ => format!("there is no valid ProxyFleet {namespace}/{name}; add it or name another"),
        };
        ("spec.fleet", missing, message)
    })
}

fn effective(stream: &DataStream, id: &ObjectRef, fleet: &ProxyFleet) -> Result<ResolvedStream, Refusal> {
    let spec = &stream.spec;
    let sink = spec.sink.clone().unwrap_or_default();
    let group_id = spec.group_id.clone().unwrap_or_else(|| id.namespace.clone());
    let stream_id = spec.stream_id.clone().unwrap_or_else(|| id.name.clone());
    Ok(ResolvedStream {
        namespace: id.namespace.clone(),
        name: id.name.clone(),
        generation: stream.metadata.generation.unwrap_or(0),
        sink: find_sink(&sink, fleet)?,
        topic: sink.topic.unwrap_or_else(|| format!("{group_id}.{stream_id}")),
        create: sink.create,
        group_id,
        stream_id,
        output: spec.output,
        compression: spec.in_long_msg.unwrap_or_default().compression,
        split: spec.split,
        key: spec.key.clone(),
        headers: spec.headers.clone(),
        success_code: u8::from(spec.success_code == 1),
        max_body_bytes: spec.limits.max_body_bytes.bytes(),
        records_per_second: spec.limits.records_per_second.map(u64::from),
        bytes_per_second: spec.limits.bytes_per_second.map(Size::bytes),
        paused: spec.paused,
    })
}

fn find_sink(wanted: &StreamSink, fleet: &ProxyFleet) -> Result<String, Refusal> {
    let mut names = fleet.spec.sinks.iter().map(|sink| sink.name.as_str());
    let found = match &wanted.name {
        Some(wanted) => names.find(|name| name == wanted),
        None => names.next(),
    };
    found.map(str::to_owned).ok_or_else(|| {
        let names: Vec<&str> = fleet.spec.sinks.iter().map(|sink| sink.name.as_str()).collect();
        let wanted = wanted.name.as_deref().unwrap_or_default();
        let message = format!("the fleet has no sink {wanted:?}; name one of {}", names.join(", "));
        ("spec.sink.name", Reason::SinkNotFound, message)
    })
}

/// One longest report must fit the fleet's memory as it arrives, every byte of it percent-encoded.
fn fits(stream: &ResolvedStream, fleet: &ProxyFleet) -> Result<(), Refusal> {
    let room = fleet.spec.overload.max_inflight_bytes;
    let largest = room.bytes().saturating_sub(FORM_EXTRA) / FORM_FACTOR;
    if stream.max_body_bytes <= largest {
        return Ok(());
    }
    let message = format!(
        "three times this and 64Ki more don't fit the fleet's maxInflightBytes of {room}; at most {largest} would, or raise that"
    );
    Err(("spec.limits.maxBodyBytes", Reason::LimitTooLarge, message))
}

impl<'a> Claims<'a> {
    fn claim(&mut self, stream: &ResolvedStream, id: &ObjectRef, fleet: &'a FleetKey) -> Result<(), Refusal> {
        let ids = (stream.group_id.clone(), stream.stream_id.clone());
        if let Some(owner) = self.ids.get(&ids) {
            let message =
                format!("{owner} has groupId {} and streamId {} already; choose others", ids.0, ids.1);
            return Err(("spec.streamId", Reason::Conflict, message));
        }
        // Producers are told addresses by group alone, so a group can't be in two places.
        let home = self.groups.entry(stream.group_id.clone()).or_insert(fleet);
        if *home != fleet {
            let message = format!(
                "the other streams of groupId {} are on ProxyFleet {}/{}; attach to that or choose another groupId",
                stream.group_id, home.0, home.1
            );
            return Err(("spec.fleet", Reason::GroupElsewhere, message));
        }
        self.ids.insert(ids, id.clone());
        Ok(())
    }
}
