use serde_json::json;
use sluice_crds::{DataStream, ProxyFleet};

use super::*;
use crate::resolve::{Place, Written, resolve};

const SOON: Duration = Duration::from_secs(1);

/// What is declared: the generation of each stream, the labels of each namespace.
struct Labelled(i64, Labels);

fn as_before() -> Labelled {
    Labelled(0, [("team".to_owned(), "sales".to_owned())].into())
}

impl Declared for Labelled {
    fn generation(&self, _: &ObjectRef) -> Option<i64> {
        Some(self.0)
    }

    fn labels(&self, _: &str) -> Option<&Labels> {
        Some(&self.1)
    }
}

/// Streams `b` and `a` on one of two fleets, `old` and `new`.
fn resolved(fleet: &str) -> Resolution {
    let fleet_named = |(name, port): (&str, u16)| -> ProxyFleet {
        serde_json::from_value(json!({
            "apiVersion": "sluice.dev/v1alpha1", "kind": "ProxyFleet",
            "metadata": {"namespace": "data", "name": name},
            "spec": {"listeners": {"http": {"port": port}}, "sinks": [{"name": "file", "file": {}}]}
        }))
        .unwrap()
    };
    let stream = |name: &str| -> DataStream {
        serde_json::from_value(json!({
            "apiVersion": "sluice.dev/v1alpha1", "kind": "DataStream",
            "metadata": {"namespace": "data", "name": name}, "spec": {"fleet": {"name": fleet}}
        }))
        .unwrap()
    };
    let (fleets, streams) = ([("old", 1), ("new", 2)].map(fleet_named), ["b", "a"].map(stream));
    let fleets: Vec<_> = fleets.iter().map(|resource| Written { file: "", resource }).collect();
    let streams: Vec<_> = streams.iter().map(|resource| Written { file: "", resource }).collect();
    resolve(&fleets, &streams, Place::Host(None))
}

/// While they move: `old` serves them still.
fn moving() -> Resolution {
    let mut resolution = resolved("old");
    for decision in &mut resolution.streams {
        decision.moving_to = Some(("data".to_owned(), "new".to_owned()));
    }
    resolution
}

/// The streams of `old`, in their order.
fn left(resolution: &Resolution) -> Vec<&str> {
    let old = resolution.fleets.iter().find(|fleet| fleet.name == "old").unwrap();
    old.streams.iter().map(|stream| stream.name.as_str()).collect()
}

#[test]
fn who_has_moved_stays_for_a_while_and_goes() {
    let (mut leaving, began) = (Leaving::default(), Instant::now());
    assert_eq!(leaving.linger(&mut moving(), &as_before(), began), None);

    let mut moved = resolved("new");
    assert_eq!(leaving.linger(&mut moved, &as_before(), began + SOON), Some(began + SOON + LINGER));
    assert_eq!(left(&moved), ["a", "b"]);

    let mut later = resolved("new");
    assert_eq!(leaving.linger(&mut later, &as_before(), began + LINGER), Some(began + SOON + LINGER));
    assert_eq!(left(&later), ["a", "b"]);
    let mut over = resolved("new");
    assert_eq!(leaving.linger(&mut over, &as_before(), began + SOON + LINGER), None);
    assert_eq!(left(&over), [""; 0]);
}

#[test]
fn who_is_served_by_no_fleet_or_has_come_back_does_not_stay() {
    let (mut leaving, began) = (Leaving::default(), Instant::now());
    leaving.linger(&mut moving(), &as_before(), began);
    let mut refused = resolved("new");
    refused.streams[0].fleet = None;
    leaving.linger(&mut refused, &as_before(), began);
    assert_eq!(left(&refused), ["a"]);

    let mut back = resolved("old");
    assert_eq!(leaving.linger(&mut back, &as_before(), began), None);
    assert_eq!(left(&back), ["a", "b"]);
    let mut again = resolved("new");
    assert_eq!(leaving.linger(&mut again, &as_before(), began), None);
    assert_eq!(left(&again), [""; 0]);
}

#[test]
fn a_fleet_that_is_declared_otherwise_lets_go_at_once() {
    let (mut leaving, began) = (Leaving::default(), Instant::now());
    leaving.linger(&mut moving(), &as_before(), began);
    let mut other = resolved("new");
    other.fleets[0].spec.sinks[0].name = "another".to_owned();
    assert_eq!((leaving.linger(&mut other, &as_before(), began), left(&other)), (None, vec![]));
    let mut again = resolved("new");
    assert_eq!((leaving.linger(&mut again, &as_before(), began), left(&again)), (None, vec![]));
}

#[test]
fn a_stream_that_is_written_anew_and_a_namespace_with_other_labels_let_go_at_once() {
    let now = Instant::now();
    for declared in [Labelled(1, as_before().1), Labelled(0, Labels::new())] {
        let mut leaving = Leaving::default();
        leaving.linger(&mut moving(), &as_before(), now);
        let mut moved = resolved("new");
        assert_eq!((leaving.linger(&mut moved, &declared, now), left(&moved)), (None, vec![]));
    }
}
