//! `sluice send`, `tail`, `check` and `completions` as a person runs them: arguments, output, exit codes.
//! What they say is held against what Kafka, files and nodes hold.

use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use sluice_tests::dev::Dev;
use sluice_tests::document::{document, file_sink, one_stream, stream};
use sluice_tests::history::{History, Outcome};
use sluice_tests::http;
use sluice_tests::kafka::{self, Broker, Listeners};
use sluice_tests::log::Log;
use sluice_tests::process::{self, Signal};
use sluice_tests::proxy::Proxy;
use sluice_tests::{paths, wait};
use sluice_wire::document::SinkKind;

use crate::support::{proxy, values};

const SOON: Duration = Duration::from_secs(30);

/// Longer than any run here may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// A run of `sluice`; dropping it kills and reaps it.
struct Run {
    child: Child,
    output: Option<[JoinHandle<String>; 2]>,
}

impl Run {
    fn start(args: &[&str]) -> Self {
        Self::start_in(args, &[])
    }

    fn start_in(args: &[&str], environment: &[(&str, &Path)]) -> Self {
        let mut child = command(args).envs(environment.iter().copied()).spawn().unwrap();
        let (out, errors) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, output: Some([read_all(out), read_all(errors)]) }
    }

    /// Writes to its standard input.
    fn feed(&mut self, text: &str) {
        self.child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Ends its input and waits for its end; returns the exit code, standard output and standard error.
    fn end(mut self) -> (Option<i32>, String, String) {
        self.child.stdin = None;
        let status = process::exit(&mut self.child, PATIENCE).expect("it ends");
        let [out, errors] = self.output.take().unwrap().map(|reader| reader.join().unwrap());
        (status.code(), out, errors)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // One that has ended by itself can't be killed, and is reaped by the wait.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(paths::binary("sluice"));
    command.args(args).env_remove("SLUICE_URL");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn read_all(mut source: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        source.read_to_string(&mut text).unwrap();
        text
    })
}

fn url(proxy: &Proxy) -> String {
    format!("http://{}", proxy.http())
}

fn summary(out: &str) -> Value {
    serde_json::from_str(out).unwrap_or_else(|error| panic!("{error}: {out:?}"))
}

#[test]
fn a_file_of_10_000_lines_is_in_kafka_once_each() {
    let (proxy, topic) = proxy("cli-send");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lines.txt");
    let lines: Vec<String> = (1..=10_000).map(|number| format!("line {number} \u{4e2d} \"'\\")).collect();
    std::fs::write(&file, lines.join("\n\n")).unwrap();
    let file = file.to_str().unwrap();
    let (code, out, errors) = Run::start(&["send", "g", "s", "--file", file, "--url", &url(&proxy)]).end();
    assert_eq!(code, Some(0), "{out}{errors}");
    assert_eq!(out, "read 10000, stored 10000, refused 0, unknown 0, repeated 0\n");
    assert_eq!(values(&topic), lines, "in their order, as they are");
    proxy.wait_idle();
}

#[test]
fn ndjson_from_standard_input_is_sent_and_what_is_refused_is_named() {
    let (proxy, topic) = proxy("cli-ndjson");
    let url = url(&proxy);
    let mut run = Run::start(&["send", "g", "s", "--url", &url, "--format", "ndjson", "--output", "json"]);
    let good: Vec<String> =
        (0..700).map(|number| json!({"number": number, "a": "b c"}).to_string()).collect();
    let mut lines = good.clone();
    lines.insert(3, "{\"torn\":".to_owned());
    lines.insert(600, format!("\"{}\"", "x".repeat(70_000)));
    run.feed(&lines.join("\n"));
    let (code, out, errors) = run.end();
    let summary = summary(&out);
    assert_eq!(code, Some(1), "{out}{errors}");
    let numbers =
        ["read", "stored", "refused", "unknown", "repeated"].map(|name| summary[name].as_u64().unwrap());
    assert_eq!(numbers, [702, 700, 2, 0, 0]);
    let named = summary["lines"].as_array().unwrap();
    let named: Vec<_> = named.iter().map(|one| (&one["first"], &one["status"])).collect();
    assert_eq!(named, [(&json!(4), &json!(400)), (&json!(601), &json!(413))]);
    assert_eq!(values(&topic), good, "in their order");
}

#[test]
fn a_stream_that_is_not_there_and_a_node_that_is_not_there_have_codes_of_their_own() {
    let (proxy, topic) = proxy("cli-codes");
    let url = url(&proxy);
    let mut run = Run::start(&["send", "g", "nowhere", "--url", &url]);
    run.feed("a\n");
    let (code, out, errors) = run.end();
    assert_eq!(code, Some(1), "{out}{errors}");
    assert!(out.contains("refused 1: 404 "), "{out}{errors}");
    drop(proxy);
    let mut run = Run::start(&["send", "g", "s", "--url", &url, "--give-up-after", "300ms"]);
    run.feed("a\n");
    let (code, out, errors) = run.end();
    assert_eq!(code, Some(4), "{out}{errors}");
    assert!(out.contains("refused 1: unreachable"), "{out}{errors}");
    assert_eq!(Run::start(&["send", "g", "s", "--url", "https://127.0.0.1:1"]).end().0, Some(2));
    assert!(values(&topic).is_empty());
}

/// What the summary says of each of the lines `l1`, `l2`, ...
fn told(summary: &Value) -> History {
    let history = History::new();
    let named = summary["lines"].as_array().unwrap();
    for number in 1..=summary["read"].as_u64().unwrap() {
        let is_in = |one: &&Value| (one["first"].as_u64()..=one["last"].as_u64()).contains(&Some(number));
        let outcome = match named.iter().find(is_in).map(|one| one["outcome"].as_str().unwrap()) {
            None => Outcome::Stored,
            Some("refused") => Outcome::NotStored,
            Some("unknown") => Outcome::Unknown,
            Some(other) => panic!("{other}"),
        };
        history.record(format!("l{number}"), outcome);
    }
    history
}

#[test]
fn a_stopped_kafka_makes_unknowns_and_the_summary_says_which() {
    let broker = Broker::start(Listeners::default());
    kafka::create(&broker.address(), "stopped", 1, &[]);
    let mut document = one_stream(&broker.address(), "stopped");
    if let SinkKind::Kafka(kafka) = &mut document.sinks[0].kind {
        kafka.delivery_timeout_ms = 2_000;
    }
    let proxy = Proxy::start(&document);
    let url = url(&proxy);
    let more = ["--batch", "10", "--give-up-after", "3s", "--output", "json"];
    let mut run = Run::start(&[&["send", "g", "s", "--url", &url], &more[..]].concat());
    let lines = |from: usize| (from..from + 20).map(|number| format!("l{number}\n")).collect::<String>();
    run.feed(&lines(1));
    proxy.wait_for("the first lines", |status| status.streams[0].counts.records_delivered == 20);
    broker.pause();
    run.feed(&lines(21));
    let (code, out, errors) = run.end();
    broker.resume();
    assert_eq!(code, Some(3), "{out}{errors}");
    let summary = summary(&out);
    let [read, stored, refused, unknown] =
        ["read", "stored", "refused", "unknown"].map(|name| summary[name].as_u64().unwrap());
    assert_eq!(read, stored + refused + unknown, "{summary}");
    assert_eq!((stored, summary["repeated"].as_u64()), (20, Some(0)), "{summary}");
    assert!(unknown >= 10, "what was handed over when Kafka stopped: {summary}");
    proxy.wait_idle();
    let records = kafka::read(&broker.address(), "stopped");
    let held = told(&summary).assert_holds(records.iter().map(|record| &record.value));
    assert_eq!((held.stored as u64, held.unknown as u64), (stored, unknown));
}

/// A node's books, altered on their way; returns where they are served. It ends with the test process.
fn relay_books(proxy: &Proxy, alter: fn(&mut Value)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut books: Value = serde_json::from_str(proxy.get_admin("/books").text()).unwrap();
    alter(&mut books);
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let read = stream.read(&mut request).unwrap();
        assert!(request[..read].starts_with(b"GET /books "));
        let body = books.to_string();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).unwrap();
    });
    address
}

#[test]
fn a_planted_imbalance_is_found() {
    let (proxy, _topic) = proxy("cli-check");
    for number in 0..5 {
        assert_eq!(proxy.report("g", "s", &format!("r{number}")).0, "0");
    }
    let (code, out, errors) = Run::start(&["check", "--node", proxy.admin()]).end();
    assert_eq!(code, Some(0), "{out}{errors}");
    assert!(out.contains("g/s") && out.contains("all balance"), "{out}");
    let relayed = relay_books(&proxy, |_| {});
    assert_eq!(Run::start(&["check", "--node", &relayed]).end().0, Some(0), "relaying alone changes nothing");

    let plants: [fn(&mut Value); 3] = [
        |books| books["streams"][0]["delivered"] = json!(4),
        |books| books["streams"][0]["admitted"] = json!(6),
        |books| books["streams"][0]["unknown"] = json!(1),
    ];
    for plant in plants {
        let planted = relay_books(&proxy, plant);
        let nodes = format!("{},{planted}", proxy.admin());
        let (code, out, errors) = Run::start(&["check", "--node", &nodes]).end();
        assert_eq!(code, Some(1), "{out}{errors}");
        assert!(errors.contains(&format!("{planted}: g/s does not balance")), "{errors}");
        assert!(!errors.contains(proxy.admin()), "only that node: {errors}");
    }
    let planted = relay_books(&proxy, |books| books["streams"][0]["failed"] = json!(1));
    let (code, out, _) = Run::start(&["check", "--node", &planted, "--output", "json"]).end();
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &found["balanced"]), (Some(1), &json!(false)));
    assert_eq!(found["imbalances"][0]["streamId"], "s");
}

#[test]
fn a_node_that_cant_be_asked_is_exit_code_4() {
    let (proxy, _topic) = proxy("cli-check-gone");
    let gone = proxy.admin().to_owned();
    drop(proxy);
    let (code, out, errors) = Run::start(&["check", "--node", &gone]).end();
    assert_eq!(code, Some(4), "{out}{errors}");
    assert!(errors.contains(&gone), "{errors}");
}

#[test]
fn tail_shows_what_the_file_sink_holds_and_what_comes() {
    let directory = tempfile::tempdir().unwrap();
    let sink = file_sink("local", directory.path());
    let proxy = Proxy::start(&document(vec![sink], vec![stream("g", "s", "local", "unused")]));
    let dir = directory.path().to_str().unwrap();
    let (code, _, errors) = Run::start(&["tail", "g", "s", "--dir", dir]).end();
    assert_eq!(code, Some(1), "nothing is there yet");
    assert!(errors.contains("no record is there"), "{errors}");

    let mut follower = command(&["tail", "g", "s", "--dir", dir, "--follow", "-n", "3"]).spawn().unwrap();
    let followed = Log::follow(follower.stdout.take().unwrap());
    let follower = Run { child: follower, output: None };
    for number in 1..=15 {
        assert_eq!(proxy.report("g", "s", &format!("value {number}")).0, "0");
    }
    let (code, out, errors) = Run::start(&["tail", "g", "s", "--dir", dir]).end();
    assert_eq!(code, Some(0), "{errors}");
    let expected: Vec<_> = (6..=15).map(|number| format!("value {number}")).collect();
    assert_eq!(out.lines().collect::<Vec<_>>(), expected);

    let (_, out, _) = Run::start(&["tail", "g", "s", "--dir", dir, "-n", "100", "--output", "json"]).end();
    assert_eq!(out, std::fs::read_to_string(directory.path().join("g/s/00000001.ndjson")).unwrap());
    assert!(followed.wait_for("value 15\n", SOON), "{}", followed.text());
    drop(follower);
    let expected: Vec<_> = (1..=15).map(|number| format!("value {number}")).collect();
    // It begins when it is there: with the last three, or with the file's appearance.
    let (text, shown) = (followed.text(), followed.text().lines().count());
    assert!(shown >= 3, "{text}");
    assert_eq!(text.lines().collect::<Vec<_>>(), expected[expected.len() - shown..], "nothing is left out");
}

#[test]
fn completions_are_valid_bash_and_know_the_commands() {
    let (code, script, _) = Run::start(&["completions", "bash"]).end();
    assert_eq!(code, Some(0));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sluice.bash");
    std::fs::write(&file, script).unwrap();
    let file = file.to_str().unwrap();
    // As an interactive shell would, for `sluice se` and then Tab.
    let words = "COMP_WORDS=(sluice se); COMP_CWORD=1; _sluice sluice se sluice; echo \"${COMPREPLY[@]}\"";
    let program = format!("set -e; source '{file}'; complete -p sluice; {words}");
    let output = Command::new("bash").args(["--norc", "-c", &program]).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains(" sluice\n") && printed.ends_with("send\n"), "{printed}");
    for shell in ["zsh", "fish"] {
        let (code, script, _) = Run::start(&["completions", shell]).end();
        assert!(code == Some(0) && script.contains("repeat-unknown"), "{shell}");
    }
}

#[test]
fn a_port_that_is_taken_at_the_start_is_told_with_its_holder() {
    let dev = Dev::on_the_example(&[]);
    assert!(dev.output().wait_for("listens on", SOON));
    let directory = dev.directory().join("local");
    let (code, out, errors) = Run::start(&["dev", directory.to_str().unwrap()]).end();
    assert_eq!(code, Some(1), "{out}{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.contains(&dev.http()) && errors.contains("sluice-proxy (process "), "{errors}");
}

#[test]
fn check_finds_the_nodes_of_a_running_local_mode() {
    let dev = Dev::on_the_example(&[]);
    assert!(dev.output().wait_for("listens on", SOON));
    let temporary = dev.directory().join("tmp");
    let (code, out, errors) = Run::start_in(&["check"], &[("TMPDIR", &temporary)]).end();
    assert_eq!(code, Some(0), "{out}{errors}");
    assert!(out.contains("demo/orders"), "{out}");
}

#[test]
fn a_broken_broker_is_one_line() {
    // Bound and not listening: whoever connects is refused, and nobody else gets the port.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    let broken = socket.local_addr().unwrap().as_socket().unwrap().to_string();
    let dev = Dev::on_the_example(&["--kafka", &broken]);
    for words in ["Connection refused", "status and metrics"] {
        assert!(dev.output().wait_for(words, SOON), "{}", dev.printed());
    }
    let text = dev.output().text();
    let status = text.lines().find_map(|line| line.trim().strip_prefix("status and metrics: http://"));
    let admin = status.unwrap().split('/').next().unwrap().to_owned();
    // Later than that the proxy has no more to say of it.
    wait::until("the topic's trouble", SOON, || {
        http::exchange(&admin, &http::get("/status")).text().contains("can't be asked for its topics")
    });
    assert_eq!(dev.printed().matches("Connection refused").count(), 1, "{}", dev.printed());
}

#[test]
fn a_fleet_whose_file_was_removed_is_told_of_and_leaves() {
    let dev = Dev::on_the_example(&[]);
    assert!(dev.output().wait_for("listens on", SOON));
    std::fs::remove_file(dev.yaml("fleet.yaml")).unwrap();
    assert!(dev.output().wait_for("no file has it any more", SOON), "{}", dev.printed());
    assert_eq!(dev.output().count("no file has it any more"), 1);
    let children = || process::descendants(dev.pid());
    wait::until("no proxy", SOON, || children().is_empty());
    dev.signal(Signal::SIGINT);
}
