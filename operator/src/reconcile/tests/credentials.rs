//! Tokens on their way from Secrets to what is published and told.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sluice_identity::digest;
use sluice_wire::auth::{Auth, TokenKeys};
use sluice_wire::document::Document;

use super::*;
use crate::credentials::{Reading, TYPE, read};
use crate::registry::http::{Configuration, Configurations};

const FIRST: &str = "first-token-of-the-producers";

impl World {
    /// A stream of the fleet `a` that asks for something.
    fn guarded(name: &str, auth: &Value) -> Self {
        let mut world = Self::new(&["a"]);
        world.stream(name, auth);
        world
    }

    fn stream(&mut self, name: &str, auth: &Value) {
        let stream = json!({
            "apiVersion": "sluice.dev/v1alpha1", "kind": "DataStream",
            "metadata": {"namespace": "data", "name": name, "uid": name, "generation": 1},
            "spec": {"fleet": {"name": "a"}, "auth": auth}
        });
        self.put(Source::Streams, stream);
    }

    fn found(&mut self, reading: Reading) {
        let name = ("data".to_owned(), "producers".to_owned());
        self.state.memory.given.credentials.insert(name, Arc::new(reading));
    }
}

fn by_token() -> Value {
    json!({"type": "Token", "tokensSecret": {"name": "producers"}})
}

fn reading(streams: &[&str]) -> Reading {
    let streams: BTreeSet<String> = streams.iter().map(|&stream| stream.to_owned()).collect();
    read(("data", Some(TYPE)), [("one", FIRST.as_bytes())].into_iter(), &streams, (None, 0))
}

/// What a plan publishes.
fn published(plan: &Plan) -> Option<Document> {
    plan.writes.iter().find_map(|write| match write {
        Write::Publish(publication) => Some(document(&publication.maps[0].1)),
        _ => None,
    })
}

/// The document of a ConfigMap that has all of it.
fn document(map: &Value) -> Document {
    let text = map["binaryData"][sluice_wire::parts::KEY].as_str().unwrap();
    let part = STANDARD.decode(text).unwrap();
    let body = part.splitn(2, |byte| *byte == b'\n').nth(1).unwrap();
    serde_json::from_slice(&zstd::decode_all(body).unwrap()).unwrap()
}

/// The condition AuthReady of a stream, as a plan tells it.
fn ready(plan: &Plan, stream: &str) -> (String, String) {
    let conditions = plan.writes.iter().find_map(|write| match write {
        Write::StreamStatus { name, status, .. } if name.1 == stream => Some(&status.conditions),
        _ => None,
    });
    let condition = conditions.unwrap().iter().find(|condition| condition.type_ == "AuthReady").unwrap();
    (condition.status.clone(), condition.reason.clone())
}

fn is(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

/// What was published before this operator led.
#[derive(Debug)]
struct Before(Option<Document>);

impl Configurations for Before {
    fn of(&self, _: &FleetKey) -> Option<Configuration> {
        Some(Configuration::new(serde_json::to_vec(self.0.as_ref()?).unwrap()))
    }
}

#[test]
fn what_is_not_read_yet_stays_as_it_is_published() {
    let mut world = World::guarded("orders", &by_token());
    world.found(reading(&["orders"]));
    let first = published(&world.plan()).unwrap();
    assert!(matches!(&first.streams[0].auth, Auth::Tokens(tokens) if tokens.len() == 1));
    world.stream("bills", &by_token());
    // Another operator leads, which has read nothing.
    world.state.memory.given = plan::Given::default();
    world.state.memory.given.published = Some(Arc::new(Before(Some(first.clone()))));
    let next = published(&world.plan()).unwrap();
    let auth = |name: &str| &next.streams.iter().find(|stream| stream.name == name).unwrap().auth;
    assert_eq!(*auth("orders"), first.streams[0].auth);
    assert_eq!(*auth("bills"), Auth::Tokens(Vec::new()), "nobody, until it is read");
}

#[test]
fn keys_that_are_not_known_yet_stay_as_they_are_published() {
    let keys = TokenKeys { issuer: None, jwks: json!({"keys": []}) };
    let mut world = World::guarded("orders", &json!({"type": "ServiceAccount", "serviceAccounts": ["a"]}));
    world.state.memory.given.keys = Some(keys.clone());
    let first = published(&world.plan()).unwrap();
    world.stream("bills", &json!({"type": "None"}));
    world.state.memory.given = plan::Given::default();
    assert_eq!(published(&world.plan()), None, "what is published is not known yet");
    world.state.memory.given.published = Some(Arc::new(Before(Some(first))));
    assert_eq!(published(&world.plan()).unwrap().listeners.token_keys, Some(keys));
}

#[test]
fn a_fleet_waits_until_its_streams_secrets_were_read_or_what_is_published_is_known() {
    let mut world = World::guarded("orders", &by_token());
    let plan = world.plan();
    assert_eq!(published(&plan), None, "its producers would be refused");
    assert_eq!(ready(&plan, "orders"), is("False", "Pending"));
    let wanted = [(("data".to_owned(), "producers".to_owned()), ["orders".to_owned()].into())];
    assert_eq!(plan.secrets, wanted.into());
    world.found(reading(&["orders"]));
    let document = published(&world.plan()).unwrap();
    let Auth::Tokens(tokens) = &document.streams[0].auth else { panic!("{document:?}") };
    assert_eq!((tokens[0].id.as_str(), tokens[0].sha256), ("one", digest("data/orders", FIRST)));
}

#[test]
fn a_secret_that_was_not_read_for_a_stream_has_not_been_read() {
    let mut world = World::guarded("orders", &by_token());
    world.found(reading(&["bills"]));
    let plan = world.plan();
    assert_eq!((published(&plan), ready(&plan, "orders")), (None, is("False", "Pending")));
}

#[test]
fn without_a_good_secret_nobody_may_report_and_everything_else_goes_on() {
    for (reading, reason) in [
        (Reading::Missing, "TokensMissing"),
        (Reading::Unfit("no".to_owned()), "TokensUnfit"),
        (Reading::Forbidden("no".to_owned()), "TokensForbidden"),
    ] {
        let mut world = World::guarded("orders", &by_token());
        world.found(reading);
        let plan = world.plan();
        assert_eq!(published(&plan).unwrap().streams[0].auth, Auth::Tokens(Vec::new()), "{reason}");
        assert_eq!(ready(&plan, "orders"), is("False", reason));
    }
}

#[test]
fn keys_are_published_to_fleets_whose_streams_ask_for_service_accounts() {
    let keys = TokenKeys { issuer: Some("https://a".to_owned()), jwks: json!({"keys": []}) };
    let mut world =
        World::guarded("orders", &json!({"type": "ServiceAccount", "serviceAccounts": ["a", "b/*"]}));
    world.state.memory.given.published = Some(Arc::new(Before(None)));
    let plan = world.plan();
    assert_eq!(published(&plan).unwrap().listeners.token_keys, None);
    assert_eq!(ready(&plan, "orders"), is("False", "Pending"));
    world.state.memory.given.keys = Some(keys.clone());
    let document = published(&world.plan()).unwrap();
    assert_eq!(document.listeners.token_keys, Some(keys.clone()));
    let Auth::ServiceAccounts(accounts) = &document.streams[0].auth else { panic!("{document:?}") };
    let named: Vec<_> =
        accounts.iter().map(|account| (account.namespace.as_str(), account.name.as_deref())).collect();
    assert_eq!(named, [("data", Some("a")), ("b", None)]);

    let mut open = World::guarded("orders", &json!({"type": "None"}));
    open.state.memory.given.keys = Some(keys);
    assert_eq!(published(&open.plan()).unwrap().listeners.token_keys, None);
}
