//! Fleets' configuration over real sockets: who may read it, and what a proxy is answered.

use sluice_identity::PodIdentity;
use sluice_wire::document::Document;
use sluice_wire::polling::{Changed, Fetched, STREAM};

use super::*;
use crate::caller::Caller;
use crate::poll::edition::Edition;
use crate::poll::fleets::part::tests::{document, number};

const FETCH: &str = "/configs/fetch?namespaceId=shop%2Fedge&groupKeys=FLEET&groupKeys=SINK&groupKeys=STREAM";

fn pod(namespace: &str, service_account: &str) -> Trust {
    Trust::Pod(Arc::new(PodIdentity {
        namespace: namespace.to_owned(),
        service_account: service_account.to_owned(),
        pod: "p-0".to_owned(),
        uid: "u".to_owned(),
    }))
}

async fn served(trust: Trust) -> Served {
    Served::trusting(trust, LIMITS, None).await
}

/// A listener for the fleet's own proxies.
async fn served_to_proxies() -> Served {
    served(pod("shop", "sluice-edge")).await
}

fn edition(document: &Document, former: Option<&Edition>) -> Arc<Edition> {
    Arc::new(Edition::read(&serde_json::to_vec(document).unwrap(), former).unwrap())
}

fn next(document: &Document, edit: impl FnOnce(&mut Document)) -> Document {
    let mut next = document.clone();
    next.revision += 1;
    edit(&mut next);
    number(&mut next, &document.groups);
    next
}

fn change(edition: &Arc<Edition>) -> Change {
    Change::Fleet { space: Space::fleet("shop", "edge"), edition: Some(Arc::clone(edition)) }
}

/// The form of a proxy that has this edition.
fn has(edition: &Edition) -> String {
    let claim = |(group, served): (&str, &crate::poll::content::Served)| {
        format!("{group}={}%2C{}&", served.content.md5, served.last_modify_time)
    };
    edition.groups().map(claim).collect::<String>() + "namespaceId=shop%2Fedge"
}

fn revision(number: u64) -> String {
    format!("Sluice-Revision: {number}\r\n")
}

#[tokio::test]
async fn a_fleet_is_served_to_its_own_proxies_and_in_local_mode() {
    let first = edition(&document("u", 7, 3), None);
    for (trust, status, words) in [
        (pod("shop", "sluice-edge"), 200, "success"),
        (Trust::Local, 200, "success"),
        (Trust::Anyone, 404, "nothing is served under namespaceId \"shop/edge\""),
        (pod("shop", "default"), 403, "pod shop/p-0 runs as service account default"),
        (pod("other", "sluice-edge"), 403, "only proxies of ProxyFleet edge in namespace shop"),
    ] {
        let served = served(trust).await;
        served.hub.take(vec![change(&first)]);
        let listened = served.ask(&listen("STREAM=x%2C0&namespaceId=shop%2Fedge", "")).await;
        for reply in [served.get(FETCH, "").await, listened] {
            let said = reply.json();
            assert_eq!(reply.status, status, "{said}");
            assert!(said["message"].as_str().unwrap().contains(words), "{said}");
        }
    }
}

#[tokio::test]
async fn a_proxy_s_listener_serves_no_config_map_and_no_login() {
    let (_sender, logins) = watch::channel(Some(Arc::new(Login::new("admin", "1", "uid"))));
    let trust = pod("shop", "sluice-edge");
    let served = Served::trusting(trust, LIMITS, Some(Logins::new(logins))).await;
    served.hub.take(vec![change(&edition(&document("u", 7, 3), None))]);
    for target in ["/configs/fetch?groupKeys=A", "/configs/fetch?groupKeys=A&namespaceId=id"] {
        assert_eq!(served.get(target, "").await.status, 404, "{target}");
    }
    assert_eq!(served.get("/platform/login?userName=admin&password=1", "").await.status, 404);
    assert_eq!(served.get(FETCH, "").await.status, 200, "its proxies need no login either");
}

/// Knows those who say a name.
struct Named;

impl Callers for Named {
    fn caller(&self, ip: std::net::IpAddr, headers: &http::HeaderMap) -> Result<Caller, Stranger> {
        match headers.get("authorization") {
            Some(_) => Ok(Caller { ip, trust: pod("shop", "sluice-edge") }),
            None => Err(Stranger("a token has to come in Authorization".to_owned())),
        }
    }
}

#[tokio::test]
async fn who_is_not_known_is_told_so() {
    let (routes, stop) = (usual_routes(), CancellationToken::new());
    let (mut client, server) = tokio::io::duplex(64 << 10);
    let serving = tokio::spawn(async move {
        serve_connection(server, [10, 0, 0, 1].into(), &routes, &Arc::new(Named), &stop).await;
    });
    for (header, status) in [("", "401"), ("Authorization: x\r\n", "503")] {
        client
            .write_all(format!("GET {FETCH} HTTP/1.1\r\nHost: a\r\n{header}\r\n").as_bytes())
            .await
            .unwrap();
        let mut head = [0; 1_024];
        let length = client.read(&mut head).await.unwrap();
        let text = std::str::from_utf8(&head[..length]).unwrap().to_ascii_lowercase();
        assert_eq!(&text[9..12], status, "{text}");
        assert_eq!(text.contains("www-authenticate: bearer"), status == "401");
        assert_eq!(text.contains("a token has to come"), status == "401");
    }
    drop(client);
    serving.await.unwrap();
}

fn usual_routes() -> Arc<Routes> {
    Arc::new(Routes::new(Hub::default(), [].into(), None, Metrics::new().unwrap()))
}

#[tokio::test]
async fn a_fleet_that_is_not_known_is_not_there_once_all_are_listed() {
    let served = served_to_proxies().await;
    let reply = served.get(FETCH, "").await;
    assert_eq!(reply.status, 503);
    assert!(reply.head.contains("\r\nretry-after: 1"), "{}", reply.head);
    served.hub.take(vec![Change::FleetsListed]);
    assert_eq!(served.get(FETCH, "").await.status, 404);
    let space = Space::fleet("shop", "edge");
    served.hub.take(vec![Change::Fleet { space: space.clone(), edition: None }]);
    assert_eq!(served.get(FETCH, "").await.status, 503, "it has parts, and no complete set was seen");
    served.hub.take(vec![change(&edition(&document("u", 7, 3), None))]);
    assert_eq!(served.get(FETCH, "").await.status, 200);
    served.hub.take(vec![Change::FleetGone { space }]);
    assert_eq!(served.get(FETCH, "").await.status, 404);
}

#[tokio::test]
async fn a_poll_for_a_fleet_that_is_not_known_waits_until_it_is_there() {
    let served = served_to_proxies().await;
    let mut waiting = served.connect().await;
    let form = "FLEET=%2C0&SINK=%2C0&STREAM=%2C0&namespaceId=shop%2Fedge";
    waiting.write_all(listen(form, &revision(0)).as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    served.hub.take(vec![Change::FleetsListed, change(&edition(&document("u", 7, 3), None))]);
    let changed: Changed = serde_json::from_slice(&reply(&mut waiting).await.body).unwrap();
    assert_eq!(changed.data, ["FLEET", "SINK", "STREAM"]);
    assert!(changed.update.is_none(), "what it had is not remembered");
}

#[tokio::test]
async fn a_proxy_is_told_what_changed_in_the_answer_of_the_listener() {
    let served = served_to_proxies().await;
    let one = document("u", 7, 100);
    let first = edition(&one, None);
    let second =
        edition(&next(&one, |document| document.streams[1].topic = "other".to_owned()), Some(&first));
    served.hub.take(vec![change(&first)]);
    let mut waiting = Vec::new();
    for headers in [revision(7), revision(7) + "Accept-Encoding: gzip\r\n", String::new()] {
        let mut connection = served.connect().await;
        connection.write_all(listen(&has(&first), &headers).as_bytes()).await.unwrap();
        waiting.push(connection);
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(served.hub.waited_for(), 3);
    served.hub.take(vec![change(&second)]);
    let plain = reply(&mut waiting[0]).await;
    let zipped = reply(&mut waiting[1]).await;
    assert!(zipped.head.contains("content-encoding: gzip") && !plain.head.contains("content-encoding"));
    let mut unzipped = Vec::new();
    flate2::read::GzDecoder::new(&zipped.body[..]).read_to_end(&mut unzipped).unwrap();
    assert_eq!(unzipped, plain.body);
    let changed: Changed = serde_json::from_slice(&plain.body).unwrap();
    let update = changed.update.unwrap();
    assert_eq!((changed.data, update.revision), (vec![STREAM.to_owned()], 8));
    assert_eq!(update.changes[STREAM].put.len(), 1);
    assert_eq!(reply_of(&mut waiting[2]).await, json!(["STREAM"]));
    let names = served.ask(&listen(&has(&first), "")).await;
    assert_eq!(names.json(), json!({"code": 200, "message": "success", "data": ["STREAM"]}));
}

#[tokio::test]
async fn fetch_answers_with_what_changed_since_what_a_proxy_has() {
    let served = served_to_proxies().await;
    let one = document("u", 7, 100);
    let first = edition(&one, None);
    let second = edition(&next(&one, |document| drop(document.streams.remove(1))), Some(&first));
    served.hub.take(vec![change(&second)]);
    let fetch = |since: &str| format!("/configs/fetch?namespaceId=shop/edge&groupKeys=STREAM{since}");
    let fetched = |reply: Reply| serde_json::from_slice::<Fetched>(&reply.body).unwrap();
    let md5 = &first.group(STREAM).unwrap().content.md5;
    let since = fetched(served.get(&fetch(&format!("&since={md5}")), "").await);
    let group = &since.data[STREAM];
    assert_eq!((group.since.as_deref(), group.data.len()), (Some(&**md5), 0));
    assert_eq!(group.gone, [("shop".to_owned(), "s00001".to_owned())]);
    assert_eq!((since.major, since.revision), (Some(1), Some(8)));
    for whole in ["", "&since=", "&since=unknown"] {
        let group = &fetched(served.get(&fetch(whole), "").await).data[STREAM];
        assert_eq!((&group.since, group.data.len()), (&None, 99), "{whole}");
    }
    let zipped = served.get(FETCH, "Accept-Encoding: gzip\r\n").await;
    assert!(zipped.head.contains("content-encoding: gzip"));
    let reply = served.get(&fetch("&since=1&since=2"), "").await;
    assert_eq!(reply.status, 400);
    assert!(reply.json()["message"].as_str().unwrap().contains("once for each groupKeys"));
    assert_eq!(served.get(FETCH, "Sluice-Revision: x\r\n").await.status, 400);
    assert_eq!(served.ask(&listen(&has(&first), "Sluice-Revision: x\r\n")).await.status, 400);
}

#[tokio::test]
async fn a_replica_that_is_behind_what_a_proxy_has_holds_its_poll_and_gives_no_older_content() {
    let served = served_to_proxies().await;
    let one = document("u", 7, 3);
    let first = edition(&one, None);
    let second = edition(&next(&one, |document| document.streams.clear()), Some(&first));
    let third = edition(
        &next(&next(&one, |document| document.streams.clear()), |document| document.sinks.clear()),
        Some(&second),
    );
    served.hub.take(vec![change(&first)]);
    let behind = served.get(FETCH, &revision(8)).await;
    assert_eq!(behind.status, 503);
    assert!(
        behind.head.contains("\r\nretry-after: 1") && behind.json()["message"].to_string().contains("behind")
    );
    assert_eq!(served.get(FETCH, &revision(7)).await.status, 200);

    // By its times alone, by its revision alone, and by its revision while its digests are the same.
    let odd = "FLEET=x%2C0&SINK=x%2C0&STREAM=x%2C0&namespaceId=shop/edge";
    let mut held = Vec::new();
    for (form, headers) in
        [(has(&second), String::new()), (odd.to_owned(), revision(8)), (has(&first), revision(8))]
    {
        let mut connection = served.connect().await;
        connection.write_all(listen(&form, &headers).as_bytes()).await.unwrap();
        held.push(connection);
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    for connection in &held {
        assert!(connection.try_read(&mut [0]).is_err(), "an answer from a replica that is behind");
    }
    served.hub.take(vec![change(&second)]);
    assert_eq!(reply_of(&mut held[1]).await, json!(["FLEET", "SINK", "STREAM"]));
    assert_eq!(reply_of(&mut held[2]).await, json!(["STREAM"]));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(held[0].try_read(&mut [0]).is_err(), "it has caught up, and nothing differs");
    served.hub.take(vec![change(&third)]);
    assert_eq!(reply_of(&mut held[0]).await, json!(["SINK"]));
}

#[tokio::test]
async fn a_thousand_proxies_are_answered_with_one_body() {
    const PROXIES: usize = 1_000;
    let (hub, metrics) = (Hub::default(), Metrics::new().unwrap());
    let routes = Routes::new(hub.clone(), [].into(), None, metrics);
    let one = document("u", 7, 100);
    let first = edition(&one, None);
    let second = edition(&next(&one, |document| document.streams.clear()), Some(&first));
    hub.take(vec![change(&first)]);
    let caller = Caller { ip: [127, 0, 0, 1].into(), trust: pod("shop", "sluice-edge") };
    let ask = |_| {
        let request = http::Request::post(format!("/configs/listener?{}", has(&first)))
            .header("Sluice-Revision", "7")
            .body(http_body_util::Empty::<hyper::body::Bytes>::new());
        routes.answer(request.unwrap(), &caller, std::future::pending())
    };
    let answered = futures_util::future::join_all((0..PROXIES).map(ask));
    let change = async {
        while hub.waited_for() < 3 {
            tokio::task::yield_now().await;
        }
        hub.take(vec![change(&second)]);
    };
    let (answers, ()) = tokio::join!(answered, change);
    let mut bodies = std::collections::BTreeSet::new();
    for answer in answers {
        use http_body_util::BodyExt as _;
        bodies.insert(answer.into_body().collect().await.unwrap().to_bytes().as_ptr());
    }
    assert_eq!(bodies.len(), 1);
}
