//! What one topic in trouble costs the others: nine streams at a fixed rate on three brokers, with and without the
//! follower of the tenth stopped, in turn. The tenth is another one in each round, because one that had trouble
//! is kept apart for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sluice_tests::kafka::{self, Cluster};
use sluice_tests::proxy::Proxy;
use sluice_tests::{document, http, wait};

use crate::load::{self, Load, Result};
use crate::rounds::median;

/// How many streams have no trouble.
const HEALTHY: usize = 9;
const ROUNDS: usize = 5;
/// Of each measurement.
const LENGTH: Duration = Duration::from_secs(5);
/// Reports a second of each stream.
const RATE: u32 = 100;
/// From the fault until it counts: the onset is printed apart.
const NOTICE: Duration = Duration::from_secs(5);

/// Measures and prints.
pub(crate) fn run() {
    let cluster = Cluster::start(None);
    let addresses = cluster.addresses();
    let beside: [&[&[i32]]; 2] = [&[&[1, 2], &[2, 1]], &[&[2, 1], &[1, 2]]];
    let mut streams = Vec::new();
    for number in 0..HEALTHY + ROUNDS {
        let nodes: &[&[i32]] = if number >= HEALTHY { &[&[1, 3], &[2, 3]] } else { beside[number % 2] };
        let topic = kafka::unique_name("bench-isolation");
        kafka::create_on(&addresses, &topic, nodes);
        streams.push(document::stream("g", &format!("s{number}"), "kafka", &topic));
    }
    let proxy = Proxy::start(&document::on_kafka(&addresses, streams));
    println!(
        "\nisolation: {HEALTHY} streams at {RATE} a second each, {ROUNDS} rounds of {} s without and with the tenth's \
         follower stopped",
        LENGTH.as_secs()
    );
    let tenth = Arc::new(AtomicUsize::new(HEALTHY));
    let sick = {
        let (address, tenth) = (proxy.http().to_owned(), Arc::clone(&tenth));
        std::thread::spawn(move || {
            loop {
                match tenth.load(Ordering::Relaxed) {
                    0 => break,
                    stream => load::run(&load(&address, stream, Duration::from_secs(1))),
                };
            }
        })
    };
    measure(&proxy, Duration::from_secs(3));
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        // What the tenth had in flight has come to its end.
        std::thread::sleep(Duration::from_secs(1));
        without.push(report(round, "without", &mut measure(&proxy, LENGTH)));
        cluster.broker(3).pause();
        let mut onset = measure(&proxy, NOTICE);
        println!("round {round}  onset    worst {:.2?}  not stored {}", onset.percentile(1.0), onset.other);
        with.push(report(round, "with", &mut measure(&proxy, LENGTH)));
        cluster.broker(3).resume();
        wait::until("the tenth stream to be well", Duration::from_secs(90), || {
            proxy.metric("sluice_stream_breaker_open", &[]) == 0.0
        });
        tenth.store(if round < ROUNDS { HEALTHY + round } else { 0 }, Ordering::Relaxed);
    }
    sick.join().expect("the tenth's load ends");
    let (without, with) = (median(&without), median(&with));
    println!(
        "\nmedian p99 of the healthy: {without:.2} ms without, {with:.2} ms with the fault; ratio {:.2}",
        with / without
    );
}

/// The healthy streams at once, each over connections of its own.
fn measure(proxy: &Proxy, length: Duration) -> Result {
    let threads: Vec<_> = (0..HEALTHY)
        .map(|number| {
            let load = load(proxy.http(), number, length);
            std::thread::spawn(move || load::run(&load))
        })
        .collect();
    let mut all = Result::default();
    for thread in threads {
        let part = thread.join().expect("a load that doesn't panic");
        all.stored += part.stored;
        all.other += part.other;
        all.latencies.extend(part.latencies);
    }
    all
}

fn load(address: &str, stream: usize, length: Duration) -> Load {
    Load {
        address: address.to_owned(),
        request: Arc::from(http::report("g", &format!("s{stream}"), &"x".repeat(100))),
        connections: 4,
        length,
        rate: Some(RATE),
    }
}

/// Prints a measurement; returns its p99 in milliseconds.
fn report(round: usize, name: &str, result: &mut Result) -> f64 {
    let (p50, p99) = (result.percentile(0.5), result.percentile(0.99));
    println!(
        "round {round}  {name:<7}  p50 {p50:.2?}  p99 {p99:.2?}  worst {:.2?}  not stored {}",
        result.percentile(1.0),
        result.other
    );
    p99.as_secs_f64() * 1e3
}
