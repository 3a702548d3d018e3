use serde_json::json;
use sluice_crds::{DataStream, ProxyFleet};

use super::*;
use crate::resolve::{Place, Written, resolve};

const SOON: Duration = Duration::from_secs(1);

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
    assert_eq!(leaving.linger(&mut moving(), began), None);

    let mut moved = resolved("new");
    assert_eq!(leaving.linger(&mut moved, began + SOON), Some(began + SOON + LINGER));
    assert_eq!(left(&moved), ["a", "b"]);

    let mut later = resolved("new");
    assert_eq!(leaving.linger(&mut later, began + LINGER), Some(began + SOON + LINGER));
    assert_eq!(left(&later), ["a", "b"]);
    let mut over = resolved("new");
    assert_eq!(leaving.linger(&mut over, began + SOON + LINGER), None);
    assert_eq!(left(&over), [""; 0]);
}

#[test]
fn who_is_served_by_no_fleet_or_has_come_back_does_not_stay() {
    let (mut leaving, began) = (Leaving::default(), Instant::now());
    leaving.linger(&mut moving(), began);
    let mut refused = resolved("new");
    refused.streams[0].fleet = None;
    leaving.linger(&mut refused, began);
    assert_eq!(left(&refused), ["a"]);

    let mut back = resolved("old");
    assert_eq!(leaving.linger(&mut back, began), None);
    assert_eq!(left(&back), ["a", "b"]);
    let mut again = resolved("new");
    assert_eq!(leaving.linger(&mut again, began), None);
    assert_eq!(left(&again), [""; 0]);
}

#[test]
fn a_fleet_that_is_declared_otherwise_lets_go_at_once() {
    let (mut leaving, began) = (Leaving::default(), Instant::now());
    leaving.linger(&mut moving(), began);
    let mut other = resolved("new");
    other.fleets[0].spec.sinks[0].name = "another".to_owned();
    assert_eq!((leaving.linger(&mut other, began), left(&other)), (None, vec![]));
    let mut again = resolved("new");
    assert_eq!((leaving.linger(&mut again, began), left(&again)), (None, vec![]));
}
