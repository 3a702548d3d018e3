//! NDJSON batches over the native route beside librdkafka alone: CPU a record at one fixed rate.

use std::sync::Arc;
use std::time::Duration;

use sluice_tests::document;
use sluice_tests::kafka::{self, Broker, Listeners};
use sluice_tests::proxy::Proxy;

use crate::load::{self, Load};
use crate::raw::{Args as RawArgs, Raw};
use crate::{cpu, rounds};

/// Batches a second; with [`RECORDS`] twenty thousand records a second.
const RATE: u32 = 200;
/// Records of a batch.
const RECORDS: usize = 100;
/// Bytes of a record.
const SIZE: usize = 100;

/// Measures and prints.
pub(crate) fn run(length: Duration, rounds: usize) {
    let broker = Broker::start(Listeners::default());
    let topics = ["batches", "raw"].map(kafka::unique_name);
    for topic in &topics {
        kafka::create(&broker.address(), topic, 8, &[]);
    }
    let proxy = Proxy::start(&document::one_stream(&broker.address(), &topics[0]));
    let request = request();
    println!(
        "\nNDJSON batches of {RECORDS} records of {SIZE} bytes, {RATE} batches a second, beside librdkafka alone"
    );
    let load = |length| Load {
        address: proxy.http().to_owned(),
        request: Arc::clone(&request),
        connections: 16,
        length,
        rate: Some(RATE),
    };
    load::run(&load(Duration::from_secs(2)));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let before = cpu::used(proxy.pid());
        let result = load::run(&load(length));
        let records = (result.stored.max(1) * RECORDS as u64) as f64;
        let sluice = (cpu::used(proxy.pid()) - before).as_secs_f64() * 1e6 / records;
        let raw = librdkafka(&broker.address(), &topics[1], length);
        println!(
            "round {round}  sluice {sluice:.2} us CPU a record (not stored {})  librdkafka {raw:.2} us",
            result.other
        );
        ours.push(sluice);
        theirs.push(raw);
    }
    let (ours, theirs) = (rounds::median(&ours), rounds::median(&theirs));
    println!("CPU a record, sluice over librdkafka alone: {:.2} (aim: at most 1.6)", ours / theirs);
}

/// CPU a record of librdkafka alone, in microseconds.
fn librdkafka(kafka: &str, topic: &str, length: Duration) -> f64 {
    let raw = Raw::start(&RawArgs {
        kafka: kafka.to_owned(),
        topic: topic.to_owned(),
        rate: RATE,
        records: RECORDS,
        size: SIZE,
    });
    std::thread::sleep(Duration::from_secs(2));
    let (cpu_before, before) = (cpu::used(raw.pid()), kafka::count(kafka, topic).unwrap_or(0));
    std::thread::sleep(length);
    let used = cpu::used(raw.pid()) - cpu_before;
    let records = kafka::count(kafka, topic).unwrap_or(0) - before;
    used.as_secs_f64() * 1e6 / records.max(1) as f64
}

/// A batch as one request.
fn request() -> Arc<[u8]> {
    let record = format!("{{\"id\":\"{}\"}}\n", "x".repeat(SIZE - 9));
    let body = record.repeat(RECORDS);
    let head = format!(
        "POST /v1/groups/g/streams/s/records HTTP/1.1\r\nHost: bench\r\nContent-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    Arc::from((head + &body).into_bytes())
}
