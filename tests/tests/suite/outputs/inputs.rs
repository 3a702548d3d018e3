//! What the matrix sends, and what each request holds: records, and what each of them says of itself.
//! How outputs store it stands in `expected`.

use sluice_tests::http::{form, post};
use sluice_tests::native::Post;

/// A request and what it holds.
pub(super) struct Input {
    /// A name for a stream.
    pub(super) name: &'static str,
    /// Its bytes, for a stream of the group `g`.
    pub(super) request: fn(stream_id: &str) -> Vec<u8>,
    /// What it holds.
    pub(super) records: Vec<Record>,
    /// A report of the InLong path: its whole body, `cnt` and `auditVersion`.
    pub(super) report: Option<Report>,
}

/// Names and values.
type Attributes = &'static [(&'static str, &'static str)];

/// A record as it was sent.
pub(super) struct Record {
    pub(super) bytes: Vec<u8>,
    pub(super) key: &'static str,
    /// In milliseconds; `None`: when it was received.
    pub(super) time: Option<i64>,
    /// Its media type.
    pub(super) content_type: Option<&'static str>,
    /// Present: it is a CloudEvent of these attributes and data.
    pub(super) event: Option<(Attributes, &'static [u8])>,
}

/// What only a report of the InLong path says.
pub(super) struct Report {
    pub(super) body: &'static str,
    pub(super) count: i64,
    pub(super) audit_version: Option<&'static str>,
}

/// `dt` of most inputs.
const DT: i64 = 1_700_000_000_123;
const QUERY: &str = "k=key-1&dt=1700000000123";
/// Headers of every request: one on the streams' list, the trace's, and others that no record may carry.
const HEADERS: [(&str, &str); 6] = [
    ("x-shop", "7"),
    ("X-Other", "no"),
    ("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("tracestate", "a=b,c=d"),
    ("srcIp", "6.6.6.6"),
    ("Authorization", "Bearer of-nobody"),
];
/// What every record carries of them; streams list `X-Shop`.
pub(super) const PASSED: [(&str, &str); 3] = [
    ("X-Shop", "7"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("tracestate", "a=b,c=d"),
];

const LINES: &str = "one\ntwo \u{1f600}\n\n\u{4e2d}\n";
const EVENT: &str = r#"{ "specversion" : "1.0", "id": "e-1", "source": "/a%20b", "type": "placed", "n": 3, "b": true,
 "time": "2026-11-21T10:00:00.5+01:00", "subject": "中😀", "partitionkey": "p1", "data": {"a": 1.0 } }"#;
const EVENTS: [&str; 3] = [
    r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"text/plain","data":"a\nb","partitionkey":"p1"}"#,
    r#"{"specversion":"1.0","id":"2","source":"/s","type":"t","datacontenttype":"image/png","data_base64":"/wA="}"#,
    r#"{"specversion":"1.0","id":"3","source":"/s","type":"t","time":"2026-01-01T00:00:00Z","data":"x","partitionkey":"p1"}"#,
];

/// All of them.
pub(super) fn all() -> Vec<Input> {
    [reports(), natives(), events()].into_iter().flatten().collect()
}

fn reports() -> Vec<Input> {
    let whole = Report { body: "a=b&c\nd \u{4e2d}\u{1f600}%", count: 1, audit_version: Some("7") };
    let counted = Report { body: LINES, count: 3, audit_version: None };
    vec![
        Input {
            name: "form",
            request: |stream_id| {
                report(stream_id, &[("body", "a=b&c\nd \u{4e2d}\u{1f600}%"), ("auditVersion", "7")])
            },
            records: plain(&["a=b&c\nd \u{4e2d}\u{1f600}%"], None),
            report: Some(whole),
        },
        Input {
            name: "counted",
            request: |stream_id| report(stream_id, &[("body", LINES), ("cnt", "3")]),
            records: plain(&["one", "two \u{1f600}", "\u{4e2d}"], None),
            report: Some(counted),
        },
    ]
}

fn natives() -> Vec<Input> {
    const JSON: Option<&str> = Some("application/json");
    let value = r#"{"n": 1.0,  "s": "\u00e9中"}"#;
    let untimed = |record| Record { time: None, ..record };
    let bytes = Record { bytes: vec![0xff, 0, b'\n', 1], ..record("", Some("application/octet-stream")) };
    vec![
        native(
            "json",
            |id| {
                send(
                    id,
                    QUERY,
                    "application/json; charset=utf-8",
                    "\n{\"n\": 1.0,  \"s\": \"\\u00e9中\"} ".as_bytes(),
                )
            },
            plain(&[value], JSON),
        ),
        native(
            "array",
            |id| send(id, QUERY, "application/json", "[ {\"a\" : 1} ,\"two\\n\",3,[ 4 ],null]".as_bytes()),
            plain(&["{\"a\" : 1}", "\"two\\n\"", "3", "[ 4 ]", "null"], JSON),
        ),
        native(
            "ndjson",
            |id| send(id, "k=key-1", "application/x-ndjson", "{\"a\":1}\r\n\n \n{\"b\": \"😀\"}".as_bytes()),
            plain(&["{\"a\":1}", "{\"b\": \"😀\"}"], JSON).into_iter().map(untimed).collect(),
        ),
        native(
            "text",
            |id| send(id, QUERY, "text/plain", "first\r\n second 中\r\r\n\n\nthird".as_bytes()),
            plain(&["first", " second 中\r", "third"], Some("text/plain")),
        ),
        native("bytes", |id| send(id, QUERY, "application/octet-stream", &[0xff, 0, b'\n', 1]), vec![bytes]),
    ]
}

fn events() -> Vec<Input> {
    let own = |text: &str, key, time, content_type, attributes, data: &'static [u8]| Record {
        bytes: text.as_bytes().to_vec(),
        key,
        time: Some(time),
        content_type: Some(content_type),
        event: Some((attributes, data)),
    };
    let alone = own(
        EVENT,
        "p1",
        1_795_251_600_500,
        "application/json",
        &[
            ("specversion", "1.0"),
            ("id", "e-1"),
            ("source", "/a%20b"),
            ("type", "placed"),
            ("n", "3"),
            ("b", "true"),
            ("time", "2026-11-21T10:00:00.5+01:00"),
            ("subject", "中😀"),
            ("partitionkey", "p1"),
        ],
        b"{\"a\": 1.0 }",
    );
    let batch = vec![
        own(
            EVENTS[0],
            "p1",
            DT,
            "text/plain",
            &[("specversion", "1.0"), ("id", "1"), ("source", "/s"), ("type", "t"), ("partitionkey", "p1")],
            b"a\nb",
        ),
        own(
            EVENTS[1],
            "key-1",
            DT,
            "image/png",
            &[("specversion", "1.0"), ("id", "2"), ("source", "/s"), ("type", "t")],
            &[0xff, 0],
        ),
        own(
            EVENTS[2],
            "p1",
            1_767_225_600_000,
            "application/json",
            &[
                ("specversion", "1.0"),
                ("id", "3"),
                ("source", "/s"),
                ("type", "t"),
                ("time", "2026-01-01T00:00:00Z"),
                ("partitionkey", "p1"),
            ],
            b"\"x\"",
        ),
    ];
    let binary = own(
        "x;\u{e9}\n",
        "key-1",
        DT,
        "text/csv; charset=utf-8",
        &[
            ("specversion", "1.0"),
            ("id", "b-1"),
            ("source", "/s"),
            ("type", "t"),
            ("subject", "a \u{e9}%"),
            ("shop", "7"),
        ],
        "x;\u{e9}\n".as_bytes(),
    );
    vec![
        native("event", |id| send(id, QUERY, "application/cloudevents+json", EVENT.as_bytes()), vec![alone]),
        native(
            "events",
            |id| {
                send(
                    id,
                    QUERY,
                    "application/cloudevents-batch+json; charset=UTF-8",
                    format!(" [{}\n]", EVENTS.join(" , ")).as_bytes(),
                )
            },
            batch,
        ),
        native(
            "binary",
            |id| {
                let event = [
                    ("Content-Type", "text/csv; charset=utf-8"),
                    ("ce-specversion", "1.0"),
                    ("Ce-Id", "b-1"),
                    ("ce-source", "/s"),
                    ("ce-type", "t"),
                    ("ce-subject", "a%20%C3%A9%25"),
                    ("CE-Shop", "7"),
                ];
                let headers = [&event[..], &HEADERS].concat();
                let body = "x;\u{e9}\n".as_bytes();
                Post { group_id: "g", stream_id: id, query: QUERY, headers: &headers, body }.bytes()
            },
            vec![binary],
        ),
    ]
}

fn native(name: &'static str, request: fn(&str) -> Vec<u8>, records: Vec<Record>) -> Input {
    Input { name, request, records, report: None }
}

fn record(text: &str, content_type: Option<&'static str>) -> Record {
    Record { bytes: text.as_bytes().to_vec(), key: "key-1", time: Some(DT), content_type, event: None }
}

fn plain(texts: &[&str], content_type: Option<&'static str>) -> Vec<Record> {
    texts.iter().map(|text| record(text, content_type)).collect()
}

fn report(stream_id: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let own = [("groupId", "g"), ("streamId", stream_id), ("dt", "1700000000123"), ("k", "key-1")];
    let lines: String = HEADERS.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    post("/dataproxy/message", &lines, &form(&[&own[..], fields].concat()))
}

fn send(stream_id: &str, query: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let headers = [&[("Content-Type", content_type)], &HEADERS[..]].concat();
    Post { group_id: "g", stream_id, query, headers: &headers, body }.bytes()
}
