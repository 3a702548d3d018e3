//! Records in each output's form.

use super::*;

const META: Meta<'_> = Meta {
    received: 1_795_256_882_734,
    client: "127.0.0.1",
    node: "127.0.0.1",
    audit_version: None,
    envelope: Envelope::Raw,
    passed: &[],
};

fn origin() -> Origin<'static> {
    Origin {
        group_id: "g_test",
        stream_id: "s_test",
        meta: &META,
        event_time: META.received,
        declared: None,
        content_type: None,
    }
}

fn records<'a>(values: &[&'a str]) -> Vec<Record<'a>> {
    values.iter().map(|value| Record::new(value.as_bytes())).collect()
}

fn keyed<'a>(key: &'a str, value: &'a str) -> Record<'a> {
    Record { key: Some(Cow::Borrowed(key.as_bytes())), ..Record::new(value.as_bytes()) }
}

const SNAPPY: Output = Output::InLongMsg { snappy: true };

#[test]
fn a_report_is_the_message_that_inlong_s_own_proxy_made() {
    // What DataProxy 2.4.0 stored for the record "hi", as captured.
    let mut expected = b"\x0f\x01\x00\x00\x01\xa1\xfd\xa6\x16\x2e\x00\x00\x00\x01\x00\x6c".to_vec();
    expected.extend_from_slice(b"groupId=g_test&streamId=s_test&dt=1795256882734&clientIp=127.0.0.1&cnt=1&rt=1795256882734&rtms=1795256882734");
    expected.extend_from_slice(b"\x00\x00\x00\x09\x01\x06\x14\x00\x00\x00\x02hi\x0f\x01");
    let origin = Origin { declared: Some(1), ..origin() };
    let encoded = encode(SNAPPY, &origin, records(&["hi"]), usize::MAX >> 1).unwrap();
    assert_eq!(*encoded.messages[0].value, expected);
    assert_eq!(encoded.messages[0].records, 1);
}

#[test]
fn records_are_the_data_that_inlong_s_own_library_made() {
    // The ends of two messages that inlong-common 1.11.0 built of these records, as captured.
    let plain = b"\x00\x00\x00\x0f\x00\x00\x00\x00\x03one\x00\x00\x00\x03two\x0f\x01";
    let compressed = b"\x00\x00\x00\x11\x01\x0e\x34\x00\x00\x00\x03one\x00\x00\x00\x03two\x0f\x01";
    for (snappy, end) in [(false, &plain[..]), (true, compressed)] {
        let output = Output::InLongMsg { snappy };
        let encoded = encode(output, &origin(), records(&["one", "two"]), 10_000).unwrap();
        let (begin, found) = encoded.messages[0].value.split_at(encoded.messages[0].value.len() - end.len());
        assert_eq!(found, end);
        assert!(begin.ends_with(b"&cnt=2&rt=1795256882734&rtms=1795256882734"));
    }
}

#[test]
fn records_of_one_key_share_a_message() {
    let records = vec![keyed("a", "1"), Record::new(&b"2"[..]), keyed("a", "3"), keyed("b", "4")];
    let mut encoded = encode(SNAPPY, &origin(), records, 10_000).unwrap();
    let keys: Vec<_> =
        encoded.messages.iter().map(|message| (message.key.as_deref(), message.records)).collect();
    assert_eq!(keys, [(Some(&b"a"[..]), 2), (None, 1), (Some(&b"b"[..]), 1)]);
    assert_eq!(encoded.take_members().unwrap(), [vec![0, 2], vec![1], vec![3]]);
}

#[test]
fn what_does_not_fit_one_message_is_several() {
    let value = "x".repeat(1_000);
    let values = vec![value.as_str(); 10];
    for snappy in [true, false] {
        let output = Output::InLongMsg { snappy };
        let encoded = encode(output, &origin(), records(&values), 4_000).unwrap();
        assert!(encoded.messages.len() > 1);
        assert!(encoded.messages.iter().all(|message| message.bytes() <= 4_000));
        assert_eq!(encoded.messages.iter().map(|message| message.records).sum::<u32>(), 10);
    }
    let error = encode(Output::InLongMsg { snappy: false }, &origin(), records(&values), 900).unwrap_err();
    assert_eq!(error.record, 0);
}

#[test]
fn a_record_longer_than_its_topic_takes_is_named() {
    for output in [Output::Raw, Output::CloudEvents] {
        let long = "x".repeat(2_000);
        let error = encode(output, &origin(), records(&["ok", &long]), 1_000).unwrap_err();
        assert_eq!(error.record, 1, "{output:?}");
    }
    let key = "k".repeat(MAX_KEY + 1);
    let error = encode(Output::Raw, &origin(), vec![keyed(&key, "x")], usize::MAX).unwrap_err();
    assert_eq!(error.limit, MAX_KEY);
}

#[test]
fn a_record_that_is_no_event_becomes_one() {
    let origin = Origin { content_type: Some("text/plain"), event_time: 1_000, ..origin() };
    let encoded = encode(Output::CloudEvents, &origin, records(&["a", "b"]), 10_000).unwrap();
    let headers = |message: &Message<'_>| {
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
        message.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect::<Vec<_>>()
    };
    let (first, second) = (headers(&encoded.messages[0]), headers(&encoded.messages[1]));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(first[0], pair("content-type", "text/plain"));
    assert_eq!(first[1], pair("ce_specversion", "1.0"));
    assert_eq!(first[3], pair("ce_source", "/groups/g_test/streams/s_test"));
    assert_eq!(first[4], pair("ce_type", "dev.sluice.record"));
    assert_eq!(first[5], pair("ce_time", "1970-01-01T00:00:01.000Z"));
    let id = first[2].1.strip_suffix("-0").unwrap();
    assert_eq!(second[2].1, format!("{id}-1"));
}

#[test]
fn an_event_keeps_what_it_says_of_itself() {
    let json = br#"{"specversion":"1.0","id":"1","source":"/a","type":"t","x":"y","time":"1970-01-01T00:00:02Z","data":{"b":1}}"#;
    let event = Event::from_json(json).unwrap();
    let record = Record { event: Some(Box::new(event)), ..Record::new(&json[..]) };
    let encoded = encode(Output::CloudEvents, &origin(), vec![record.clone()], 10_000).unwrap();
    let message = &encoded.messages[0];
    assert_eq!((&*message.value, message.event_time), (&br#"{"b":1}"#[..], 2_000));
    assert!(message.headers.iter().any(|(name, value)| name == "ce_x" && **value == *b"y"));
    let raw = encode(Output::Raw, &origin(), vec![record], 10_000).unwrap();
    assert_eq!((&*raw.messages[0].value, raw.messages[0].event_time), (&json[..], 2_000));
}
