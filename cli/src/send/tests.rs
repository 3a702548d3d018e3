//! Sending as a whole, against a node played by a script: what is sent again, halved, left or given up.

mod server;

use std::io::{self, Read};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser as _;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::timeout;

use self::server::{Act, Server, refuse};
use super::ledger::Ledger;
use super::run::Plan;
use super::screen::Screen;
use crate::args::{Args, Command};
use crate::exit::Exit;
use crate::stop::Told;

const SOON: Duration = Duration::from_secs(30);

/// Runs `sluice send g s` with further arguments.
async fn run_until(address: &str, more: &[&str], input: impl Read + Send + 'static, stop: Told) -> Ledger {
    let url = format!("http://{address}");
    let mut args = vec!["sluice", "send", "g", "s", "--url", &url];
    args.extend_from_slice(more);
    if !more.contains(&"--repeat-unknown") {
        // Whoever runs the tests is not to be asked.
        args.extend_from_slice(&["--repeat-unknown", "never"]);
    }
    let Ok(Args { command: Command::Send(args) }) = Args::try_parse_from(args) else { panic!("{more:?}") };
    let screen = Screen::new(Box::new(io::sink()), false, None);
    timeout(SOON, Plan::new(&args).unwrap().run(input, screen, stop)).await.expect("it ends")
}

async fn run(address: &str, more: &[&str], input: impl Read + Send + 'static) -> Ledger {
    let (sender, _) = watch::channel(0);
    run_until(address, more, input, Told::by(&sender)).await
}

fn lines(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("r{number}")).collect()
}

fn text(lines: &[String]) -> io::Cursor<Vec<u8>> {
    io::Cursor::new((lines.join("\n") + "\n").into_bytes())
}

/// Read, stored, refused, unknown, repeated.
fn numbers(ledger: &Ledger) -> [u64; 5] {
    let refused = ledger.refused.values().sum();
    assert_eq!(ledger.read, ledger.stored + refused + ledger.unknown, "every record is counted once");
    [ledger.read, ledger.stored, refused, ledger.unknown, ledger.repeated]
}

fn refusals(ledger: &Ledger) -> Vec<String> {
    let label = |(status, name): &(Option<u16>, String)| match status {
        Some(status) => format!("{status} {name}"),
        None => name.clone(),
    };
    ledger.refused.iter().map(|(key, records)| format!("{records} {}", label(key))).collect()
}

#[tokio::test]
async fn lines_arrive_in_order_in_batches_with_what_was_asked_for() {
    let server = Server::start(|_, _| Act::Store).await;
    let more = ["--batch", "300", "--header", "X-Source: a", "--parameter", "dt=5", "--parameter", "key=a b"];
    let ledger = run(&server.address, &more, text(&lines(1_000))).await;
    assert_eq!(numbers(&ledger), [1_000, 1_000, 0, 0, 0]);
    assert_eq!(ledger.exit(), Exit::Done);
    assert_eq!(server.stored(), lines(1_000));
    let requests = server.requests();
    assert_eq!(
        requests.iter().map(|request| request.records.len()).collect::<Vec<_>>(),
        [300, 300, 300, 100]
    );
    assert_eq!(requests[0].line, "POST /v1/groups/g/streams/s/records?dt=5&key=a%20b HTTP/1.1");
    assert_eq!(requests[0].headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(requests[0].headers["x-source"], "a");
}

#[tokio::test]
async fn json_objects_are_sent_as_ndjson() {
    let server = Server::start(|_, _| Act::Store).await;
    let ledger = run(&server.address, &[], text(&["{\"a\":1}".to_owned(), "{}".to_owned()])).await;
    assert_eq!(numbers(&ledger), [2, 2, 0, 0, 0]);
    assert_eq!(server.requests()[0].headers["content-type"], "application/x-ndjson");
}

#[tokio::test]
async fn a_busy_node_gets_the_batch_again_after_the_time_it_names() {
    let server = Server::start(|number, _| match number {
        0 => Act::Problem(503, "busy", json!({"outcome": "notStored"}), Some(1)),
        1 => refuse(429, "quota"),
        _ => Act::Store,
    })
    .await;
    let start = std::time::Instant::now();
    let ledger = run(&server.address, &[], text(&lines(5))).await;
    assert!(start.elapsed() >= Duration::from_secs(1), "Retry-After is waited");
    assert_eq!(numbers(&ledger), [5, 5, 0, 0, 0]);
    assert_eq!(server.stored(), lines(5));
}

#[tokio::test]
async fn of_a_batch_only_what_was_surely_not_stored_is_sent_again() {
    let server = Server::start(|number, _| match number {
        0 => Act::Problem(
            503,
            "partial",
            json!({"outcome": "partial", "stored": 2, "failed": [
                {"index": 1, "outcome": "notStored", "reason": "queue"},
                {"index": 2, "outcome": "unknown", "reason": "late"},
                {"index": 4, "outcome": "notStored", "reason": "queue"}]}),
            None,
        ),
        _ => Act::Store,
    })
    .await;
    let ledger = run(&server.address, &[], text(&lines(5))).await;
    assert_eq!(numbers(&ledger), [5, 4, 0, 1, 0]);
    assert_eq!(ledger.exit(), Exit::Unknown);
    assert_eq!(server.requests()[1].records, ["r2", "r5"]);
    assert_eq!(server.stored(), ["r1", "r4", "r2", "r5"]);
}

#[tokio::test]
async fn a_record_that_is_too_long_is_refused_alone() {
    let server = Server::start(|_, records| {
        let is_long = records.iter().any(|record| record == "r77") || records.len() > 100;
        if is_long { refuse(413, "too-long") } else { Act::Store }
    })
    .await;
    let ledger = run(&server.address, &[], text(&lines(500))).await;
    assert_eq!(numbers(&ledger), [500, 499, 1, 0, 0]);
    assert_eq!(refusals(&ledger), ["1 413 too-long"]);
    assert_eq!(ledger.exit(), Exit::Failed);
    let expected: Vec<_> = lines(500).into_iter().filter(|record| record != "r77").collect();
    assert_eq!(server.stored(), expected, "the others in their order, once each");
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    ledger.write_text(&mut out, &mut errors).unwrap();
    let errors = String::from_utf8(errors).unwrap();
    assert!(errors.starts_with("sluice: line 77: refused: 413 too-long: in words"), "{errors}");
}

#[tokio::test]
async fn bad_records_do_not_sink_the_good_ones_of_their_batch() {
    let server = Server::start(|_, records| {
        let is_bad = |record: &String| record == "r1" || record == "r250" || record == "r500";
        if records.iter().any(is_bad) { refuse(400, "malformed") } else { Act::Store }
    })
    .await;
    let ledger = run(&server.address, &["--format", "ndjson"], text(&lines(600))).await;
    assert_eq!(numbers(&ledger), [600, 597, 3, 0, 0]);
    assert_eq!(refusals(&ledger), ["3 400 malformed"]);
    assert_eq!(server.stored().len(), 597);
    assert!(server.requests().len() < 60, "{} requests", server.requests().len());
}

#[tokio::test]
async fn where_no_batch_is_taken_the_run_ends_with_the_first() {
    for (status, name) in [(404, "no-stream"), (415, "type"), (405, "method")] {
        let server = Server::start(move |_, _| refuse(status, name)).await;
        let ledger = run(&server.address, &["--batch", "10"], text(&lines(1_000))).await;
        assert_eq!(numbers(&ledger), [10, 0, 10, 0, 0]);
        assert_eq!((ledger.exit(), server.requests().len()), (Exit::Failed, 1));
    }
}

#[tokio::test]
async fn an_unknown_is_left_alone_and_the_rest_still_sent() {
    let server = Server::start(|number, _| match number {
        0 => Act::Problem(504, "unknown", json!({"outcome": "unknown"}), None),
        1 => Act::Break { stored: true },
        2 => Act::Odd(502, "<html>".to_owned()),
        _ => Act::Store,
    })
    .await;
    let ledger = run(&server.address, &["--batch", "10"], text(&lines(40))).await;
    assert_eq!(numbers(&ledger), [40, 10, 0, 30, 0]);
    assert_eq!(ledger.exit(), Exit::Unknown);
    assert_eq!(server.requests().len(), 4, "nothing is sent twice");
}

#[tokio::test]
async fn an_unknown_is_repeated_where_that_is_asked_for() {
    let server = Server::start(|number, _| match number {
        0 => Act::Break { stored: true },
        _ => Act::Store,
    })
    .await;
    let ledger = run(&server.address, &["--repeat-unknown", "always"], text(&lines(3))).await;
    assert_eq!(numbers(&ledger), [3, 3, 0, 0, 3]);
    assert_eq!(ledger.exit(), Exit::Done);
    assert_eq!(server.stored(), ["r1", "r2", "r3", "r1", "r2", "r3"]);
}

#[tokio::test]
async fn a_repeated_unknown_that_is_refused_then_stays_unknown() {
    let server = Server::start(|number, _| match number {
        0 => Act::Break { stored: true },
        _ => refuse(503, "busy"),
    })
    .await;
    let more = ["--repeat-unknown", "always", "--retries", "3"];
    let ledger = run(&server.address, &more, text(&lines(3))).await;
    assert_eq!(numbers(&ledger)[..4], [3, 0, 0, 3]);
    assert_eq!(ledger.exit(), Exit::Unknown);
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn silence_ends_as_unknown() {
    let server = Server::start(|_, _| Act::Hang).await;
    let ledger = run(&server.address, &["--timeout", "100ms"], text(&lines(2))).await;
    assert_eq!(numbers(&ledger), [2, 0, 0, 2, 0]);
}

#[tokio::test]
async fn a_node_that_cant_be_reached_is_tried_until_patience_ends() {
    // A port that was free a moment ago and is held by nobody who listens.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let ledger = run(&address, &["--give-up-after", "300ms", "--batch", "2"], text(&lines(4))).await;
    assert_eq!(numbers(&ledger), [2, 0, 2, 0, 0]);
    assert_eq!((ledger.exit(), refusals(&ledger)), (Exit::Unreachable, vec!["2 unreachable".to_owned()]));
}

#[tokio::test]
async fn a_node_that_stays_busy_is_given_up() {
    let server = Server::start(|number, _| if number == 0 { Act::Store } else { refuse(503, "busy") }).await;
    let more = ["--give-up-after", "300ms", "--batch", "2"];
    let ledger = run(&server.address, &more, text(&lines(6))).await;
    assert_eq!(numbers(&ledger), [4, 2, 2, 0, 0]);
    assert_eq!((ledger.exit(), refusals(&ledger)), (Exit::Failed, vec!["2 503 busy".to_owned()]));
    assert!(server.requests().len() > 2, "it was tried again");
}

/// Gives its lines one by one, then waits for the other end to be dropped.
struct Live(Vec<Vec<u8>>, std::sync::mpsc::Receiver<()>);

impl Read for Live {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            // The end of the test, however it comes.
            let _ = self.1.recv();
            return Ok(0);
        }
        let line = self.0.remove(0);
        buffer[..line.len()].copy_from_slice(&line);
        Ok(line.len())
    }
}

#[tokio::test]
async fn an_input_that_pauses_is_sent_as_far_as_it_is_and_ctrl_c_ends_it() {
    let (told, seen) = (watch::channel(0).0, Arc::new(Mutex::new(0)));
    let (counted, told) = (Arc::clone(&seen), Arc::new(told));
    let stopper = Arc::clone(&told);
    let server = Server::start(move |_, records| {
        let mut seen = counted.lock().unwrap();
        *seen += records.len();
        if *seen == 2 {
            // While the batch is on its way.
            stopper.send_modify(|times| *times += 1);
        }
        Act::Store
    })
    .await;
    let (end, ended) = std::sync::mpsc::channel();
    let input = Live(vec![b"a\n".to_vec(), b"b\n".to_vec()], ended);
    let ledger = run_until(&server.address, &[], input, Told::by(&told)).await;
    drop(end);
    assert_eq!(numbers(&ledger), [2, 2, 0, 0, 0], "the batch on its way is finished");
    assert_eq!(ledger.exit(), Exit::Interrupted);
}

#[tokio::test]
async fn ctrl_c_ends_the_wait_before_another_attempt() {
    let told = Arc::new(watch::channel(0).0);
    let stopper = Arc::clone(&told);
    let server = Server::start(move |_, _| {
        stopper.send_modify(|times| *times += 1);
        Act::Problem(503, "busy", json!({"outcome": "notStored"}), Some(50))
    })
    .await;
    let ledger = run_until(&server.address, &[], text(&lines(3)), Told::by(&told)).await;
    assert_eq!(numbers(&ledger), [3, 0, 3, 0, 0]);
    assert_eq!(ledger.exit(), Exit::Failed);
}

#[tokio::test]
async fn a_second_ctrl_c_leaves_the_batch_as_unknown() {
    let told = Arc::new(watch::channel(0).0);
    let stopper = Arc::clone(&told);
    let server = Server::start(move |_, _| {
        stopper.send_modify(|times| *times += 2);
        Act::Hang
    })
    .await;
    let ledger = run_until(&server.address, &[], text(&lines(3)), Told::by(&told)).await;
    assert_eq!(numbers(&ledger), [3, 0, 0, 3, 0]);
    assert_eq!(ledger.exit(), Exit::Unknown);
}

#[tokio::test]
async fn a_line_that_no_stream_takes_is_refused_and_the_others_sent() {
    let server = Server::start(|_, _| Act::Store).await;
    let long = vec![b'x'; super::input::LINE_MAX + 1];
    let input = io::Cursor::new([b"a\n".as_slice(), &long, b"\nb"].concat());
    let ledger = run(&server.address, &[], input).await;
    assert_eq!(numbers(&ledger), [3, 2, 1, 0, 0]);
    assert_eq!(refusals(&ledger), ["1 line too long"]);
    assert_eq!(server.stored(), ["a", "b"]);
}
