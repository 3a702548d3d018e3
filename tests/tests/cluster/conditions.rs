//! Every condition, with each of its reasons, told of real objects: the page that lists them lists what can happen,
//! and all of it happens here.

mod pretender;
mod stages;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_tests::cluster::product::{KUBELET, SYSTEM};
use sluice_tests::cluster::{Cluster, Namespace};
use sluice_tests::{markdown, paths};

use super::operator::Reinstall;
use super::pace::{hurry, soon_has};
use stages::{Resource, STREAM, Stage};

/// Streams that hold as much as a stream can, of which one fleet's configuration has no room for the last.
const TOO_MANY: usize = 85;

/// What `KAFKA` stands for: the cluster's own, as a sink.
const KAFKA: &str = "{name: kafka, kafka: {bootstrapServers: \"kafka.kafka:9092\"}}";
/// What `SMALL` stands for: what a proxy asks for that does next to nothing.
const SMALL: &str = "{requests: {cpu: 10m, memory: 32Mi}}";

/// What is done, or what is then told.
enum Step {
    Apply(&'static [Resource]),
    Kubectl(&'static [&'static str]),
    /// The chart with these arguments more.
    Helm(&'static [&'static str]),
    /// Streams `s0` to `s84` on the fleet `edge`, too large together.
    Fill,
    /// No pod of the stage's namespace and operator hear each other from now on to the stage's end.
    Silence,
    /// An object tells this, sooner or later, the kubelet being hurried on.
    Nudged {
        object: &'static str,
        condition: &'static str,
        status: &'static str,
        reason: &'static str,
        part: &'static str,
    },
    /// An object tells this while the pods of the stage's namespace start.
    Starting {
        object: &'static str,
        condition: &'static str,
        status: &'static str,
        reason: &'static str,
        part: &'static str,
    },
    /// A stream that was applied just now to the fleet `edge` tells this, for as long as the kubelet takes.
    Fresh {
        condition: &'static str,
        status: &'static str,
        reason: &'static str,
        part: &'static str,
    },
}

/// The kind, condition, status and reason that a step brings about.
type Row = [String; 4];

impl Step {
    fn row(&self) -> Option<Row> {
        let (object, condition, status, reason) = match *self {
            Self::Nudged { object, condition, status, reason, .. }
            | Self::Starting { object, condition, status, reason, .. } => (object, condition, status, reason),
            Self::Fresh { condition, status, reason, .. } => ("dstream/", condition, status, reason),
            Self::Apply(_) | Self::Kubectl(_) | Self::Helm(_) | Self::Fill | Self::Silence => return None,
        };
        let kind = if object.starts_with("pf/") { "ProxyFleet" } else { "DataStream" };
        Some([kind, condition, status, reason].map(str::to_owned))
    }
}

/// Plays a stage in a namespace of its own.
fn play(cluster: &Cluster, (name, steps): Stage) {
    // What is refused at the door is told by a condition too, where nobody stood there.
    let space = cluster.unchecked_namespace(name);
    let ((_silent, silent), (listener, pretender)) = (pretender::listen(), pretender::listen());
    pretender::serve(listener, pretender);
    let filled = |text: &str| {
        let text = text.replace("SPACE", space.name()).replace("KAFKA", KAFKA).replace("SMALL", SMALL);
        text.replace("SILENT", &silent.to_string()).replace("PRETENDER", &pretender.to_string())
    };
    let mut cuts = Vec::new();
    for step in steps {
        match *step {
            Step::Apply(resources) => {
                space.apply(&filled(&resources.iter().copied().map(manifest).collect::<String>()));
            }
            Step::Kubectl(arguments) => drop(space.kubectl(arguments)),
            Step::Helm(arguments) => cluster.helm_install(arguments),
            Step::Fill => space.apply(&large_streams()),
            Step::Silence => {
                let ips = space.kubectl(&["get", "pods", "-o=jsonpath={.items[*].status.podIP}"]);
                assert!(!ips.is_empty(), "no pod has an address");
                cuts.extend(ips.split_whitespace().flat_map(|ip| cluster.silence(ip)));
            }
            Step::Nudged { object, condition, status, reason, part } => {
                let wanted = Wanted { object, condition, status, reason, part: &filled(part) };
                told(&space, &wanted, KUBELET).unwrap();
            }
            Step::Starting { object, condition, status, reason, part } => {
                let wanted = Wanted { object, condition, status, reason, part: &filled(part) };
                told_at_a_start(&space, &wanted);
            }
            Step::Fresh { condition, status, reason, part } => {
                let message = fresh(&space, condition, (status, reason));
                assert!(message.contains(&filled(part)), "{condition} {reason}: {message}");
            }
        }
    }
}

/// What an object's condition is to tell.
#[derive(Debug)]
struct Wanted<'a> {
    object: &'a str,
    condition: &'a str,
    status: &'a str,
    reason: &'a str,
    /// In the message.
    part: &'a str,
}

/// Looks again and again until a condition tells what is wanted, which may be for a short time; the kubelet is hurried on
/// meanwhile.
fn told(space: &Namespace<'_>, wanted: &Wanted<'_>, within: Duration) -> Result<(), String> {
    let (end, mut hurried) = (Instant::now() + within, Instant::now());
    loop {
        let seen = space.condition(wanted.object, wanted.condition);
        if seen.0 == wanted.status && seen.1 == wanted.reason && seen.2.contains(wanted.part) {
            return Ok(());
        }
        if Instant::now() >= end {
            return Err(format!("{wanted:?}: not within {within:?}; last: {seen:?}"));
        }
        if hurried.elapsed() > Duration::from_secs(1) {
            hurry(space);
            hurried = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// As [`told`] of what pods tell only when they start, which they do again until it is seen.
fn told_at_a_start(space: &Namespace<'_>, wanted: &Wanted<'_>) {
    for _ in 0..4 {
        if told(space, wanted, Duration::from_secs(30)).is_ok() {
            return;
        }
        space.kubectl(&["delete", "pods", "--all", "--wait=false"]);
    }
    told(space, wanted, KUBELET).unwrap();
}

/// A [`Resource`] as kubectl takes it.
fn manifest((kind, name, spec): (&str, &str, &str)) -> String {
    if kind.contains("kind: Secret") {
        return format!("---\n{{{kind}, metadata: {{name: {name}}}, {spec}}}\n");
    }
    format!("---\n{{{kind}, metadata: {{name: {name}}}, spec: {{{spec}}}}}\n")
}

/// What a stream tells that is just applied. The kubelet may happen to look at once; not five times running.
fn fresh(space: &Namespace<'_>, condition: &str, wanted: (&str, &str)) -> String {
    for number in 0..5 {
        space.apply(&manifest((STREAM, &format!("fresh{number}"), "fleet: {name: edge}")));
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            let (status, reason, message) = space.condition(&format!("dstream/fresh{number}"), condition);
            if (&*status, &*reason) == wanted {
                return message;
            }
        }
    }
    panic!("{condition} never was {wanted:?}");
}

/// Streams of the longest settings that a topic to be made may have, in text that no compression makes small.
fn large_streams() -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = 1_u64;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(LETTERS[usize::try_from(state >> 58).expect("six bits")])
    };
    let mut settings = || -> serde_json::Map<String, Value> {
        (0..64)
            .map(|key| (format!("k{key}"), (0..1_024).map(|_| letter()).collect::<String>().into()))
            .collect()
    };
    let stream = |number: usize| {
        let config = Value::Object(settings());
        let spec = format!("fleet: {{name: edge}}, sink: {{create: {{config: {config}}}}}");
        manifest((STREAM, &format!("s{number}"), &spec))
    };
    (0..TOO_MANY).map(stream).collect()
}

fn shared(stage: Stage) {
    let cluster = Cluster::shared();
    cluster.install();
    play(&cluster, stage);
}

#[test]
fn every_reason_of_the_page_is_brought_about_and_no_other() {
    let page = std::fs::read_to_string(paths::repository().join("docs/conditions.md")).unwrap();
    let mut documented = BTreeSet::new();
    let mut kind = "";
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            kind = heading;
        } else if let Some(condition) = line.strip_prefix("### ") {
            for row in markdown::table(&page, line) {
                let [reason, status] = [&row[0], &row[1]].map(|cell| cell.trim_matches('`'));
                documented.insert([kind, condition, status, reason].map(str::to_owned));
            }
        }
    }
    assert!(documented.len() > 40, "{documented:?}");
    let steps = stages::ALL.iter().flat_map(|(_, steps)| *steps);
    let played: BTreeSet<Row> = steps.filter_map(Step::row).collect();
    let (missing, unknown) = (documented.difference(&played), played.difference(&documented));
    let (missing, unknown): (Vec<_>, Vec<_>) = (missing.collect(), unknown.collect());
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "never told: {missing:?}; not on the page: {unknown:?}"
    );
}

#[test]
fn a_stream_tells_why_no_fleet_serves_it() {
    shared(stages::ATTACHING);
}

#[test]
fn a_stream_for_which_a_fleet_has_no_room_tells_so() {
    shared(stages::FULL);
}

#[test]
fn a_fleet_of_sidecars_tells_which_pods_have_none() {
    shared(stages::BESIDE);
}

#[test]
fn a_running_fleet_and_its_streams_tell_how_they_are() {
    shared(stages::RUNNING);
}

#[test]
fn a_fleet_that_is_changed_tells_what_holds_it_up() {
    shared(stages::CHANGING);
}

#[test]
fn a_fleet_whose_pods_dont_start_tells_why() {
    shared(stages::STARTING);
}

#[test]
fn a_sink_that_cant_be_used_is_told_of_the_stream_and_the_fleet() {
    shared(stages::SINKS);
}

#[test]
fn a_topics_promise_is_told_by_its_replicas() {
    shared(stages::PROMISES);
}

#[test]
fn an_object_that_cant_be_made_is_told() {
    shared(stages::OBJECTS);
}

#[test]
fn what_a_quota_refuses_is_told() {
    shared(stages::QUOTA);
}

/// Gives the default fleet's settings back, however the test ends.
struct Restore<'a>(&'a Cluster, String);

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        let settings =
            ["-n", SYSTEM, "patch", "configmap/sluice-default-fleet", "--type=merge", "-p", &self.1];
        // A test that has failed already says more than this could.
        let _ = self.0.try_kubectl(&settings);
    }
}

#[test]
fn nodes_that_fall_silent_together_are_told() {
    shared(stages::SILENT);
}

#[test]
fn a_stream_without_a_fleet_tells_what_a_default_one_needs() {
    let cluster = Cluster::alone();
    cluster.install();
    let settings = cluster.kubectl(&["-n", SYSTEM, "get", "configmap/sluice-default-fleet", "-o", "json"]);
    let settings: Value = serde_json::from_str(&settings).expect("JSON");
    let restore = Restore(&cluster, json!({"data": settings["data"]}).to_string());
    play(&cluster, stages::NO_DEFAULT);
    drop(restore);
    let space = cluster.namespace("default");
    space.apply(&manifest((STREAM, "a", "")));
    soon_has((&space, "dstream/a"), ("Accepted", "True", "Accepted"), &space);
}

#[test]
fn a_stream_tells_whether_producers_can_prove_who_they_are() {
    shared(stages::PRODUCERS);
}

#[test]
fn a_secret_that_the_operator_may_not_read_is_told() {
    let cluster = Cluster::alone();
    cluster.install();
    let _restore = Reinstall(&cluster);
    play(&cluster, stages::FORBIDDEN);
}

#[test]
fn a_new_image_that_is_no_good_stops_at_two_fleets() {
    let cluster = Cluster::alone();
    cluster.install();
    let _restore = Reinstall(&cluster);
    play(&cluster, stages::UPGRADING);
}
