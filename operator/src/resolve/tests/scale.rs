//! Many streams: the work grows with their number, not with its square.

use std::time::{Duration, Instant};

use super::*;

/// Comparing each of so many with each other would take minutes.
const STREAMS: usize = 50_000;

fn many() -> Vec<DataStream> {
    let fleet = |index: usize| json!({"name": format!("f{}", index % 10), "namespace": "data"});
    let spec = |index: usize| json!({"groupId": format!("g{}", index % 50), "fleet": fleet(index)});
    (0..STREAMS).map(|index| stream("shop", &format!("s{index}"), &spec(index))).collect()
}

#[test]
fn fifty_thousand_streams_are_resolved_in_seconds() {
    let fleets: Vec<_> = (0..10).map(|index| open_fleet(&format!("data/f{index}"))).collect();
    let streams = many();
    let start = Instant::now();
    let resolution = World::default().run(&fleets, &streams);
    let took = start.elapsed();
    println!("{STREAMS} streams: {took:?}");
    assert_eq!((resolution.problems.len(), resolution.streams.len()), (0, STREAMS));
    assert!(took < Duration::from_secs(20), "{took:?}");
}
