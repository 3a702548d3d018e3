//! One fleet as a person follows it: what it should serve, what its proxy says, what is wrong.
//! It remembers and words; it starts nothing and writes nothing.

use std::collections::BTreeSet;

use sluice_operator::resolve::FleetKey;
use sluice_wire::document::{Document, Stream};
use sluice_wire::status::{NodeState, NodeStatus, StreamStatus};

use super::console::Problems;
use super::fleet::Event;
use super::invite;
use super::manager::Seen;
use super::report::Report;

/// What is known of a fleet.
#[derive(Debug)]
pub(super) struct View {
    name: String,
    document: Document,
    /// The revision that was published last.
    revision: u64,
    http: Option<String>,
    admin: String,
    down: Option<String>,
    status: Option<Box<NodeStatus>>,
    /// What the status before said was wrong: what passes within a second is not told.
    doubts: Problems,
    confirmed: Problems,
    /// What was told of as in effect: address and revision.
    told: Option<(String, u64)>,
    report: Report,
}

impl View {
    pub(super) fn new((namespace, name): &FleetKey, document: Document) -> Self {
        Self {
            name: format!("{namespace}/{name}"),
            document,
            revision: 0,
            http: None,
            admin: String::new(),
            down: None,
            status: None,
            doubts: Problems::new(),
            confirmed: Problems::new(),
            told: None,
            report: Report::default(),
        }
    }

    /// A document was published.
    pub(super) fn published(&mut self, document: Document, revision: u64) {
        self.document = document;
        self.revision = revision;
    }

    /// Something happened to the proxy. Gives the lines to tell.
    pub(super) fn on(&mut self, event: Event) -> Vec<String> {
        match event {
            Event::Up(announcement) => {
                self.http = Some(announcement.http);
                self.admin = announcement.admin;
                self.down = None;
                self.told = None;
            }
            Event::Down(why) => {
                self.gone();
                self.down = Some(why);
            }
            Event::Left => self.gone(),
            Event::Silent(why) => self.doubt(self.about(&format!("sluice-proxy does not answer: {why}"))),
            Event::Log(line) => return vec![format!("ProxyFleet {}: {line}", self.name)],
            Event::Status(status) => {
                self.doubt(self.troubles(&status));
                let lines = self.in_effect(&status);
                self.status = Some(status);
                return lines;
            }
        }
        Vec::new()
    }

    /// The running proxy.
    pub(super) fn seen(&self) -> Option<Seen> {
        let http = self.http.as_ref()?.parse().ok()?;
        let ready = self.status.as_ref().is_some_and(|status| status.state == NodeState::Ready);
        Some(Seen { http, admin: self.admin.parse().ok()?, ready })
    }

    /// `ip:port` of the running proxy's metrics.
    pub(super) fn admin(&self) -> Option<&str> {
        self.http.is_some().then_some(self.admin.as_str())
    }

    fn gone(&mut self) {
        self.http = None;
        self.status = None;
        self.doubts.clear();
        self.confirmed.clear();
    }

    /// The lines on what changed since the last call.
    pub(super) fn report(&mut self) -> Vec<String> {
        self.status.as_deref().map(|status| self.report.lines(status)).unwrap_or_default()
    }

    /// What is wrong now.
    pub(super) fn problems(&self) -> Problems {
        match &self.down {
            Some(why) => self.about(why),
            None => self.confirmed.clone(),
        }
    }

    fn about(&self, what: &str) -> Problems {
        let about = format!("ProxyFleet {}", self.name);
        Problems::from([(about.clone(), BTreeSet::from([format!("{about}: {what}")]))])
    }

    fn doubt(&mut self, now: Problems) {
        let before = std::mem::replace(&mut self.doubts, now);
        let again = self.doubts.iter().filter(|(about, _)| before.contains_key(*about));
        self.confirmed = again.map(|(about, lines)| (about.clone(), lines.clone())).collect();
    }

    fn in_effect(&mut self, status: &NodeStatus) -> Vec<String> {
        let Some(http) = self.http.as_ref().filter(|_| status.state == NodeState::Ready) else {
            return Vec::new();
        };
        let now = (http.clone(), status.revision);
        if status.revision != self.revision || self.told.as_ref() == Some(&now) {
            return Vec::new();
        }
        let first = self.told.as_ref().is_none_or(|(told, _)| told != http);
        let streams = match self.document.streams.len() {
            1 => "1 stream".to_owned(),
            count => format!("{count} streams"),
        };
        let mut lines = vec![format!("ProxyFleet {} listens on http://{http}, {streams}", self.name)];
        if first {
            lines.extend(invite::lines(&self.document, http));
            lines.push(format!("  status and metrics: http://{0}/status http://{0}/metrics", self.admin));
        }
        self.told = Some(now);
        lines
    }

    fn troubles(&self, status: &NodeStatus) -> Problems {
        let fleet = format!("ProxyFleet {}", self.name);
        let mut problems = Problems::new();
        let mut add = |about: String, what: &str| {
            let line = format!("{about}: {what}");
            problems.entry(about).or_default().insert(line);
        };
        if let Some(error) = &status.config_error {
            add(format!("{fleet}: configuration"), error);
        }
        for sink in status.sinks.iter().filter(|sink| !sink.ready) {
            add(format!("{fleet}: sink {}", sink.name), &sink.message);
        }
        for stream in status.streams.iter().filter(|stream| !stream.ready && self.has_sink(stream, status)) {
            add(format!("DataStream {}/{}", stream.namespace, stream.name), &stream.message);
        }
        problems
    }

    /// Whether the stream's sink is ready. If not, that is the stream's trouble too, and once is enough.
    fn has_sink(&self, stream: &StreamStatus, status: &NodeStatus) -> bool {
        let is_it = |of: &&Stream| of.group_id == stream.group_id && of.stream_id == stream.stream_id;
        let sink = self.document.streams.iter().find(is_it).map(|stream| stream.sink.as_str());
        !status.sinks.iter().any(|of| !of.ready && sink == Some(&of.name))
    }
}

#[cfg(test)]
mod tests;
