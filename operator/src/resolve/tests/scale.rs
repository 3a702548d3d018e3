//! Ten thousand streams: the work grows with their number, not with its square.

use std::time::{Duration, Instant};

use super::*;

fn streams(count: usize) -> Vec<DataStream> {
    let spec = |index: usize| json!({"groupId": format!("g{}", index % 50), "fleet": {"name": format!("f{}", index % 10), "namespace": "data"}});
    (0..count).map(|index| stream("shop", &format!("s{index}"), &spec(index))).collect()
}

/// The quickest of some runs, so that a busy machine does not decide.
fn time(fleets: &[ProxyFleet], streams: &[DataStream]) -> Duration {
    let run = || {
        let start = Instant::now();
        let resolution = World::default().run(fleets, streams);
        assert_eq!(resolution.problems, []);
        start.elapsed()
    };
    (0..5).map(|_| run()).min().unwrap()
}

#[test]
fn ten_times_the_streams_take_about_ten_times_as_long() {
    let fleets: Vec<_> = (0..10).map(|index| open_fleet(&format!("data/f{index}"))).collect();
    let (few, many) = (time(&fleets, &streams(1_000)), time(&fleets, &streams(10_000)));
    println!("1,000 streams: {few:?}; 10,000 streams: {many:?}");
    assert!(many < few * 40, "{few:?} {many:?}");
}
