//! One write as requests to the API server, and what came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use kube::Client;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions,
};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use serde::Serialize;
use serde_json::{Value, json};
use sluice_crds::{DataStream, ProxyFleet};
use thiserror::Error;

use super::{Write, compare};
use crate::kind::ObjectKind;
use crate::lead::Term;
use crate::marks::{MANAGED_BY, MANAGER};
use crate::publish::cluster::Publication;
use crate::status;
use crate::watch::cluster::{ChildKey, Name, Source};

/// How long one write may take, or one part of it where it is made of several.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of a write.
#[derive(Debug)]
pub struct Outcome {
    /// The objects as the API server has them now.
    pub objects: Vec<(Source, DynamicObject)>,
}

/// Why a write did not come about.
#[derive(Debug, Error)]
pub enum SendError {
    /// The right to write ended.
    #[error("this operator leads no more")]
    NotLeading,
    /// The API server did not answer in time.
    #[error("the API server did not answer in time")]
    TimedOut,
    /// An object of the name is somebody else's.
    #[error("{0} is there already and is not the operator's; rename or remove it")]
    NameTaken(ChildKey),
    /// An object of the name is there and is going, or its owner is.
    #[error("{0} is there still and is waited for")]
    Leaving(ChildKey),
    /// The API server refused.
    #[error("{}", words(.0))]
    Api(#[from] kube::Error),
}

impl SendError {
    /// Its kind, as the metric names it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NotLeading => "not_leading",
            Self::TimedOut => "timed_out",
            Self::NameTaken(_) => "name_taken",
            Self::Leaving(_) => "leaving",
            Self::Api(kube::Error::Api(status)) => match status.code {
                403 => "forbidden",
                404 => "not_found",
                409 => "conflict",
                422 => "invalid",
                429 => "too_many_requests",
                408 | 500.. => "unavailable",
                _ => "refused",
            },
            Self::Api(_) => "unreachable",
        }
    }
}

/// Sends writes.
#[derive(Clone)]
pub struct Sender {
    client: Client,
    recorder: Recorder,
}

impl Sender {
    /// Sends through `client`; Events name `instance`.
    #[must_use]
    pub fn new(client: Client, instance: &str) -> Self {
        let reporter = Reporter { controller: MANAGER.to_owned(), instance: Some(instance.to_owned()) };
        Self { recorder: Recorder::new(client.clone(), reporter), client }
    }

    /// Brings a write about while `term` lasts.
    ///
    /// # Errors
    /// [`SendError`]; what was wanted may have come about all the same when no answer came.
    pub async fn send(&self, write: Write, term: &Term) -> Result<Outcome, SendError> {
        if !term.may_write() {
            return Err(SendError::NotLeading);
        }
        let patience = PATIENCE * parts(&write);
        tokio::select! {
            biased;
            () = term.end() => Err(SendError::NotLeading),
            done = tokio::time::timeout(patience, self.request(write, term)) => done.map_err(|_| SendError::TimedOut)?,
        }
    }

    async fn request(&self, write: Write, term: &Term) -> Result<Outcome, SendError> {
        match write {
            Write::Apply { key, wanted, new } => self.apply(&key, &wanted, new).await,
            Write::Delete { key, uid } => self.delete(&key, uid).await,
            Write::Scale { key, uid, replicas } => self.scale(&key, &uid, replicas).await,
            Write::DefaultFleet { key, wanted, new } => {
                let key = ChildKey { kind: ObjectKind::ProxyFleet, namespace: key.0, name: key.1 };
                let made = self.apply(&key, &wanted, new).await?;
                Ok(Outcome {
                    objects: made.objects.into_iter().map(|(_, fleet)| (Source::Fleets, fleet)).collect(),
                })
            }
            Write::Publish(publication) => self.publish(publication, term).await,
            Write::StreamStatus { name, uid, status, events } => {
                let resource = ApiResource::erase::<DataStream>(&());
                let told = self.tell(&resource, &name, &uid, &status, &events).await?;
                Ok(Outcome { objects: vec![(Source::Streams, told)] })
            }
            Write::FleetStatus { name, uid, status, events } => {
                let resource = ApiResource::erase::<ProxyFleet>(&());
                let told = self.tell(&resource, &name, &uid, &status, &events).await?;
                Ok(Outcome { objects: vec![(Source::Fleets, told)] })
            }
            Write::PodEvent { name, uid, event } => {
                let resource = ApiResource::erase::<Pod>(&());
                self.record(&event, &reference(&resource, &name, &uid)).await;
                Ok(Outcome { objects: Vec::new() })
            }
        }
    }

    async fn apply(&self, key: &ChildKey, wanted: &Value, new: bool) -> Result<Outcome, SendError> {
        let api = self.children(key);
        if new && let Some(there) = api.get_metadata_opt(&key.name).await? {
            let owners = there.metadata.owner_references.as_deref().unwrap_or_default();
            let ours = there.metadata.labels.as_ref().is_some_and(is_ours);
            return match owners.iter().find(|owner| owner.controller == Some(true)) {
                Some(owner) if Some(owner.uid.as_str()) == compare::owner(wanted) => {
                    self.patch(&api, key, wanted).await
                }
                // One of several owners' has no controller.
                None if ours && compare::owner(wanted).is_none() => self.patch(&api, key, wanted).await,
                Some(_) if ours => Err(SendError::Leaving(key.clone())),
                _ => Err(SendError::NameTaken(key.clone())),
            };
        }
        self.patch(&api, key, wanted).await
    }

    async fn patch(
        &self,
        api: &Api<DynamicObject>,
        key: &ChildKey,
        wanted: &Value,
    ) -> Result<Outcome, SendError> {
        let object = api.patch(&key.name, &forced(), &Patch::Apply(wanted)).await?;
        Ok(Outcome { objects: vec![(Source::Children(key.kind), object)] })
    }

    async fn scale(&self, key: &ChildKey, uid: &str, replicas: i64) -> Result<Outcome, SendError> {
        let patch = json!({"metadata": {"uid": uid}, "spec": {"replicas": replicas}});
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let object = self.children(key).patch(&key.name, &params, &Patch::Merge(&patch)).await?;
        Ok(Outcome { objects: vec![(Source::Children(key.kind), object)] })
    }

    async fn delete(&self, key: &ChildKey, uid: String) -> Result<Outcome, SendError> {
        let only = Preconditions { uid: Some(uid), resource_version: None };
        let params = DeleteParams { preconditions: Some(only), ..DeleteParams::background() };
        match self.children(key).delete(&key.name, &params).await {
            Ok(_) => Ok(Outcome { objects: Vec::new() }),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Outcome { objects: Vec::new() }),
            Err(error) => Err(error.into()),
        }
    }

    /// Parts one after the other: a reader uses them only when the last is there.
    async fn publish(&self, publication: Publication, term: &Term) -> Result<Outcome, SendError> {
        let mut objects = Vec::new();
        for (key, map) in publication.maps {
            if !term.may_write() {
                return Err(SendError::NotLeading);
            }
            let map: DynamicObject = serde_json::from_value(map).map_err(kube::Error::SerdeError)?;
            let api = self.children(&key);
            let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
            let written = if map.metadata.resource_version.is_some() {
                api.replace(&key.name, &params, &map).await?
            } else {
                self.create(&api, &key, &params, &map).await?
            };
            objects.push((Source::Children(key.kind), written));
        }
        for (key, uid) in publication.gone {
            self.delete(&key, uid).await?;
        }
        Ok(Outcome { objects })
    }

    async fn create(
        &self,
        api: &Api<DynamicObject>,
        key: &ChildKey,
        params: &PostParams,
        map: &DynamicObject,
    ) -> Result<DynamicObject, SendError> {
        match api.create(params, map).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let there = api.get_metadata_opt(&key.name).await?;
                let ours = there.and_then(|there| there.metadata.labels).as_ref().is_some_and(is_ours);
                // One of the operator's own is either a former fleet's or newer than what was seen of it.
                Err(if ours { SendError::Leaving(key.clone()) } else { SendError::NameTaken(key.clone()) })
            }
            created => Ok(created?),
        }
    }

    async fn tell<S: Serialize + Sync>(
        &self,
        resource: &ApiResource,
        name: &Name,
        uid: &str,
        status: &S,
        events: &[status::Event],
    ) -> Result<DynamicObject, SendError> {
        let about = reference(resource, name, uid);
        let (namespace, name) = name;
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, resource);
        let patch = json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            // With the uid, an object that was made again under the name is not told of the former one.
            "metadata": {"name": name, "namespace": namespace, "uid": uid},
            "status": status,
        });
        let told = api.patch_status(name, &forced(), &Patch::Apply(&patch)).await?;
        for event in events {
            self.record(event, &about).await;
        }
        Ok(told)
    }

    /// An Event that can't be written is not worth repeating the write for: the condition says the same.
    async fn record(&self, told: &status::Event, about: &ObjectReference) {
        let event = Event {
            type_: if told.warns { EventType::Warning } else { EventType::Normal },
            reason: told.reason.clone(),
            note: Some(told.note.clone()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, about).await {
            tracing::debug!(%error, reason = event.reason, "an Event could not be written");
        }
    }

    fn children(&self, key: &ChildKey) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &key.namespace, &key.kind.resource())
    }
}

/// Whom an Event is about.
fn reference(resource: &ApiResource, (namespace, name): &Name, uid: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some(resource.api_version.clone()),
        kind: Some(resource.kind.clone()),
        namespace: Some(namespace.clone()),
        name: Some(name.clone()),
        uid: Some(uid.to_owned()),
        ..ObjectReference::default()
    }
}

/// What the API server said, as a person is told it, without the request's technical remains.
fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        other => other.to_string(),
    }
}

fn is_ours(labels: &BTreeMap<String, String>) -> bool {
    labels.get(MANAGED_BY).is_some_and(|by| by == MANAGER)
}

/// Of how many parts a write is made.
fn parts(write: &Write) -> u32 {
    match write {
        Write::Publish(publication) => {
            u32::try_from(publication.maps.len() + publication.gone.len()).unwrap_or(u32::MAX).max(1)
        }
        _ => 1,
    }
}

fn forced() -> PatchParams {
    PatchParams::apply(MANAGER).force()
}
