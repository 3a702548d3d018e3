//! Reports that were not stored, as a few log lines: one a stream and code every [`EVERY`], with how many.
//! It reads counts that exist anyway, so that a flood of refusals costs neither the log nor a report anything.

use std::collections::HashMap;
use std::time::Duration;

use sluice_wire::code::Code;
use tokio_util::sync::CancellationToken;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(10);
/// The most lines of one look.
const LINES: usize = 50;

/// Whose requests are counted: the groupId and streamId, or nobody's.
pub type Who = Option<(String, String)>;

/// How often `code` was answered so far.
pub type Answered = (Who, Code, u64);

/// So many requests were answered with `code` since the last look.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    who: Who,
    code: Code,
    requests: u64,
}

/// Logs what `read` shows of refusals, every [`EVERY`] until `stop`, and once more then.
pub async fn log(read: impl Fn() -> Vec<Answered>, stop: CancellationToken) {
    let mut seen = Seen::default();
    let mut stopped = false;
    while !stopped {
        stopped = tokio::time::timeout(EVERY, stop.cancelled()).await.is_ok();
        let lines = seen.look(read());
        lines.iter().take(LINES).for_each(Line::log);
        let more = lines.get(LINES..).unwrap_or_default();
        if !more.is_empty() {
            let requests: u64 = more.iter().map(|line| line.requests).sum();
            tracing::info!(requests, lines = more.len(), "further requests refused");
        }
    }
}

/// What was seen at the last look.
#[derive(Debug, Default)]
struct Seen(HashMap<(Who, Code), u64>);

impl Seen {
    /// What is new since the last look, the most frequent first. Who left is forgotten.
    fn look(&mut self, now: Vec<Answered>) -> Vec<Line> {
        let now = now.into_iter().filter(|(_, code, _)| *code != Code::Ok);
        let now: HashMap<_, _> = now.map(|(who, code, count)| ((who, code), count)).collect();
        let before = |key| self.0.get(key).copied().unwrap_or(0);
        let mut lines: Vec<_> = now
            .iter()
            .map(|(key, count)| (key, count.saturating_sub(before(key))))
            .filter(|(_, requests)| *requests > 0)
            .map(|((who, code), requests)| Line { who: who.clone(), code: *code, requests })
            .collect();
        lines.sort_unstable_by(|a, b| {
            b.requests.cmp(&a.requests).then_with(|| (&a.who, a.code).cmp(&(&b.who, b.code)))
        });
        self.0 = now;
        lines
    }
}

impl Line {
    fn log(&self) {
        let (requests, code, why) = (self.requests, self.code.number(), self.code);
        let ids = self.who.as_ref();
        let (group_id, stream_id) = (ids.map(|ids| ids.0.as_str()), ids.map(|ids| ids.1.as_str()));
        if self.is_of_the_node() {
            tracing::warn!(group_id, stream_id, code, ?why, requests, "requests not stored");
        } else {
            tracing::info!(group_id, stream_id, code, ?why, requests, "requests refused");
        }
    }

    /// Whether the node or what is behind it is the reason, and not what producers sent.
    fn is_of_the_node(&self) -> bool {
        match self.code {
            Code::NotReady | Code::Busy | Code::Refused | Code::Unknown => true,
            Code::NoTopic => self.who.is_some(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(stream_id: impl Into<Option<&'static str>>) -> Who {
        stream_id.into().map(|stream_id| ("g".to_owned(), stream_id.to_owned()))
    }

    fn line(who: Who, code: Code, requests: u64) -> Line {
        Line { who, code, requests }
    }

    #[test]
    fn a_look_shows_what_is_new_since_the_last_one() {
        let mut seen = Seen::default();
        let now = vec![(who("s"), Code::Busy, 5), (who("s"), Code::Ok, 100), (None, Code::Path, 7)];
        let lines = [line(None, Code::Path, 7), line(who("s"), Code::Busy, 5)];
        assert_eq!(seen.look(now.clone()), lines);
        assert_eq!(seen.look(now), []);
        let later = vec![(who("s"), Code::Busy, 6), (None, Code::Path, 7)];
        assert_eq!(seen.look(later), [line(who("s"), Code::Busy, 1)]);
    }

    #[test]
    fn a_stream_that_left_and_came_back_is_counted_from_its_beginning() {
        let mut seen = Seen::default();
        seen.look(vec![(who("s"), Code::Busy, 5)]);
        assert_eq!(seen.look(Vec::new()), []);
        assert_eq!(seen.look(vec![(who("s"), Code::Busy, 2)]), [line(who("s"), Code::Busy, 2)]);
    }

    #[test]
    fn the_nodes_troubles_are_told_from_producers_mistakes() {
        assert!(line(who("s"), Code::NoTopic, 1).is_of_the_node());
        assert!(!line(None, Code::NoTopic, 1).is_of_the_node(), "a stream that is not there");
        assert!(!line(who("s"), Code::TooLong, 1).is_of_the_node());
    }
}
