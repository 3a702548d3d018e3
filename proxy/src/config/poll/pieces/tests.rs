use serde_json::json;
use sluice_wire::document::Document;
use sluice_wire::polling::GroupUpdate;

use super::*;

fn raw(text: impl Into<String>) -> Box<RawValue> {
    RawValue::from_string(text.into()).unwrap()
}

/// A stream with a field that this reader does not know, in an order and form of its own.
fn stream(id: &str, note: &str) -> String {
    format!(r#"{{"streamId":"{id}","note":"{note}","groupId":"g","n":1.0e1}}"#)
}

/// The md5 of a JSON array of these elements.
fn md5_of(elements: &[String]) -> String {
    let array = format!("[{}]", elements.join(","));
    Md5::digest(array).iter().map(|byte| format!("{byte:02x}")).collect()
}

const FLEETS: [&str; 3] =
    [r#"{"namespace":"shop","name":"main","uid":"u"}"#, r#"{"maxInflightBytes":1}"#, r#"{"notifyMs":2}"#];

fn groups(fleet: &[&str], streams: &[String]) -> BTreeMap<String, Group> {
    let fleet: Vec<_> = fleet.iter().map(|&element| element.to_owned()).collect();
    [(FLEET, md5_of(&fleet)), (SINK, md5_of(&["{\"name\":\"k\"}".to_owned()])), (STREAM, md5_of(streams))]
        .map(|(name, md5)| (name.to_owned(), Group { md5, last_modify_time: 7 }))
        .into()
}

fn text(groups: &BTreeMap<String, Group>, streams: &[String]) -> String {
    let [fleet, overload, drain] = FLEETS;
    format!(
        r#"{{"major":1,"fleet":{fleet},"revision":7,"groups":{},"overload":{overload},"drain":{drain},"sinks":[{{"name":"k"}}],"streams":[{}]}}"#,
        serde_json::to_string(groups).unwrap(),
        streams.join(",")
    )
}

fn update(groups: BTreeMap<String, Group>, changes: Vec<(&str, GroupUpdate)>) -> Update {
    let changes = changes.into_iter().map(|(name, change)| (name.to_owned(), change)).collect();
    Update { major: 1, revision: 8, groups, changes }
}

#[test]
fn a_document_comes_out_as_it_went_in_what_is_unknown_included() {
    let streams = ["a", "b"].map(|id| stream(id, "x"));
    let groups = groups(&FLEETS, &streams);
    let text = text(&groups, &streams);
    let (pieces, said) = Pieces::of(text.as_bytes(), &[]).unwrap();
    assert_eq!(said, groups);
    pieces.are(&groups).unwrap();
    assert_eq!(String::from_utf8(pieces.document(1, 7, &groups).unwrap()).unwrap(), text);
}

#[test]
fn the_md5s_are_those_of_a_document_as_it_is_published() {
    let published = json!({
        "major": 1, "revision": 1, "fleet": {"namespace": "shop", "name": "main", "uid": "u"},
        "overload": {"maxInflightBytes": 1, "maxConnections": 1}, "drain": {"notifyMs": 0},
        "sinks": [{"name": "local", "file": {"directory": "d", "maxBytes": 1}}],
        "streams": [{"namespace": "shop", "name": "s", "groupId": "g", "streamId": "s", "sink": "local", "topic": "",
            "output": "Raw", "successCode": 0, "maxBodyBytes": 1}]
    });
    let document: Document = serde_json::from_value(published).unwrap();
    let text = serde_json::to_vec(&document).unwrap();
    let md5 = |bytes: Vec<u8>| -> String { Md5::digest(bytes).iter().map(|b| format!("{b:02x}")).collect() };
    let fleet = (&document.fleet, &document.overload, &document.drain);
    let groups = [
        (FLEET, md5(serde_json::to_vec(&fleet).unwrap())),
        (SINK, md5(serde_json::to_vec(&document.sinks).unwrap())),
        (STREAM, md5(serde_json::to_vec(&document.streams).unwrap())),
    ];
    let groups = groups.map(|(name, md5)| (name.to_owned(), Group { md5, last_modify_time: 1 })).into();
    Pieces::of(&text, &[]).unwrap().0.are(&groups).unwrap();
}

#[test]
fn an_update_puts_changes_and_takes_away() {
    let before = ["a", "b", "c"].map(|id| stream(id, "x"));
    let old = groups(&FLEETS, &before);
    let text = text(&old, &before);
    let after = [stream("a", "x"), stream("b", "other"), stream("d", "new")];
    let change = GroupUpdate {
        since: Some(old[STREAM].md5.clone()),
        put: vec![raw(&*after[2]), raw(&*after[1])],
        gone: vec![("g".to_owned(), "c".to_owned()), ("g".to_owned(), "never was".to_owned())],
    };
    let update = update(groups(&FLEETS, &after), vec![(STREAM, change)]);
    let (pieces, said) = Pieces::of(text.as_bytes(), &[]).unwrap();
    let pieces = pieces.updated(&said, &update).unwrap();
    let written = String::from_utf8(pieces.document(1, 8, &update.groups).unwrap()).unwrap();
    assert!(written.ends_with(&format!(r#""streams":[{}]}}"#, after.join(","))), "{written}");
    let (_, said) = Pieces::of(written.as_bytes(), &[]).unwrap();
    assert_eq!(said, update.groups);
}

#[test]
fn an_update_without_a_beginning_is_whole() {
    let streams = [stream("z", "x")];
    let whole = |put: Vec<Box<RawValue>>| GroupUpdate { since: None, put, gone: Vec::new() };
    let update = update(
        groups(&FLEETS, &streams),
        vec![
            (FLEET, whole(FLEETS.map(raw).into())),
            (SINK, whole(vec![raw(r#"{"name":"k"}"#)])),
            (STREAM, whole(vec![raw(&*streams[0])])),
        ],
    );
    let old = [stream("a", "x")];
    let (text, nothing) = (text(&groups(&FLEETS, &old), &old), BTreeMap::new());
    for before in [Pieces::default(), Pieces::of(text.as_bytes(), &[]).unwrap().0] {
        let pieces = before.updated(&nothing, &update).unwrap();
        assert_eq!(pieces.streams.len(), 1);
    }
}

#[test]
fn an_update_of_something_else_or_to_something_else_is_refused() {
    let streams = [stream("a", "x")];
    let old = groups(&FLEETS, &streams);
    let text = text(&old, &streams);
    let of = |since: &str, put: &str, groups| {
        let change = GroupUpdate { since: Some(since.to_owned()), put: vec![raw(put)], gone: Vec::new() };
        let update = update(groups, vec![(STREAM, change)]);
        let (pieces, said) = Pieces::of(text.as_bytes(), &[]).unwrap();
        pieces.updated(&said, &update).map(|_| ()).unwrap_err()
    };
    let (known, other) = (&*old[STREAM].md5, stream("b", "x"));
    assert_eq!(of("another", &other, old.clone()), Mismatch::Since(STREAM));
    assert_eq!(of(known, &other, old.clone()), Mismatch::Digest(STREAM));
    assert_eq!(of(known, &other, BTreeMap::new()), Mismatch::Digest(FLEET));
    assert!(matches!(of(known, "{}", old.clone()), Mismatch::Element(STREAM, _)));
    assert!(matches!(Pieces::of(b"{}", &[]), Err(Mismatch::Document(_))));
}

#[test]
fn what_a_newer_operator_has_in_the_fleet_s_group_is_kept_for_its_md5() {
    let more = [FLEETS.as_slice(), &[r#"{"trustedProxies":[]}"#, r#"{"new":1}"#]].concat();
    let streams = [stream("a", "x")];
    let new = groups(&more, &streams);
    let change = GroupUpdate {
        since: None,
        put: more.iter().map(|&element| raw(element)).collect(),
        gone: Vec::new(),
    };
    let update = update(new.clone(), vec![(FLEET, change)]);
    let old = groups(&FLEETS, &streams);
    let text = text(&old, &streams);
    let (pieces, said) = Pieces::of(text.as_bytes(), &[]).unwrap();
    let pieces = pieces.updated(&said, &update).unwrap();
    let (written, kept) = (pieces.document(1, 8, &new).unwrap(), pieces.more());
    assert_eq!(kept.len(), 1);
    assert!(String::from_utf8_lossy(&written).contains(r#""listeners":{"trustedProxies":[]},"sinks":"#));
    assert_eq!(Pieces::of(&written, &[]).unwrap().0.are(&new), Err(Mismatch::Digest(FLEET)));
    Pieces::of(&written, &kept).unwrap().0.are(&new).unwrap();
}

#[test]
fn a_fleet_s_group_with_too_little_makes_no_document() {
    assert!(matches!(Pieces::default().document(1, 1, &BTreeMap::new()), Err(Mismatch::Element(FLEET, _))));
}
