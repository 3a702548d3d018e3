//! Watches a cluster: resources, what the operator made of them, and their pods, into one store.
//! It keeps what the API server shows and judges nothing.

pub mod child;
mod machine;
mod pod;
mod sidecar;
mod source;
mod store;

use std::time::Duration;

use futures_util::StreamExt;
use kube::Client;
use kube::api::DynamicObject;
use kube::runtime::watcher::Event;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::scopes::watched;
pub use child::{Child, ChildKey, version};
pub use source::Source;
pub use store::{NamespaceView, Settings, Store};

pub use crate::names::Name;

/// Changes that wait to be taken into the store. A watch stops reading when there are as many.
const QUEUE: usize = 1_024;

/// Something that changed in the cluster.
#[derive(Debug)]
pub struct Change {
    /// What was watched.
    pub source: Source,
    /// What happened.
    pub event: Event<DynamicObject>,
}

/// Watches everything until `stop`; `settings` is the namespace and name of the default fleet's ConfigMap, and what has a
/// namespace is watched in `namespaces` alone, or in all where none is named.
/// A watch that breaks is begun again with growing pauses, as often as it takes.
pub fn start(
    client: &Client,
    settings: &(String, String),
    namespaces: &[String],
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> mpsc::Receiver<Change> {
    let (changes, received) = mpsc::channel(QUEUE);
    for source in Source::all() {
        let (apis, config) = source.watched(client, settings, namespaces);
        let (changes, stop) = (changes.clone(), stop.clone());
        tasks.spawn(async move {
            let mut events = watched(apis, &config);
            loop {
                let event = tokio::select! {
                    () = stop.cancelled() => return,
                    event = events.next() => event,
                };
                match event {
                    Some(Ok(event)) => {
                        if changes.send(Change { source, event }).await.is_err() {
                            return;
                        }
                    }
                    Some(Err(error)) => {
                        tracing::warn!(kind = source.name(), %error, "a watch broke and is begun again");
                    }
                    // A watch has no end; if it had one, a fresh look after a while is the way on.
                    None => tokio::time::sleep(Duration::from_secs(1)).await,
                }
            }
        });
    }
    received
}
