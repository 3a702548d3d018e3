//! What became of reports, a line for each stream whose numbers changed.
//! It compares and words; it asks nobody.

use std::collections::BTreeMap;

use sluice_wire::status::{NodeStatus, StreamCounts};

/// The numbers told last, by groupId and streamId.
#[derive(Debug, Default)]
pub(super) struct Report(BTreeMap<(String, String), StreamCounts>);

impl Report {
    /// The lines for what changed since the last call. A proxy that started again counts from zero again.
    pub(super) fn lines(&mut self, status: &NodeStatus) -> Vec<String> {
        let mut lines = Vec::new();
        for stream in &status.streams {
            let id = (stream.group_id.clone(), stream.stream_id.clone());
            let last = self.0.insert(id, stream.counts).unwrap_or_default();
            if stream.counts != last && stream.counts != StreamCounts::default() {
                lines.push(line(&stream.group_id, &stream.stream_id, stream.counts, last));
            }
        }
        lines
    }
}

fn line(group_id: &str, stream_id: &str, now: StreamCounts, last: StreamCounts) -> String {
    let more = now.reports_accepted.checked_sub(last.reports_accepted).unwrap_or(now.reports_accepted);
    let mut line = format!(
        "{group_id}/{stream_id}  accepted {} (+{more})  refused {}  stored {}",
        now.reports_accepted, now.reports_refused, now.records_delivered
    );
    for (count, name) in [(now.records_failed, "failed"), (now.records_unknown, "unknown")] {
        if count > 0 {
            line.push_str(&format!("  {name} {count}"));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_wire::status::NodeState;

    fn status(streams: &[(&str, StreamCounts)]) -> NodeStatus {
        let stream = |(id, counts): &(&str, StreamCounts)| {
            serde_json::from_value(serde_json::json!({
                "namespace": "default", "name": id, "generation": 0, "groupId": "demo", "streamId": id,
                "topic": "t", "ready": true, "replicas": null, "minInsyncReplicas": null, "counts": counts
            }))
            .unwrap()
        };
        NodeStatus {
            https: None,
            version: String::new(),
            uid: String::new(),
            started: 0,
            load: None,
            band: 0,
            state: NodeState::Ready,
            fleet: None,
            revision: 1,
            config_error: None,
            config_source: None,
            inflight_bytes: 0,
            connections: 0,
            sinks: Vec::new(),
            streams: streams.iter().map(stream).collect(),
        }
    }

    fn counts(accepted: u64, refused: u64, unknown: u64) -> StreamCounts {
        StreamCounts {
            reports_accepted: accepted,
            reports_refused: refused,
            records_delivered: accepted,
            records_unknown: unknown,
            ..StreamCounts::default()
        }
    }

    #[test]
    fn only_streams_whose_numbers_changed_are_told() {
        let mut report = Report::default();
        let idle = status(&[("a", counts(0, 0, 0)), ("b", counts(0, 0, 0))]);
        assert_eq!(report.lines(&idle), [""; 0]);
        let busy = status(&[("a", counts(9, 0, 0)), ("b", counts(0, 0, 0))]);
        assert_eq!(report.lines(&busy), ["demo/a  accepted 9 (+9)  refused 0  stored 9"]);
        assert_eq!(report.lines(&busy), [""; 0]);
        let more = status(&[("a", counts(12, 1, 2)), ("b", counts(0, 0, 0))]);
        assert_eq!(report.lines(&more), ["demo/a  accepted 12 (+3)  refused 1  stored 12  unknown 2"]);
    }

    #[test]
    fn a_proxy_that_started_again_counts_from_zero() {
        let mut report = Report::default();
        report.lines(&status(&[("a", counts(12, 0, 0))]));
        assert_eq!(report.lines(&status(&[("a", counts(0, 0, 0))])), [""; 0]);
        assert_eq!(
            report.lines(&status(&[("a", counts(2, 0, 0))])),
            ["demo/a  accepted 2 (+2)  refused 0  stored 2"]
        );
    }
}
