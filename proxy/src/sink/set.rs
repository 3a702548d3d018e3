//! The running sinks of a node: kept while their configuration stays, replaced when it changes, and
//! ended so that everything handed to them is settled.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use sluice_wire::document::{KafkaSink, Sink as Spec, SinkKind};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::{Sink, file, kafka};
use crate::secrets::Secrets;

/// How long a replaced sink still takes the records of requests that found it just before.
const HAND_OVER: Duration = Duration::from_millis(250);

/// A sink of the document is not among the running ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sink {0:?} is not running")]
pub struct SinkError(pub String);

/// A running sink can't be replaced by what is asked for.
#[derive(Debug, thiserror::Error)]
#[error("sink {sink:?}: {why}")]
pub struct UpdateError {
    /// Its name.
    pub sink: String,
    /// Why not.
    pub why: kafka::StartError,
}

/// The running sinks by name.
#[derive(Debug, Default)]
pub struct SinkSet {
    running: BTreeMap<String, Running>,
    ending: JoinSet<()>,
    hurry: CancellationToken,
}

#[derive(Debug)]
struct Running {
    identity: Identity,
    sink: Sink,
    tasks: Tasks,
    /// Whether it ever started; one that did not has nothing that would be lost with it.
    started: bool,
}

/// What makes a sink another one when it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Identity {
    Kafka { spec: KafkaSink, secrets: [u8; 32], capacity: kafka::Capacity },
    File { directory: PathBuf },
}

#[derive(Debug)]
enum Tasks {
    Kafka(kafka::Tasks),
    File(JoinHandle<()>),
}

/// Sinks that an update replaced or removed, still running.
#[derive(Debug)]
#[must_use = "replaced sinks run until they are retired"]
pub struct Replaced(Vec<Running>);

impl SinkSet {
    /// Makes the running sinks those of `specs`. What is unchanged runs on; the rest is returned, to be
    /// retired once nothing new goes there. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`UpdateError`] where a sink that runs can't be replaced by what is asked for; nothing has changed then. A
    /// sink that is new and can't be started is there, takes nothing and says why.
    pub fn update(
        &mut self,
        specs: &[Spec],
        secrets: &Secrets,
        capacity: kafka::Capacity,
    ) -> Result<Replaced, UpdateError> {
        let mut fresh = BTreeMap::new();
        for spec in specs {
            let identity = Identity::of(&spec.kind, secrets, capacity);
            let before = self.running.get(&spec.name);
            if self.keeps(&spec.name, &identity).is_some() {
                continue;
            }
            match Running::start(spec, identity, secrets, capacity, before) {
                Ok(running) => drop(fresh.insert(spec.name.clone(), running)),
                Err(error) => {
                    self.retire(Replaced(fresh.into_values().collect()));
                    return Err(error);
                }
            }
        }
        let mut next = BTreeMap::new();
        for spec in specs {
            let kept = self.keeps(&spec.name, &Identity::of(&spec.kind, secrets, capacity));
            let running =
                kept.and_then(|name| self.running.remove(&name)).or_else(|| fresh.remove(&spec.name));
            if let (Some(Sink::File(writer)), SinkKind::File(file)) =
                (running.as_ref().map(|running| &running.sink), &spec.kind)
            {
                writer.set_max_bytes(file.max_bytes);
            }
            next.extend(running.map(|running| (spec.name.clone(), running)));
        }
        let before = std::mem::replace(&mut self.running, next);
        Ok(Replaced(before.into_values().collect()))
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

impl Identity {
    fn of(kind: &SinkKind, secrets: &Secrets, capacity: kafka::Capacity) -> Self {
        match kind {
            SinkKind::Kafka(spec) => {
                Self::Kafka { spec: spec.clone(), secrets: secrets.digest(&secret_names(spec)), capacity }
            }
            SinkKind::File(file) => Self::File { directory: normal(&file.directory) },
        }
    }
}

/// A directory's path without the parts that say nothing, to tell whether two are one.
fn normal(directory: &str) -> PathBuf {
    Path::new(directory).components().filter(|part| *part != Component::CurDir).collect()
}

fn secret_names(spec: &KafkaSink) -> Vec<&str> {
    let tls = spec.tls.iter().flat_map(|tls| [tls.ca_secret.as_deref(), tls.cert_secret.as_deref()]);
    tls.flatten().chain(spec.sasl.iter().map(|sasl| sasl.secret.as_str())).collect()
}

impl Running {
    fn start(
        spec: &Spec,
        identity: Identity,
        secrets: &Secrets,
        capacity: kafka::Capacity,
        before: Option<&Self>,
    ) -> Result<Self, UpdateError> {
        let mut works = true;
        let (sink, tasks) = match &spec.kind {
            SinkKind::Kafka(kafka) => {
                let like = before.and_then(|before| before.like(kafka));
                let started = kafka::Connection::start(&spec.name, kafka, secrets, capacity, like);
                let (connection, tasks) = match (started, before) {
                    (Ok(started), _) => started,
                    (Err(why), Some(before)) if before.started => {
                        return Err(UpdateError { sink: spec.name.clone(), why });
                    }
                    (Err(why), _) => {
                        works = false;
                        kafka::Connection::broken(&spec.name, &why)
                    }
                };
                (Sink::Kafka(connection), Tasks::Kafka(tasks))
            }
            SinkKind::File(file) => {
                let directory = PathBuf::from(&file.directory);
                let (writer, task) = file::Writer::start(directory, file.max_bytes);
                (Sink::File(writer), Tasks::File(task))
            }
        };
        Ok(Self { identity, sink, tasks, started: works })
    }

    /// The connection, where it is one to the same brokers.
    fn like(&self, kafka: &KafkaSink) -> Option<&kafka::Connection> {
        match (&self.identity, &self.sink) {
            (Identity::Kafka { spec, .. }, Sink::Kafka(connection)) => {
                (spec.bootstrap_servers == kafka.bootstrap_servers).then_some(&**connection)
            }
            _ => None,
        }
    }

    /// Ends the sink; records not acknowledged are taken back as soon as there is hurry.
    async fn end(self, hurry: &CancellationToken) {
        self.sink.retire();
        let mut joined = std::pin::pin!(self.tasks.join());
        tokio::select! {
            () = &mut joined => return,
            () = hurry.cancelled() => self.sink.purge(),
        }
        joined.await;
    }
}

impl Sink {
    fn retire(&self) {
        match self {
            Self::Kafka(connection) => connection.retire(),
            Self::File(writer) => writer.retire(),
        }
    }

    fn purge(&self) {
        if let Self::Kafka(connection) = self {
            connection.purge();
        }
    }
}

impl Tasks {
    async fn join(self) {
        match self {
            Self::Kafka(tasks) => tasks.join().await,
            Self::File(task) => {
                if let Err(error) = task.await {
                    tracing::error!(%error, "the thread of a file sink failed");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sluice_wire::document::FileSink;

    use super::*;

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
        let _ = set.update(&[file("x", directory.path(), 1)], &secrets, CAPACITY).unwrap();
        let first = writer(&set, "x");
        let dotted = directory.path().join(".");
        let replaced = set.update(&[file("y", &dotted, 1)], &secrets, CAPACITY).unwrap();
        assert!(replaced.0.is_empty());
        assert!(Arc::ptr_eq(&first, &writer(&set, "y")));
        set.shutdown().await;
    }

    fn kafka(secret: &str) -> Spec {
        let kafka = serde_json::json!({"bootstrapServers": "127.0.0.1:1", "deliveryTimeoutMs": 1000,
            "sasl": {"mechanism": "PLAIN", "secret": secret}});
        Spec { name: "k".to_owned(), kind: SinkKind::Kafka(serde_json::from_value(kafka).unwrap()) }
    }

    #[tokio::test]
    async fn a_sink_that_cannot_be_replaced_stays() {
        let secrets = tempfile::tempdir().unwrap();
        std::fs::create_dir(secrets.path().join("login")).unwrap();
        for key in ["username", "password"] {
            std::fs::write(secrets.path().join("login").join(key), "x").unwrap();
        }
        let secrets = Secrets::read(secrets.path());
        let mut set = SinkSet::default();
        let _ = set.update(&[kafka("login")], &secrets, CAPACITY).unwrap();
        let error = set.update(&[kafka("gone")], &secrets, CAPACITY).unwrap_err().to_string();
        assert!(error.contains("gone") && error.contains('k'), "{error}");
        assert!(set.update(&[kafka("login")], &secrets, CAPACITY).unwrap().0.is_empty());
        set.shutdown().await;
    }

    #[tokio::test]
    async fn a_new_sink_that_cannot_be_started_is_there_and_says_why() {
        let mut set = SinkSet::default();
        let _ = set.update(&[kafka("gone")], &Secrets::default(), CAPACITY).unwrap();
        let status = set.get("k").unwrap().status("k");
        assert!(!status.ready && status.message.contains("gone"), "{status:?}");
        set.shutdown().await;
    }

    #[tokio::test]
    async fn a_sink_lives_on_while_its_configuration_stays() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut set = SinkSet::default();
        let secrets = Secrets::default();
        assert!(set.update(&[file("x", a.path(), 1)], &secrets, CAPACITY).unwrap().0.is_empty());
        let first = writer(&set, "x");

        assert!(set.update(&[file("x", a.path(), 2)], &secrets, CAPACITY).unwrap().0.is_empty());
        assert!(Arc::ptr_eq(&first, &writer(&set, "x")), "a new limit needs no new writer");

        let replaced = set.update(&[file("x", b.path(), 2)], &secrets, CAPACITY).unwrap();
        assert_eq!(replaced.0.len(), 1);
        assert!(!Arc::ptr_eq(&first, &writer(&set, "x")));
        set.retire(replaced);

        let removed = set.update(&[], &secrets, CAPACITY).unwrap();
        assert_eq!(removed.0.len(), 1);
        assert_eq!(set.get("x").unwrap_err(), SinkError("x".to_owned()));
        set.retire(removed);
        set.shutdown().await;
    }
}
