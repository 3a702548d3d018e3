//! What the heartbeats of many nodes cost the operator, in a run of their own.

use std::time::Duration;

use super::nodes::Came;
use super::{ms, percentile, shares};
use crate::cpu;
use crate::part::Part;

/// Between two heartbeats of a node, in milliseconds.
const EVERY: u64 = 5_000;
/// From the first heartbeats until it counts: every node was heard.
const WARM: Duration = Duration::from_millis(EVERY + 1_000);

/// Measures and prints.
pub(crate) fn run(nodes: usize, length: Duration) {
    println!("\nheartbeats: {nodes} nodes, one each {} s, over {} s", EVERY / 1_000, length.as_secs());
    let server = Part::start(["manager", "--nodes", &nodes.to_string()]);
    let address = server.line();
    let start = |(first, count): (usize, usize)| {
        let [first, count, every] = [first.to_string(), count.to_string(), EVERY.to_string()];
        let arguments =
            ["nodes", "--server", &address, "--first", &first, "--count", &count, "--every", &every];
        Part::start(arguments)
    };
    let mut senders: Vec<_> = shares(nodes).map(start).collect();
    for sender in &senders {
        assert_eq!(sender.line(), "sending");
    }
    std::thread::sleep(WARM);
    let before = cpu::used(server.pid());
    std::thread::sleep(length);
    let used = cpu::used(server.pid()) - before;
    let resident = sluice_tests::process::rss_kib(server.pid());
    let mut all = Came::default();
    senders.iter_mut().for_each(|sender| sender.tell("end"));
    for sender in &senders {
        let came: Came = serde_json::from_str(&sender.line()).expect("what came of it");
        all.taken += came.taken;
        all.other += came.other;
        all.took.extend(came.took);
    }
    all.took.sort_unstable();
    let heartbeats = nodes as f64 * length.as_secs_f64() * 1e3 / EVERY as f64;
    println!(
        "without TLS and tokens: {:.1} % of one core, {:.1} us CPU a heartbeat (no target); p50 {:.2} ms, p99 {:.2} ms from when it was due; taken \
         {}, not taken or failed {}; the server {} MiB",
        used.as_secs_f64() * 1e2 / length.as_secs_f64(),
        used.as_secs_f64() * 1e6 / heartbeats,
        ms(percentile(&all.took, 0.5)),
        ms(percentile(&all.took, 0.99)),
        all.taken,
        all.other,
        resident / 1_024
    );
}
