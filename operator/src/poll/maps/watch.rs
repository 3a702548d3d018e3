//! Lists and watches the labelled ConfigMaps of one namespace.
//! What it hands on carries the resourceVersion of the list or the event it came with: all replicas see the same.
//! A watcher of kube's runtime does not tell that of a list, so this asks the API itself.

use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::GROUP;
use super::book::{Book, Changed, Faults};
use crate::poll::board::{Change, Space};
use crate::watch::cluster::child::version;

/// ConfigMaps of one page of a list.
const PAGE: u32 = 100;
/// How long a page may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one watch lasts, in seconds; then it is begun anew where it ended.
const WATCH: u32 = 120;
/// How long nothing at all may come of a watch before it is taken for dead.
const SILENCE: Duration = Duration::from_secs(125);
/// The first and the longest pause after something broke.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Why the look at a namespace is begun anew.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Api(#[from] kube::Error),
    #[error("the API server does not answer")]
    Silent,
    #[error("{0}")]
    Refused(String),
    #[error("nobody takes changes any more")]
    Over,
}

/// Watches one namespace.
pub struct Watch {
    api: Api<ConfigMap>,
    space: Space,
    book: Book,
    changes: mpsc::Sender<Change>,
    faults: watch::Sender<Faults>,
}

impl Watch {
    /// A watch that hands changes and faults on.
    #[must_use]
    pub fn new(
        api: Api<ConfigMap>,
        space: Space,
        changes: mpsc::Sender<Change>,
        faults: watch::Sender<Faults>,
    ) -> Self {
        Self { api, space, book: Book::default(), changes, faults }
    }

    /// Runs until `stop`; what breaks is begun anew after a growing pause.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut pause = PAUSES.0;
        loop {
            let broken = tokio::select! {
                () = stop.cancelled() => return,
                broken = self.look(&mut pause) => broken,
            };
            if matches!(broken, Broken::Over) {
                return;
            }
            tracing::warn!(space = self.space.as_str(), error = %broken, "a watch of ConfigMaps broke and is begun again");
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(pause) => pause = (pause * 2).min(PAUSES.1),
            }
        }
    }

    /// Lists all there are, then follows what changes; ends when that breaks.
    async fn look(&mut self, pause: &mut Duration) -> Broken {
        let followed = async {
            let mut from = self.list().await?;
            *pause = PAUSES.0;
            loop {
                from = self.follow(from).await?;
            }
        };
        let Err(broken): Result<std::convert::Infallible, _> = followed.await;
        broken
    }

    /// Gives the resourceVersion of the list.
    async fn list(&mut self) -> Result<String, Broken> {
        let mut params = ListParams::default().labels(GROUP).limit(PAGE);
        let mut maps = Vec::new();
        let listed = loop {
            let page = timeout(PATIENCE, self.api.list(&params)).await.map_err(|_| Broken::Silent)??;
            maps.extend(page.items);
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => break page.metadata.resource_version.unwrap_or_default(),
            }
        };
        let groups = self.book.list(maps);
        let at = version(Some(&listed));
        self.hand_on(Change::Whole { space: self.space.clone(), groups, at }).await?;
        Ok(listed)
    }

    /// Follows from a resourceVersion on until the watch ends, and gives that where it ended.
    async fn follow(&mut self, mut from: String) -> Result<String, Broken> {
        let params = WatchParams::default().labels(GROUP).timeout(WATCH);
        let events =
            timeout(PATIENCE, self.api.watch(&params, &from)).await.map_err(|_| Broken::Silent)??;
        let mut events = events.boxed();
        while let Some(event) = timeout(SILENCE, events.next()).await.map_err(|_| Broken::Silent)? {
            let (changed, at) = match event? {
                WatchEvent::Added(map) | WatchEvent::Modified(map) => {
                    let at = map.metadata.resource_version.clone();
                    (self.book.apply(map), at)
                }
                WatchEvent::Deleted(map) => {
                    let name = map.metadata.name.unwrap_or_default();
                    (self.book.remove(&name), map.metadata.resource_version)
                }
                WatchEvent::Bookmark(mark) => (Vec::new(), Some(mark.metadata.resource_version)),
                WatchEvent::Error(status) => return Err(Broken::Refused(status.message.clone())),
            };
            from = at.unwrap_or(from);
            for change in changed {
                self.hand_on(self.change(change, version(Some(&from)))).await?;
            }
            self.tell();
        }
        Ok(from)
    }

    fn change(&self, (group, content): Changed, at: u64) -> Change {
        Change::One { space: self.space.clone(), group, content, at }
    }

    async fn hand_on(&self, change: Change) -> Result<(), Broken> {
        self.tell();
        self.changes.send(change).await.map_err(|_| Broken::Over)
    }

    fn tell(&self) {
        let faults = self.book.faults();
        self.faults.send_if_modified(|known| {
            let differ = *known != faults;
            *known = faults;
            differ
        });
    }
}
