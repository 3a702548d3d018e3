//! Files: one directory a sink, one run of NDJSON segments a stream.
//! A record is stored when its file was synced; files are never deleted here.

mod line;
mod segment;
mod writer;

use std::path::Path;
use std::sync::Arc;

pub use writer::Writer;

use crate::sink::{Delivery, Health, Message, Meta};
use writer::{Job, Target};

/// One stream's way into its file.
#[derive(Clone, Debug)]
pub struct Outlet {
    writer: Arc<Writer>,
    group_id: Arc<str>,
    stream_id: Arc<str>,
    target: Target,
}

impl Outlet {
    /// The way of a stream into its file.
    #[must_use]
    pub fn new(writer: &Arc<Writer>, group_id: &str, stream_id: &str) -> Self {
        Self {
            writer: Arc::clone(writer),
            group_id: group_id.into(),
            stream_id: stream_id.into(),
            target: Arc::new(Path::new(group_id).join(stream_id)),
        }
    }

    /// The messages as lines.
    #[must_use]
    pub fn lines(&self, meta: &Meta<'_>, messages: &[Message<'_>]) -> Vec<u8> {
        let bytes: usize = messages.iter().map(Message::bytes).sum();
        let mut lines = Vec::with_capacity(bytes + messages.len() * 320);
        for message in messages {
            line::write(&mut lines, &self.group_id, &self.stream_id, meta, message);
        }
        lines
    }

    /// Hands over the messages of a report as lines.
    pub fn submit(&self, lines: Vec<u8>, messages: &[Message<'_>], delivery: &Arc<Delivery>) {
        let ticket = |(index, message): (u32, &Message<'_>)| {
            (delivery.ticket(index, message.records), message.value.len())
        };
        self.writer.enqueue(Job {
            target: Arc::clone(&self.target),
            lines,
            messages: (0..).zip(messages).map(ticket).collect(),
        });
    }

    /// Whether the directory can be written.
    #[must_use]
    pub fn health(&self) -> Health {
        Health { trouble: self.writer.trouble(), ..Health::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::path::PathBuf;

    use tokio::sync::oneshot;

    use super::*;
    use crate::admit::Budget;
    use crate::sink::{Cause, Envelope, Outcome, Verdict};

    const META: Meta<'_> = Meta {
        received: 0,
        client: "127.0.0.1",
        node: "127.0.0.1",
        audit_version: None,
        envelope: Envelope::Raw,
        passed: &[],
    };

    fn hand_over(outlet: &Outlet, values: &[&[u8]]) -> oneshot::Receiver<Verdict> {
        let budget = Budget::new(0).open();
        let (delivery, verdict) = Delivery::new(values.len(), values.len() as u64, Arc::default(), budget);
        let messages: Vec<_> = values
            .iter()
            .map(|value| Message {
                key: None,
                value: Cow::Borrowed(*value),
                event_time: 0,
                headers: Vec::new(),
                records: 1,
            })
            .collect();
        outlet.submit(outlet.lines(&META, &messages), &messages, &delivery);
        verdict
    }

    async fn submit(outlet: &Outlet, values: &[&[u8]]) -> Verdict {
        hand_over(outlet, values).await.unwrap()
    }

    fn start(directory: &Path, max_bytes: u64) -> (Arc<Writer>, tokio::task::JoinHandle<()>) {
        Writer::start(PathBuf::from(directory), max_bytes)
    }

    #[tokio::test]
    async fn records_are_lines_of_the_streams_file_once_stored() {
        let directory = tempfile::tempdir().unwrap();
        let (writer, task) = start(directory.path(), 1 << 20);
        let outlet = Outlet::new(&writer, "g", "s");
        assert_eq!(submit(&outlet, &[b"one", b"two"]).await.outcome(), Outcome::Stored);
        let text = std::fs::read_to_string(directory.path().join("g/s/00000001.ndjson")).unwrap();
        assert_eq!(text.lines().count(), 2);
        writer.retire();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn at_max_bytes_records_are_refused_and_nothing_is_deleted() {
        let directory = tempfile::tempdir().unwrap();
        let (writer, _task) = start(directory.path(), 500);
        let outlet = Outlet::new(&writer, "g", "s");
        assert_eq!(submit(&outlet, &[b"one"]).await.outcome(), Outcome::Stored);
        let full = submit(&outlet, &[&[b'x'; 500]]).await.outcome();
        assert_eq!(full, Outcome::NotStored(Cause::Busy));
        assert!(writer.trouble().unwrap().message.contains("maxBytes"));
        assert_eq!(submit(&outlet, &[b"two"]).await.outcome(), Outcome::Stored);
        assert_eq!(writer.trouble(), None);
        writer.retire();
    }

    #[tokio::test]
    async fn room_that_a_person_made_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let (writer, _task) = start(directory.path(), 500);
        let (first, second) = (Outlet::new(&writer, "g", "s"), Outlet::new(&writer, "g", "t"));
        assert_eq!(submit(&first, &[b"one", b"two"]).await.outcome(), Outcome::Stored);
        assert_eq!(submit(&second, &[b"one"]).await.outcome(), Outcome::NotStored(Cause::Busy));
        std::fs::remove_file(directory.path().join("g/s/00000001.ndjson")).unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        assert_eq!(submit(&second, &[b"one"]).await.outcome(), Outcome::Stored);
        writer.retire();
    }

    #[tokio::test]
    async fn what_is_stored_after_the_files_were_removed_is_in_new_files() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("data");
        let (writer, _task) = start(&below, 1 << 20);
        let outlet = Outlet::new(&writer, "g", "s");
        assert_eq!(submit(&outlet, &[b"one"]).await.outcome(), Outcome::Stored);
        std::fs::remove_dir_all(&below).unwrap();
        assert_eq!(submit(&outlet, &[b"two"]).await.outcome(), Outcome::Stored);
        let text = std::fs::read_to_string(below.join("g/s/00000001.ndjson")).unwrap();
        assert!(text.contains("two") && !text.contains("one"), "{text}");
        writer.retire();
    }

    #[tokio::test]
    async fn a_directory_in_use_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (first, _task) = start(directory.path(), 1 << 20);
        assert_eq!(submit(&Outlet::new(&first, "g", "s"), &[b"x"]).await.outcome(), Outcome::Stored);
        let (second, _task) = start(directory.path(), 1 << 20);
        let refused = submit(&Outlet::new(&second, "g", "s"), &[b"x"]).await.outcome();
        assert_eq!(refused, Outcome::NotStored(Cause::Busy));
        assert!(second.trouble().unwrap().message.contains("another process"));
        first.retire();
        second.retire();
    }

    #[tokio::test]
    async fn what_waits_when_the_writer_retires_is_still_written() {
        let directory = tempfile::tempdir().unwrap();
        let (writer, task) = start(directory.path(), 1 << 20);
        let outlet = Outlet::new(&writer, "g", "s");
        let verdict = hand_over(&outlet, &[b"x"]);
        writer.retire();
        task.await.unwrap();
        assert_eq!(verdict.await.unwrap().outcome(), Outcome::Stored);
    }
}
