//! The description and the route say the same: what is described comes, what comes is described.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use sluice_tests::http::{self, Answer};
use sluice_tests::native::{PROBLEM, post, target};
use sluice_tests::paths::repository;

use super::description::{Description, Kind};
use super::provoke::{self, Row, gzip};
use super::text;
use crate::support::{proxy, values};

#[test]
fn the_description_is_openapi_3_1() {
    let (proxy, _topic) = proxy("described");
    let description = Description::of(&proxy);
    let openapi = std::fs::read(sluice_tests::paths::fixture("openapi-3.1.json")).unwrap();
    let openapi = jsonschema::validator_for(&serde_json::from_slice(&openapi).unwrap()).unwrap();
    let errors: Vec<_> = openapi
        .iter_errors(&description.0)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    for_each(&description.0, &mut |object| {
        // What refers to nothing fails here.
        let _ = description.follow(object);
        check_examples(&description, object);
    });
}

/// An object's examples must be as its schema says.
fn check_examples(description: &Description, object: &Value) {
    let Some(schema) = object.get("schema") else { return };
    let several = object["examples"].as_object().into_iter().flat_map(|all| all.values());
    for example in several.map(|example| &example["value"]).chain(object.get("example")) {
        let errors: Vec<_> =
            description.schema(schema).iter_errors(example).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?} in {example}");
    }
}

fn for_each(value: &Value, see: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(members) => {
            see(value);
            members.values().for_each(|member| for_each(member, see));
        }
        Value::Array(elements) => elements.iter().for_each(|element| for_each(element, see)),
        _ => {}
    }
}

#[test]
fn every_example_of_a_request_is_taken_in_every_encoding() {
    let (proxy, topic) = proxy("examples");
    let description = Description::of(&proxy);
    let encodings = parameter(&description, "Content-Encoding")["schema"]["enum"].as_array().unwrap();
    let mut accepted = 0;
    for (content_type, content) in description.post()["requestBody"]["content"].as_object().unwrap() {
        for (name, example) in content["examples"].as_object().expect("examples of each") {
            for encoding in encodings.iter().map(|encoding| encoding.as_str().unwrap()) {
                let what = format!("{content_type} {name} {encoding}");
                let answer =
                    proxy.exchange(&example_request(&description, content_type, &example["value"], encoding));
                assert_eq!(description.check(&what, &answer), (200, None), "{answer:?}");
                let id = parameter(&description, "X-Request-Id")["example"].as_str();
                assert_eq!(answer.header("x-request-id"), id, "{what}");
                accepted +=
                    serde_json::from_slice::<Value>(&answer.body).unwrap()["accepted"].as_u64().unwrap();
            }
        }
    }
    assert_eq!(u64::try_from(values(&topic).len()).unwrap(), accepted);
}

#[test]
fn every_curl_of_the_page_is_taken() {
    let (proxy, topic) = proxy("page");
    let page = std::fs::read_to_string(repository().join("docs/native-route.md")).unwrap();
    for (name, bytes) in [("orders.ndjson", &b"{\"id\":1}\n{\"id\":2}\n"[..]), ("order.avro", b"Obj\x01")] {
        std::fs::write(proxy.directory().join(name), bytes).unwrap();
    }
    let url = format!("http://{}{}", proxy.http(), target("g", "s"));
    let commands: Vec<_> = page.split('`').filter(|code| code.starts_with("curl ")).collect();
    for command in &commands {
        let command = format!("{command} -sS --fail-with-body --max-time 30");
        let mut bash = Command::new("bash");
        let run = bash.args(["-c", &command]).env("URL", &url).current_dir(proxy.directory());
        let output = run.output().unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
    }
    assert_eq!(commands.len(), 7, "one for each way to send");
    assert_eq!(values(&topic).len(), 10);
}

fn parameter<'a>(description: &'a Description, name: &str) -> &'a Value {
    let all = description.post()["parameters"].as_array().unwrap();
    all.iter().find(|parameter| parameter["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

/// A request with every header that is described; those of CloudEvents only where they say what the body is.
fn example_request(
    description: &Description,
    content_type: &str,
    example: &Value,
    encoding: &str,
) -> Vec<u8> {
    let binary = content_type == "*/*";
    let content_type = if binary { "application/xml" } else { content_type };
    let mut headers = format!("Content-Encoding: {encoding}\r\n");
    for parameter in description.post()["parameters"].as_array().unwrap() {
        let name = parameter["name"].as_str().unwrap();
        let wanted = parameter["in"] == "header" && (binary || !name.starts_with("ce-"));
        if let (true, Some(value)) = (wanted, parameter["example"].as_str()) {
            headers += &format!("{name}: {value}\r\n");
        }
    }
    let body = match (example, content_type.ends_with("json")) {
        (Value::String(text), false) => text.clone(),
        _ => example.to_string(),
    };
    let body = body.into_bytes();
    let body = match encoding {
        "gzip" | "x-gzip" => gzip(&body),
        "zstd" => zstd::encode_all(&*body, 3).unwrap(),
        _ => body,
    };
    let dt = &parameter(description, "dt")["example"];
    post(&format!("{}?dt={dt}&customer=42", target("g", "s")), content_type, &headers, &body)
}

#[test]
fn every_answer_is_described_and_every_answer_described_comes() {
    let node = provoke::node();
    let description = Description::of(&node);
    let mut rows = provoke::by_request(&node);
    rows.extend(provoke::by_state(&node));
    rows.push(("stored", 200, "", Box::new(|| node.exchange(&text("s", "x")))));
    let answers = answers(&rows);
    let mut seen = BTreeSet::new();
    for ((what, status, name, _), answer) in rows.iter().zip(&answers) {
        let kind = description.check(what, answer);
        let name = (!name.is_empty()).then(|| format!("{PROBLEM}{name}"));
        assert_eq!(kind, (*status, name), "{what}: {}", answer.text());
        seen.insert(kind);
    }
    let described: BTreeSet<Kind> = description.kinds();
    assert_eq!(seen, described);
}

/// Does everything, some of it at the same time, because much of it only waits.
fn answers(rows: &[Row<'_>]) -> Vec<Answer> {
    let next = AtomicUsize::new(0);
    let answers: Vec<_> = rows.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                // From the end, where what takes longest is.
                while let Some(place) = rows.len().checked_sub(next.fetch_add(1, Ordering::Relaxed) + 1) {
                    *answers[place].lock().unwrap() = Some((rows[place].3)());
                }
            });
        }
    });
    answers.into_iter().map(|answer| answer.into_inner().unwrap().expect("each was done")).collect()
}

#[test]
fn an_answer_that_is_not_as_described_is_found_out() {
    let (proxy, _topic) = proxy("undescribed");
    let described = Description::of(&proxy);
    let answer = proxy.exchange(&text("none", "x"));
    assert_eq!(described.check("as it is", &answer).0, 404);
    let response = "/paths/~1v1~1groups~1{groupId}~1streams~1{streamId}~1records/post/responses/404";
    for (what, place, value) in [
        ("a status", response.to_owned(), Value::Null),
        ("a header that is missing", format!("{response}/headers/Retry-After"), json!({"required": true})),
        ("a header that is there", format!("{response}/headers"), json!({})),
        ("a content type", format!("{response}/content"), json!({"text/html": {}})),
        ("a value", "/components/schemas/Refusal/properties/outcome".to_owned(), json!({"const": "unknown"})),
        ("a member that is there", "/components/schemas/Problem/properties".to_owned(), json!({})),
        ("a member that is missing", "/components/schemas/Problem/required".to_owned(), json!(["stored"])),
    ] {
        let mut other = Description(described.0.clone());
        let (parent, name) = place.rsplit_once('/').unwrap();
        other.0.pointer_mut(parent).unwrap()[name] = value;
        let checked = std::panic::catch_unwind(|| other.check(what, &answer));
        assert!(checked.is_err(), "{what} that differs is not found out");
    }
}

#[test]
fn a_request_id_that_is_none_is_replaced() {
    let (proxy, _topic) = proxy("ids");
    let description = Description::of(&proxy);
    let with = |id: &str| {
        let headers = format!("X-Request-Id: {id}\r\n");
        let request = post(&target("g", "s"), "text/plain", &headers, b"x");
        let answer = proxy.exchange(&request);
        assert_eq!(description.check(id, &answer), (200, None));
        answer.header("x-request-id").unwrap().to_owned()
    };
    let long = "x".repeat(128);
    assert_eq!(with(&long), long);
    let made: BTreeSet<_> = ["", "two words", &format!("{long}x")].map(with).into();
    assert_eq!(made.len(), 3, "each its own: {made:?}");
    assert!(made.iter().all(|id| id.len() == 36), "{made:?}");
}

#[test]
fn the_description_is_served_before_there_is_any_configuration() {
    let proxy = sluice_tests::proxy::Builder::new().start_unready(None);
    let described = proxy.exchange(&http::get("/openapi.json"));
    assert_eq!((described.status, described.header("connection")), (200, None));
}
