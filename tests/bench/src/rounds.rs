//! The rounds: each server in turn, again and again, so that what the machine does meanwhile meets all
//! alike. Ratios are of medians.

use std::sync::Arc;
use std::time::Duration;

use sluice_tests::kafka::{self, Broker, Listeners};
use sluice_tests::proxy::Proxy;
use sluice_tests::{document, http};

use crate::bare::Bare;
use crate::cpu;
use crate::load::{self, Load};

/// How to measure.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) length: Duration,
    pub(crate) rounds: usize,
    pub(crate) rate: u32,
    pub(crate) connections: usize,
}

/// A server to measure.
struct Server {
    name: &'static str,
    pid: u32,
    address: String,
}

/// One server's numbers of one round.
#[derive(Default)]
struct Numbers {
    per_second: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    cpu_us: Vec<f64>,
}

/// Measures and prints.
pub(crate) fn run(plan: &Plan) {
    let broker = Broker::start(Listeners::default());
    let topic = kafka::unique_name("bench");
    kafka::create(&broker.address(), &topic, 8, &[]);
    let proxy = Proxy::start(&document::one_stream(&broker.address(), &topic));
    let bare = Bare::start();
    let servers = [
        Server { name: "bare hyper", pid: bare.pid(), address: bare.address.clone() },
        Server { name: "sluice", pid: proxy.pid(), address: proxy.http().to_owned() },
    ];
    let mut numbers = [Numbers::default(), Numbers::default()];
    println!(
        "{} rounds of {} s a server and loop, {} keep-alive connections, 100-byte records, one a request",
        plan.rounds,
        plan.length.as_secs(),
        plan.connections
    );
    for server in &servers {
        // Connections of Kafka's client, code paths and allocators are warm before anything counts.
        load::run(&load(plan, server, None, Duration::from_secs(3)));
    }
    for round in 1..=plan.rounds {
        for (server, numbers) in servers.iter().zip(&mut numbers) {
            closed_loop(plan, server, round, numbers);
            open_loop(plan, server, round, numbers);
        }
    }
    summary(&servers, &numbers, plan, proxy.rss_kib());
}

fn load(plan: &Plan, server: &Server, rate: Option<u32>, length: Duration) -> Load {
    let request = http::report("g", "s", &"x".repeat(100));
    Load {
        address: server.address.clone(),
        request: Arc::from(request),
        connections: plan.connections,
        length,
        rate,
    }
}

fn closed_loop(plan: &Plan, server: &Server, round: usize, numbers: &mut Numbers) {
    let mut result = load::run(&load(plan, server, None, plan.length));
    let per_second = result.stored as f64 / result.took.as_secs_f64();
    let (p50, p99) = (result.percentile(0.5), result.percentile(0.99));
    println!(
        "round {round}  {:<10}  closed loop  {per_second:>8.0} reports/s  p50 {p50:.2?}  p99 {p99:.2?}  not stored {}",
        server.name, result.other
    );
    numbers.per_second.push(per_second);
    numbers.p50.push(p50.as_secs_f64() * 1e3);
    numbers.p99.push(p99.as_secs_f64() * 1e3);
}

fn open_loop(plan: &Plan, server: &Server, round: usize, numbers: &mut Numbers) {
    let before = cpu::used(server.pid);
    let mut result = load::run(&load(plan, server, Some(plan.rate), plan.length));
    let used = cpu::used(server.pid) - before;
    let answers = (result.stored + result.other).max(1);
    let cpu_us = used.as_secs_f64() * 1e6 / answers as f64;
    println!(
        "round {round}  {:<10}  {} a second  {cpu_us:>8.1} us CPU a report  p50 {:.2?}  p99 {:.2?}  not stored {}",
        server.name,
        plan.rate,
        result.percentile(0.5),
        result.percentile(0.99),
        result.other
    );
    numbers.cpu_us.push(cpu_us);
}

fn summary(servers: &[Server; 2], numbers: &[Numbers; 2], plan: &Plan, rss_kib: u64) {
    println!("\nmedians of {} rounds", plan.rounds);
    println!(
        "{:<12} {:>12} {:>9} {:>9} {:>22}",
        "", "reports/s", "p50 ms", "p99 ms", "CPU us/report at rate"
    );
    for (server, numbers) in servers.iter().zip(numbers) {
        println!(
            "{:<12} {:>12.0} {:>9.2} {:>9.2} {:>22.1}",
            server.name,
            median(&numbers.per_second),
            median(&numbers.p50),
            median(&numbers.p99),
            median(&numbers.cpu_us)
        );
    }
    let [bare, sluice] = numbers;
    println!(
        "\nCPU a report, sluice over bare hyper, at {} a second: {:.2}   memory of sluice: {} MiB",
        plan.rate,
        median(&sluice.cpu_us) / median(&bare.cpu_us),
        rss_kib / 1_024
    );
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
