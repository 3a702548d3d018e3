//! Kafka behind TLS, SASL and client certificates; credentials that come late or change.
//! A secret never shows, not even a wrong one.

use std::time::Duration;

use sluice_tests::document::{document, kafka as kafka_connection, kafka_sink, stream};
use sluice_tests::kafka::{self, Broker, Certificates, Listeners, PASSWORD, USER};
use sluice_tests::mount::Mount;
use sluice_tests::proxy::{Builder, Proxy};
use sluice_tests::{ports, wait};
use sluice_wire::document::{Document, KafkaSink, Sasl, SaslMechanism, Tls};
use sluice_wire::status::{NodeStatus, NotReady};

const WRONG: &str = "wrong-secret-51be";

fn sasl(address: &str, mechanism: SaslMechanism) -> KafkaSink {
    KafkaSink {
        tls: Some(Tls { ca_secret: Some("ca".into()), cert_secret: None }),
        sasl: Some(Sasl { mechanism, secret: "login".into() }),
        ..kafka_connection(address)
    }
}

fn mutual(address: &str) -> KafkaSink {
    let tls = Tls { ca_secret: Some("ca".into()), cert_secret: Some("client".into()) };
    KafkaSink { tls: Some(tls), ..kafka_connection(address) }
}

fn into(sink: KafkaSink, topic: &str) -> Document {
    document(vec![kafka_sink("kafka", sink)], vec![stream("g", "s", "kafka", topic)])
}

/// A proxy with every secret but the password.
fn builder(certificates: &Certificates) -> Builder {
    Builder::new()
        .secret("ca", "ca.crt", certificates.authority())
        .secret("client", "tls.crt", certificates.client_certificate())
        .secret("client", "tls.key", certificates.client_key())
        .secret("login", "username", USER)
}

fn assert_silent(proxy: &Proxy, secrets: &[&str]) {
    let status = proxy.get_admin("/status").text().to_owned();
    for (place, text) in [("log", proxy.log().text()), ("status", status), ("metrics", proxy.metrics())] {
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "the {place} shows a secret:\n{text}");
    }
}

#[test]
fn kafka_behind_tls_and_a_login_is_reached_and_a_wrong_password_heals_without_a_restart() {
    let certificates = Certificates::generate();
    let broker = Broker::start(Listeners { advertise_relay: None, certificates: Some(&certificates) });
    kafka::create(&broker.address(), "secure", 1, &[]);
    let mut expected = Vec::new();
    for (name, sink, password) in [
        ("plain", sasl(&broker.secure(), SaslMechanism::Plain), Some(PASSWORD)),
        ("scram-256", sasl(&broker.secure(), SaslMechanism::ScramSha256), Some(PASSWORD)),
        // A file's last newline, as editors and echo leave it, is not part of a password.
        ("scram-512", sasl(&broker.secure(), SaslMechanism::ScramSha512), Some("sluice-secret-7f3a\n")),
        ("mutual", mutual(&broker.mutual()), None),
    ] {
        let builder = builder(&certificates);
        let builder =
            password.into_iter().fold(builder, |builder, text| builder.secret("login", "password", text));
        let proxy = builder.start(&into(sink, "secure"));
        assert_eq!(proxy.report("g", "s", name).0, "0", "{name}");
        assert!(proxy.status().sinks[0].ready);
        assert_silent(&proxy, &[PASSWORD, certificates.client_key()]);
        expected.push(name.as_bytes().to_vec());
    }
    let stored: Vec<_> =
        kafka::read(&broker.address(), "secure").into_iter().map(|record| record.value).collect();
    assert_eq!(stored, expected);
    credentials_heal(&certificates, &broker);
    an_unknown_authority_is_refused(&certificates, &broker);
}

fn credentials_heal(certificates: &Certificates, broker: &Broker) {
    let document = into(sasl(&broker.secure(), SaslMechanism::ScramSha512), "secure");
    let builder = Builder::new().secret("ca", "ca.crt", certificates.authority());
    let proxy = builder.mounted().start_unready(Some(&document));
    let login = proxy.mount_secret("login");
    let put = |password: &str| {
        login.put(&[("username".into(), USER.into()), ("password".into(), password.into())]);
    };
    login.put(&[("username".into(), USER.into())]);
    proxy.wait_for("the missing key to be named", |status| {
        status.sinks.first().is_some_and(|sink| {
            sink.message.contains("password") && sink.reason == Some(NotReady::SecretUnusable)
        })
    });
    assert_eq!(proxy.stream("s").reason, Some(NotReady::SecretUnusable));
    assert_ne!(proxy.report("g", "s", "too early").0, "0");

    put(WRONG);
    let refused = |status: &NodeStatus| {
        let sink = &status.sinks[0];
        let told =
            ["refused the login of sink kafka by SCRAM-SHA-512", "secret \"login\"", "username and password"];
        told.iter().all(|words| sink.message.contains(words))
            && sink.reason == Some(NotReady::SinkUnreachable)
    };
    proxy.wait_for("the refused login to be told", refused);
    assert_ne!(proxy.report("g", "s", "too early").0, "0");

    put(PASSWORD);
    proxy.wait_for("the right password to be taken", |status| status.streams[0].ready);
    wait::until("success", Duration::from_secs(20), || proxy.report("g", "s", "healed").0 == "0");
    put(WRONG);
    proxy.wait_for("the next password to be used", refused);
    put(PASSWORD);
    proxy.wait_for("the one after it to be used", |status| status.sinks[0].ready && status.streams[0].ready);
    wait::until("success", Duration::from_secs(20), || proxy.report("g", "s", "healed").0 == "0");
    a_key_that_vanishes_holds_up_nothing(&proxy, &login, &document);
    put(PASSWORD);
    proxy.wait_for("the key to be back", |status| status.sinks[0].ready);
    for words in ["secrets in effect", "secrets refused"] {
        let line =
            |line: &str| line.contains(words) && line.contains("sink=\"kafka\"") && line.contains("login");
        assert!(proxy.log().text().lines().any(line), "{words}: {}", proxy.log().text());
    }
    assert_silent(&proxy, &[PASSWORD, WRONG]);
    let stored = kafka::read(&broker.address(), "secure");
    assert!(stored.iter().all(|record| record.value != b"too early"));
}

/// A key is taken from under a connection that runs, and then a newer configuration comes.
fn a_key_that_vanishes_holds_up_nothing(proxy: &Proxy, login: &Mount, document: &Document) {
    login.put(&[("username".into(), USER.into())]);
    let told = |status: &NodeStatus| {
        let sink = &status.sinks[0];
        sink.reason == Some(NotReady::SecretUnusable) && sink.message.contains("password") && !sink.ready
    };
    proxy.wait_for("the missing key to be named", told);
    let streams = ["s", "more"].map(|id| stream("g", id, "kafka", "secure")).to_vec();
    proxy.apply(&Document { revision: 2, streams, ..document.clone() });
    for id in ["s", "more"] {
        assert!(proxy.stream(id).ready, "{id}");
        assert_eq!(proxy.report("g", id, "without a key").0, "0", "{id}");
    }
    assert!(told(&proxy.status()) && proxy.status().config_error.is_none());
}

fn an_unknown_authority_is_refused(certificates: &Certificates, broker: &Broker) {
    let stranger = Certificates::generate();
    let document = into(mutual(&broker.mutual()), "secure");
    let proxy =
        builder(certificates).secret("ca", "ca.crt", stranger.authority()).start_unready(Some(&document));
    proxy.wait_for("the certificate to be told", |status| {
        status
            .sinks
            .first()
            .is_some_and(|sink| !sink.ready && sink.message.to_lowercase().contains("certificate"))
    });
    assert_eq!(proxy.status().sinks[0].reason, Some(NotReady::SinkUnreachable));
    assert_eq!(proxy.report("g", "s", "to a stranger").0, "115");
}

#[test]
fn a_secret_whose_content_can_not_be_used_is_told_by_its_kind() {
    let certificates = Certificates::generate();
    let address = format!("localhost:{}", ports::free());
    for (name, key) in [("ca", "ca.crt"), ("client", "tls.crt"), ("client", "tls.key"), ("login", "username")]
    {
        let sink = KafkaSink { sasl: sasl(&address, SaslMechanism::Plain).sasl, ..mutual(&address) };
        let builder = builder(&certificates).secret("login", "password", PASSWORD);
        let garbled = if name == "login" { "" } else { "garbled" };
        let proxy = builder.secret(name, key, garbled).start_unready(Some(&into(sink, "t")));
        proxy.wait_for(key, |status| {
            status.sinks.first().is_some_and(|sink| sink.reason == Some(NotReady::SecretUnusable))
        });
        assert_silent(&proxy, &[PASSWORD, certificates.client_key()]);
    }
}
