//! What is told of a fleet, and when.

use serde_json::{Value, json};
use sluice_wire::status::Announcement;

use super::*;

fn view() -> View {
    let document = serde_json::from_value(json!({
        "major": 1, "fleet": {"namespace": "default", "name": "main"}, "revision": 0,
        "overload": {"maxInflightBytes": 1, "maxConnections": 1}, "drain": {"notifyMs": 0},
        "sinks": [{"name": "local", "file": {"directory": "d", "maxBytes": 1}}],
        "streams": [{"namespace": "default", "name": "orders", "groupId": "demo", "streamId": "orders",
            "sink": "local", "topic": "t", "output": "Raw", "successCode": 0, "maxBodyBytes": 1}]
    }));
    let document: Document = document.unwrap();
    let mut view = View::new(&("default".to_owned(), "main".to_owned()), document.clone());
    view.published(document, 7);
    view
}

fn up(port: u16) -> Event {
    Event::Up(Announcement {
        https: None,
        version: String::new(),
        http: format!("127.0.0.1:{port}"),
        admin: "127.0.0.1:2".to_owned(),
    })
}

fn status(change: impl FnOnce(&mut Value)) -> Event {
    let mut status = json!({
        "version": "", "state": "ready", "fleet": null, "revision": 7, "configError": null, "inflightBytes": 0,
        "connections": 0, "sinks": [{"name": "local", "ready": true, "message": ""}],
        "streams": [{"namespace": "default", "name": "orders", "generation": 0, "groupId": "demo",
            "streamId": "orders", "topic": "t", "ready": true, "replicas": null, "minInsyncReplicas": null,
            "counts": {"reportsAccepted": 0, "reportsRefused": 0, "recordsAdmitted": 0, "recordsDelivered": 0,
                "recordsFailed": 0, "recordsUnknown": 0}}]
    });
    change(&mut status);
    Event::Status(Box::new(serde_json::from_value(status).unwrap()))
}

fn lines(view: &View) -> Vec<String> {
    view.problems().into_values().flatten().collect()
}

#[test]
fn a_fleet_is_told_of_when_what_was_published_is_in_effect() {
    let mut view = view();
    assert_eq!(view.on(up(1)), [""; 0]);
    assert_eq!(view.on(status(|status| status["state"] = "starting".into())), [""; 0]);
    assert_eq!(view.on(status(|status| status["revision"] = 6.into())), [""; 0]);
    let told = view.on(status(|_| {}));
    assert_eq!(told[0], "ProxyFleet default/main listens on http://127.0.0.1:1, 1 stream");
    assert!(told[2].trim_start().starts_with("curl "), "{told:?}");
    assert_eq!(view.on(status(|_| {})), [""; 0]);
}

#[test]
fn a_change_is_told_without_inviting_again_and_another_address_invites() {
    let mut view = view();
    view.on(up(1));
    view.on(status(|_| {}));
    view.published(view.document.clone(), 8);
    assert_eq!(view.on(status(|status| status["revision"] = 8.into())).len(), 1);
    view.on(up(2));
    assert!(view.on(status(|status| status["revision"] = 8.into())).len() > 1);
}

#[test]
fn a_trouble_is_told_when_it_lasts() {
    let mut view = view();
    view.on(up(1));
    let broken = || {
        status(|status| {
            status["sinks"][0]["ready"] = false.into();
            status["sinks"][0]["message"] = "disk full".into();
            status["streams"][0]["ready"] = false.into();
            status["streams"][0]["message"] = "no room".into();
        })
    };
    view.on(broken());
    assert_eq!(lines(&view), [""; 0]);
    view.on(broken());
    assert_eq!(lines(&view), ["ProxyFleet default/main: sink local: disk full"], "and not for each stream");
    view.on(status(|_| {}));
    assert_eq!(lines(&view), [""; 0]);
}

#[test]
fn a_streams_own_trouble_and_a_refused_configuration_are_told() {
    let mut view = view();
    view.on(up(1));
    for _ in 0..2 {
        view.on(status(|status| {
            status["configError"] = "sinks[0]: odd".into();
            status["streams"][0]["ready"] = false.into();
            status["streams"][0]["message"] = "no topic t".into();
        }));
    }
    assert_eq!(
        lines(&view),
        ["DataStream default/orders: no topic t", "ProxyFleet default/main: configuration: sinks[0]: odd"]
    );
}

#[test]
fn a_proxy_that_is_down_is_told_with_the_reason_until_it_is_up() {
    let mut view = view();
    view.on(Event::Down("can't listen on 127.0.0.1:1: in use".to_owned()));
    assert_eq!(lines(&view), ["ProxyFleet default/main: can't listen on 127.0.0.1:1: in use"]);
    view.on(up(1));
    assert_eq!(lines(&view), [""; 0]);
}

#[test]
fn a_proxy_that_stays_silent_is_told() {
    let mut view = view();
    view.on(up(1));
    for _ in 0..2 {
        view.on(Event::Silent("no answer within 1s".to_owned()));
    }
    assert_eq!(lines(&view), ["ProxyFleet default/main: sluice-proxy does not answer: no answer within 1s"]);
}
