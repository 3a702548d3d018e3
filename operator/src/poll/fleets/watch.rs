//! Watches the ConfigMaps of all fleets' configuration, and hands on what they come to.
//! Documents are unpacked and compared apart from the tasks that serve.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher::{self, Config, Event};
use kube::{Api, Client};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::book::{Book, News};
use super::part::{Damage, Set};
use crate::marks::{FLEET, MANAGED_BY, MANAGER};
use crate::poll::board::{Change, Space};
use crate::poll::edition::{Edition, Unreadable};
use crate::resolve::FleetKey;
use crate::watch::scopes::{apis, watched};

/// ConfigMaps of one page of a list; each may have 1.3 MiB.
const PAGE: u32 = 20;

/// Why a complete set is not served.
#[derive(Debug, thiserror::Error)]
enum Unserved {
    #[error(transparent)]
    Damage(#[from] Damage),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("it is of another fleet than its ConfigMaps")]
    Misplaced,
    #[error("it could not be read to the end")]
    Broken(#[from] tokio::task::JoinError),
}

/// Nobody takes changes any more.
struct Over;

/// Watches fleets' configuration.
#[derive(Debug)]
pub struct Watch {
    book: Book,
    editions: BTreeMap<FleetKey, Arc<Edition>>,
    changes: mpsc::Sender<Change>,
}

impl Watch {
    /// A watch that hands changes on.
    #[must_use]
    pub fn new(changes: mpsc::Sender<Change>) -> Self {
        Self { book: Book::default(), editions: BTreeMap::new(), changes }
    }

    /// Watches `namespaces`, or all where none is named, until `stop`; a watch that breaks is begun again with growing pauses, as often as it takes.
    pub async fn run(self, client: Client, namespaces: Vec<String>, stop: CancellationToken) {
        let selected = Config::default().labels(&format!("{MANAGED_BY}={MANAGER},{FLEET}")).page_size(PAGE);
        let of = |name: &str| Api::namespaced(client.clone(), name);
        let apis = apis(&namespaces, || Api::all(client.clone()), of);
        self.follow(watched(apis, &selected), stop).await;
    }

    async fn follow(
        mut self,
        events: impl Stream<Item = watcher::Result<Event<ConfigMap>>>,
        stop: CancellationToken,
    ) {
        let mut events = std::pin::pin!(events);
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return,
                event = events.next() => event,
            };
            match event {
                Some(Ok(event)) => {
                    let taken = tokio::select! {
                        () = stop.cancelled() => return,
                        taken = self.take(event) => taken,
                    };
                    if taken.is_err() {
                        return;
                    }
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "the watch of fleets' configuration broke and is begun again");
                }
                // A watch has no end; if it had one, a fresh look after a while is the way on.
                None => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
    }

    async fn take(&mut self, event: Event<ConfigMap>) -> Result<(), Over> {
        let (news, listed) = match event {
            Event::Init => {
                self.book.begin();
                (Vec::new(), false)
            }
            Event::InitApply(map) | Event::Apply(map) => (Vec::from_iter(self.book.apply(map)), false),
            Event::Delete(map) => (Vec::from_iter(self.book.delete(&map)), false),
            Event::InitDone => (self.book.end(), true),
        };
        for news in news {
            let change = self.change(news).await;
            self.hand_on(change).await?;
        }
        if listed { self.hand_on(Change::FleetsListed).await } else { Ok(()) }
    }

    async fn hand_on(&self, change: Change) -> Result<(), Over> {
        self.changes.send(change).await.map_err(|_| Over)
    }

    async fn change(&mut self, news: News) -> Change {
        match news {
            News::Whole(fleet, set) => {
                let (uid, revision) = (set.uid.clone(), set.revision);
                let space = Space::fleet(&fleet.0, &fleet.1);
                match read(set, fleet.clone(), self.editions.get(&fleet).cloned()).await {
                    Ok(edition) => {
                        let edition = Arc::new(edition);
                        self.editions.insert(fleet, Arc::clone(&edition));
                        Change::Fleet { space, edition: Some(edition) }
                    }
                    Err(error) => {
                        let (namespace, fleet) = fleet;
                        tracing::warn!(namespace, fleet, uid, revision, %error, "a configuration is not served");
                        Change::Fleet { space, edition: None }
                    }
                }
            }
            News::Parts((namespace, name)) => {
                Change::Fleet { space: Space::fleet(&namespace, &name), edition: None }
            }
            News::Gone(fleet) => {
                self.editions.remove(&fleet);
                Change::FleetGone { space: Space::fleet(&fleet.0, &fleet.1) }
            }
        }
    }
}

/// The edition of a set that comes after `former`. It takes a while.
async fn read(set: Set, fleet: FleetKey, former: Option<Arc<Edition>>) -> Result<Edition, Unserved> {
    let read = move || {
        let edition = Edition::read(&set.text()?, former.as_deref())?;
        let says = (&edition.fleet, &edition.uid, edition.revision);
        if says == (&fleet, &set.uid, set.revision) { Ok(edition) } else { Err(Unserved::Misplaced) }
    };
    spawn_blocking(read).await?
}

#[cfg(test)]
mod tests {
    use super::super::part::tests::{document, maps};
    use super::*;

    const EDGE: (&str, &str) = ("shop", "edge");

    /// What a watch of these events hands on.
    async fn handed_on(events: Vec<watcher::Result<Event<ConfigMap>>>) -> Vec<Change> {
        let (changes, mut received) = mpsc::channel(64);
        let watch = Watch::new(changes);
        let stop = CancellationToken::new();
        let events = futures_util::stream::iter(events).chain(futures_util::stream::pending());
        let followed = tokio::spawn(watch.follow(events, stop.clone()));
        let mut handed_on = Vec::new();
        while let Ok(Some(change)) = tokio::time::timeout(Duration::from_millis(500), received.recv()).await {
            handed_on.push(change);
        }
        stop.cancel();
        followed.await.unwrap();
        handed_on
    }

    /// Space and revision of each change of a fleet; 0 where it has no edition.
    fn revisions(changes: &[Change]) -> Vec<u64> {
        let revision = |change: &Change| match change {
            Change::Fleet { space, edition } => {
                assert_eq!(*space, Space::fleet(EDGE.0, EDGE.1));
                Some(edition.as_ref().map_or(0, |edition| edition.revision))
            }
            _ => None,
        };
        changes.iter().filter_map(revision).collect()
    }

    #[tokio::test]
    async fn what_is_listed_and_what_comes_later_is_handed_on_in_its_order() {
        let [first, second] = [1, 2].map(|revision| maps(&document("u", revision, 3), 2));
        let mut events = vec![Ok(Event::Init)];
        events.extend(first.into_iter().map(|map| Ok(Event::InitApply(map))));
        events.push(Ok(Event::InitDone));
        events.extend(second.clone().into_iter().map(|map| Ok(Event::Apply(map))));
        events.extend(second.into_iter().map(|map| Ok(Event::Delete(map))));
        let changes = handed_on(events).await;
        assert_eq!(revisions(&changes), [0, 1, 2]);
        assert_eq!(changes[2], Change::FleetsListed);
        assert_eq!(changes[4], Change::FleetGone { space: Space::fleet(EDGE.0, EDGE.1) });
        assert_eq!(changes.len(), 5);
    }

    #[tokio::test]
    async fn what_can_not_be_served_takes_nothing_away() {
        let mut of_another = document("u", 2, 3);
        of_another.fleet.namespace = "elsewhere".to_owned();
        let mut of_no_group = document("u", 3, 3);
        of_no_group.groups.clear();
        let odd = [document("u", 1, 3), of_another, of_no_group, document("u", 4, 3)];
        let events = odd.iter().flat_map(|document| maps(document, 1)).map(|map| Ok(Event::Apply(map)));
        assert_eq!(revisions(&handed_on(events.collect()).await), [1, 0, 0, 4], "0 leaves what is served");
    }

    #[tokio::test]
    async fn a_watch_that_breaks_goes_on() {
        let map = maps(&document("u", 1, 1), 1).remove(0);
        let broken = Err(watcher::Error::NoResourceVersion);
        assert_eq!(revisions(&handed_on(vec![broken, Ok(Event::Apply(map))]).await), [1]);
    }
}
