//! What to try on a fleet that is up: the curl, and where its record will lie.
//! It makes text out of a document and looks for files; it sends nothing.

use std::fs;
use std::path::{Path, PathBuf};

use sluice_wire::document::{Document, SinkKind, Stream};

/// What to try at `http` (`host:port`): the curl on a line of its own, then where to look. Nothing without a
/// stream.
pub(super) fn lines(document: &Document, http: &str) -> Vec<String> {
    let Some(stream) = document.streams.first() else {
        let fleet = &document.fleet;
        return vec![format!("  no stream yet; add a DataStream for {}/{}", fleet.namespace, fleet.name)];
    };
    let curl = format!(
        "  curl -d groupId={} -d streamId={} --data-urlencode 'body=hello' http://{http}/dataproxy/message",
        stream.group_id, stream.stream_id
    );
    let mut lines = vec!["  try:".to_owned(), curl];
    lines.extend(destination(document, stream).map(|place| format!("  and find the record in {place}")));
    lines
}

fn destination(document: &Document, stream: &Stream) -> Option<String> {
    let sink = document.sinks.iter().find(|sink| sink.name == stream.sink)?;
    Some(match &sink.kind {
        SinkKind::Kafka(kafka) => format!("topic {} at {}", stream.topic, kafka.bootstrap_servers),
        SinkKind::File(file) => newest_segment(&file.directory, stream).display().to_string(),
    })
}

/// The file that the stream's next record goes to, or the first if there is none.
fn newest_segment(directory: &str, stream: &Stream) -> PathBuf {
    let directory = Path::new(directory).join(&stream.group_id).join(&stream.stream_id);
    let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
    let segments =
        entries.map(|entry| entry.path()).filter(|path| path.extension() == Some("ndjson".as_ref()));
    segments.max().unwrap_or_else(|| directory.join("00000001.ndjson"))
}

#[cfg(test)]
mod tests {
    use super::super::kafka;
    use super::*;

    fn document(directory: &Path) -> Document {
        serde_json::from_value(serde_json::json!({
            "major": 1, "fleet": {"namespace": "default", "name": "main"}, "revision": 1,
            "overload": {"maxInflightBytes": 1, "maxConnections": 1}, "drain": {"notifyMs": 0},
            "sinks": [{"name": "local", "file": {"directory": directory, "maxBytes": 1}}],
            "streams": [{"namespace": "default", "name": "orders", "groupId": "demo", "streamId": "orders",
                "sink": "local", "topic": "demo.orders", "output": "Raw", "successCode": 0, "maxBodyBytes": 1}]
        }))
        .unwrap()
    }

    #[test]
    fn the_curl_is_exact_and_the_file_named() {
        assert_eq!(
            lines(&document(Path::new("./data")), "127.0.0.1:46802"),
            [
                "  try:",
                "  curl -d groupId=demo -d streamId=orders --data-urlencode 'body=hello' http://127.0.0.1:46802/dataproxy/message",
                "  and find the record in ./data/demo/orders/00000001.ndjson"
            ]
        );
    }

    #[test]
    fn the_newest_file_is_named_when_there_are_some() {
        let directory = tempfile::tempdir().unwrap();
        let stream = directory.path().join("demo/orders");
        fs::create_dir_all(&stream).unwrap();
        for name in ["00000001.ndjson", "00000002.ndjson", "notes"] {
            fs::write(stream.join(name), "").unwrap();
        }
        let last = lines(&document(directory.path()), "127.0.0.1:1").pop().unwrap();
        assert!(last.ends_with("demo/orders/00000002.ndjson"), "{last}");
    }

    #[test]
    fn with_a_kafka_the_topic_is_named_and_made() {
        let mut document = document(Path::new("./data"));
        kafka::replace_sinks(&mut document, "localhost:9092");
        assert_eq!(
            lines(&document, "127.0.0.1:1")[2],
            "  and find the record in topic demo.orders at localhost:9092"
        );
        assert!(document.streams[0].create.is_some());
        assert_eq!((document.sinks.len(), document.sinks[0].name.as_str()), (1, "local"));
    }

    #[test]
    fn without_a_stream_it_says_what_is_missing() {
        let mut document = document(Path::new("./data"));
        document.streams.clear();
        assert_eq!(lines(&document, "127.0.0.1:1"), ["  no stream yet; add a DataStream for default/main"]);
    }
}
