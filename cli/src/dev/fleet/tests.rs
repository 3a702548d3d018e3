//! The life of a proxy, played by shell scripts.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use tokio::time::timeout;

use super::super::child::Operator;
use super::*;

const SOON: Duration = Duration::from_secs(20);

/// The announcement of this version, with an admin port that nobody listens on.
fn announce(version: &str) -> String {
    format!(r#"echo '{{"version":"{version}","http":"127.0.0.1:1","admin":"127.0.0.1:1"}}'"#)
}

fn good() -> String {
    announce(env!("CARGO_PKG_VERSION"))
}

struct Play {
    directory: TempDir,
    phase: watch::Sender<Phase>,
    events: mpsc::Receiver<(FleetKey, Event)>,
    task: JoinHandle<()>,
}

impl Play {
    /// Runs `script` as the proxy. What it appends to `$OUT` can be read.
    fn start(script: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out");
        let program = directory.path().join("proxy");
        write_program(&program, &format!("#!/bin/sh\nOUT='{}'\n{script}\n", out.display()));
        let (phase, told) = watch::channel(Phase::Run);
        let (sender, events) = mpsc::channel(100);
        let spec = Spec {
            https: None,
            program,
            config: "c.json".into(),
            secrets: "s".into(),
            http: "127.0.0.1:46802".parse().unwrap(),
            operator: Some(Operator {
                url: "http://127.0.0.1:8083".to_owned(),
                fleet: "default/main".to_owned(),
                uid: "default/main".to_owned(),
            }),
        };
        let fleet = ("default".to_owned(), "main".to_owned());
        let runner = Runner { fleet, spec, phase: told, events: sender };
        let task = tokio::spawn(runner.run(None));
        Self { directory, phase, events, task }
    }

    /// The next event that is not about the status, which no script answers.
    async fn next(&mut self) -> Event {
        loop {
            let (_, event) = timeout(SOON, self.events.recv()).await.unwrap().unwrap();
            if !matches!(event, Event::Silent(_)) {
                return event;
            }
        }
    }

    async fn down(&mut self) -> String {
        match self.next().await {
            Event::Down(why) => why,
            other => panic!("{other:?}"),
        }
    }

    async fn up(&mut self) {
        let event = self.next().await;
        assert!(matches!(event, Event::Up(_)), "{event:?}");
    }

    async fn left(mut self) {
        while !matches!(self.next().await, Event::Left) {}
        timeout(SOON, self.task).await.unwrap().unwrap();
    }

    fn out(&self) -> String {
        fs::read_to_string(self.directory.path().join("out")).unwrap_or_default()
    }
}

/// Has another process write it: while we had it open, a test beside this one could fork and keep it open,
/// and what is open for writing can't be run.
fn write_program(path: &Path, text: &str) {
    let script = r#"printf %s "$1" >"$2" && chmod +x "$2""#;
    let status = Command::new("sh").args(["-c", script, "sh", text]).arg(path).status().unwrap();
    assert!(status.success());
}

fn is_alive(pid: &str) -> bool {
    // A zombie is dead; whoever started it has not looked yet.
    fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
}

async fn wait_for(what: impl Fn() -> bool) {
    let wait = async {
        while !what() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, wait).await.unwrap();
}

#[tokio::test]
async fn a_proxy_is_started_as_a_supervised_one_and_leaves_when_its_input_ends() {
    let mut play = Play::start(&format!("echo \"$@\" >>$OUT; {}; cat >/dev/null; echo left >>$OUT", good()));
    play.up().await;
    let wanted = "--supervised --config c.json --secrets s --http 127.0.0.1:46802 --admin 127.0.0.1:0 --operator http://127.0.0.1:8083 --fleet default/main --node-uid default/main --drain-settle 0s --drain-notify 0s --log json\n";
    assert_eq!(play.out(), wanted);
    play.phase.send(Phase::Drain(SOON)).unwrap();
    while !matches!(play.next().await, Event::Left) {}
    assert_eq!(play.out(), format!("{wanted}left\n"));
}

#[tokio::test]
async fn a_proxy_that_does_not_leave_is_killed_with_all_it_started() {
    let mut play = Play::start(&format!("sleep 1000 & echo $! >>$OUT; {}; wait", good()));
    play.up().await;
    let helper = play.out();
    assert!(is_alive(&helper));
    play.phase.send(Phase::Drain(Duration::from_millis(100))).unwrap();
    play.left().await;
    wait_for(|| !is_alive(&helper)).await;
}

#[tokio::test]
async fn hurry_kills_a_proxy_that_is_leaving() {
    let mut play = Play::start(&format!("{}; sleep 1000", good()));
    play.up().await;
    play.phase.send(Phase::Drain(Duration::from_secs(1000))).unwrap();
    sleep(Duration::from_millis(100)).await;
    play.phase.send(Phase::Kill).unwrap();
    play.left().await;
}

#[tokio::test]
async fn a_proxy_that_cannot_listen_says_why_and_is_started_again() {
    let script = r#"echo >&2 '{"level":"INFO","message":"starting"}'
        echo >&2 '{"timestamp":"t","level":"ERROR","message":"can'"'"'t start","error":"port in use"}'; exit 1"#;
    let mut play = Play::start(script);
    let first = play.down().await;
    assert_eq!(first, "can't start: port in use; it is started again");
    assert_eq!(play.down().await, first, "the same words, so it is told once");
    play.phase.send(Phase::Drain(SOON)).unwrap();
    play.left().await;
}

#[tokio::test]
async fn a_proxy_that_dies_is_started_again() {
    let mut play =
        Play::start(&format!("{}; [ -e $OUT ] && cat; echo >$OUT; echo >&2 dying; exit 3", good()));
    play.up().await;
    let Event::Log(line) = play.next().await else { panic!() };
    assert_eq!(line, "dying");
    assert_eq!(play.down().await, "sluice-proxy ended (exit status: 3); it is started again");
    play.up().await;
    play.phase.send(Phase::Kill).unwrap();
    play.left().await;
}

#[tokio::test]
async fn a_proxy_of_another_version_is_refused() {
    let mut play = Play::start(&format!("{}; cat; echo left >>$OUT", announce("0.0.0")));
    let why = play.down().await;
    assert!(why.starts_with("sluice-proxy is version 0.0.0, this is "), "{why}");
    play.phase.send(Phase::Drain(SOON)).unwrap();
    play.left().await;
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_named() {
    let mut play = Play::start("exit 0");
    fs::remove_file(play.directory.path().join("proxy")).unwrap();
    let why = play.down().await;
    assert!(why.contains("proxy"), "{why}");
    play.phase.send(Phase::Kill).unwrap();
    play.left().await;
}

#[test]
fn waits_grow_to_ten_seconds() {
    let mut backoff = Backoff(Backoff::FIRST);
    let waits: Vec<u128> = (0..8).map(|_| backoff.next().as_millis()).collect();
    assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
}
