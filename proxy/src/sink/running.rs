//! A running sink: what makes it another one, how it takes the place of the one before it, and how it ends.
//! It knows one sink; which ones are to run is not its business.

use std::path::{Component, Path, PathBuf};

use sluice_wire::document::{KafkaSink, Sink as Spec, SinkKind};
use sluice_wire::status::NotReady;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Sink, Trouble, file, kafka};
use crate::secrets::Secrets;

#[derive(Debug)]
pub(super) struct Running {
    pub(super) identity: Identity,
    pub(super) sink: Sink,
    tasks: Tasks,
    /// The Secrets that a connection runs on; `None` for one that never ran, and for a file.
    good: Option<Secrets>,
}

/// What makes a sink another one when it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Kafka { spec: KafkaSink, secrets: [u8; 32], capacity: kafka::Capacity },
    File { directory: PathBuf },
}

#[derive(Debug)]
enum Tasks {
    Kafka(kafka::Tasks),
    File(JoinHandle<()>),
}

impl Identity {
    pub(super) fn of(kind: &SinkKind, secrets: &Secrets, capacity: kafka::Capacity) -> Self {
        match kind {
            SinkKind::Kafka(spec) => Self::of_kafka(spec, secrets, capacity),
            SinkKind::File(file) => Self::File { directory: normal(&file.directory) },
        }
    }

    fn of_kafka(spec: &KafkaSink, secrets: &Secrets, capacity: kafka::Capacity) -> Self {
        Self::Kafka { spec: spec.clone(), secrets: secrets.digest(&secret_names(spec)), capacity }
    }

    /// Of the Secrets' content.
    fn secrets(&self) -> Option<[u8; 32]> {
        match self {
            Self::Kafka { secrets, .. } => Some(*secrets),
            Self::File { .. } => None,
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
    /// What is to run in place of `before`, the sink of that name. `None`: that itself, because what is asked for
    /// can't be started, which it then says. A connection whose Secrets can't be used is started with those that
    /// `before` runs on, and one that has none either takes nothing; both say why.
    pub(super) fn instead_of(
        before: Option<&Self>,
        spec: &Spec,
        secrets: &Secrets,
        capacity: kafka::Capacity,
    ) -> Option<Self> {
        let kafka = match &spec.kind {
            SinkKind::Kafka(kafka) => kafka,
            SinkKind::File(file) => {
                let (writer, task) = file::Writer::start(PathBuf::from(&file.directory), file.max_bytes);
                let identity = Identity::of(&spec.kind, secrets, capacity);
                let (sink, tasks) = (Sink::File(writer), Tasks::File(task));
                return Some(Self { identity, sink, tasks, good: None });
            }
        };
        let why = match Self::connect(&spec.name, kafka, secrets, capacity, before) {
            Ok(running) => {
                let had = before.and_then(|before| before.identity.secrets());
                if had.is_some_and(|had| running.identity.secrets() != Some(had)) {
                    running.tell_renewed(&spec.name);
                }
                return Some(running);
            }
            Err(why) => why,
        };
        // Told already.
        if before
            .is_some_and(|before| before.is_broken_by(&why, &Identity::of(&spec.kind, secrets, capacity)))
        {
            return None;
        }
        let Some((before, good)) = before.and_then(|before| Some((before, before.good.as_ref()?))) else {
            return Some(Self::broken(&spec.name, kafka, secrets, capacity, &why));
        };
        let is_of_secrets = why.reason() == NotReady::SecretUnusable;
        let is_other = || Identity::of_kafka(kafka, good, capacity) != before.identity;
        let started = (is_of_secrets && is_other())
            .then(|| Self::connect(&spec.name, kafka, good, capacity, Some(before)))
            .and_then(Result::ok);
        started.as_ref().unwrap_or(before).tell_outdated(&spec.name, &why);
        started
    }

    fn connect(
        name: &str,
        kafka: &KafkaSink,
        secrets: &Secrets,
        capacity: kafka::Capacity,
        before: Option<&Self>,
    ) -> Result<Self, kafka::StartError> {
        let like = before.and_then(|before| before.like(kafka));
        let (connection, tasks) = kafka::Connection::start(name, kafka, secrets, capacity, like)?;
        Ok(Self {
            identity: Identity::of_kafka(kafka, secrets, capacity),
            sink: Sink::Kafka(connection),
            tasks: Tasks::Kafka(tasks),
            good: Some(secrets.only(&secret_names(kafka))),
        })
    }

    /// One that takes nothing and says why.
    pub(super) fn broken(
        name: &str,
        kafka: &KafkaSink,
        secrets: &Secrets,
        capacity: kafka::Capacity,
        why: &kafka::StartError,
    ) -> Self {
        let (connection, tasks) = kafka::Connection::broken(name, why);
        Self {
            identity: Identity::of_kafka(kafka, secrets, capacity),
            sink: Sink::Kafka(connection),
            tasks: Tasks::Kafka(tasks),
            good: None,
        }
    }

    /// Whether it is one that takes nothing, was to be `wanted` and says this already.
    fn is_broken_by(&self, why: &kafka::StartError, wanted: &Identity) -> bool {
        let Sink::Kafka(connection) = &self.sink else { return false };
        let told = || connection.trouble().is_some_and(|trouble| trouble.message == why.to_string());
        self.never_ran() && self.identity == *wanted && told()
    }

    /// Whether it is a connection that takes nothing.
    pub(super) fn never_ran(&self) -> bool {
        matches!(self.sink, Sink::Kafka(_)) && self.good.is_none()
    }

    /// Whether what is asked for could not be started for a reason that may pass by itself. Missing Secrets are looked
    /// for anyway.
    pub(super) fn may_start_later(&self) -> bool {
        let Sink::Kafka(connection) = &self.sink else { return false };
        let why = if self.never_ran() { connection.trouble() } else { connection.outdated() };
        why.is_some_and(|why| why.reason != NotReady::SecretUnusable)
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

    /// It is what is asked for; after a time when it was not, that is told.
    pub(super) fn is_wanted(&self, name: &str) {
        let Sink::Kafka(connection) = &self.sink else { return };
        let before = connection.outdated();
        connection.set_outdated(None);
        match before.map(|before| before.reason) {
            Some(NotReady::SecretUnusable) => self.tell_renewed(name),
            Some(_) => tracing::info!(sink = name, "the connection is the one asked for again"),
            None => {}
        }
    }

    fn tell_renewed(&self, name: &str) {
        if let Some(secrets) = self.secrets() {
            tracing::info!(sink = name, secrets, "secrets in effect");
        }
    }

    fn tell_outdated(&self, name: &str, why: &kafka::StartError) {
        let Sink::Kafka(connection) = &self.sink else { return };
        let trouble = Trouble::new(why.reason(), format!("{why}; the connection goes on with what it had"));
        if connection.set_outdated(Some(trouble)) {
            let secrets = self.secrets();
            if why.reason() == NotReady::SecretUnusable {
                tracing::warn!(sink = name, secrets, error = %why, "secrets refused, the last good ones stay");
            } else {
                tracing::warn!(sink = name, secrets, error = %why, "connection refused, the last good one stays");
            }
        }
    }

    /// Names of its Secrets, where it has any.
    fn secrets(&self) -> Option<String> {
        match &self.identity {
            Identity::Kafka { spec, .. } => {
                Some(secret_names(spec).join(", ")).filter(|names| !names.is_empty())
            }
            Identity::File { .. } => None,
        }
    }

    /// Ends the sink; records not acknowledged are taken back as soon as there is hurry.
    pub(super) async fn end(self, hurry: &CancellationToken) {
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
