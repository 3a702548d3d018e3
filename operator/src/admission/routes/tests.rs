//! Reviews as the API server sends them, and what else may come.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::BodyExt as _;
use hyper::body::Frame;
use serde_json::{Value, json};

use super::*;
use crate::admission::index::tests::World;
use crate::admission::inject::{Injection, Looked, Named};
use crate::marks::INJECT;

/// A review of an object, as `CREATE` or, with what it was before, `UPDATE`.
pub(in crate::admission) fn review(object: &Value, before: Option<&Value>) -> Value {
    let kind = object["kind"].as_str().unwrap();
    json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "0c9a8d74-9cb7-44dd-b98e-09fd62def2f4",
            "kind": {"group": "sluice.dev", "version": "v1alpha1", "kind": kind},
            "resource": {"group": "sluice.dev", "version": "v1alpha1", "resource": format!("{}s", kind.to_lowercase())},
            "name": "orders", "namespace": "shop", "operation": if before.is_some() { "UPDATE" } else { "CREATE" },
            "userInfo": {"username": "a", "groups": ["b"], "extra": {"c": ["d"]}},
            "object": object, "oldObject": before, "dryRun": true,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}
        }
    })
}

/// Refuses every pod that asks for a proxy.
#[derive(Debug)]
pub(in crate::admission) struct NoSidecars;

impl Injector for NoSidecars {
    fn look<'a>(&'a self, namespace: &'a str, head: &'a Value, _: Instant) -> Looked<'a> {
        let pointer = format!("/metadata/labels/{}", INJECT.replace('/', "~1"));
        let fleet = head.pointer(&pointer).and_then(Value::as_str);
        let answer = fleet.map_or(Ok(None), |fleet| {
            Err(format!(
                "label {INJECT}: ProxyFleet {namespace}/{fleet}: this fleet is not of mode Sidecar; take the label off"
            ))
        });
        Box::pin(std::future::ready(answer))
    }

    fn inject(&self, _: Pod<'_>, _: &Named) -> Result<Injection, String> {
        Ok(Injection::default())
    }
}

fn stream(spec: &Value) -> Value {
    json!({
        "apiVersion": "sluice.dev/v1alpha1", "kind": "DataStream",
        "metadata": {"name": "orders", "creationTimestamp": null, "managedFields": [{"manager": "kubectl"}]},
        "spec": spec
    })
}

fn routes() -> Routes {
    let mut world = World::new(&["shop"]);
    world.fleet("shop", "edge", json!({}));
    let (_, index) = watch::channel(world.index);
    Routes::new(index, Arc::new(NoSidecars), Metrics::new().unwrap())
}

async fn ask(routes: &Routes, method: Method, path: &str, body: impl Into<Bytes>) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path).body(Full::new(body.into())).unwrap();
    read(routes.answer(request).await).await
}

async fn read(answer: Answer) -> (u16, Value) {
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

async fn reviewed(path: &str, review: &Value) -> Value {
    let (status, answer) = ask(&routes(), Method::POST, path, review.to_string()).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(answer["kind"], "AdmissionReview");
    assert_eq!(answer["response"]["uid"], review["request"]["uid"]);
    answer["response"].clone()
}

#[tokio::test]
async fn a_sound_object_is_allowed_with_the_uid_of_the_request() {
    let response = reviewed("/validate", &review(&stream(&json!({"fleet": {"name": "edge"}})), None)).await;
    assert_eq!(response["allowed"], true);
    assert!(response.get("warnings").is_none() && response.get("patch").is_none(), "{response}");
}

#[tokio::test]
async fn a_refusal_has_a_status_the_words_of_the_condition_and_its_reason_for_the_audit_log() {
    let bad = stream(&json!({"fleet": {"name": "edge"}, "sink": {"topic": "__consumer_offsets"}}));
    let response = reviewed("/validate", &review(&bad, None)).await;
    assert_eq!(response["allowed"], false);
    assert_eq!(response["status"]["code"], 403);
    assert_eq!(response["status"]["reason"], "Forbidden");
    let message = response["status"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("spec.sink.topic: topic __consumer_offsets: topics that start with __"),
        "{message}"
    );
    assert_eq!(response["auditAnnotations"], json!({"reason": "NotPermitted"}));
}

#[tokio::test]
async fn a_warning_is_told_beside_what_is_allowed() {
    let response = reviewed("/validate", &review(&stream(&json!({"fleet": {"name": "later"}})), None)).await;
    assert_eq!(response["allowed"], true);
    assert!(
        response["warnings"][0]
            .as_str()
            .unwrap()
            .starts_with("spec.fleet: there is no ProxyFleet shop/later")
    );
}

#[tokio::test]
async fn an_update_is_held_against_what_was_before() {
    let bad = stream(&json!({"fleet": {"name": "edge"}, "sink": {"topic": "__x"}}));
    let mut touched = bad.clone();
    touched["metadata"]["labels"] = json!({"a": "b"});
    let response = reviewed("/validate", &review(&touched, Some(&bad))).await;
    assert_eq!(response["allowed"], true);
}

#[tokio::test]
async fn what_can_t_be_read_as_what_it_says_it_is_is_let_through_with_a_word() {
    let response = reviewed("/validate", &review(&stream(&json!({"output": "Later"})), None)).await;
    assert_eq!(response["allowed"], true);
    assert!(response["warnings"][0].as_str().unwrap().starts_with("not checked"), "{response}");
}

#[tokio::test]
async fn a_status_a_deletion_and_another_kind_are_not_looked_at() {
    let bad = stream(&json!({"fleet": {"name": "edge"}, "sink": {"topic": "__x"}}));
    let mut status = review(&bad, None);
    status["request"]["subResource"] = "status".into();
    let mut deletion = review(&bad, None);
    deletion["request"]["operation"] = "DELETE".into();
    let mut other = review(&bad, None);
    other["request"]["kind"]["kind"] = "Other".into();
    for review in [status, deletion, other] {
        assert_eq!(reviewed("/validate", &review).await["allowed"], true);
    }
}

#[tokio::test]
async fn a_pod_that_asks_for_a_proxy_is_refused_while_no_fleet_has_one_for_it() {
    let pod = |labels: Value| {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "a-", "labels": labels},
            "spec": {"containers": []}
        });
        review(&pod, None)
    };
    let response = reviewed("/mutate", &pod(json!({"sluice.dev/inject": "edge"}))).await;
    assert_eq!(response["allowed"], false);
    let message = response["status"]["message"].as_str().unwrap();
    assert!(message.contains("ProxyFleet shop/edge: this fleet is not of mode Sidecar"), "{message}");
    let response = reviewed("/mutate", &pod(json!({}))).await;
    assert_eq!(response["allowed"], true);
    assert!(response.get("patch").is_none());
}

#[derive(Debug)]
struct Labels;

impl Injector for Labels {
    fn look<'a>(&'a self, _: &'a str, _: &'a Value, _: Instant) -> Looked<'a> {
        Box::pin(std::future::ready(Ok(Some(Named::default()))))
    }

    fn inject(&self, pod: Pod<'_>, _: &Named) -> Result<Injection, String> {
        let patch = json!([{"op": "add", "path": "/metadata/labels", "value": {"in": pod.namespace}}]);
        let patch = serde_json::from_value(patch).unwrap();
        let warnings = vec![format!("dry run: {}", pod.dry_run)];
        Ok(Injection { patch, warnings })
    }
}

#[tokio::test]
async fn what_is_done_to_a_pod_is_a_json_patch() {
    let (_, index) = watch::channel(World::new(&[]).index);
    let routes = Routes::new(index, Arc::new(Labels), Metrics::new().unwrap());
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {"containers": []}});
    let (_, answer) = ask(&routes, Method::POST, "/mutate", review(&pod, None).to_string()).await;
    let response = &answer["response"];
    assert_eq!(response["patchType"], "JSONPatch");
    assert_eq!(response["warnings"], json!(["dry run: true"]));
    // Bytes come as numbers, which the API server takes as well as base64.
    let patch: Vec<u8> = serde_json::from_value(response["patch"].clone()).unwrap();
    let patch: Value = serde_json::from_slice(&patch).unwrap();
    assert_eq!(patch[0]["value"], json!({"in": "shop"}));
}

#[tokio::test]
async fn what_is_no_review_is_a_400() {
    let routes = routes();
    let mut old = review(&stream(&json!({})), None);
    old["apiVersion"] = "admission.k8s.io/v1beta1".into();
    let nothing = json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"});
    for body in [
        String::new(),
        "{".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        old.to_string(),
        nothing.to_string(),
    ] {
        for path in ["/validate", "/mutate"] {
            let (status, answer) = ask(&routes, Method::POST, path, body.clone()).await;
            assert_eq!(status, 400, "{body}: {answer}");
        }
    }
    assert_eq!(ask(&routes, Method::GET, "/validate", "").await.0, 405);
    assert_eq!(ask(&routes, Method::POST, "/", "").await.0, 404);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_not_read() {
    let (status, _) = ask(&routes(), Method::POST, "/validate", vec![b' '; LONGEST + 1]).await;
    assert_eq!(status, 413);
}

/// A body that says how long it is and never comes.
struct Never(u64);

impl Body for Never {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.0)
    }
}

#[tokio::test(start_paused = true)]
async fn who_sends_long_bodies_slowly_keeps_no_short_one_waiting() {
    let routes = Arc::new(routes());
    let post = |length| {
        let request = Request::builder().method(Method::POST).uri("/validate").body(Never(length)).unwrap();
        let routes = Arc::clone(&routes);
        tokio::spawn(async move { routes.answer(request).await.status().as_u16() })
    };
    let slow: Vec<_> = (0..4).map(|_| post(1 << 20)).collect();
    tokio::task::yield_now().await;
    assert_eq!(post(1 << 20).await.unwrap(), 503);
    let text = review(&stream(&json!({"fleet": {"name": "edge"}})), None).to_string();
    assert_eq!(ask(&routes, Method::POST, "/validate", text).await.0, 200);
    for slow in slow {
        assert_eq!(slow.await.unwrap(), 408);
    }
}

/// A pod that is so long as text.
fn long_pod(length: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"annotations": {"a": "x".repeat(length)}, "labels": {INJECT: "edge"}}, "spec": {"containers": []}
    })
}

#[tokio::test]
async fn an_object_that_is_too_long_is_not_looked_at_and_whoever_writes_it_is_told() {
    let mut long = stream(&json!({"fleet": {"name": "edge"}, "sink": {"topic": "__x"}}));
    long["metadata"]["annotations"] = json!({"a": "x".repeat(review::LONGEST_OBJECT)});
    let response = reviewed("/validate", &review(&long, None)).await;
    assert_eq!(response["allowed"], true);
    let warning = response["warnings"][0].as_str().unwrap();
    assert_eq!(warning, "not checked: the operator can't read it: it is longer than 524288 bytes");
    let response = reviewed("/mutate", &review(&long_pod(review::LONGEST_OBJECT), None)).await;
    assert_eq!(response["allowed"], false);
    assert_eq!(response["status"]["message"], "the pod can't be read: it is longer than 524288 bytes");
}

#[tokio::test]
async fn what_would_take_too_much_room_is_not_looked_at() {
    let many = Value::from(vec![json!({}); 10_000]);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {"containers": [], "volumes": many}
    });
    let (_, index) = watch::channel(World::new(&[]).index);
    let routes = Routes::new(index, Arc::new(Labels), Metrics::new().unwrap());
    let (_, answer) = ask(&routes, Method::POST, "/mutate", review(&pod, None).to_string()).await;
    assert_eq!(
        answer["response"]["status"]["message"],
        "the pod can't be read: it has more than 16384 values"
    );
}

/// Never finds out what a pod names.
#[derive(Debug)]
struct Silent;

impl Injector for Silent {
    fn look<'a>(&'a self, _: &'a str, _: &'a Value, _: Instant) -> Looked<'a> {
        Box::pin(std::future::pending())
    }

    fn inject(&self, _: Pod<'_>, _: &Named) -> Result<Injection, String> {
        Ok(Injection::default())
    }
}

#[tokio::test]
async fn who_waits_for_what_a_pod_names_takes_no_room() {
    let mut world = World::new(&["shop"]);
    world.fleet("shop", "edge", json!({}));
    let (_, index) = watch::channel(world.index);
    let routes = Arc::new(Routes::new(index, Arc::new(Silent), Metrics::new().unwrap()));
    let waiting: Vec<_> = (0..100)
        .map(|_| {
            let text = review(&long_pod(60 << 10), None).to_string();
            let routes = Arc::clone(&routes);
            tokio::spawn(async move { ask(&routes, Method::POST, "/mutate", text).await.0 })
        })
        .collect();
    tokio::task::yield_now().await;
    let text = review(&stream(&json!({"fleet": {"name": "edge"}})), None).to_string();
    assert_eq!(ask(&routes, Method::POST, "/validate", text).await.0, 200);
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_room_is_told_to_come_again_and_counted_as_such() {
    let routes = routes();
    let later = Instant::now() + Duration::from_secs(3_600);
    let _taken = routes.rooms.values(2_048, later).await.unwrap();
    let mut all = Vec::new();
    while let Ok(room) = routes.rooms.values(2_048, Instant::now()).await {
        all.push(room);
    }
    let text = review(&stream(&json!({"fleet": {"name": "edge"}})), None).to_string();
    let (status, told) = ask(&routes, Method::POST, "/validate", text).await;
    assert_eq!((status, told.as_str().unwrap()), (503, "too much is looked at already; try again soon\n"));
}
