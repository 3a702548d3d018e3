//! Who may report to a stream by what is shown: tokens, and service accounts' tokens, on either route.
//! Each attack has a test that passes only while its guard stands.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sluice_identity::digest;
use sluice_tests::document::{document, file_sink, stream};
use sluice_tests::history::History;
use sluice_tests::http::{Answer, post};
use sluice_tests::load::{Load, Progress};
use sluice_tests::native;
use sluice_tests::proxy::{Builder, Proxy};
use sluice_tests::service_account::{ISSUER, Signer, claims, now};
use sluice_wire::access::Listeners;
use sluice_wire::auth::{Account, Auth, Token};
use sluice_wire::document::{Document, Stream};

use crate::support::lines;

const FIRST: &str = "first-token-of-the-producers";
const SECOND: &str = "second-token-of-the-producers";

/// The token `id` of the stream `g`/`name`.
fn token(name: &str, id: &str, secret: &str) -> Token {
    Token { id: id.to_owned(), sha256: digest(&format!("default/g-{name}"), secret) }
}

fn guarded(name: &str, auth: Auth) -> Stream {
    Stream { auth, ..stream("g", name, "local", "") }
}

fn by_tokens(name: &str, tokens: &[(&str, &str)]) -> Stream {
    guarded(name, Auth::Tokens(tokens.iter().map(|(id, secret)| token(name, id, secret)).collect()))
}

fn by_accounts(name: &str, accounts: &[(&str, Option<&str>)]) -> Stream {
    let account = |(namespace, name): &(&str, Option<&str>)| Account {
        namespace: (*namespace).to_owned(),
        name: name.map(str::to_owned),
    };
    guarded(name, Auth::ServiceAccounts(accounts.iter().map(account).collect()))
}

fn of_files(builder: &Builder, streams: Vec<Stream>) -> Document {
    document(vec![file_sink("local", &builder.directory().join("data"))], streams)
}

fn start(streams: Vec<Stream>) -> Proxy {
    let builder = Builder::new();
    let document = of_files(&builder, streams);
    builder.start(&document)
}

fn start_with(signer: &Signer, streams: Vec<Stream>) -> Proxy {
    let builder = Builder::new();
    let listeners = Listeners { token_keys: Some(signer.keys()), ..Listeners::default() };
    let document = Document { listeners, ..of_files(&builder, streams) };
    builder.start(&document)
}

/// A header line.
fn authorization(value: &str) -> String {
    format!("Authorization: {value}\r\n")
}

fn bearer(token: &str) -> String {
    authorization(&format!("Bearer {token}"))
}

fn basic(id: &str, secret: &str) -> String {
    authorization(&format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))))
}

/// The answers of both routes to a report with these header lines.
fn answers(proxy: &Proxy, name: &str, headers: &str) -> (Answer, Answer) {
    let form = format!("groupId=g&streamId={name}&body=x");
    let report = proxy.exchange(&post("/dataproxy/message", headers, &form));
    let records = proxy.exchange(&native::post(&native::target("g", name), "text/plain", headers, b"x"));
    (report, records)
}

/// The code of InLong's route, and the status of the other.
fn told(proxy: &Proxy, name: &str, headers: &str) -> (String, u16) {
    let (report, records) = answers(proxy, name, headers);
    (report.code(), records.status)
}

fn is(code: &str, status: u16) -> (String, u16) {
    (code.to_owned(), status)
}

#[test]
fn any_of_a_streams_tokens_opens_it_on_either_route_and_in_either_form() {
    let proxy = start(vec![by_tokens("s", &[("a", FIRST), ("b", SECOND)]), stream("g", "open", "local", "")]);
    for headers in [bearer(FIRST), bearer(SECOND), basic("a", FIRST), basic("b", SECOND)] {
        assert_eq!(told(&proxy, "s", &headers), is("0", 200), "{headers}");
    }
    // InLong's SDK writes the header in lower case.
    let lower = basic("a", FIRST).replace("Authorization", "authorization");
    assert_eq!(told(&proxy, "s", &lower), is("0", 200));
    for headers in ["", "Authorization: nonsense\r\n", &bearer("x")] {
        assert_eq!(told(&proxy, "open", headers), is("0", 200), "an open stream minds no header");
    }
}

#[test]
fn whoever_has_no_good_token_is_refused_told_how_and_counted() {
    let proxy = start(vec![by_tokens("s", &[("a", FIRST)]), by_tokens("other", &[("a", SECOND)])]);
    for (headers, reason) in [
        (String::new(), "missing"),
        (authorization("Bearer"), "unreadable"),
        (authorization("Digest x"), "unreadable"),
        (bearer(FIRST) + &bearer(FIRST), "unreadable"),
        (bearer("wrong"), "token"),
        (bearer(&FIRST[1..]), "token"),
        (bearer(SECOND), "token"),
        (basic("b", FIRST), "token"),
        (basic("a", "wrong"), "token"),
        (basic("a", ""), "token"),
    ] {
        let count = || proxy.metric("sluice_credentials_refused_total", &["\"s\"", &format!("\"{reason}\"")]);
        let before = count();
        let (report, records) = answers(&proxy, "s", &headers);
        assert_eq!((report.code().as_str(), records.status), ("10", 401), "{headers}");
        assert_eq!(records.header("www-authenticate"), Some("Bearer realm=\"sluice\""));
        let problem: Value = serde_json::from_slice(&records.body).unwrap();
        assert_eq!(problem["type"], "urn:sluice:problem:credential");
        assert_eq!(problem["outcome"], "notStored");
        assert_eq!(count(), before + 2.0, "{reason}");
        assert!(!report.text().contains(FIRST) && !records.text().contains(FIRST));
    }
    assert_eq!(lines(&proxy.directory().join("data"), "s"), [Value::Null; 0]);
    for secret in [FIRST, SECOND, "wrong"] {
        assert!(!proxy.log().text().contains(secret));
        assert!(!proxy.metrics().contains(secret));
    }
}

#[test]
fn a_stream_whose_tokens_are_gone_takes_nothing_from_anyone() {
    let proxy = start(vec![by_tokens("s", &[])]);
    for headers in [String::new(), bearer(FIRST), bearer(""), basic("", "")] {
        assert_eq!(told(&proxy, "s", &headers), is("10", 401), "{headers}");
    }
}

#[test]
fn tokens_are_rotated_under_load_without_a_refusal_and_a_removed_one_is_refused() {
    let builder = Builder::new();
    let with = |tokens: &[(&str, &str)]| of_files(&builder, vec![by_tokens("s", tokens)]);
    let steps = [with(&[("a", FIRST)]), with(&[("a", FIRST), ("b", SECOND)]), with(&[("b", SECOND)])];
    let proxy = builder.start(&steps[0]);
    let history = Arc::new(History::new());
    let load = |token: &str, progress: &Progress| {
        let steady = Load::steady(proxy.http(), 4, Duration::from_millis(1));
        Load { headers: bearer(token), ..steady }.spawn(&history, progress)
    };
    let enough = |progress: &Progress| {
        sluice_tests::wait::until("a hundred answers", Duration::from_secs(30), || progress.answered() > 100);
    };
    let (first, second) = (Progress::new(), Progress::new());
    let old = load(FIRST, &first);
    enough(&first);
    proxy.apply(&Document { revision: 2, ..steps[1].clone() });
    let new = load(SECOND, &second);
    enough(&second);
    first.stop();
    let codes = old.join().unwrap();
    proxy.apply(&Document { revision: 3, ..steps[2].clone() });
    assert_eq!(told(&proxy, "s", &bearer(FIRST)), is("10", 401));
    let answered = second.answered();
    sluice_tests::wait::until("more answers", Duration::from_secs(30), || second.answered() > answered + 100);
    second.stop();
    for codes in [codes, new.join().unwrap()] {
        assert_eq!(codes.keys().collect::<Vec<_>>(), ["0"], "{codes:?}");
    }
}

#[test]
fn a_service_account_may_report_where_it_or_its_namespace_is_listed() {
    let signer = Signer::new();
    let streams = vec![
        by_accounts("named", &[("shop", Some("orders"))]),
        by_accounts("space", &[("shop", None)]),
        by_accounts("nobody", &[]),
    ];
    let proxy = start_with(&signer, streams);
    let orders = bearer(&signer.token(&claims("shop", "orders")));
    let bills = bearer(&signer.token(&claims("shop", "bills")));
    let elsewhere = bearer(&signer.token(&claims("shopping", "orders")));
    for (name, headers, wanted) in [
        ("named", &orders, is("0", 200)),
        ("named", &bills, is("10", 403)),
        ("named", &elsewhere, is("10", 403)),
        ("space", &orders, is("0", 200)),
        ("space", &bills, is("0", 200)),
        ("space", &elsewhere, is("10", 403)),
        ("nobody", &orders, is("10", 403)),
    ] {
        assert_eq!(told(&proxy, name, headers), wanted, "{name} {headers}");
    }
    assert_eq!(told(&proxy, "space", ""), is("10", 401));
    assert_eq!(told(&proxy, "space", &basic("shop", "orders")), is("10", 401));
    let problem: Value = serde_json::from_slice(&answers(&proxy, "named", &bills).1.body).unwrap();
    assert_eq!(problem["type"], "urn:sluice:problem:forbidden");
    assert_eq!(proxy.metric("sluice_credentials_refused_total", &["\"named\"", "\"account\""]), 6.0);
}

/// The claims of an account that may report, with another value at a place.
fn with(place: &str, value: Value) -> Value {
    let mut claims = claims("shop", "orders");
    *claims.pointer_mut(place).unwrap() = value;
    claims
}

#[test]
fn a_token_that_kubernetes_did_not_issue_for_this_is_refused() {
    let signer = Signer::new();
    let proxy = start_with(&signer, vec![by_accounts("s", &[("shop", None)])]);
    assert_eq!(told(&proxy, "s", &bearer(&signer.token(&claims("shop", "orders")))), is("0", 200));
    let long = with("/exp", json!(now() + 7_300));
    for (token, reason) in [
        (signer.token(&with("/exp", json!(now() - 60))), "expired"),
        (signer.token(&with("/nbf", json!(now() + 60))), "not_yet"),
        (signer.token(&with("/aud", json!(["https://kubernetes.default.svc"]))), "audience"),
        (signer.token(&with("/aud", json!(["sluice-operator"]))), "audience"),
        (signer.token(&with("/iss", json!("https://elsewhere"))), "issuer"),
        (signer.token(&long), "long_lived"),
        (signer.token(&with("/iat", Value::Null)), "long_lived"),
        (signer.token(&with("/sub", json!("system:serviceaccount:pay:orders"))), "malformed"),
        (signer.token(&with("/kubernetes.io", Value::Null)), "malformed"),
        (Signer::new().token(&claims("shop", "orders")), "signature"),
        (
            signer.token_with(&json!({"alg": "ES256", "kid": "other"}), &claims("shop", "orders")),
            "unknown_key",
        ),
        ("a.b.c".to_owned(), "malformed"),
    ] {
        let (report, records) = answers(&proxy, "s", &bearer(&token));
        assert_eq!((report.code().as_str(), records.status), ("10", 401), "{reason}: {}", records.text());
        let labels = ["\"s\"", &format!("\"{reason}\"")];
        assert!(proxy.metric("sluice_credentials_refused_total", &labels) >= 2.0, "{reason}");
        assert!(!records.text().contains(&token) && !proxy.log().text().contains(&token));
    }
}

/// RFC 8725, 2.1: a token that chooses how it is verified.
#[test]
fn a_token_does_not_choose_how_it_is_verified() {
    let signer = Signer::new();
    let proxy = start_with(&signer, vec![by_accounts("s", &[("shop", None)])]);
    let claims = claims("shop", "orders");
    let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = format!("{}.{}.", text(&json!({"alg": "none", "kid": "key"})), text(&claims));
    let (x, y) = signer.point();
    let mut confused = Vec::new();
    // The public key as a secret one, in the forms that a careless verifier may hold it.
    for secret in [
        x.as_bytes().to_vec(),
        signer.keys().jwks.to_string().into_bytes(),
        [x.as_bytes(), y.as_bytes()].concat(),
    ] {
        let signed = format!("{}.{}", text(&json!({"alg": "HS256", "kid": "key"})), text(&claims));
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
        let signature = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, signed.as_bytes()));
        confused.push(format!("{signed}.{signature}"));
    }
    let other = Signer::new();
    let (x, y) = other.point();
    let own = json!({"alg": "ES256", "kid": "key", "jwk": {"kty": "EC", "crv": "P-256", "x": x, "y": y}});
    let brought = other.token_with(&own, &claims);
    let named = signer.token_with(&json!({"alg": "RS256", "kid": "key"}), &claims);
    for token in [vec![unsigned, brought, named], confused].concat() {
        assert_eq!(told(&proxy, "s", &bearer(&token)), is("10", 401), "{token}");
    }
    assert_eq!(lines(&proxy.directory().join("data"), "s"), [Value::Null; 0]);
}

#[test]
fn keys_are_those_of_the_configuration_and_without_any_nobody_is_let_in() {
    let (old, new) = (Signer::new(), Signer::new());
    let builder = Builder::new();
    let with = |signer: Option<&Signer>, revision| {
        let listeners = Listeners { token_keys: signer.map(Signer::keys), ..Listeners::default() };
        let document = of_files(&builder, vec![by_accounts("s", &[("shop", None)])]);
        Document { listeners, revision, ..document }
    };
    let documents = [with(None, 1), with(Some(&old), 2), with(Some(&new), 3)];
    let proxy = builder.start(&documents[0]);
    let [by_old, by_new] = [&old, &new].map(|signer| bearer(&signer.token(&claims("shop", "orders"))));
    assert_eq!(told(&proxy, "s", &by_old), is("3", 503));
    proxy.apply(&documents[1]);
    assert_eq!((told(&proxy, "s", &by_old), told(&proxy, "s", &by_new)), (is("0", 200), is("10", 401)));
    proxy.apply(&documents[2]);
    assert_eq!((told(&proxy, "s", &by_old), told(&proxy, "s", &by_new)), (is("10", 401), is("0", 200)));
    assert_eq!(old.keys().issuer.as_deref(), Some(ISSUER));
}

#[test]
fn a_stranger_is_refused_before_the_body_is_read_and_learns_nothing_of_the_stream() {
    let paused = Stream { paused: true, ..by_tokens("s", &[("a", FIRST)]) };
    let proxy = start(vec![Stream { max_body_bytes: 10, ..paused }]);
    assert_eq!(told(&proxy, "s", ""), is("10", 401), "not that it is paused");
    let long = native::post(&native::target("g", "s"), "text/plain", "", &[b'x'; 100_000]);
    assert_eq!(proxy.exchange(&long).status, 401, "not that it is too long");
    assert_eq!(told(&proxy, "s", &bearer(FIRST)), is("114", 503));
}
