//! What a long poll that waits costs the operator in memory: over real sockets, and in the hub alone.

use super::poll::{Pollers, Way};
use crate::part::Part;
use sluice_tests::process::rss_kib;

/// KiB a waiter over plain HTTP, at most.
const TARGET: f64 = 16.0;
/// Of the fleet that is polled.
const STREAMS: usize = 1_000;

/// Measures and prints.
pub(crate) fn run(sockets: usize, alone: usize) {
    println!("\nwaiting long polls: {sockets} over sockets, {alone} in the hub alone");
    over_sockets(sockets, &Way::Plain);
    // Fewer, since the memory of the clients is that of this machine as well.
    over_sockets(sockets / 3, &Way::tls());
    in_the_hub(alone);
}

fn over_sockets(sockets: usize, way: &Way) {
    let mut server = way.server(STREAMS);
    let idle = rss_kib(server.pid());
    let mut clients = Pollers::start(&server.address, sockets, way);
    let connected = rss_kib(server.pid());
    clients.wait();
    server.until_waiting(sockets);
    let waiting = rss_kib(server.pid());
    let each = (waiting.saturating_sub(idle)) as f64 / sockets as f64;
    let how = match way {
        Way::Tls(_) => "TLS (no target)".to_owned(),
        _ => format!("plain HTTP (target: under {TARGET:.0} KiB a waiter)"),
    };
    println!(
        "{sockets} over sockets, {how}: {each:.1} KiB resident a waiter; the server {} MiB idle, {} MiB connected, \
         {} MiB with all waiting",
        idle / 1_024,
        connected / 1_024,
        waiting / 1_024
    );
    let published = server.change();
    let round = clients.told();
    let last = round.told.last().copied().unwrap_or_default().saturating_sub(published);
    println!(
        "all {} told {:.0} ms after publishing; the server then {} MiB; failed or other than the first {}",
        round.told.len(),
        super::ms(last),
        rss_kib(server.pid()) / 1_024,
        round.wrong
    );
}

fn in_the_hub(alone: usize) {
    let mut hub = Part::start(["hub", "--waiters", &alone.to_string()]);
    let idle = rss_kib(hub.pid());
    assert_eq!(hub.ask("wait"), "waiting");
    let each = rss_kib(hub.pid()).saturating_sub(idle) * 1_024 / u64::try_from(alone.max(1)).unwrap_or(1);
    let woken: u64 = hub.ask("wake").parse().expect("microseconds");
    println!(
        "in the hub alone: {each} bytes a waiter, its task and timer included; all woken, and the groups that changed \
         compared, in {:.0} ms (no target)",
        super::ms(woken)
    );
}
