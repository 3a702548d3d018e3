use sluice_wire::document::Document;
use sluice_wire::polling::{KEPT_REVISIONS, MAX_KEPT};

use super::*;
use crate::poll::fleets::part::tests::{document, number};

fn text(document: &Document) -> Vec<u8> {
    serde_json::to_vec(document).unwrap()
}

fn first(document: &Document) -> Edition {
    Edition::read(&text(document), None).unwrap()
}

/// The document as it is published next.
fn next(document: &Document, edit: impl FnOnce(&mut Document)) -> Document {
    let mut next = document.clone();
    next.revision += 1;
    edit(&mut next);
    number(&mut next, &document.groups);
    next
}

fn bytes<'a>(edition: &'a Edition, group: &str) -> &'a str {
    std::str::from_utf8(&edition.group(group).unwrap().content.bytes).unwrap()
}

/// Stream ids of what was put, and of what is gone.
fn delta(edition: &Edition, md5: &str) -> Option<(Vec<String>, Vec<String>)> {
    let delta = edition.streams_since(md5)?;
    let id = |json: &&bytes::Bytes| {
        let stream: serde_json::Value = serde_json::from_slice(json).unwrap();
        stream["streamId"].as_str().unwrap().to_owned()
    };
    let gone = delta.gone.iter().map(|(_, stream)| stream.to_string());
    Some((delta.put.iter().map(id).collect(), gone.collect()))
}

#[test]
fn what_is_served_is_what_the_published_digests_were_computed_of() {
    let document = document("u", 7, 20);
    let edition = first(&document);
    assert_eq!(edition.groups().count(), 3);
    for (name, served) in edition.groups() {
        assert_eq!(Content::new(served.content.bytes.clone()), served.content, "{name}");
        assert_eq!(*served.content.md5, *document.groups[name].md5, "{name}");
        assert_eq!(served.last_modify_time, 7);
    }
    assert_eq!(bytes(&edition, STREAM), serde_json::to_string(&document.streams).unwrap());
    assert_eq!(bytes(&edition, SINK), serde_json::to_string(&document.sinks).unwrap());
    let fleet = (&document.fleet, &document.overload, &document.drain);
    assert_eq!(bytes(&edition, FLEET), serde_json::to_string(&fleet).unwrap());
    assert_eq!(edition.group("PLUGIN"), None);
}

#[test]
fn what_a_reader_does_not_know_is_passed_on_as_it_is() {
    let mut newer = serde_json::to_value(document("u", 7, 1)).unwrap();
    newer["streams"][0]["fromTheFuture"] = serde_json::json!({"a": 1.0});
    let edition = Edition::read(newer.to_string().as_bytes(), None).unwrap();
    assert!(bytes(&edition, STREAM).contains(r#""fromTheFuture":{"a":1.0}"#));
}

#[test]
fn a_digest_is_carried_and_never_made_here() {
    let mut document = document("u", 7, 1);
    document.groups.get_mut(STREAM).unwrap().md5 = "as it was published".to_owned();
    assert_eq!(&*first(&document).group(STREAM).unwrap().content.md5, "as it was published");
}

#[test]
fn what_is_no_document_is_not_read() {
    let good = document("u", 7, 2);
    let said = |document: &Document| Edition::read(&text(document), None).unwrap_err().to_string();
    assert!(said(&Document { major: 2, ..good.clone() }).contains("its form is 2"));
    for group in GROUPS {
        let mut without = good.clone();
        without.groups.remove(group);
        assert!(said(&without).contains(&format!("what group {group} is compared by")));
    }
    let mut reversed = good.clone();
    reversed.streams.reverse();
    assert!(said(&reversed).contains("in the order"));
    let mut twice = good;
    twice.streams[1] = twice.streams[0].clone();
    assert!(said(&twice).contains("each once"));
    assert!(Edition::read(b"{}", None).unwrap_err().to_string().contains("no configuration"));
}

#[test]
fn a_client_gets_what_changed_since_what_it_has_and_no_more() {
    let one = document("u", 1, 5);
    let two = next(&one, |document| document.streams[1].topic = "other".to_owned());
    let three = next(&two, |document| drop(document.streams.remove(3)));
    let four = next(&three, |document| document.sinks.clear());
    let mut edition = first(&one);
    for document in [&two, &three, &four] {
        edition = Edition::read(&text(document), Some(&edition)).unwrap();
    }
    let since = |document: &Document| delta(&edition, &document.groups[STREAM].md5);
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    assert_eq!(since(&one), Some((ids(&["s00001"]), ids(&["s00003"]))));
    assert_eq!(since(&two), Some((ids(&[]), ids(&["s00003"]))));
    assert_eq!(since(&three), Some((ids(&[]), ids(&[]))));
    assert_eq!(delta(&edition, "unknown"), None);
    assert_eq!(edition.group(STREAM).unwrap().last_modify_time, 3);
    assert_eq!(edition.changed(None), GROUPS);
    assert_eq!(edition.changed(Some(&first(&three))), [SINK]);
}

#[test]
fn a_stream_that_came_back_is_put_and_not_gone() {
    let one = document("u", 1, 3);
    let two = next(&one, |document| drop(document.streams.remove(1)));
    let three = next(&two, |document| document.streams.insert(1, one.streams[1].clone()));
    let edition = [&two, &three]
        .iter()
        .fold(first(&one), |former, document| Edition::read(&text(document), Some(&former)).unwrap());
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    assert_eq!(delta(&edition, &one.groups[STREAM].md5), Some((ids(&[]), ids(&[]))), "it is as it was");
    assert_eq!(delta(&edition, &two.groups[STREAM].md5), Some((ids(&["s00001"]), ids(&[]))));
}

#[test]
fn another_fleet_of_the_name_remembers_nothing() {
    let one = document("u", 1, 3);
    let mut other = next(&one, |document| document.streams.clear());
    other.fleet.uid = "other".to_owned();
    let edition = Edition::read(&text(&other), Some(&first(&one))).unwrap();
    assert_eq!(delta(&edition, &one.groups[STREAM].md5), None);
}

#[test]
fn so_many_former_states_are_remembered_and_none_before() {
    let mut documents = vec![document("u", 1, 2)];
    let mut edition = first(&documents[0]);
    for number in 0..KEPT_REVISIONS + 3 {
        let document = next(documents.last().unwrap(), |document| {
            document.streams[0].topic = format!("t{number}");
            // One stream that comes and goes each time.
            document.streams[1].stream_id = format!("t{number:05}");
        });
        edition = Edition::read(&text(&document), Some(&edition)).unwrap();
        documents.push(document);
    }
    let remembered: Vec<_> =
        documents.iter().map(|document| delta(&edition, &document.groups[STREAM].md5)).collect();
    let (forgotten, kept) = remembered.split_at(documents.len() - KEPT_REVISIONS - 1);
    assert!(forgotten.iter().all(Option::is_none) && forgotten.len() == 3);
    for (age, delta) in kept.iter().rev().enumerate() {
        let (put, gone) = delta.as_ref().unwrap();
        assert_eq!((put.len(), gone.len()), (age.min(1) * 2, age), "of {age} revisions ago");
    }
}

#[test]
fn what_is_too_much_is_not_told_piece_by_piece() {
    let one = document("u", 1, 10);
    let large = "t".repeat(MAX_KEPT / 9);
    let two = next(&one, |document| {
        document.streams[..8].iter_mut().for_each(|stream| stream.topic.clone_from(&large));
    });
    let three = next(&two, |document| document.streams[8].topic.clone_from(&large));
    let four = next(&three, |document| document.streams[9].topic = "small".to_owned());
    let mut edition = first(&one);
    for (document, told) in [(&two, true), (&three, false), (&four, false)] {
        edition = Edition::read(&text(document), Some(&edition)).unwrap();
        assert_eq!(delta(&edition, &one.groups[STREAM].md5).is_some(), told, "{}", document.revision);
    }
    assert!(delta(&edition, &three.groups[STREAM].md5).is_some());
}

#[test]
fn names_of_streams_that_are_gone_are_remembered_within_bounds() {
    let long = "g".repeat(MAX_KEPT / 8);
    let mut last = document("u", 1, 5);
    let mut edition = first(&last);
    let mut known = Vec::new();
    for round in 0..6 {
        known.push(last.groups[STREAM].md5.clone());
        last = next(&last, |document| {
            for (number, stream) in document.streams.iter_mut().enumerate() {
                stream.group_id = format!("{long}{round}{number}");
            }
        });
        edition = Edition::read(&text(&last), Some(&edition)).unwrap();
    }
    // Five names an eighth each are gone with every round, and what came in the last is five more.
    assert!(known.iter().all(|md5| edition.streams_since(md5).is_none()));
    let settled = next(&last, |document| document.streams[0].topic = "t".to_owned());
    let edition = Edition::read(&text(&settled), Some(&edition)).unwrap();
    assert!(edition.streams_since(&last.groups[STREAM].md5).is_some());
    assert!(edition.streams.remembered() <= MAX_KEPT);
}
