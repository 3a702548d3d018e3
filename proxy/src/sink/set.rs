//! The running sinks of a node: kept while their configuration stays, replaced when it changes, and
//! ended so that everything handed to them is settled.

use std::collections::BTreeMap;
use std::time::Duration;

use sluice_wire::document::{Sink as Spec, SinkKind};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::running::{Identity, Running};
use super::{Sink, kafka};
use crate::secrets::Secrets;

/// How long a replaced sink still takes the records of requests that found it just before.
const HAND_OVER: Duration = Duration::from_millis(250);

/// A sink of the document is not among the running ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sink {0:?} is not running")]
pub struct SinkError(pub String);

/// The running sinks by name.
#[derive(Debug, Default)]
pub struct SinkSet {
    running: BTreeMap<String, Running>,
    ending: JoinSet<()>,
    hurry: CancellationToken,
}

/// Sinks that an update replaced or removed, still running.
#[derive(Debug)]
#[must_use = "replaced sinks run until they are retired"]
pub struct Replaced(Vec<Running>);

impl SinkSet {
    /// Makes the running sinks those of `specs`. What is unchanged runs on; the rest is returned, to be
    /// retired once nothing new goes there. Must be called within a tokio runtime.
    ///
    /// One sink's trouble touches no other. A connection that runs and can't be replaced by what is asked for goes on
    /// with what it had; one that is new and can't be started is there and takes nothing. Both say why.
    pub fn update(&mut self, specs: &[Spec], secrets: &Secrets, capacity: kafka::Capacity) -> Replaced {
        let mut fresh = BTreeMap::new();
        for spec in specs {
            let before = self.running.get(&spec.name);
            let to_try = before.is_some_and(|before| before.never_ran() && before.may_start_later());
            if !to_try && self.keeps(&spec.name, &Identity::of(&spec.kind, secrets, capacity)).is_some() {
                continue;
            }
            let running = Running::instead_of(before, spec, secrets, capacity);
            fresh.extend(running.map(|running| (spec.name.clone(), running)));
        }
        let mut next = BTreeMap::new();
        for spec in specs {
            let running = fresh
                .remove(&spec.name)
                .or_else(|| self.keep(spec, &Identity::of(&spec.kind, secrets, capacity)))
                // Nothing else could be started in its place.
                .or_else(|| self.running.remove(&spec.name));
            if let (Some(Sink::File(writer)), SinkKind::File(file)) =
                (running.as_ref().map(|running| &running.sink), &spec.kind)
            {
                writer.set_max_bytes(file.max_bytes);
            }
            next.extend(running.map(|running| (spec.name.clone(), running)));
        }
        let before = std::mem::replace(&mut self.running, next);
        Replaced(before.into_values().collect())
    }

    /// Whether a sink that is asked for could not be started for a reason that may pass by itself: another update with
    /// the same tries again.
    #[must_use]
    pub fn may_start_later(&self) -> bool {
        self.running.values().any(Running::may_start_later)
    }

    /// The sink that runs already and is the one asked for.
    fn keep(&mut self, spec: &Spec, identity: &Identity) -> Option<Running> {
        let kept = self.keeps(&spec.name, identity).and_then(|name| self.running.remove(&name))?;
        kept.is_wanted(&spec.name);
        Some(kept)
    }

    /// The name under which a sink like this runs already. A directory may change its sink's name, because
    /// only one writer can hold it.
    fn keeps(&self, name: &str, identity: &Identity) -> Option<String> {
        if self.running.get(name).is_some_and(|running| running.identity == *identity) {
            return Some(name.to_owned());
        }
        let mut others = self.running.iter().filter(|(_, running)| running.identity == *identity);
        matches!(identity, Identity::File { .. }).then(|| others.next().map(|(name, _)| name.clone()))?
    }

    /// Ends what an update replaced, in the background.
    pub fn retire(&mut self, replaced: Replaced) {
        while self.ending.try_join_next().is_some() {}
        for running in replaced.0 {
            let hurry = self.hurry.clone();
            self.ending.spawn(async move {
                tokio::select! {
                    () = tokio::time::sleep(HAND_OVER) => {}
                    () = hurry.cancelled() => {}
                }
                running.end(&hurry).await;
            });
        }
    }

    /// A running sink.
    ///
    /// # Errors
    /// [`SinkError`] where there is none of that name.
    pub fn get(&self, name: &str) -> Result<&Sink, SinkError> {
        self.running.get(name).map(|running| &running.sink).ok_or_else(|| SinkError(name.to_owned()))
    }

    /// The running sinks by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Sink)> {
        self.running.iter().map(|(name, running)| (name.as_str(), &running.sink))
    }

    /// Ends every sink, those being ended already included. Kafka records not acknowledged yet are taken
    /// back at once, file records are written; all are settled when this returns.
    pub async fn shutdown(mut self) {
        self.hurry.cancel();
        for running in std::mem::take(&mut self.running).into_values() {
            let hurry = self.hurry.clone();
            self.ending.spawn(async move { running.end(&hurry).await });
        }
        while self.ending.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::sync::Arc;

    use sluice_wire::document::FileSink;
    use sluice_wire::status::NotReady;

    use super::super::{Delivery, Envelope, MESSAGE_OVERHEAD, Message, Meta, Outlet, file};
    use super::*;
    use crate::admit::Budget;

    const CAPACITY: kafka::Capacity = kafka::Capacity { inflight_bytes: 1 << 20, longest_body: 1 << 10 };

    fn file(name: &str, directory: &std::path::Path, max_bytes: u64) -> Spec {
        let directory = directory.display().to_string();
        Spec { name: name.to_owned(), kind: SinkKind::File(FileSink { directory, max_bytes }) }
    }

    fn writer(set: &SinkSet, name: &str) -> Arc<file::Writer> {
        match set.get(name).unwrap() {
            Sink::File(writer) => Arc::clone(writer),
            Sink::Kafka(_) => unreachable!(),
        }
    }

    #[tokio::test]
    async fn a_directory_keeps_its_writer_under_another_name() {
        let directory = tempfile::tempdir().unwrap();
        let mut set = SinkSet::default();
        let secrets = Secrets::default();
        let _ = set.update(&[file("x", directory.path(), 1)], &secrets, CAPACITY);
        let first = writer(&set, "x");
        let dotted = directory.path().join(".");
        let replaced = set.update(&[file("y", &dotted, 1)], &secrets, CAPACITY);
        assert!(replaced.0.is_empty());
        assert!(Arc::ptr_eq(&first, &writer(&set, "y")));
        set.shutdown().await;
    }

    fn kafka(secret: &str) -> Spec {
        kafka_with(secret, 1_000)
    }

    fn kafka_with(secret: &str, timeout: u64) -> Spec {
        let kafka = serde_json::json!({"bootstrapServers": "127.0.0.1:1", "deliveryTimeoutMs": timeout,
            "sasl": {"mechanism": "PLAIN", "secret": secret}});
        Spec { name: "k".to_owned(), kind: SinkKind::Kafka(serde_json::from_value(kafka).unwrap()) }
    }

    fn login(password: &str) -> Secrets {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("login")).unwrap();
        for (key, value) in [("username", "x"), ("password", password)] {
            std::fs::write(directory.path().join("login").join(key), value).unwrap();
        }
        Secrets::read(directory.path())
    }

    fn connection(set: &SinkSet) -> Arc<kafka::Connection> {
        match set.get("k").unwrap() {
            Sink::Kafka(connection) => Arc::clone(connection),
            Sink::File(_) => unreachable!(),
        }
    }

    /// Why the connection is not the one that is asked for.
    fn outdated(set: &SinkSet) -> Option<(NotReady, String)> {
        let status = set.get("k").unwrap().status("k");
        let trouble = connection(set).outdated()?;
        assert_eq!((status.ready, status.reason), (false, Some(trouble.reason)), "it is told first");
        Some((trouble.reason, trouble.message))
    }

    #[tokio::test]
    async fn a_connection_whose_secret_is_gone_goes_on_and_others_are_taken() {
        let directory = tempfile::tempdir().unwrap();
        let mut set = SinkSet::default();
        let _ = set.update(&[kafka("login")], &login("a"), CAPACITY);
        let first = connection(&set);
        for specs in [vec![kafka("login"), file("x", directory.path(), 1)], vec![kafka("login"), kafka_new()]]
        {
            let replaced = set.update(&specs, &Secrets::default(), CAPACITY);
            assert!(Arc::ptr_eq(&first, &connection(&set)));
            assert!(set.get(&specs[1].name).is_ok(), "the others are in effect");
            let (reason, message) = outdated(&set).unwrap();
            assert_eq!(reason, NotReady::SecretUnusable);
            assert!(message.contains("secret \"login\"") && message.contains("goes on"), "{message}");
            set.retire(replaced);
        }
        let status = set.get("new").unwrap().status("new");
        assert_eq!((status.ready, status.reason), (false, Some(NotReady::SecretUnusable)));
        set.shutdown().await;
    }

    #[tokio::test]
    async fn records_on_their_way_are_in_the_queue_of_their_connection() {
        let mut set = SinkSet::default();
        let _ = set.update(&[kafka("login")], &login("a"), CAPACITY);
        let connection = connection(&set);
        let limit = CAPACITY.inflight_bytes / MESSAGE_OVERHEAD + 1_024;
        // What librdkafka has to tell its owner counts too, which is a few at most.
        let (idle, most) = connection.queue().unwrap();
        assert!(idle < 50 && most == limit, "{idle} of {most}");
        connection.want(BTreeMap::from([("t".to_owned(), kafka::Wanted::default())]));
        let outlet = Outlet::Kafka(connection.outlet("t").unwrap());
        let (delivery, _verdict) = Delivery::new(50, 50, Arc::default(), Budget::new(0).open());
        let meta = Meta {
            received: 0,
            client: "",
            node: "",
            audit_version: None,
            envelope: Envelope::Raw,
            passed: &[],
        };
        let value = Cow::Borrowed(&b"x"[..]);
        let message = Message { key: None, value, event_time: 0, headers: Vec::new(), records: 1 };
        outlet.submit(outlet.admit().unwrap(), outlet.prepare(&meta, vec![message; 50]), &delivery);
        let used = connection.queue().unwrap().0;
        assert!((50..100).contains(&used), "{used}");
        set.shutdown().await;
    }

    #[tokio::test]
    async fn a_connection_that_takes_nothing_has_no_queue() {
        let mut set = SinkSet::default();
        let _ = set.update(&[kafka("none")], &Secrets::default(), CAPACITY);
        assert_eq!(connection(&set).queue(), None);
        set.shutdown().await;
    }

    /// A connection that never ran, whose Secret is nowhere.
    fn kafka_new() -> Spec {
        Spec { name: "new".to_owned(), ..kafka("none") }
    }

    #[tokio::test]
    async fn a_secret_that_is_back_is_in_effect_again_unchanged_or_another() {
        let mut set = SinkSet::default();
        let _ = set.update(&[kafka("login")], &login("a"), CAPACITY);
        let first = connection(&set);
        for _ in 0..2 {
            assert!(set.update(&[kafka("login")], &Secrets::default(), CAPACITY).0.is_empty());
            assert!(outdated(&set).is_some());
        }
        assert!(set.update(&[kafka("login")], &login("a"), CAPACITY).0.is_empty());
        assert!(Arc::ptr_eq(&first, &connection(&set)) && outdated(&set).is_none());
        assert!(set.update(&[kafka("login")], &Secrets::default(), CAPACITY).0.is_empty());
        let replaced = set.update(&[kafka("login")], &login("b"), CAPACITY);
        assert_eq!(replaced.0.len(), 1);
        assert!(!Arc::ptr_eq(&first, &connection(&set)) && outdated(&set).is_none());
        set.retire(replaced);
        set.shutdown().await;
    }

    #[tokio::test]
    async fn other_settings_take_effect_with_the_last_good_secrets() {
        let mut set = SinkSet::default();
        let _ = set.update(&[kafka("login")], &login("a"), CAPACITY);
        let replaced = set.update(&[kafka_with("login", 2_000)], &Secrets::default(), CAPACITY);
        assert_eq!(replaced.0.len(), 1);
        assert_eq!(outdated(&set).unwrap().0, NotReady::SecretUnusable);
        set.retire(replaced);
        let second = connection(&set);
        let none = set.update(&[kafka_with("login", 2_000)], &Secrets::default(), CAPACITY);
        assert!(none.0.is_empty() && Arc::ptr_eq(&second, &connection(&set)), "and only once");
        let _ = set.update(&[kafka("gone")], &Secrets::default(), CAPACITY);
        assert!(Arc::ptr_eq(&second, &connection(&set)), "of another Secret there is no last good one");
        assert!(outdated(&set).unwrap().1.contains("gone"));
        set.shutdown().await;
    }

    /// A connection whose cipher suites librdkafka does not take.
    fn kafka_refused() -> Spec {
        let kafka = serde_json::json!({"bootstrapServers": "127.0.0.1:1", "deliveryTimeoutMs": 1_000, "tls": {},
            "properties": {"ssl.cipher.suites": "none-of-this-name"}});
        Spec { name: "k".to_owned(), kind: SinkKind::Kafka(serde_json::from_value(kafka).unwrap()) }
    }

    #[tokio::test]
    async fn a_connection_whose_new_settings_are_refused_goes_on_until_they_are_taken_back() {
        let mut set = SinkSet::default();
        let _ = set.update(&[kafka("login")], &login("a"), CAPACITY);
        let first = connection(&set);
        for _ in 0..2 {
            assert!(set.update(&[kafka_refused()], &login("a"), CAPACITY).0.is_empty());
            assert!(Arc::ptr_eq(&first, &connection(&set)));
            let (reason, message) = outdated(&set).unwrap();
            assert_eq!(reason, NotReady::Other);
            assert!(message.contains("ssl.cipher.suites") && message.contains("goes on"), "{message}");
            assert!(set.may_start_later());
        }
        assert!(set.update(&[kafka("login")], &login("a"), CAPACITY).0.is_empty());
        assert!(Arc::ptr_eq(&first, &connection(&set)) && outdated(&set).is_none());
        assert!(!set.may_start_later());
        set.shutdown().await;
    }

    #[tokio::test]
    async fn a_connection_that_is_outdated_and_in_trouble_tells_both() {
        let mut set = SinkSet::default();
        let _ = set.update(&[kafka("login")], &login("a"), CAPACITY);
        let _ = set.update(&[kafka("login")], &Secrets::default(), CAPACITY);
        // No broker is there, which librdkafka finds out by itself.
        let trouble = loop {
            match connection(&set).trouble() {
                Some(trouble) => break trouble,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        assert_eq!(trouble.reason, NotReady::SinkUnreachable);
        let status = set.get("k").unwrap().status("k");
        assert_eq!((status.ready, status.reason), (false, Some(NotReady::SecretUnusable)));
        assert!(status.message.contains("goes on with what it had, which is in trouble: "), "{status:?}");
        set.shutdown().await;
    }

    #[tokio::test]
    async fn a_new_sink_that_can_never_be_started_is_tried_again_and_left_as_it_is() {
        let mut set = SinkSet::default();
        let _ = set.update(&[kafka_refused()], &Secrets::default(), CAPACITY);
        let first = connection(&set);
        assert!(set.may_start_later());
        assert!(set.update(&[kafka_refused()], &Secrets::default(), CAPACITY).0.is_empty());
        assert!(Arc::ptr_eq(&first, &connection(&set)));
        set.shutdown().await;
    }

    #[tokio::test]
    async fn a_new_sink_that_could_not_be_started_for_a_passing_reason_is_started_later() {
        let mut set = SinkSet::default();
        let SinkKind::Kafka(spec) = kafka("login").kind else { unreachable!() };
        let why = kafka::StartError::Thread(std::io::Error::other("none left"));
        let broken = Running::broken("k", &spec, &login("a"), CAPACITY, &why);
        set.running.insert("k".to_owned(), broken);
        let first = connection(&set);
        assert!(set.may_start_later());
        let replaced = set.update(&[kafka("login")], &login("a"), CAPACITY);
        assert_eq!(replaced.0.len(), 1);
        assert!(!Arc::ptr_eq(&first, &connection(&set)) && !set.may_start_later());
        set.retire(replaced);
        set.shutdown().await;
    }

    #[tokio::test]
    async fn a_new_sink_that_cannot_be_started_is_there_and_says_why() {
        let mut set = SinkSet::default();
        let _ = set.update(&[kafka("gone")], &Secrets::default(), CAPACITY);
        let status = set.get("k").unwrap().status("k");
        assert!(!status.ready && status.message.contains("gone"), "{status:?}");
        assert!(!set.may_start_later(), "a Secret that appears is seen without trying");
        set.shutdown().await;
    }

    #[tokio::test]
    async fn a_sink_lives_on_while_its_configuration_stays() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut set = SinkSet::default();
        let secrets = Secrets::default();
        assert!(set.update(&[file("x", a.path(), 1)], &secrets, CAPACITY).0.is_empty());
        let first = writer(&set, "x");

        assert!(set.update(&[file("x", a.path(), 2)], &secrets, CAPACITY).0.is_empty());
        assert!(Arc::ptr_eq(&first, &writer(&set, "x")), "a new limit needs no new writer");

        let replaced = set.update(&[file("x", b.path(), 2)], &secrets, CAPACITY);
        assert_eq!(replaced.0.len(), 1);
        assert!(!Arc::ptr_eq(&first, &writer(&set, "x")));
        set.retire(replaced);

        let removed = set.update(&[], &secrets, CAPACITY);
        assert_eq!(removed.0.len(), 1);
        assert_eq!(set.get("x").unwrap_err(), SinkError("x".to_owned()));
        set.retire(removed);
        set.shutdown().await;
    }
}
