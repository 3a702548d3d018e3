//! One run of local mode: what is written becomes documents, documents get proxies, a person is told.
//! It ties the parts together; each decision is a part's.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sluice_operator::local::Local;
use sluice_operator::publish::{Published, Publisher};
use sluice_operator::resolve::{FleetKey, ResolvedFleet};
use sluice_operator::watch::{Directory, Snapshot};
use sluice_operator::{ObjectRef, Problem, build};
use sluice_wire::document::{Document, SinkKind};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

use super::console::{Console, Problems};
use super::fleet::Event;
use super::kafka;
use super::manager::Manager;
use super::supervisor::{Ports, Supervisor};
use super::tokens;
use super::view::View;
use crate::nodes;

/// How often files are looked at.
const POLL_EVERY: Duration = Duration::from_millis(250);

/// How often numbers are told.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// What a proxy gets to leave, beyond its delivery timeout.
const LEAVE_EXTRA: Duration = Duration::from_secs(5);

/// How often it is looked whether all proxies have left.
const LEFT_EVERY: Duration = Duration::from_millis(20);

pub(super) struct Session<W> {
    directory: Directory,
    local: Local,
    publisher: Publisher,
    supervisor: Supervisor,
    manager: Option<Manager>,
    /// Where nodes are noted.
    notes: PathBuf,
    kafka: Option<String>,
    /// Where Secrets are.
    secrets: PathBuf,
    console: Console<W>,
    events: mpsc::Receiver<(FleetKey, Event)>,
    /// The fleets that should run.
    fleets: Vec<ResolvedFleet>,
    /// What is wrong with what is written.
    written: Problems,
    /// What is wrong with publishing; it is tried again at each look at the files.
    unpublished: Problems,
    views: BTreeMap<FleetKey, View>,
}

impl<W: Write> Session<W> {
    pub(super) fn new(
        directory: Directory,
        local: Local,
        documents: PathBuf,
        supervisor: Supervisor,
        (kafka, secrets): (Option<String>, PathBuf),
        console: Console<W>,
        events: mpsc::Receiver<(FleetKey, Event)>,
    ) -> Self {
        Self {
            directory,
            local,
            publisher: Publisher::new(&documents),
            supervisor,
            manager: None,
            notes: documents,
            kafka,
            secrets,
            console,
            events,
            fleets: Vec::new(),
            written: Problems::new(),
            unpublished: Problems::new(),
            views: BTreeMap::new(),
        }
    }

    /// With what answers producers and proxies that ask.
    pub(super) fn with_manager(self, manager: Option<Manager>) -> Self {
        Self { manager, ..self }
    }

    /// Reads what is written and starts its proxies; not if a port of theirs is taken, which a person has to
    /// settle first. Later such a proxy is started again until the port is free.
    pub(super) fn start(&mut self) -> Result<(), String> {
        let Some(snapshot) = self.directory.poll() else { return Ok(()) };
        self.resolve(&snapshot);
        for fleet in &self.fleets {
            if let Some(why) = self.supervisor.trouble(Ports::of(fleet)) {
                return Err(format!("ProxyFleet {}/{}: {why}", fleet.namespace, fleet.name));
            }
        }
        self.put_in_effect();
        Ok(())
    }

    /// Serves until `stop`.
    pub(super) async fn run(&mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut poll = ticks(POLL_EVERY);
        let mut report = ticks(REPORT_EVERY);
        loop {
            tokio::select! {
                () = &mut stop => return,
                _ = poll.tick() => self.look(),
                _ = report.tick() => self.report(),
                Some((fleet, event)) = self.events.recv() => {
                    self.on(&fleet, event);
                    self.tell_problems();
                }
            }
        }
    }

    /// Lets all proxies finish and leave; at once when `hurry` comes.
    pub(super) async fn leave(&mut self, hurry: impl Future<Output = ()>) {
        self.report();
        self.console.say("leaving; proxies finish what they took");
        self.supervisor.retire_all();
        tokio::pin!(hurry);
        let mut hurried = false;
        while !self.supervisor.is_empty() {
            tokio::select! {
                () = &mut hurry, if !hurried => {
                    hurried = true;
                    self.supervisor.kill_all();
                }
                Some((fleet, event)) = self.events.recv() => self.on(&fleet, event),
                () = sleep(LEFT_EVERY) => {}
            }
        }
        if let Some(manager) = self.manager.take() {
            manager.leave().await;
        }
    }

    fn look(&mut self) {
        if let Some(snapshot) = self.directory.poll() {
            self.take(&snapshot);
        } else if !self.unpublished.is_empty() || self.fleets.iter().any(tokens::are_wanted) {
            self.publish();
            self.tell_problems();
        }
    }

    fn take(&mut self, snapshot: &Snapshot) {
        self.resolve(snapshot);
        self.put_in_effect();
    }

    fn resolve(&mut self, snapshot: &Snapshot) {
        let resolution = self.local.apply(snapshot);
        let before = std::mem::replace(&mut self.written, by_object(&resolution.problems));
        let gone = before.keys().filter(|about| !is_written(snapshot, about));
        gone.for_each(|about| self.console.gone(about));
        self.fleets = resolution.fleets;
    }

    fn put_in_effect(&mut self) {
        if self.fleets.is_empty() && self.written.is_empty() {
            self.console.say("no fleet yet; add a file with a ProxyFleet");
        }
        self.retire_gone();
        self.publish();
        self.tell_manager();
        self.tell_problems();
    }

    /// For producers that ask for nodes.
    fn tell_manager(&mut self) {
        if let Some(manager) = &mut self.manager {
            manager.tell(&self.fleets, |fleet| self.views.get(fleet)?.seen());
        }
    }

    fn retire_gone(&mut self) {
        let wanted: BTreeSet<FleetKey> = self.fleets.iter().map(ResolvedFleet::key).collect();
        let gone: Vec<FleetKey> = self.views.keys().filter(|key| !wanted.contains(*key)).cloned().collect();
        for key in gone {
            self.supervisor.retire(&key);
            self.views.remove(&key);
            let (namespace, name) = &key;
            self.console
                .say(&format!("ProxyFleet {namespace}/{name}: no file has it any more; its proxy leaves"));
            // It lies in a directory that goes away as a whole; left behind it harms nobody.
            let _ = self.publisher.remove(&key);
        }
        self.note_nodes();
    }

    /// For `sluice check`; without the note it takes addresses from its arguments.
    fn note_nodes(&self) {
        let nodes: Vec<String> = self.views.values().filter_map(View::admin).map(ToOwned::to_owned).collect();
        let _ = nodes::note(&self.notes, &nodes);
    }

    fn publish(&mut self) {
        self.unpublished.clear();
        for mut fleet in std::mem::take(&mut self.fleets) {
            for line in tokens::fill(&mut fleet, &self.secrets) {
                self.unpublished.entry(line.clone()).or_default().insert(line);
            }
            if let Err(error) = self.publish_one(&fleet) {
                let about = format!("ProxyFleet {}/{}", fleet.namespace, fleet.name);
                let line = format!("{about}: its configuration can't be written: {error}");
                self.unpublished.entry(about).or_default().insert(line);
            }
            self.fleets.push(fleet);
        }
    }

    fn publish_one(&mut self, fleet: &ResolvedFleet) -> io::Result<()> {
        let key = fleet.key();
        let mut document = build::document(fleet, 0);
        if let Some(address) = &self.kafka {
            kafka::replace_sinks(&mut document, address);
        }
        let grace = longest_delivery(&document) + LEAVE_EXTRA;
        let published = self.publisher.publish(document.clone(), now_ms())?;
        let (Published::New(revision) | Published::Same(revision)) = published;
        if let (Published::New(_), Some(manager)) = (published, &mut self.manager) {
            manager.publish(&key, Document { revision, ..document.clone() }).map_err(io::Error::other)?;
        }
        let view = self.views.entry(key.clone()).or_insert_with(|| View::new(&key, document.clone()));
        view.published(document, revision);
        let config = self.publisher.path(&key);
        self.supervisor.keep(&key, Ports::of(fleet), config, grace);
        Ok(())
    }

    fn on(&mut self, fleet: &FleetKey, event: Event) {
        let moves = matches!(event, Event::Up(_) | Event::Down(_) | Event::Left);
        let tells = moves || matches!(event, Event::Status(_));
        match self.views.get_mut(fleet) {
            Some(view) => view.on(event).iter().for_each(|line| self.console.say(line)),
            // A proxy that is leaving still has its say.
            None => {
                if let Event::Log(line) = event {
                    self.console.say(&format!("ProxyFleet {}/{}: {line}", fleet.0, fleet.1));
                }
            }
        }
        if moves {
            self.note_nodes();
        }
        if tells {
            self.tell_manager();
        }
    }

    fn report(&mut self) {
        for view in self.views.values_mut() {
            view.report().iter().for_each(|line| self.console.say(line));
        }
    }

    fn tell_problems(&mut self) {
        let mut all = self.written.clone();
        let running = self.views.values().map(View::problems);
        for (about, lines) in running.flatten().chain(self.unpublished.clone()) {
            all.entry(about).or_default().extend(lines);
        }
        self.console.problems(all);
    }
}

fn ticks(every: Duration) -> Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Problems by the object or, where none is known, by the file.
fn by_object(problems: &[Problem]) -> Problems {
    let mut all = Problems::new();
    for problem in problems {
        let about = match &problem.object {
            Some(object) => object_in(&problem.file, object),
            None => problem.file.clone(),
        };
        all.entry(about).or_default().insert(problem.to_string());
    }
    all
}

/// Whether the object or file that [`by_object`] names so is still there.
fn is_written(snapshot: &Snapshot, about: &str) -> bool {
    let mut objects = snapshot.objects.iter();
    snapshot.files.iter().any(|file| file == about)
        || objects.any(|source| object_in(&source.file, &source.id) == about)
}

fn object_in(file: &str, object: &ObjectRef) -> String {
    format!("{file}: {object}")
}

fn longest_delivery(document: &Document) -> Duration {
    let of_sink = |kind: &SinkKind| match kind {
        SinkKind::Kafka(kafka) => kafka.delivery_timeout_ms,
        SinkKind::File(_) => 0,
    };
    Duration::from_millis(document.sinks.iter().map(|sink| of_sink(&sink.kind)).max().unwrap_or(0))
}

/// Milliseconds since 1970; 0 on a clock set before.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
