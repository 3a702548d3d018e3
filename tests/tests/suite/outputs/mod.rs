//! Every content type in every output and every sink, read back and compared whole: the value byte for byte, the
//! key, every header, the number of messages, the books.

mod events;
mod expected;
mod inlong;
mod inputs;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use sluice_tests::document::{document, file_sink, kafka as kafka_connection, kafka_sink, stream};
use sluice_tests::http::Connection;
use sluice_tests::proxy::Proxy;
use sluice_tests::{formats, kafka, native};
use sluice_wire::document::{KeySource, Output, Stream};
use sluice_wire::status::Books;

use crate::support::{formats as library, kafka as kafka_address, lines};
use expected::{Expected, Known, Value as Content};
use inputs::Input;

const OUTPUTS: [(&str, Output); 4] = [
    ("raw", Output::Raw),
    ("snappy", Output::InLongMsg { snappy: true }),
    ("plain", Output::InLongMsg { snappy: false }),
    ("events", Output::CloudEvents),
];

/// A message as it was stored.
#[derive(Debug)]
struct Message {
    key: Option<Vec<u8>>,
    value: Vec<u8>,
    headers: BTreeMap<String, String>,
}

/// One input in one output and one sink.
struct Cell<'a> {
    input: &'a Input,
    output: Output,
    sink: &'static str,
    /// Its stream, and its topic.
    id: String,
}

fn cells(inputs: &[Input]) -> Vec<Cell<'_>> {
    let mut cells = Vec::new();
    for input in inputs {
        for (name, output) in OUTPUTS {
            for sink in ["kafka", "local"] {
                cells.push(Cell { input, output, sink, id: format!("{}-{name}-{sink}", input.name) });
            }
        }
    }
    cells
}

fn start(cells: &[Cell<'_>], directory: &Path) -> Proxy {
    let topics: Vec<_> =
        cells.iter().filter(|cell| cell.sink == "kafka").map(|cell| cell.id.clone()).collect();
    kafka::create_all(&kafka_address(), &topics);
    let streams = cells.iter().map(|cell| Stream {
        output: cell.output,
        key: Some(KeySource::FromParameter("k".to_owned())),
        headers: vec!["X-Shop".to_owned()],
        ..stream("g", &cell.id, cell.sink, &cell.id)
    });
    let sinks = vec![kafka_sink("kafka", kafka_connection(&kafka_address())), file_sink("local", directory)];
    Proxy::start(&document(sinks, streams.collect()))
}

/// Sends an input and checks what is answered.
fn send(cell: &Cell<'_>, connection: &mut Connection) {
    connection.send(&(cell.input.request)(&cell.id));
    let answer = connection.answer();
    if cell.input.report.is_some() {
        assert_eq!(answer.code(), "0", "{}", cell.id);
    } else {
        assert_eq!(native::accepted(&answer), cell.input.records.len() as u64, "{}", cell.id);
    }
}

fn stored(cell: &Cell<'_>, directory: &Path) -> Vec<Message> {
    if cell.sink == "local" {
        return lines(directory, &cell.id).iter().map(|line| message_of_line(line, &cell.id)).collect();
    }
    let records = kafka::read(&kafka_address(), &cell.id);
    records.into_iter().map(|r| Message { key: r.key, value: r.value, headers: r.headers }).collect()
}

fn message_of_line(line: &Value, stream_id: &str) -> Message {
    assert_eq!((&line["groupId"], &line["streamId"]), (&"g".into(), &stream_id.into()));
    let text = |name: &str| line[name].as_str().map(|text| text.as_bytes().to_vec());
    let value = text("value").unwrap_or_else(|| {
        let bytes = formats::bytes(&line["valueBase64"]);
        assert!(std::str::from_utf8(&bytes).is_err(), "{stream_id}: text is written as text");
        bytes
    });
    let names: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
    let last = names.last().copied().unwrap_or_default();
    assert!(matches!(last, "value" | "valueBase64"), "{names:?}");
    assert_eq!(names[..names.len() - 1], ["time", "groupId", "streamId", "key", "headers"], "{stream_id}");
    let headers = serde_json::from_value(line["headers"].clone()).unwrap();
    let message = Message { key: text("key"), value, headers };
    let time: jiff::Timestamp = line["time"].as_str().unwrap().parse().unwrap();
    assert_eq!(time.as_millisecond().to_string(), message.headers["rt"], "{stream_id}");
    message
}

/// The base of the ids of made events: an RFC 9562 UUID.
fn id_base(message: &Message) -> Option<&str> {
    let id = message.headers.get("ce_id")?;
    let base = id.get(..36)?;
    let shape: String = base.chars().map(|c| if c.is_ascii_hexdigit() { 'x' } else { c }).collect();
    (shape == "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx").then_some(base)
}

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()
}

#[test]
fn every_input_is_stored_in_every_output_and_sink_as_its_specification_says() {
    let inputs = inputs::all();
    let cells = cells(&inputs);
    assert_eq!(cells.len(), 10 * 4 * 2);
    let directory = tempfile::tempdir().unwrap();
    let proxy = start(&cells, directory.path());
    let begin = now();
    let mut connection = Connection::open(proxy.http());
    cells.iter().for_each(|cell| send(cell, &mut connection));
    let end = now();
    for cell in &cells {
        let stored = stored(cell, directory.path());
        assert!(!stored.is_empty(), "{}", cell.id);
        let headers = &stored[0].headers;
        let (received, sent) = (&*headers["rt"], &*headers["st"]);
        let times: [u128; 2] = [received.parse().unwrap(), sent.parse().unwrap()];
        assert!(begin <= times[0] && times[0] <= times[1] && times[1] <= end, "{}: {times:?}", cell.id);
        let known = Known { stream_id: &cell.id, received, sent, id: id_base(&stored[0]) };
        let expected = expected::messages(cell.input, cell.output, known);
        assert_eq!(stored.len(), expected.len(), "{}: {stored:?}", cell.id);
        stored.iter().zip(&expected).for_each(|(stored, expected)| compare(stored, expected, &cell.id));
    }
    check_books(&proxy, &cells);
}

fn compare(stored: &Message, expected: &Expected, id: &str) {
    assert_eq!(stored.key.as_deref(), Some(expected.key.as_bytes()), "{id}");
    assert_eq!(stored.headers, expected.headers, "{id}");
    match &expected.value {
        Content::Bytes(bytes) => assert_eq!(
            (&stored.value, String::from_utf8_lossy(&stored.value)),
            (bytes, String::from_utf8_lossy(bytes)),
            "{id}"
        ),
        Content::InLongMsg(message, snappy) => {
            inlong::check(&stored.value, message, *snappy, &mut library(), id);
        }
    }
}

fn check_books(proxy: &Proxy, cells: &[Cell<'_>]) {
    let books: Books = serde_json::from_slice(&proxy.get_admin("/books").body).unwrap();
    for cell in cells {
        let book = books.streams.iter().find(|book| book.stream_id == cell.id).unwrap();
        let records = expected::records(cell.input, cell.output) as u64;
        assert_eq!((book.admitted, book.delivered, book.waiting), (records, records, 0), "{}", cell.id);
    }
    let mismatch = proxy.metric("sluice_count_mismatch_total", &[]);
    assert!(mismatch.abs() < 0.5, "every cnt was right");
}
