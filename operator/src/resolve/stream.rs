//! One stream on one fleet: its ids, its sink, its topic, or why that fleet can't serve it.
//! It looks at no other stream.

use sluice_crds::access::Sources;
use sluice_crds::auth::AuthType;
use sluice_crds::pods::Mode;
use sluice_crds::sink::Sink;
use sluice_crds::{DataStream, Kind, ProxyFleet, Size};
use sluice_wire::auth::{Account, Auth};

use super::permit::Permit;
use super::{Place, Refusal, ResolvedStream};
use crate::{ObjectRef, Reason};

/// What a form may hold besides the encoded body, in bytes.
const FORM_EXTRA: u64 = Size::kibi(64).bytes();

/// What each byte of a body may take in a form, percent-encoded.
const FORM_FACTOR: u64 = 3;

/// A stream and what producers call it.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    pub(crate) stream: ObjectRef,
    pub(crate) group_id: String,
    pub(crate) stream_id: String,
}

/// The ids in effect.
pub(crate) fn ids(stream: &DataStream) -> Ids {
    let namespace = stream.metadata.namespace.clone().unwrap_or_default();
    let name = stream.metadata.name.clone().unwrap_or_default();
    Ids {
        group_id: stream.spec.group_id.clone().unwrap_or_else(|| namespace.clone()),
        stream_id: stream.spec.stream_id.clone().unwrap_or_else(|| name.clone()),
        stream: ObjectRef { kind: Kind::DataStream, namespace, name },
    }
}

/// The stream as `fleet` would serve it. Who may not attach is told no more of the fleet than that.
pub(super) fn offer(
    fleet: &ProxyFleet,
    stream: &DataStream,
    ids: &Ids,
    place: Place<'_>,
) -> Result<ResolvedStream, Refusal> {
    let permit = Permit::of(fleet, &ids.stream.namespace, place)?;
    permit.group_id(&ids.group_id)?;
    let sink = find_sink(stream, fleet, &permit)?;
    permit.sink(&sink.name)?;
    is_durable(sink, place)?;
    let mut resolved = effective(stream, ids, sink);
    if fleet.spec.mode == Mode::Sidecar {
        open_to_its_pod(&mut resolved);
    }
    permit.topic(&resolved.topic)?;
    if resolved.create.is_some() {
        permit.create_topic(&resolved.topic)?;
    }
    fits(&resolved, fleet)?;
    can_have_clients(&resolved, fleet)?;
    can_have_accounts(&resolved, place)?;
    Ok(resolved)
}

fn find_sink<'a>(
    stream: &DataStream,
    fleet: &'a ProxyFleet,
    permit: &Permit<'_>,
) -> Result<&'a Sink, Refusal> {
    let wanted = stream.spec.sink.as_ref().and_then(|sink| sink.name.as_deref());
    let mut sinks = fleet.spec.sinks.iter();
    let found = match wanted {
        Some(wanted) => sinks.find(|sink| sink.name == wanted),
        None => sinks.next(),
    };
    found.ok_or_else(|| {
        let names = fleet.spec.sinks.iter().map(|sink| sink.name.as_str());
        let names: Vec<&str> = names.filter(|name| permit.sink(name).is_ok()).collect();
        let wanted = wanted.unwrap_or_default();
        let message = format!("the fleet has no sink {wanted:?}; name one of {}", names.join(", "));
        Refusal { field: "spec.sink.name", reason: Reason::SinkNotFound, message }
    })
}

/// Success means stored, and a pod's own disk goes with the pod.
fn is_durable(sink: &Sink, place: Place<'_>) -> Result<(), Refusal> {
    if sink.file.is_none() || matches!(place, Place::Host(_)) {
        return Ok(());
    }
    let message = format!(
        "sink {} writes files, and the disk of a pod goes with the pod: what was acknowledged would be lost; \
         name a sink of kind kafka",
        sink.name
    );
    Err(Refusal { field: "spec.sink.name", reason: Reason::SinkNotDurable, message })
}

fn effective(stream: &DataStream, ids: &Ids, sink: &Sink) -> ResolvedStream {
    let spec = &stream.spec;
    let own = spec.sink.clone().unwrap_or_default();
    ResolvedStream {
        namespace: ids.stream.namespace.clone(),
        name: ids.stream.name.clone(),
        uid: stream.metadata.uid.clone().unwrap_or_default(),
        generation: stream.metadata.generation.unwrap_or(0),
        sink: sink.name.clone(),
        topic: own.topic.unwrap_or_else(|| format!("{}.{}", ids.group_id, ids.stream_id)),
        create: own.create,
        group_id: ids.group_id.clone(),
        stream_id: ids.stream_id.clone(),
        output: spec.output,
        compression: spec.in_long_msg.unwrap_or_default().compression,
        split: spec.split,
        key: spec.key.clone(),
        headers: spec.headers.clone(),
        success_code: u8::from(spec.success_code == 1),
        max_body_bytes: spec.limits.max_body_bytes.bytes(),
        records_per_second: spec.limits.records_per_second.map(u64::from),
        bytes_per_second: spec.limits.bytes_per_second.map(Size::bytes),
        sources: spec.sources.clone().unwrap_or_default(),
        auth: auth(stream, &ids.stream.namespace),
        tokens_secret: tokens_secret(stream),
        paused: spec.paused,
    }
}

/// What producers have to show; tokens are read later.
fn auth(stream: &DataStream, namespace: &str) -> Auth {
    let Some(written) = &stream.spec.auth else { return Auth::None };
    let account = |text: &String| {
        let (space, name) = text.split_once('/').unwrap_or((namespace, text));
        Account {
            namespace: space.to_owned(),
            name: Some(name).filter(|name| *name != "*").map(str::to_owned),
        }
    };
    match written.kind {
        AuthType::None => Auth::None,
        AuthType::Token => Auth::Tokens(Vec::new()),
        AuthType::ServiceAccount => {
            Auth::ServiceAccounts(written.service_accounts.iter().map(account).collect())
        }
    }
}

fn tokens_secret(stream: &DataStream) -> Option<String> {
    let auth = stream.spec.auth.as_ref().filter(|auth| auth.kind == AuthType::Token)?;
    auth.tokens_secret.as_ref().map(|secret| secret.name.clone())
}

/// A sidecar is reached from its own pod alone, over loopback: there is nobody to be told apart.
fn open_to_its_pod(stream: &mut ResolvedStream) {
    (stream.sources, stream.auth, stream.tokens_secret) = (Sources::default(), Auth::None, None);
}

/// There are no service accounts on a person's own machine.
fn can_have_accounts(stream: &ResolvedStream, place: Place<'_>) -> Result<(), Refusal> {
    if !matches!((&stream.auth, place), (Auth::ServiceAccounts(_), Place::Host(_))) {
        return Ok(());
    }
    let message = "there are no service accounts here, so nobody could report; use type Token or None";
    Err(Refusal { field: "spec.auth.type", reason: Reason::NoServiceAccounts, message: message.to_owned() })
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
    Err(Refusal { field: "spec.limits.maxBodyBytes", reason: Reason::LimitTooLarge, message })
}

/// A stream that wants names out of clients' certificates takes nothing where none are asked for.
fn can_have_clients(stream: &ResolvedStream, fleet: &ProxyFleet) -> Result<(), Refusal> {
    let https = fleet.spec.listeners.https.as_ref();
    if stream.sources.client_names.is_empty() || https.is_some_and(|https| https.client_ca.is_some()) {
        return Ok(());
    }
    let message = "the fleet asks clients for no certificate, so nobody could report; set listeners.https.clientCa in the \
                   ProxyFleet, or take the names out";
    Err(Refusal {
        field: "spec.sources.clientNames",
        reason: Reason::NoClientCa,
        message: message.to_owned(),
    })
}
