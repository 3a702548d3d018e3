//! InLongMsg against inlong-common, the library that its consumers read with: what the proxy stored is read by that
//! library, and is what it writes of the same records, byte for byte but for what snappy's compressor chose.

use sluice_tests::document::{on_kafka, stream};
use sluice_tests::formats::{Formats, InLongMsg};
use sluice_tests::http::{Connection, form, post};
use sluice_tests::native::Post;
use sluice_tests::proxy::Proxy;
use sluice_tests::{kafka, native, paths};
use sluice_wire::document::{Output, Stream};

use crate::support::{formats as library, kafka as kafka_address, topic};

/// Lengths around the steps of snappy's own format, up to the longest body of these streams.
const LENGTHS: [usize; 17] =
    [1, 2, 14, 15, 16, 17, 59, 60, 61, 64, 65, 256, 257, 4_096, 16_384, 32_768, 61_440];

/// Where the data of a message of one group begins: after its length and the flag of compression.
fn data_start(message: &[u8]) -> usize {
    let attributes = usize::from(u16::from_be_bytes([message[14], message[15]]));
    16 + attributes + 4 + 1
}

/// Checks that `stored` is `message`, and written as the library writes it. Compressed data may be other bytes:
/// snappy's compressor isn't one function. The proxy's chooses as snappy-java does up to 1.1.10.1; 1.1.10.4, which
/// inlong-common 1.11.0 brings, chooses otherwise for some short data.
pub(super) fn check(stored: &[u8], message: &InLongMsg, snappy: bool, library: &mut Formats, what: &str) {
    let built = library.build(message, snappy);
    assert_eq!(library.parse(stored), *message, "{what}");
    if !snappy {
        assert!(stored == built, "{what}: other bytes");
        return;
    }
    let start = data_start(&built);
    let length = u32::try_from(stored.len() - start - 2 + 1).unwrap().to_be_bytes();
    assert_eq!(stored[..start - 5], built[..start - 5], "{what}");
    assert_eq!((&stored[start - 5..start - 1], stored[start - 1]), (&length[..], 1), "{what}");
    assert_eq!(stored[stored.len() - 2..], built[built.len() - 2..], "{what}");
}

fn inlong_stream(group_id: &str, stream_id: &str, topic: &str, snappy: bool) -> Stream {
    Stream { output: Output::InLongMsg { snappy }, ..stream(group_id, stream_id, "kafka", topic) }
}

fn captured(name: &str) -> Vec<u8> {
    std::fs::read(paths::fixture(&format!("inlong-msg/{name}.bin"))).unwrap()
}

/// Bytes that repeat, words that repeat now and then, and noise.
fn kinds(length: usize) -> [Vec<u8>; 3] {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let repeated = "abcdefg\n".bytes().cycle().take(length).collect();
    let mut words = String::new();
    while words.len() < length {
        words.push_str(&format!("{{\"user\":{},\"shop\":\"\u{4e2d}{}\"}}\n", random() % 500, random() % 9));
    }
    let mut words = words.into_bytes();
    words.truncate(length);
    let noise = (0..length).map(|_| random().to_le_bytes()[0]).collect();
    [repeated, words, noise]
}

/// What is sent, as a content type and a body, and the records that it holds.
type Sent = (&'static str, Vec<u8>, Vec<Vec<u8>>);

fn reports() -> Vec<Sent> {
    let mut reports = Vec::new();
    for body in LENGTHS.into_iter().flat_map(kinds) {
        reports.push(("application/octet-stream", body.clone(), vec![body]));
    }
    let unicode = "\u{e9} \u{4e2d}\u{6587} \u{1f600}\u{0}".as_bytes().to_vec();
    reports.push(("application/octet-stream", unicode.clone(), vec![unicode]));
    let thousand: Vec<_> = (0..1_000).map(|number| format!("\"record {number} \u{1f600}\\n\"")).collect();
    let array = format!("[{}]", thousand.join(","));
    let lines = thousand.join("\n");
    let records: Vec<_> = thousand.into_iter().map(String::into_bytes).collect();
    reports.push(("application/json", array.into_bytes(), records.clone()));
    reports.push(("application/x-ndjson", lines.into_bytes(), records));
    reports
}

fn request(stream_id: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let headers = [("Content-Type", content_type)];
    Post { group_id: "g", stream_id, query: "dt=5", headers: &headers, body }.bytes()
}

#[test]
fn what_is_stored_is_what_inlongs_library_writes_and_reads() {
    let topics = [topic("inlong-plain"), topic("inlong-snappy")];
    let streams =
        vec![inlong_stream("g", "plain", &topics[0], false), inlong_stream("g", "snappy", &topics[1], true)];
    let proxy = Proxy::start(&on_kafka(&kafka_address(), streams));
    let reports = reports();
    let mut connection = Connection::open(proxy.http());
    for (stream_id, topic, snappy) in [("plain", &topics[0], false), ("snappy", &topics[1], true)] {
        for (content_type, body, records) in &reports {
            connection.send(&request(stream_id, content_type, body));
            assert_eq!(native::accepted(&connection.answer()), records.len() as u64);
        }
        let stored = kafka::read(&kafka_address(), topic);
        assert_eq!(stored.len(), reports.len());
        for (stored, (_, _, records)) in stored.iter().zip(&reports) {
            let (rt, count) = (&stored.headers["rt"], records.len());
            let attributes = format!(
                "groupId=g&streamId={stream_id}&dt=5&clientIp=127.0.0.1&cnt={count}&rt={rt}&rtms={rt}"
            );
            let groups = vec![(attributes, records.clone())];
            let message = InLongMsg { created: rt.parse().unwrap(), groups };
            let shown = String::from_utf8_lossy(&records[0][..records[0].len().min(20)]).into_owned();
            let what = format!("{stream_id} {shown:?} of {} bytes", records[0].len());
            check(&stored.value, &message, snappy, &mut library(), &what);
        }
    }
}

#[test]
fn a_report_equal_to_a_captured_one_is_the_captured_message() {
    let topic = topic("inlong-captured");
    let streams = vec![inlong_stream("g_test", "s_test", &topic, true)];
    let proxy = Proxy::start(&on_kafka(&kafka_address(), streams));
    let fields = [
        ("groupId", "g_test"),
        ("streamId", "s_test"),
        ("dt", "1795256882734"),
        ("body", "hi"),
        ("cnt", "1"),
    ];
    assert_eq!(proxy.exchange(&post("/dataproxy/message", "", &form(&fields))).code(), "0");
    let stored = kafka::read(&kafka_address(), &topic);
    assert_eq!(stored.len(), 1);
    // It was received at another time, which stands in three places.
    let rt: i64 = stored[0].headers["rt"].parse().unwrap();
    let mut value = stored[0].value.clone();
    assert_eq!(value[2..10], rt.to_be_bytes());
    value[2..10].copy_from_slice(&1_795_256_882_734_i64.to_be_bytes());
    let (own, captured_time) = (format!("rt={rt}&rtms={rt}"), "rt=1795256882734&rtms=1795256882734");
    let at = value.windows(own.len()).position(|window| window == own.as_bytes()).unwrap();
    value.splice(at..at + own.len(), captured_time.bytes());
    assert_eq!(value, captured("k"));
}

#[test]
fn the_library_beside_the_suites_writes_the_captured_messages() {
    for (name, snappy) in [("x", false), ("xc", true), ("k", true)] {
        let captured = captured(name);
        let message = library().parse(&captured);
        assert_eq!(library().build(&message, snappy), captured, "{name}");
    }
}
