//! Gives a pod that asks for it a sidecar: what is added to the pod, or why it gets none, in words that say what to do.
//! It is pure: it looks nothing up. Whoever calls it finds what the pod names, live where a cache has it not.
//!
//! | file | holds |
//! |---|---|
//! | [`asked`] | what a pod asks for |
//! | [`conflict`] | what in a pod leaves no place for a sidecar |
//! | [`patch`] | what is added, as a JSON Patch |
//! | [`seen`] | whether a pod has its sidecar, and of which image |

pub mod asked;
mod conflict;
pub mod patch;
pub mod seen;

use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize as _;
use serde_json::Value;
use sluice_crds::pods::Mode;
use sluice_crds::{DataStream, ProxyFleet};
use thiserror::Error;

pub use asked::{Asked, asked};
pub use patch::{Add, Patch};

use crate::build::objects::{self, Context};
use crate::marks::{INJECT, STREAM};
use crate::resolve::ResolvedFleet;

/// Why a pod gets no sidecar, and so is not made: one line that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Refusal(String);

/// What a pod names, as far as it was found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Found<'a> {
    /// The fleet.
    pub fleet: Option<&'a ProxyFleet>,
    /// The stream, where the pod names one.
    pub stream: Option<&'a DataStream>,
}

/// What is added to a pod of `namespace`, which is the request's: a pod says its own only sometimes. Nothing is for one
/// that asks for no sidecar, and for one that has it and whose containers are told of it.
///
/// # Errors
/// [`Refusal`], with everything that is in the way.
pub fn inject(pod: &Value, namespace: &str, found: Found<'_>, context: &Context) -> Result<Patch, Refusal> {
    let Some(asked) = asked(pod) else { return Ok(Patch::default()) };
    let typed = Pod::deserialize(pod).map_err(|error| Refusal(format!("the pod can't be read: {error}")))?;
    if let Some(too_many) = conflict::too_many(&typed) {
        return Err(Refusal(too_many));
    }
    let has_it = seen::given(&typed).is_some();
    let named = fleet(&asked, namespace, found.fleet)
        .and_then(|fleet| Ok((fleet, stream(&asked, namespace, found.stream)?)));
    let (fleet, stream) = match named {
        Ok(named) => named,
        // Whatever became of its fleet, the pod has what it asked for.
        Err(_) if has_it => return Ok(Patch::default()),
        Err(refusal) => return Err(refusal),
    };
    let variables = variables(fleet, namespace, stream);
    let port = fleet.spec.listeners.http.port;
    // Asked again, since another webhook has changed the pod: containers of that one's are told too.
    let (conflicts, patch) = if has_it {
        (conflict::ports(&typed, port), patch::tell(pod, &variables))
    } else {
        let sidecar = objects::sidecar(&resolved(fleet, namespace), context);
        (conflict::all(&typed, &sidecar, port), patch::patch(pod, &sidecar, &variables))
    };
    if conflicts.is_empty() { Ok(patch) } else { Err(Refusal(conflicts.join("; "))) }
}

/// The fleet that a pod names, if that gives sidecars to it.
fn fleet<'a>(
    asked: &Asked,
    namespace: &str,
    found: Option<&'a ProxyFleet>,
) -> Result<&'a ProxyFleet, Refusal> {
    let name = &asked.fleet;
    if name.is_empty() {
        return Err(Refusal(format!(
            "the label {INJECT} is empty; let it name a ProxyFleet of mode Sidecar in namespace {namespace}"
        )));
    }
    let fleet = found.filter(|fleet| fleet.metadata.deletion_timestamp.is_none()).ok_or_else(|| {
        Refusal(format!(
            "there is no ProxyFleet {namespace}/{name}, which the label {INJECT} names; make it with mode: Sidecar, or let \
             the label name one that is there"
        ))
    })?;
    if fleet.spec.mode == Mode::Sidecar {
        return Ok(fleet);
    }
    Err(Refusal(format!(
        "ProxyFleet {namespace}/{name}, which the label {INJECT} names, is of mode {:?}; let it name one of mode Sidecar, or \
         take the label off and report to that fleet's Service",
        fleet.spec.mode
    )))
}

/// The stream that a pod names, if it names one.
fn stream<'a>(
    asked: &Asked,
    namespace: &str,
    found: Option<&'a DataStream>,
) -> Result<Option<&'a DataStream>, Refusal> {
    let Some(name) = &asked.stream else { return Ok(None) };
    let stream = found.ok_or_else(|| {
        Refusal(format!(
            "there is no DataStream {namespace}/{name}, which the annotation {STREAM} names; make it, or take the annotation \
             off"
        ))
    })?;
    let is_on = stream.spec.fleet.as_ref().is_some_and(|fleet| {
        fleet.name == asked.fleet && fleet.namespace.as_deref().is_none_or(|of| of == namespace)
    });
    if is_on {
        return Ok(Some(stream));
    }
    Err(Refusal(format!(
        "DataStream {namespace}/{name}, which the annotation {STREAM} names, is not on ProxyFleet {namespace}/{fleet}; set its \
         spec.fleet to {{name: {fleet}}}, or let the annotation name another",
        fleet = asked.fleet
    )))
}

/// A fleet as its objects are made of it: streams are not in them.
fn resolved(fleet: &ProxyFleet, namespace: &str) -> ResolvedFleet {
    ResolvedFleet {
        namespace: namespace.to_owned(),
        name: fleet.metadata.name.clone().unwrap_or_default(),
        uid: fleet.metadata.uid.clone().unwrap_or_default(),
        spec: fleet.spec.clone(),
        token_keys: None,
        streams: Vec::new(),
        refused: Vec::new(),
    }
}

/// What an application is told, unless it says otherwise itself.
fn variables(
    fleet: &ProxyFleet,
    namespace: &str,
    stream: Option<&DataStream>,
) -> Vec<(&'static str, String)> {
    let group = stream.and_then(|stream| stream.spec.group_id.clone());
    let id = stream.map(|stream| {
        let own = stream.spec.stream_id.clone().or_else(|| stream.metadata.name.clone());
        ("SLUICE_STREAM_ID", own.unwrap_or_default())
    });
    let url = ("SLUICE_URL", objects::url(fleet));
    let group = ("SLUICE_GROUP_ID", group.unwrap_or_else(|| namespace.to_owned()));
    [url, group].into_iter().chain(id).collect()
}

#[cfg(test)]
mod tests;
