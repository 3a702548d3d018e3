//! Answers as a client of the wire's types takes them: whatever it had, it ends with the bytes of the whole.

use proptest::prelude::*;
use serde_json::value::RawValue;
use sluice_wire::document::Document;
use sluice_wire::polling::{Changed, FLEET, Fetched, GROUPS, KEPT_REVISIONS, SINK, Update};

use super::*;
use crate::poll::fleets::part::tests::{document, number};

/// What a proxy has: elements by group, as the bytes they came in.
#[derive(Clone, Debug, Default)]
struct Client {
    groups: BTreeMap<String, Group>,
    elements: BTreeMap<String, Vec<String>>,
}

fn ids(stream: &str) -> (String, String) {
    let stream: serde_json::Value = serde_json::from_str(stream).unwrap();
    let text = |field: &str| stream[field].as_str().unwrap().to_owned();
    (text("groupId"), text("streamId"))
}

fn texts(elements: &[Box<RawValue>]) -> Vec<String> {
    elements.iter().map(|element| element.get().to_owned()).collect()
}

impl Client {
    fn put(&mut self, group: &str, since: Option<&str>, put: Vec<String>, gone: &[(String, String)]) {
        let elements = self.elements.entry(group.to_owned()).or_default();
        let Some(since) = since else {
            assert!(gone.is_empty());
            *elements = put;
            return;
        };
        assert_eq!(since, self.groups[group].md5, "a delta from what the client has");
        let mut streams: BTreeMap<_, _> = elements.drain(..).map(|stream| (ids(&stream), stream)).collect();
        streams.extend(put.into_iter().map(|stream| (ids(&stream), stream)));
        gone.iter().for_each(|ids| drop(streams.remove(ids)));
        elements.extend(streams.into_values());
    }

    fn update(&mut self, update: Update) {
        for (group, change) in &update.changes {
            self.put(group, change.since.as_deref(), texts(&change.put), &change.gone);
        }
        self.groups = update.groups;
    }

    fn fetched(&mut self, fetched: Fetched) {
        for (group, change) in fetched.data {
            self.put(&group, change.since.as_deref(), texts(&change.data), &change.gone);
            let (md5, last_modify_time) = (change.md5, change.last_modify_time);
            self.groups.insert(group, Group { md5, last_modify_time });
        }
    }

    fn claims(&self) -> Vec<Claim> {
        let claim = |(group, has): (&String, &Group)| Claim {
            group: group.clone(),
            md5: has.md5.clone(),
            last_modify_time: has.last_modify_time,
        };
        self.groups.iter().map(claim).collect()
    }

    fn bases(&self) -> Vec<(String, Option<String>)> {
        let base = |group: &str| (group.to_owned(), self.groups.get(group).map(|has| has.md5.clone()));
        GROUPS.map(base).into()
    }

    /// Whether it has, to the byte, what is served.
    fn has(&self, edition: &Edition) {
        for (group, served) in edition.groups() {
            let bytes = format!("[{}]", self.elements[group].join(","));
            assert_eq!(bytes.as_bytes(), &served.content.bytes[..], "{group}");
            assert_eq!(self.groups[group].md5, *Content::new(bytes.into_bytes()).md5, "{group}");
            assert_eq!(self.groups[group].last_modify_time, served.last_modify_time, "{group}");
        }
    }
}

fn fetch(edition: &Edition, client: &Client) -> Fetched {
    serde_json::from_slice(&fetched(edition, &client.bases())).unwrap()
}

fn told(edition: &Edition, client: &Client) -> Option<Changed> {
    updated(edition, &client.claims()).map(|body| serde_json::from_slice(&body).unwrap())
}

/// Something a person does to a fleet.
#[derive(Clone, Debug)]
enum Edit {
    /// The stream of this number is there and has this topic.
    Stream(usize, u8),
    Gone(usize),
    Sinks(u8),
    Overload(u8),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        6 => (0..8_usize, 0..3_u8).prop_map(|(number, topic)| Edit::Stream(number, topic)),
        3 => (0..8_usize).prop_map(Edit::Gone),
        1 => (0..3_u8).prop_map(Edit::Sinks),
        1 => (0..3_u8).prop_map(Edit::Overload),
    ]
}

fn edited(before: &Document, edits: &[Edit], all: &Document) -> Document {
    let mut document = before.clone();
    document.revision += 10;
    for edit in edits {
        match edit {
            Edit::Stream(number, topic) => {
                let mut stream = all.streams[*number].clone();
                stream.topic = format!("t{topic}");
                document.streams.retain(|known| known.stream_id != stream.stream_id);
                document.streams.push(stream);
                document.streams.sort_by(|a, b| a.stream_id.cmp(&b.stream_id));
            }
            Edit::Gone(number) => {
                document.streams.retain(|known| known.stream_id != all.streams[*number].stream_id);
            }
            Edit::Sinks(name) => document.sinks[0].name = format!("s{name}"),
            Edit::Overload(connections) => document.overload.max_connections = (*connections).into(),
        }
    }
    number(&mut document, &before.groups);
    document
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn whatever_a_client_has_it_ends_with_the_whole_to_the_byte(
        rounds in prop::collection::vec(prop::collection::vec(edit(), 1..4), 1..90),
    ) {
        let all = document("u", 1, 8);
        let mut last = edited(&document("u", 1, 2), &[], &all);
        let mut edition = Edition::read(&serde_json::to_vec(&last).unwrap(), None).unwrap();
        let mut client = Client::default();
        client.fetched(fetch(&edition, &client));
        client.has(&edition);
        // All that clients may have, and the MD5s of streams in their order.
        let mut clients = vec![client];
        let mut states = vec![last.groups[STREAM].md5.clone()];
        for edits in rounds {
            last = edited(&last, &edits, &all);
            edition = Edition::read(&serde_json::to_vec(&last).unwrap(), Some(&edition)).unwrap();
            if states.last() != Some(&last.groups[STREAM].md5) {
                states.push(last.groups[STREAM].md5.clone());
            }
            let remembered = &states[states.len().saturating_sub(KEPT_REVISIONS + 1)..];
            for client in &clients {
                let (mut by_update, mut by_fetch) = (client.clone(), client.clone());
                let is_remembered = remembered.contains(&client.groups[STREAM].md5);
                let changed = told(&edition, client);
                prop_assert_eq!(changed.is_some(), is_remembered);
                if let Some(Changed { code: 200, data, update: Some(update), .. }) = changed {
                    let named: Vec<_> = update.changes.keys().cloned().collect();
                    prop_assert_eq!(data, named);
                    prop_assert_eq!(update.revision, last.revision);
                    by_update.update(update);
                    by_update.has(&edition);
                } else {
                    prop_assert!(!is_remembered);
                }
                let fetched = fetch(&edition, client);
                prop_assert_eq!(fetched.revision, Some(last.revision));
                prop_assert_eq!(fetched.data[STREAM].since.is_some(), is_remembered);
                by_fetch.fetched(fetched);
                by_fetch.has(&edition);
            }
            let mut fresh = Client::default();
            fresh.fetched(fetch(&edition, &fresh));
            fresh.has(&edition);
            clients.push(fresh);
        }
    }
}

fn read(document: &Document, former: Option<&Edition>) -> Edition {
    Edition::read(&serde_json::to_vec(document).unwrap(), former).unwrap()
}

/// A client that has the edition.
fn client_of(edition: &Edition) -> Client {
    let mut client = Client::default();
    client.fetched(fetch(edition, &client));
    client
}

#[test]
fn one_changed_stream_of_ten_thousand_costs_the_bytes_of_one() {
    let one = document("u", 1_700_000_000_000, 10_000);
    let mut two = one.clone();
    two.revision += 1;
    two.streams[5_000].topic = "other".to_owned();
    number(&mut two, &one.groups);
    let first = read(&one, None);
    let second = read(&two, Some(&first));
    let client = client_of(&first);
    let stream = serde_json::to_vec(&two.streams[5_000]).unwrap().len();
    for body in [updated(&second, &client.claims()).unwrap(), fetched(&second, &client.bases())] {
        let around = body.len() - stream;
        assert!(
            around < 800 && body.len() < second.group(STREAM).unwrap().content.bytes.len() / 1_000,
            "{around}"
        );
    }
}

#[test]
fn a_client_that_does_not_ask_for_all_groups_is_told_names_alone() {
    let first = read(&document("u", 1, 3), None);
    let mut claims = client_of(&first).claims();
    claims.retain(|claim| claim.group != SINK);
    assert_eq!(updated(&first, &claims), None);
}

#[test]
fn only_streams_are_told_piece_by_piece() {
    let edition = read(&document("u", 1, 3), None);
    let client = client_of(&edition);
    let fetched = fetch(&edition, &client);
    for group in [FLEET, SINK] {
        assert_eq!(fetched.data[group].since, None, "{group}");
        assert!(!fetched.data[group].data.is_empty(), "{group}");
    }
    assert_eq!(fetched.data[STREAM].since, Some(client.groups[STREAM].md5.clone()));
    assert!(fetched.data[STREAM].data.is_empty(), "nothing changed");
    assert_eq!(fetched.major, Some(1));
}

#[test]
fn a_group_that_fleets_don_t_have_is_empty_and_older_than_all() {
    let edition = read(&document("u", 1, 3), None);
    let asked = [("PLUGIN".to_owned(), Some("x".to_owned()))];
    let fetched: Fetched = serde_json::from_slice(&fetched(&edition, &asked)).unwrap();
    let group = &fetched.data["PLUGIN"];
    assert!(group.data.is_empty() && group.last_modify_time == 0 && group.since.is_none());
    assert_eq!(group.md5, *Content::nothing().md5);
}
