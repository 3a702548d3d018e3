//! A fleet as a document.

use serde_json::json;
use sluice_crds::record::{Compression, Key, Output, Split};

use sluice_wire::auth::{Account, Auth, TokenKeys};

use super::*;

fn fleet() -> ResolvedFleet {
    let spec = json!({
        "listeners": {
            "http": {"port": 46802},
            "https": {"port": 46803, "secret": "own", "clientCa": {"secret": "clients"}},
            "trustedProxies": ["10.1.2.3/16"]
        },
        "sinks": [
            {"name": "kafka", "kafka": {
                "bootstrapServers": "k:9092", "deliveryTimeout": "9s",
                "tls": {"caSecret": "ca", "certSecret": "cert"},
                "sasl": {"mechanism": "SCRAM-SHA-256", "secret": "login"},
                "properties": {"linger.ms": "5"}
            }},
            {"name": "local", "file": {"directory": "d", "maxBytes": "1Gi"}}
        ],
        "overload": {"maxInflightBytes": "64Mi", "maxConnections": 7},
        "drain": {"notify": "250ms"}
    });
    let stream = ResolvedStream {
        namespace: "shop".to_owned(),
        name: "orders".to_owned(),
        uid: "uid-4".to_owned(),
        generation: 4,
        group_id: "g".to_owned(),
        stream_id: "s".to_owned(),
        sink: "kafka".to_owned(),
        topic: "t".to_owned(),
        create: Some(CreateTopic { partitions: Some(3), ..CreateTopic::default() }),
        output: Output::InLongMsg,
        compression: Compression::None,
        split: Split::Never,
        key: Some(Key { from_header: Some("X-Order".to_owned()), ..Key::default() }),
        headers: vec!["X-Tenant".to_owned()],
        success_code: 1,
        max_body_bytes: 10,
        records_per_second: Some(1_000),
        bytes_per_second: Some(65_536),
        sources: serde_json::from_value(json!({
            "allow": ["10.0.0.0/8"], "deny": ["FD00::/8"], "clientNames": ["*.shop.svc"]
        }))
        .unwrap(),
        auth: Auth::ServiceAccounts(vec![Account { namespace: "shop".to_owned(), name: None }]),
        tokens_secret: None,
        paused: true,
    };
    ResolvedFleet {
        namespace: "data".to_owned(),
        name: "big".to_owned(),
        uid: "u".to_owned(),
        spec: serde_json::from_value(spec).unwrap(),
        token_keys: Some(TokenKeys { issuer: None, jwks: json!({"keys": []}) }),
        streams: vec![stream],
        refused: Vec::new(),
    }
}

#[test]
fn a_document_says_everything_that_is_in_effect() {
    let document = serde_json::to_value(document(&fleet(), 9)).unwrap();
    let wanted = json!({
        "major": 1,
        "fleet": {"namespace": "data", "name": "big", "uid": "u"},
        "revision": 9,
        "overload": {"maxInflightBytes": 67_108_864, "maxConnections": 7},
        "drain": {"notifyMs": 250},
        "listeners": {"https": {"secret": "own", "clientCaSecret": "clients"}, "trustedProxies": ["10.1.0.0/16"],
            "tokenKeys": {"jwks": {"keys": []}}},
        "sinks": [
            {"name": "kafka", "kafka": {
                "bootstrapServers": "k:9092", "deliveryTimeoutMs": 9_000,
                "tls": {"caSecret": "ca", "certSecret": "cert"},
                "sasl": {"mechanism": "SCRAM-SHA-256", "secret": "login"},
                "properties": {"linger.ms": "5"}
            }},
            {"name": "local", "file": {"directory": "d", "maxBytes": 1_073_741_824}}
        ],
        "streams": [{
            "namespace": "shop", "name": "orders", "uid": "uid-4", "generation": 4, "groupId": "g", "streamId": "s",
            "sink": "kafka", "topic": "t", "create": {"partitions": 3, "config": {}},
            "output": {"InLongMsg": {"snappy": false}}, "split": "Never", "key": {"fromHeader": "X-Order"},
            "headers": ["X-Tenant"], "successCode": 1, "maxBodyBytes": 10, "recordsPerSecond": 1_000,
            "bytesPerSecond": 65_536,
            "sources": {"allow": ["10.0.0.0/8"], "deny": ["fd00::/8"], "clientNames": ["*.shop.svc"]},
            "auth": {"serviceAccounts": [{"namespace": "shop"}]}, "paused": true
        }]
    });
    assert_eq!(document, wanted);
}

#[test]
fn every_output_and_split_keeps_its_meaning() {
    let raw = record::output(Output::Raw, Compression::Snappy);
    let envelope = record::output(Output::InLongMsg, Compression::Snappy);
    let event = record::output(Output::CloudEvents, Compression::None);
    assert_eq!(
        [raw, envelope, event],
        [wire::Output::Raw, wire::Output::InLongMsg { snappy: true }, wire::Output::CloudEvents]
    );
    assert_eq!([Split::Auto, Split::Never].map(record::split), [wire::Split::Auto, wire::Split::Never]);
}

#[test]
fn a_key_comes_from_what_it_names() {
    for (declared, wanted) in [
        (json!({"fromParameter": "id"}), Some(json!({"fromParameter": "id"}))),
        (json!({"fromHeader": "X-Id"}), Some(json!({"fromHeader": "X-Id"}))),
        (json!({"fromJson": ""}), Some(json!({"fromJson": ""}))),
        (json!({}), None),
    ] {
        let key: Key = serde_json::from_value(declared).unwrap();
        let built = record::key(&key).map(|source| serde_json::to_value(source).unwrap());
        assert_eq!(built, wanted);
    }
}

#[test]
fn every_sasl_mechanism_keeps_its_name() {
    for name in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let declared: sink::SaslMechanism = serde_json::from_value(name.into()).unwrap();
        assert_eq!(mechanism(declared).name(), name);
    }
}
