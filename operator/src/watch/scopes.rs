//! Several namespaces watched as one: who takes the events sees one list and one watch, however many there are.
//! It keeps of each object no more than its name and labels, to say what is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use futures_util::StreamExt;
use futures_util::stream::{BoxStream, iter, select_all};
use kube::api::ObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Config, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use crate::names::{Name, name_of};

/// What a watch shows, again and again begun anew when it breaks.
pub(crate) type Events<K> = BoxStream<'static, watcher::Result<Event<K>>>;

/// One API for each of `namespaces` or, where none is named, `all`.
pub(crate) fn apis<K>(
    namespaces: &[String],
    all: impl FnOnce() -> Api<K>,
    of: impl Fn(&str) -> Api<K>,
) -> Vec<Api<K>> {
    if namespaces.is_empty() { vec![all()] } else { namespaces.iter().map(|name| of(name)).collect() }
}

/// Watches `apis`, one for each namespace or one for all of them, as one.
#[must_use]
pub(crate) fn watched<K>(apis: Vec<Api<K>>, config: &Config) -> Events<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let one = |(place, api): (usize, Api<K>)| {
        let events = watcher(api, config.clone()).default_backoff();
        events.map(move |event| (place, event)).boxed()
    };
    let mut scopes = Scopes::new(apis.len());
    let events = select_all(apis.into_iter().enumerate().map(one));
    let told = events.map(move |(place, event)| match event {
        Ok(event) => scopes.take(place, event).into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    });
    told.flat_map(iter).boxed()
}

/// What was shown of each namespace.
struct Scopes<K> {
    scopes: Vec<Scope<K>>,
    /// Whether the one list has begun.
    begun: bool,
    /// Whether it has ended.
    listed: bool,
}

struct Scope<K> {
    /// Objects that there are, without their content.
    known: BTreeMap<Name, K>,
    /// Those that the list which is on its way has shown.
    listing: BTreeSet<Name>,
    listed: bool,
}

impl<K: Resource + Clone> Scopes<K> {
    fn new(count: usize) -> Self {
        let scope = || Scope { known: BTreeMap::new(), listing: BTreeSet::new(), listed: false };
        Self { scopes: (0..count).map(|_| scope()).collect(), begun: false, listed: false }
    }

    /// What an event of one namespace is among all.
    fn take(&mut self, place: usize, event: Event<K>) -> Vec<Event<K>> {
        let Some(scope) = self.scopes.get_mut(place) else { return Vec::new() };
        let mut told = Vec::new();
        match event {
            Event::Init => {
                scope.listing.clear();
                if !std::mem::replace(&mut self.begun, true) {
                    told.push(Event::Init);
                }
            }
            Event::InitApply(object) | Event::Apply(object) => {
                let name = name_of(object.meta());
                scope.listing.insert(name.clone());
                scope.known.insert(name, bare(&object));
                told.push(if self.listed { Event::Apply(object) } else { Event::InitApply(object) });
            }
            Event::Delete(object) => {
                scope.known.remove(&name_of(object.meta()));
                told.push(Event::Delete(object));
            }
            Event::InitDone => {
                let gone = scope.known.keys().filter(|name| !scope.listing.contains(*name)).cloned();
                for name in gone.collect::<Vec<_>>() {
                    told.extend(scope.known.remove(&name).map(Event::Delete));
                }
                scope.listed = true;
                if !self.listed && self.scopes.iter().all(|scope| scope.listed) {
                    self.listed = true;
                    told.push(Event::InitDone);
                }
            }
        }
        told
    }
}

/// An object's name and labels.
fn bare<K: Resource + Clone>(object: &K) -> K {
    let mut bare = object.clone();
    let ObjectMeta { name, namespace, labels, .. } = object.meta().clone();
    *bare.meta_mut() = ObjectMeta { name, namespace, labels, ..ObjectMeta::default() };
    bare
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn map(namespace: &str, name: &str) -> ConfigMap {
        let metadata = ObjectMeta {
            namespace: Some(namespace.to_owned()),
            name: Some(name.to_owned()),
            resource_version: Some("5".to_owned()),
            ..ObjectMeta::default()
        };
        ConfigMap { metadata, ..ConfigMap::default() }
    }

    /// Events in words.
    fn words(events: &[Event<ConfigMap>]) -> Vec<String> {
        let name = |map: &ConfigMap| map.metadata.name.clone().unwrap();
        let word = |event: &Event<ConfigMap>| match event {
            Event::Init => "init".to_owned(),
            Event::InitApply(map) => format!("list {}", name(map)),
            Event::InitDone => "done".to_owned(),
            Event::Apply(map) => format!("apply {}", name(map)),
            Event::Delete(map) => format!("delete {}", name(map)),
        };
        events.iter().map(word).collect()
    }

    #[test]
    fn two_namespaces_are_one_list_that_ends_with_the_later() {
        let mut scopes = Scopes::new(2);
        let mut take = |place, event| words(&scopes.take(place, event));
        assert_eq!(take(0, Event::Init), ["init"]);
        assert_eq!(take(0, Event::InitApply(map("a", "x"))), ["list x"]);
        assert_eq!(take(0, Event::InitDone), [""; 0]);
        assert_eq!(take(0, Event::Apply(map("a", "z"))), ["list z"], "the one list has not ended");
        assert_eq!(take(1, Event::Init), [""; 0]);
        assert_eq!(take(1, Event::InitApply(map("b", "y"))), ["list y"]);
        assert_eq!(take(1, Event::InitDone), ["done"]);
        assert_eq!(take(1, Event::Apply(map("b", "w"))), ["apply w"]);
    }

    #[test]
    fn a_namespace_that_is_listed_again_says_what_is_gone_of_it_and_of_no_other() {
        let mut scopes = Scopes::new(2);
        for (place, namespace) in [(0, "a"), (1, "b")] {
            scopes.take(place, Event::Init);
            for name in ["x", "y"] {
                scopes.take(place, Event::InitApply(map(namespace, name)));
            }
            scopes.take(place, Event::InitDone);
        }
        let mut take = |place, event| words(&scopes.take(place, event));
        assert_eq!(take(0, Event::Init), [""; 0]);
        assert_eq!(take(0, Event::InitApply(map("a", "y"))), ["apply y"]);
        assert_eq!(take(0, Event::InitDone), ["delete x"]);
        assert_eq!(take(0, Event::Delete(map("a", "y"))), ["delete y"]);
        assert_eq!(take(0, Event::Init), [""; 0]);
        assert_eq!(take(0, Event::InitDone), [""; 0], "what is gone is gone once");
    }

    #[test]
    fn one_that_breaks_in_the_first_list_begins_again() {
        let mut scopes = Scopes::new(1);
        let mut take = |event| words(&scopes.take(0, event));
        assert_eq!(take(Event::Init), ["init"]);
        assert_eq!(take(Event::InitApply(map("a", "x"))), ["list x"]);
        assert_eq!(take(Event::Init), [""; 0]);
        assert_eq!(take(Event::InitApply(map("a", "y"))), ["list y"]);
        assert_eq!(take(Event::InitDone), ["delete x", "done"]);
    }
}
