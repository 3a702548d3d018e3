//! InLong's discovery and heartbeats, as its SDKs and data proxies speak them: which answer a request gets.
//! Who asks decides what is answered: lists are theirs who may report, heartbeats and configuration a node's own.
//!
//! | file | holds |
//! |---|---|
//! | `question` | what a request asks for, and what is wrong with it |
//! | `doors` | who is told which nodes to report to |
//! | `answer` | answers as responses |

mod answer;
mod doors;
mod question;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request};
use hyper::body::Body;
use md5::{Digest, Md5};
use sluice_identity::PodIdentity;
use sluice_wire::discovery::IpList;
use sluice_wire::heartbeat::{Heartbeat, MAX_LENGTH};

use super::{Claim, Registry};
use crate::body;
use crate::caller::{Caller, Trust};
use crate::hex;
use crate::resolve::FleetKey;
use crate::telemetry::Metrics;
use answer::{Answer, Refusal};
use doors::Doors;
use question::{ConfigRequest, Place};

/// How every path of the contract begins.
pub const BASE: &str = "/inlong/manager/";

/// The longest form, in bytes.
const MAX_FORM: usize = 64 << 10;

/// A fleet's configuration, as it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Its digest.
    pub md5: String,
    /// The document as JSON.
    pub json: Bytes,
}

impl Configuration {
    /// A document as JSON, with its digest.
    #[must_use]
    pub fn new(json: impl Into<Bytes>) -> Self {
        let json = json.into();
        Self { md5: hex::digits(&Md5::digest(&json)), json }
    }
}

/// Where fleets' configurations are found.
pub trait Configurations: fmt::Debug + Send + Sync {
    /// That of a fleet; `None`: it is not published yet, or not seen.
    fn of(&self, fleet: &FleetKey) -> Option<Configuration>;
}

/// Answers the contract's requests.
#[derive(Clone, Debug)]
pub struct Manager {
    registry: Registry,
    configurations: Option<Arc<dyn Configurations>>,
    doors: Doors,
    metrics: Metrics,
}

impl Manager {
    /// Answers from `registry`.
    #[must_use]
    pub fn new(registry: Registry, metrics: Metrics) -> Self {
        Self { registry, configurations: None, doors: Doors::new(None), metrics }
    }

    /// Answers also which configuration a node's fleet has.
    #[must_use]
    pub fn with_configurations(self, configurations: Arc<dyn Configurations>) -> Self {
        let doors = Doors::new(Some(Arc::clone(&configurations)));
        Self { configurations: Some(configurations), doors, ..self }
    }

    /// The fleet that the pod has a sidecar of, if it has one.
    #[must_use]
    pub fn sidecar_of(&self, pod: &PodIdentity) -> Option<FleetKey> {
        self.registry.sidecar_of(pod)
    }

    /// Answers a request to a path that begins with [`BASE`].
    pub async fn answer<B>(&self, request: Request<B>, caller: &Caller) -> Answer
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let place = Place::of(request.uri().path());
        let route = place.as_ref().map_or("other", Place::name);
        let answered = match place {
            None => Err(Refusal::NoPath),
            Some(_) if request.method() != Method::POST => Err(Refusal::Method),
            Some(Place::Group(group)) => self.of_group(&group, request, caller).await,
            Some(Place::Cluster(name)) => self.of_cluster(&name, request, caller).await,
            Some(Place::Heartbeat) => self.hear(request, caller).await,
            Some(Place::Config) => self.config(request, caller).await,
        };
        let told = match &answered {
            Ok(_) => "ok",
            Err(refusal) => refusal.kind(),
        };
        self.metrics.discovered(route, told);
        answered.unwrap_or_else(|refusal| refusal.answer())
    }

    async fn of_group<B>(&self, group: &str, request: Request<B>, caller: &Caller) -> Result<Answer, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        if let Some(fleet) = self.registry.guarded_group(group) {
            self.doors.admit(&fleet, Some(group), &head.headers, caller.ip).await?;
        }
        listed(self.registry.of_group(group, client(&head, body, caller).await?))
    }

    async fn of_cluster<B>(&self, name: &str, request: Request<B>, caller: &Caller) -> Result<Answer, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        if let Some(fleet) = self.registry.guarded_cluster(name) {
            self.doors.admit(&fleet, None, &head.headers, caller.ip).await?;
        }
        listed(self.registry.of_cluster(name, client(&head, body, caller).await?))
    }

    async fn hear<B>(&self, request: Request<B>, caller: &Caller) -> Result<Answer, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if caller.trust == Trust::Anyone {
            return Err(Refusal::NoToken);
        }
        let body = body::read(request.into_body(), MAX_LENGTH).await?;
        let heartbeat: Heartbeat =
            serde_json::from_slice(&body).map_err(|error| Refusal::bad(error.to_string()))?;
        let uid = heartbeat.sluice.as_ref().map(|beat| beat.uid.clone()).unwrap_or_default();
        self.registry
            .hear(claim(caller, &uid)?, heartbeat)
            .map_err(|why| Refusal::Nothing(why.to_string()))?;
        Ok(answer::heard())
    }

    async fn config<B>(&self, request: Request<B>, caller: &Caller) -> Result<Answer, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if caller.trust == Trust::Anyone {
            return Err(Refusal::NoToken);
        }
        let body = body::read(request.into_body(), MAX_FORM).await?;
        let asked: ConfigRequest =
            serde_json::from_slice(&body).map_err(|error| Refusal::bad(error.to_string()))?;
        let fleet = match &caller.trust {
            Trust::Pod(pod) => self.registry.fleet_of(Claim::Pod(pod)),
            // There is nothing to prove on one machine.
            _ => self.registry.cluster(&asked.cluster_name),
        };
        let fleet = fleet.ok_or_else(|| Refusal::Nothing("this node is not of a fleet".to_owned()))?;
        let configuration = self.configurations.as_ref().and_then(|all| all.of(&fleet));
        let configuration = configuration.ok_or_else(|| {
            Refusal::Nothing(format!("ProxyFleet {}/{} has no configuration yet", fleet.0, fleet.1))
        })?;
        Ok(answer::config(&configuration, asked.md5.as_deref()))
    }
}

fn claim<'a>(caller: &'a Caller, uid: &'a str) -> Result<Claim<'a>, Refusal> {
    match &caller.trust {
        Trust::Pod(pod) => Ok(Claim::Pod(pod)),
        Trust::Local => Ok(Claim::Process(uid)),
        Trust::Anyone => Err(Refusal::NoToken),
    }
}

fn listed(list: Option<IpList>) -> Result<Answer, Refusal> {
    match list {
        None => Err(Refusal::NotYet),
        Some(IpList { success: false, err_msg, .. }) => Err(Refusal::Nothing(err_msg.unwrap_or_default())),
        Some(list) => Ok(answer::json(&list)),
    }
}

/// Where the client is that asks for a list.
async fn client<B>(head: &Parts, body: B, caller: &Caller) -> Result<IpAddr, Refusal>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let body = body::read(body, MAX_FORM).await?;
    let form = if body::is_form(&head.headers) { body } else { Bytes::new() };
    question::client(&form, head.uri.query().unwrap_or_default(), caller.ip)
}

#[cfg(test)]
mod tests;
