//! What storing records costs without a proxy: librdkafka alone, sending the same records with the same
//! headers and settings at the same rate. It runs as a process of its own, so that its CPU is its own.

use std::io::Read as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};

/// What to send.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// `host:port` of Kafka.
    #[arg(long)]
    pub(crate) kafka: String,
    #[arg(long)]
    pub(crate) topic: String,
    /// Batches a second.
    #[arg(long)]
    pub(crate) rate: u32,
    /// Records of a batch.
    #[arg(long)]
    pub(crate) records: usize,
    /// Bytes of a record.
    #[arg(long)]
    pub(crate) size: usize,
}

/// The process; ended when this is dropped.
pub(crate) struct Raw {
    child: Child,
    _input: Option<ChildStdin>,
}

impl Raw {
    /// Starts sending.
    pub(crate) fn start(args: &Args) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["raw", "--kafka", &args.kafka, "--topic", &args.topic])
            .args(["--rate", &args.rate.to_string(), "--records", &args.records.to_string()])
            .args(["--size", &args.size.to_string()])
            .stdin(Stdio::piped())
            .spawn()
            .expect("this binary runs");
        let input = child.stdin.take();
        Self { child, _input: input }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends until standard input ends.
pub(crate) fn send(args: &Args) {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", &args.kafka)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "1")
        .set("partitioner", "murmur2_random")
        .set("sticky.partitioning.linger.ms", "10")
        .set("queue.buffering.max.messages", "1000000")
        .set("socket.nagle.disable", "true")
        .create()
        .expect("a producer");
    std::thread::spawn(|| {
        // The end of its input is the end of whoever wants it.
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let record = vec![b'x'; args.size];
    let pace = Duration::from_secs(1) / args.rate;
    let mut due = Instant::now();
    loop {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        due += pace;
        for _ in 0..args.records {
            let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&args.topic)
                .payload(&record[..])
                .timestamp(1_795_256_882_734)
                .headers(headers());
            producer.send(record).map_err(|(error, _)| error).expect("room in the queue");
        }
        assert!(producer.in_flight_count() < 500_000, "Kafka doesn't keep up");
    }
}

/// The headers that the proxy gives a record.
fn headers() -> OwnedHeaders {
    let all: [(&str, &[u8]); 7] = [
        ("rt", b"1795256882734"),
        ("st", b"1795256882734"),
        ("dt", b"1795256882734"),
        ("srcIp", b"127.0.0.1"),
        ("dpIp", b"127.0.0.1"),
        ("msgEnType", b"0"),
        ("version", b"0"),
    ];
    all.into_iter().fold(OwnedHeaders::new_with_capacity(8), |headers, (key, value)| {
        headers.insert(Header { key, value: Some(value) })
    })
}
