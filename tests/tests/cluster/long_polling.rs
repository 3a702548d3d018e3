//! Long polling of labelled ConfigMaps: by the released client of Soul, and request by request.
//! The product is installed with a space for each test that needs one.

use std::time::{Duration, Instant};

use serde_json::Value;
use sluice_tests::cluster::operators::operators;
use sluice_tests::cluster::product::{PATIENCE, SYSTEM};
use sluice_tests::cluster::{Cluster, eventually};
use sluice_tests::http::{self, Answer, Connection};
use sluice_tests::soul::Soul;

use super::operator::{Reinstall, leader, manager};
use super::secrets::shown::Shown;

/// Soul may pause for 30 s after an update of one group.
const PAUSE: Duration = Duration::from_secs(60);

/// Name and `host:8083` of each operator.
fn replicas(cluster: &Cluster) -> Vec<(String, String)> {
    operators(cluster).into_iter().map(|operator| (operator.name, format!("{}:8083", operator.ip))).collect()
}

/// A ConfigMap that is the content of a group.
fn content(name: &str, group: &str, text: &str) -> String {
    serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"sluice.dev/config-group": group}},
        "data": {"data.json": text},
    })
    .to_string()
}

fn ask(address: &str, request: &[u8]) -> Result<Answer, String> {
    http::try_exchange(address, request, Duration::from_secs(65))
        .ok_or_else(|| format!("{address} gave no answer"))
}

/// The question what a group of a space has.
fn fetch(space: &str, group: &str) -> Vec<u8> {
    http::get(&format!("/configs/fetch?groupKeys={group}&namespaceId={space}"))
}

/// What fetch answers of a group: its text's length is not checked, its bytes are.
fn fetched(address: &str, space: &str, group: &str) -> Result<Value, String> {
    let answer = ask(address, &fetch(space, group))?;
    let json: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
    if answer.status == 200 { Ok(json["data"][group].clone()) } else { Err(json.to_string()) }
}

/// Waits until a replica serves a group with this content.
fn until_serves(address: &str, space: &str, group: &str, data: &Value) -> Value {
    eventually(&format!("{address} to serve {data}"), PATIENCE, || {
        let served = fetched(address, space, group)?;
        if served["data"] == *data { Ok(served) } else { Err(served.to_string()) }
    })
}

/// A poll with what fetch answered.
fn poll(space: &str, group: &str, served: &Value, headers: &str) -> Vec<u8> {
    let value = format!("{},{}", served["md5"].as_str().unwrap(), served["lastModifyTime"]);
    http::post("/configs/listener", headers, &http::form(&[(group, &value), ("namespaceId", space)]))
}

#[test]
fn a_released_client_of_soul_sees_content_appear_change_go_and_come_back() {
    let home = Soul::install();
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.polled_namespace("");
    let plugin = |config: &str| {
        format!(r#"[{{"id": "1", "name": "waf", "config": "{config}", "role": 0, "enabled": true}}]"#)
    };
    space.apply(&content("plugins", "PLUGIN", &plugin("first")));
    let client = Soul::start(&home, &format!("http://{}", manager(&cluster)));
    let timed = |what: &str, kind: &str, lines: &[&str], change: &dyn Fn()| {
        let began = Instant::now();
        change();
        client.until(kind, lines, PAUSE);
        println!("Soul 2.2.1: {what} after {:.2} s", began.elapsed().as_secs_f64());
    };
    timed("content at its start", "plugins", &["plugin waf first"], &|| {});
    timed("an edit", "plugins", &["plugin waf second"], &|| {
        space.apply(&content("plugins", "PLUGIN", &plugin("second")));
    });
    timed("another group that appears", "keys", &["key shop"], &|| {
        space.apply(&content(
            "keys",
            "APP_AUTH",
            r#"[{"appKey": "shop", "appSecret": "x", "enabled": true}]"#,
        ));
    });
    timed("a deletion", "plugins", &[], &|| drop(space.kubectl(&["delete", "configmap/plugins"])));
    timed("the same content made again", "plugins", &["plugin waf second"], &|| {
        space.apply(&content("plugins", "PLUGIN", &plugin("second")));
    });
    drop(client);
}

#[test]
fn every_replica_serves_the_same_and_only_good_content() {
    const ALL: &str = "all";
    let cluster = Cluster::alone();
    cluster.install();
    let space = cluster.polled_namespace(ALL);
    let replicas = replicas(&cluster);
    assert_eq!(replicas.len(), 2, "{replicas:?}");
    let before = until_serves(&replicas[0].1, ALL, "PLUGIN", &serde_json::json!([]));

    // Both tell a client that waits, whoever leads.
    let text = " [ {\"a\": 1.0}, 2 ]\n";
    std::thread::scope(|scope| {
        let waiting: Vec<_> = replicas
            .iter()
            .map(|(_, address)| {
                scope.spawn(|| (ask(address, &poll(ALL, "PLUGIN", &before, "")).unwrap(), Instant::now()))
            })
            .collect();
        std::thread::sleep(Duration::from_secs(1));
        space.apply(&content("plugins", "PLUGIN", text));
        let applied = Instant::now();
        for waiting in waiting {
            let (answer, told) = waiting.join().unwrap();
            assert_eq!(answer.text(), r#"{"code":200,"message":"success","data":["PLUGIN"]}"#);
            println!("told {:?} after kubectl apply ended", told.saturating_duration_since(applied));
        }
    });
    let [one, other] = [0, 1].map(|index| {
        let answer = ask(&replicas[index].1, &fetch(ALL, "PLUGIN")).unwrap();
        assert!(answer.text().contains(text), "{}", answer.text());
        answer.body
    });
    assert_eq!(one, other, "the same time at both");

    // What is no array is told by an Event, once, and not served.
    space.apply(&content("plugins", "PLUGIN", "[1"));
    let events = || {
        let selected = ["get", "events", "--field-selector", "reason=InvalidData", "-o", "json"];
        let list: Value = serde_json::from_str(&space.kubectl(&selected)).unwrap();
        list["items"].as_array().unwrap().clone()
    };
    eventually("an Event", PATIENCE, || if events().is_empty() { Err("none".to_owned()) } else { Ok(()) });
    let unchanged = fetched(&replicas[1].1, ALL, "PLUGIN").unwrap();
    let answer =
        ask(&replicas[1].1, &poll(ALL, "PLUGIN", &unchanged, "Long-Pulling-Timeout: 2000\r\n")).unwrap();
    assert_eq!(answer.text(), r#"{"code":200,"message":"success","data":[]}"#);
    assert_eq!(ask(&replicas[0].1, &fetch(ALL, "PLUGIN")).unwrap().body, one);
    let told = events();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["reportingInstance"], leader(&cluster));
    assert!(told[0]["message"].as_str().unwrap().starts_with("data.json: it is no JSON array"), "{told:?}");

    // A replica that starts now knows no good content, and takes none away from who has it.
    cluster.kubectl(&["-n", SYSTEM, "delete", "pod", &replicas[1].0, "--wait=true"]);
    let fresh = eventually("another replica", Duration::from_secs(60), || {
        let fresh = self::replicas(&cluster).into_iter().find(|fresh| !replicas.contains(fresh));
        let (_, address) = fresh.ok_or("none")?;
        fetched(&address, ALL, "PLUGIN").map(|served| (address, served))
    });
    assert_eq!(fresh.1["lastModifyTime"], 0);
    let answer = ask(&fresh.0, &poll(ALL, "PLUGIN", &unchanged, "Long-Pulling-Timeout: 2000\r\n")).unwrap();
    assert_eq!(answer.text(), r#"{"code":200,"message":"success","data":[]}"#);
    space.apply(&content("plugins", "PLUGIN", "[3]"));
    until_serves(&fresh.0, ALL, "PLUGIN", &serde_json::json!([3]));
}

#[test]
fn a_thousand_clients_wait_in_little_memory_and_are_all_told_at_once() {
    const CLIENTS: u64 = 1_000;
    const MANY: &str = "many";
    let cluster = Cluster::alone();
    cluster.install();
    let space = cluster.polled_namespace(MANY);
    let (pod, address) = replicas(&cluster).remove(0);
    let before = until_serves(&address, MANY, "PLUGIN", &serde_json::json!([]));
    let resident = || cluster.resident_kib(SYSTEM, &pod);
    let idle = resident();
    let open = |_| {
        let mut client = Connection::open(&address);
        assert!(client.send(&poll(MANY, "PLUGIN", &before, "")));
        client
    };
    let mut clients: Vec<_> = (0..CLIENTS).map(open).collect();
    // The last of them waits too.
    std::thread::sleep(Duration::from_secs(1));
    let each = resident().saturating_sub(idle) * 1_024 / CLIENTS;
    space.apply(&content("plugins", "PLUGIN", "[1]"));
    let applied = Instant::now();
    for client in &mut clients {
        assert!(client.answer().text().ends_with(r#""data":["PLUGIN"]}"#));
    }
    println!(
        "{CLIENTS} clients wait in {each} bytes each, all told {:?} after kubectl apply ended",
        applied.elapsed()
    );
    assert!(each < 16 << 10, "{each} bytes for each client that waits");
}

#[test]
fn with_a_login_a_token_of_one_replica_opens_the_others() {
    const PASSWORD: &str = "marked-login-4e8b1c";
    let cluster = Cluster::alone();
    let _restore = Reinstall(&cluster);
    cluster.helm_install(&["--set", "longPolling.loginSecret=polling"]);
    // Made only now: it is looked for again and again.
    let password = format!("--from-literal=password={PASSWORD}");
    let secret = ["create", "secret", "generic", "polling", "--from-literal=username=admin", &password];
    cluster.kubectl(&[&["-n", SYSTEM][..], &secret].concat());
    let replicas = replicas(&cluster);
    let login = http::get(&format!("/platform/login?userName=admin&password={PASSWORD}"));
    let token = eventually("a login", PATIENCE, || {
        let answer = ask(&replicas[0].1, &login)?;
        let json: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
        json["data"]["token"].as_str().map(str::to_owned).ok_or_else(|| json.to_string())
    });
    let with = |headers: &str| {
        format!("GET /configs/fetch?groupKeys=A HTTP/1.1\r\nHost: a\r\n{headers}\r\n").into_bytes()
    };
    for (_, address) in &replicas {
        let opened = eventually("the other's login", PATIENCE, || {
            let answer = ask(address, &with(&format!("X-Access-Token: {token}\r\n")))?;
            if answer.status == 503 { Err(answer.text().to_owned()) } else { Ok(answer.status) }
        });
        assert_eq!(opened, 200);
        assert_eq!(ask(address, &with("")).unwrap().status, 401);
    }
    let shown = Shown::of(&cluster, &[SYSTEM]);
    shown.assert_has(&["objects", "log of sluice-operator", "/metrics of sluice-operator"]);
    shown.assert_hides(&[PASSWORD, &token]);
    cluster.kubectl(&["-n", SYSTEM, "delete", "secret/polling"]);
}
