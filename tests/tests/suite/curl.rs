//! curl, the client that everybody tries first.
//! Real curl, with what it does by itself: `Expect: 100-continue`, chunks, reused connections.

use std::io::Write as _;
use std::process::{Command, Stdio};

use sluice_tests::proxy::Proxy;

use crate::support::{proxy, values};

/// Runs curl against the report path; returns its exit code, the status and the body.
fn curl(proxy: &Proxy, args: &[&str], input: &[u8]) -> (i32, String, String) {
    let mut child = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "60", "--write-out", "\n%{http_code}"])
        .args(args)
        .arg(format!("http://{}/dataproxy/message", proxy.http()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let input = input.to_vec();
    // curl may stop reading early, which is no failure of the test.
    let feeder = std::thread::spawn(move || pipe.write_all(&input).is_ok());
    let output = child.wait_with_output().unwrap();
    let _ = feeder.join();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (output.status.code().unwrap(), status.to_owned(), body.to_owned())
}

fn code(body: &str) -> String {
    let json: serde_json::Value =
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body:?}"));
    json["code"].as_str().unwrap().to_owned()
}

#[test]
fn curl_reports_encoded_and_chunked_and_with_and_without_expect() {
    let (proxy, topic) = proxy("curl");
    let spoken = "a b&c=d%\u{4e2d}+";
    let encoded = format!("body={spoken}");
    let form = "groupId=g&streamId=s&body=";
    for (args, input) in [
        (vec!["--data", "groupId=g&streamId=s&body=plain"], String::new()),
        (vec!["--data", "groupId=g", "--data", "streamId=s", "--data-urlencode", &encoded], String::new()),
        (vec!["--header", "Transfer-Encoding: chunked", "--data", "@-"], format!("{form}chunked")),
        (vec!["--header", "Expect: 100-continue", "--data", "@-"], format!("{form}expected")),
        (vec!["--header", "Expect:", "--data", "@-"], format!("{form}unexpected")),
        (vec!["--get", "--data", "groupId=g&streamId=s&body=got"], String::new()),
        (vec!["--http1.0", "--data", "groupId=g&streamId=s&body=old"], String::new()),
    ] {
        let (exit, status, body) = curl(&proxy, &args, input.as_bytes());
        assert_eq!((exit, status.as_str(), code(&body).as_str()), (0, "200", "0"), "{args:?}");
    }
    assert_eq!(values(&topic), ["plain", spoken, "chunked", "expected", "unexpected", "got", "old"]);
}

#[test]
fn curl_reads_the_code_of_a_body_of_21_mib() {
    let (proxy, topic) = proxy("curl-large");
    let mut large = b"groupId=g&streamId=s&body=".to_vec();
    large.resize(21 * 1024 * 1024, b'x');
    for args in [
        vec!["--data-binary", "@-"],
        vec!["--header", "Expect:", "--data-binary", "@-"],
        vec!["--header", "Expect: 100-continue", "--data-binary", "@-"],
        vec!["--header", "Transfer-Encoding: chunked", "--header", "Expect:", "--data-binary", "@-"],
    ] {
        let (exit, status, body) = curl(&proxy, &args, &large);
        assert_eq!((exit, status.as_str(), code(&body).as_str()), (0, "200", "104"), "{args:?}");
    }
    assert!(values(&topic).is_empty());
    proxy.wait_idle();
}
