//! Documents as files.

use sluice_wire::document::{Drain, FleetRef, MAJOR, Overload};

use super::*;

fn document(name: &str, connections: u32) -> Document {
    Document {
        major: MAJOR,
        fleet: FleetRef { namespace: "default".to_owned(), name: name.to_owned(), uid: String::new() },
        revision: 0,
        overload: Overload { max_inflight_bytes: 1, max_connections: connections },
        groups: BTreeMap::new(),
        drain: Drain { notify_ms: 0 },
        listeners: sluice_wire::access::Listeners::default(),
        sinks: Vec::new(),
        streams: Vec::new(),
    }
}

fn read(path: &Path) -> Document {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_revision_is_at_least_the_time_and_always_larger_than_the_last() {
    let directory = tempfile::tempdir().unwrap();
    let mut publisher = Publisher::new(directory.path());
    assert_eq!(publisher.publish(document("a", 1), 500).unwrap(), Published::New(500));
    assert_eq!(publisher.publish(document("a", 2), 500).unwrap(), Published::New(501));
    assert_eq!(publisher.publish(document("a", 3), 400).unwrap(), Published::New(502), "a clock set back");
    assert_eq!(publisher.publish(document("a", 4), 900).unwrap(), Published::New(900));
    let path = publisher.path(&("default".to_owned(), "a".to_owned()));
    assert_eq!(read(&path), Document { revision: 900, ..document("a", 4) });
}

#[test]
fn what_says_nothing_new_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let mut publisher = Publisher::new(directory.path());
    publisher.publish(document("a", 1), 500).unwrap();
    let path = publisher.path(&("default".to_owned(), "a".to_owned()));
    fs::remove_file(&path).unwrap();
    assert_eq!(publisher.publish(document("a", 1), 600).unwrap(), Published::Same(500));
    assert!(!path.exists());
}

#[test]
fn a_document_that_could_not_be_written_is_written_the_next_time() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("later");
    let mut publisher = Publisher::new(&directory);
    assert!(publisher.publish(document("a", 1), 500).is_err());
    fs::create_dir(&directory).unwrap();
    assert_eq!(publisher.publish(document("a", 1), 500).unwrap(), Published::New(500));
}

#[test]
fn fleets_have_files_of_their_own_and_removal_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut publisher = Publisher::new(directory.path());
    publisher.publish(document("a", 1), 1).unwrap();
    publisher.publish(document("b", 1), 1).unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    for name in ["a", "b", "b"] {
        publisher.remove(&("default".to_owned(), name.to_owned())).unwrap();
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}
