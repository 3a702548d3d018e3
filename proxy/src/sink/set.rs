//! The running sinks of a node: kept while their configuration stays, replaced when it changes, and
//! ended so that everything handed to them is settled.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use sluice_wire::document::{KafkaSink, Sink as Spec, SinkKind};
use tokio::task::{JoinHandle, JoinSet};

use super::{Sink, file, kafka};
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
}

#[derive(Debug)]
struct Running {
    identity: Identity,
    sink: Sink,
    tasks: Tasks,
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
    pub fn update(&mut self, specs: &[Spec], secrets: &Secrets, capacity: kafka::Capacity) -> Replaced {
        let mut before = std::mem::take(&mut self.running);
        let mut replaced = Vec::new();
        for spec in specs {
            let identity = Identity::of(&spec.kind, secrets, capacity);
            let kept = match before.remove(&spec.name) {
                Some(running) if running.identity == identity => Some(running),
                other => {
                    replaced.extend(other);
                    None
                }
            };
            let running = kept.unwrap_or_else(|| Running::start(spec, identity, secrets, capacity));
            if let (Sink::File(writer), SinkKind::File(file)) = (&running.sink, &spec.kind) {
                writer.set_max_bytes(file.max_bytes);
            }
            self.running.insert(spec.name.clone(), running);
        }
        replaced.extend(before.into_values());
        Replaced(replaced)
    }

    /// Ends what an update replaced, in the background.
    pub fn retire(&mut self, replaced: Replaced) {
        while self.ending.try_join_next().is_some() {}
        for running in replaced.0 {
            self.ending.spawn(async move {
                tokio::time::sleep(HAND_OVER).await;
                running.sink.retire();
                running.tasks.join().await;
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

    /// Ends every sink. Kafka records not acknowledged yet are taken back at once, file records are
    /// written; all are settled when this returns.
    pub async fn shutdown(mut self) {
        for running in std::mem::take(&mut self.running).into_values() {
            running.sink.purge();
            running.sink.retire();
            self.ending.spawn(running.tasks.join());
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
            SinkKind::File(file) => Self::File { directory: PathBuf::from(&file.directory) },
        }
    }
}

fn secret_names(spec: &KafkaSink) -> Vec<&str> {
    let tls = spec.tls.iter().flat_map(|tls| [tls.ca_secret.as_deref(), tls.cert_secret.as_deref()]);
    tls.flatten().chain(spec.sasl.iter().map(|sasl| sasl.secret.as_str())).collect()
}

impl Running {
    fn start(spec: &Spec, identity: Identity, secrets: &Secrets, capacity: kafka::Capacity) -> Self {
        let (sink, tasks) = match &spec.kind {
            SinkKind::Kafka(kafka) => {
                let (connection, tasks) = kafka::Connection::start(&spec.name, kafka, secrets, capacity);
                (Sink::Kafka(connection), Tasks::Kafka(tasks))
            }
            SinkKind::File(file) => {
                let directory = PathBuf::from(&file.directory);
                let (writer, task) = file::Writer::start(directory, file.max_bytes);
                (Sink::File(writer), Tasks::File(task))
            }
        };
        Self { identity, sink, tasks }
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
