//! The parts the suites stand on, tried by themselves.
//! A fault that isn't injected, or a record that isn't read, would let every suite pass.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use sluice_tests::history::History;
use sluice_tests::kafka::{self, Broker, Certificates, Listeners, PASSWORD, USER};
use sluice_tests::load::{Load, Progress};
use sluice_tests::process;
use sluice_tests::relay::Fault;

use crate::support::{RelayTurn, kafka, topic, values};

struct Reports(Sender<bool>);

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let _ = self.0.send(result.is_ok());
    }
}

/// Sends one record and says whether Kafka acknowledged it in time.
fn produce(address: &str, topic: &str, value: &str, timeout: &str) -> bool {
    let (sender, reports) = channel();
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", address)
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", timeout);
    config.set("log_level", "0");
    let producer: ThreadedProducer<Reports> = config.create_with_context(Reports(sender)).unwrap();
    let headers = OwnedHeaders::new().insert(Header { key: "h", value: Some("v") });
    producer.send(BaseRecord::<str, str>::to(topic).payload(value).key("k").headers(headers)).unwrap();
    let acknowledged = reports.recv_timeout(Duration::from_secs(30)).unwrap();
    producer.purge(rdkafka::producer::PurgeConfig::default().queue().inflight());
    acknowledged
}

#[test]
fn a_topic_is_read_back_to_its_end() {
    let topic = topic("harness");
    assert!(values(&topic).is_empty());
    assert!(produce(&kafka(), &topic, "one", "10000"));
    assert!(produce(&kafka(), &topic, "two", "10000"));
    let records = kafka::read(&kafka(), &topic);
    assert_eq!(records.iter().map(|record| record.value.as_slice()).collect::<Vec<_>>(), [b"one", b"two"]);
    assert_eq!(records[1].offset, 1);
    assert_eq!(records[1].key.as_deref(), Some(b"k".as_slice()));
    assert_eq!(records[1].headers["h"], "v");
}

#[test]
fn a_broker_comes_back_with_its_data_after_being_killed() {
    let mut broker = Broker::start(Listeners::default());
    kafka::create(&broker.address(), "kept", 2, &[("max.message.bytes", "2000")]);
    assert!(produce(&broker.address(), "kept", "before", "10000"));
    broker.kill();
    broker.restart();
    assert!(produce(&broker.address(), "kept", "after", "10000"));
    assert_eq!(kafka::read(&broker.address(), "kept").len(), 2);
    assert_eq!(kafka::config(&broker.address(), "kept", "max.message.bytes").as_deref(), Some("2000"));
    assert_eq!(kafka::config(&broker.address(), "none", "max.message.bytes"), None);
}

#[test]
fn the_secure_listeners_take_the_right_credentials_and_no_others() {
    let certificates = Certificates::generate();
    let broker = Broker::start(Listeners { advertise_relay: None, certificates: Some(&certificates) });
    kafka::create(&broker.address(), "secure", 1, &[]);
    let ca = certificates.authority();
    let login = |mechanism, password| {
        [
            ("bootstrap.servers", broker.secure()),
            ("security.protocol", "SASL_SSL".to_owned()),
            ("ssl.ca.pem", ca.to_owned()),
            ("sasl.mechanism", mechanism),
            ("sasl.username", USER.to_owned()),
            ("sasl.password", password),
        ]
    };
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        assert!(reaches(&login(mechanism.to_owned(), PASSWORD.to_owned())), "{mechanism}");
        assert!(!reaches(&login(mechanism.to_owned(), "wrong".to_owned())), "{mechanism}");
    }
    let tls = [
        ("bootstrap.servers", broker.mutual()),
        ("security.protocol", "SSL".to_owned()),
        ("ssl.ca.pem", ca.to_owned()),
        ("ssl.certificate.pem", certificates.client_certificate().to_owned()),
        ("ssl.key.pem", certificates.client_key().to_owned()),
    ];
    assert!(reaches(&tls));
    assert!(!reaches(&tls[..3]), "no certificate");
}

/// Whether a client with these settings gets metadata.
fn reaches(settings: &[(&str, String)]) -> bool {
    let mut config = ClientConfig::new();
    config.extend(settings.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    let consumer: BaseConsumer = config.set("log_level", "0").create().unwrap();
    consumer.fetch_metadata(Some("secure"), Duration::from_secs(4)).is_ok_and(|all| !all.brokers().is_empty())
}

#[test]
fn nothing_is_left_of_a_broker_that_was_let_go_even_a_stopped_one() {
    let broker = Broker::start(Listeners::default());
    let children = process::descendants(broker.pid());
    let directory = broker.directory().to_owned();
    assert!(!children.is_empty() && directory.exists());
    broker.pause();
    drop(broker);
    assert!(children.into_iter().all(|pid| !process::is_alive(pid)));
    assert!(!directory.exists());
}

#[test]
fn the_load_client_counts_what_it_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            std::thread::spawn(move || answer_some(stream, number));
        }
    });
    let history = Arc::new(History::new());
    let codes = Load::new(&address, 2, 3).run(&history, &Progress::new());
    let expected = [("0", 2), ("119", 1), ("", 3)].map(|(code, count)| (code.to_owned(), count));
    assert_eq!(codes, expected.into());
    assert_eq!(history.stored(), 2);
    assert!(history.check(["0-0-0"]).is_err(), "two are missing, or one wasn't sent");
}

/// Answers 0, 0 and 119 over the first connection and cuts off the others after a request.
fn answer_some(mut stream: TcpStream, number: usize) {
    let codes = if number == 0 { &["0", "0", "119"][..] } else { &[] };
    let mut buffer = [0; 4096];
    for code in codes {
        let _ = stream.read(&mut buffer);
        let body = format!("{{\"code\":\"{code}\",\"msg\":\"\"}}");
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    }
    let _ = stream.read(&mut buffer);
}

#[test]
fn the_relay_does_to_produce_traffic_what_it_is_told() {
    let turn = RelayTurn::take();
    let address = turn.relay.address();
    let topic = topic("relay");
    assert!(produce(&address, &topic, "plain", "10000"));
    let mut hits = turn.relay.hits();
    for (fault, acknowledged, stored) in [
        (Fault::SwallowAnswer, false, true),
        (Fault::ResetInAnswer, false, true),
        (Fault::ResetInRequest, false, false),
        (Fault::DelayAnswer(Duration::from_millis(2500)), false, true),
        (Fault::DelayAnswer(Duration::from_millis(700)), true, true),
        (Fault::ByteByByte, true, true),
    ] {
        turn.relay.set(fault);
        let value = format!("{fault:?}");
        assert_eq!(produce(&address, &topic, &value, "1500"), acknowledged, "{fault:?}");
        assert!(turn.relay.hits() > hits, "{fault:?} met no Produce");
        hits = turn.relay.hits();
        turn.relay.set(Fault::None);
        assert_eq!(
            values(&topic).iter().filter(|other| **other == value).count(),
            usize::from(stored),
            "{fault:?}"
        );
    }
}
