use serde_json::json;

use super::*;

/// A ConfigMap that was made in the given second.
fn map(name: &str, group: &str, second: u8, text: Option<&str>) -> ConfigMap {
    let data = text.map_or_else(|| json!({}), |text| json!({KEY: text}));
    serde_json::from_value(json!({
        "metadata": {
            "namespace": "demo", "name": name, "uid": format!("uid-{name}"), "resourceVersion": "1",
            "creationTimestamp": format!("2026-01-01T00:00:{second:02}Z"), "labels": {GROUP: group},
        },
        "data": data,
    }))
    .unwrap()
}

fn good(text: &str) -> Content {
    Content::new(text.to_owned().into_bytes())
}

fn changed(group: &str, text: Option<&str>) -> Vec<Changed> {
    vec![(group.to_owned(), text.map(good))]
}

/// Name and reason of all that is wrong.
fn faults(book: &Book) -> Vec<(String, &'static str)> {
    book.faults().into_values().map(|(place, fault)| (place.name, fault.reason())).collect()
}

#[test]
fn content_is_passed_on_byte_for_byte() {
    let mut book = Book::default();
    let text = " [ {\"b\": 1.0,\t\"a\":\"\\u00e9 é\"},\n1 ]\n";
    let listed = book.list(vec![map("one", "A", 1, Some(text))]);
    assert_eq!(listed, BTreeMap::from([("A".to_owned(), Some(good(text)))]));
    assert_eq!(book.apply(map("one", "A", 1, Some("[]\n"))), changed("A", Some("[]\n")));
    assert_eq!(book.apply(map("one", "A", 1, Some("[]\n"))), []);
    assert_eq!(book.remove("one"), changed("A", None));
    assert_eq!(book.remove("one"), []);
}

#[test]
fn what_is_no_json_array_is_told_and_the_last_good_stays() {
    let mut book = Book::default();
    book.list(Vec::new());
    assert_eq!(book.apply(map("one", "A", 1, Some("[1]"))), changed("A", Some("[1]")));
    for bad in [Some("[1"), Some("{}"), Some("[1] 2"), Some(""), Some("null"), None] {
        assert_eq!(book.apply(map("one", "A", 1, bad)), [], "{bad:?}");
        assert_eq!(faults(&book), [("one".to_owned(), "InvalidData")], "{bad:?}");
    }
    let listed = book.list(vec![map("one", "A", 1, Some("{}"))]);
    assert_eq!(listed, BTreeMap::from([("A".to_owned(), Some(good("[1]")))]), "through another look too");
    assert_eq!(book.apply(map("one", "A", 1, Some("[2]"))), changed("A", Some("[2]")));
    assert_eq!(faults(&book), []);
}

#[test]
fn a_fault_says_what_to_mend() {
    let mut book = Book::default();
    book.list(vec![map("one", "A", 1, Some("[\n1,]"))]);
    let (place, fault) = book.faults().remove("uid-one").unwrap();
    assert_eq!((place.namespace.as_str(), place.name.as_str()), ("demo", "one"));
    assert_eq!(
        fault.note(),
        "data.json: it is no JSON array: trailing comma at line 2 column 3; the last good content is served"
    );
}

#[test]
fn what_is_no_good_from_the_start_is_not_known_until_it_is_mended_or_gone() {
    let mut book = Book::default();
    let listed = book.list(vec![map("one", "A", 1, Some("x"))]);
    assert_eq!(listed, BTreeMap::from([("A".to_owned(), None)]));
    assert_eq!(book.list(vec![map("one", "A", 1, Some("x"))]), listed, "a second look knows no more");
    assert_eq!(book.remove("one"), changed("A", None));
    book.apply(map("one", "A", 1, Some("x")));
    assert_eq!(book.list(vec![map("one", "A", 1, Some("x"))]), BTreeMap::new(), "there was none before");
}

#[test]
fn the_oldest_of_a_group_has_it() {
    let mut book = Book::default();
    book.list(vec![map("b", "A", 2, Some("[2]")), map("c", "A", 1, Some("[1]"))]);
    assert_eq!(book.served["A"], Some(good("[1]")));
    assert_eq!(faults(&book), [("b".to_owned(), "GroupTaken")]);
    let note = book.faults()["uid-b"].1.note();
    assert!(note.starts_with("the older ConfigMap c has this group"), "{note}");
    assert_eq!(book.apply(map("a", "A", 1, Some("[0]"))), changed("A", Some("[0]")), "by name at one time");
    assert_eq!(book.remove("a"), changed("A", Some("[1]")));
    assert_eq!(book.apply(map("c", "A", 1, Some("x"))), [], "what is no good keeps its group");
    assert_eq!(book.remove("c"), changed("A", Some("[2]")));
    assert_eq!(faults(&book), []);
}

#[test]
fn a_configmap_may_move_to_another_group() {
    let mut book = Book::default();
    book.list(vec![map("one", "A", 1, Some("[1]"))]);
    let moved = book.apply(map("one", "B", 1, Some("[1]")));
    assert_eq!(moved, [("A".to_owned(), None), ("B".to_owned(), Some(good("[1]")))]);
}

#[test]
fn groups_of_fleets_and_of_no_name_are_refused() {
    let mut book = Book::default();
    for group in ["FLEET", "SINK", "STREAM", "namespaceId", ""] {
        assert_eq!(book.list(vec![map("one", group, 1, Some("[1]"))]), BTreeMap::new(), "{group}");
        assert_eq!(faults(&book), [("one".to_owned(), "GroupReserved")], "{group}");
        assert_eq!(book.apply(map("one", group, 1, Some("[2]"))), []);
    }
    assert_eq!(book.apply(map("one", "A", 1, Some("[2]"))), changed("A", Some("[2]")));
}
