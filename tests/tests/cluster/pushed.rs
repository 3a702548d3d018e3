//! Configuration is pushed to proxies: a change arrives without a restart and sooner than the kubelet would bring it, it
//! arrives whoever of the operators dies, nothing goes back, and without any operator everything goes on.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use sluice_tests::cluster::operators::operators;
use sluice_tests::cluster::pods::{Pod, node_status};
use sluice_tests::cluster::product::{KUBELET, SYSTEM, try_report};
use sluice_tests::cluster::{Cluster, Namespace, eventually};
use sluice_wire::status::NodeStatus;

use super::manifests::{fleet, stream};
use super::operator::{Away, rolled_out};
use super::pace::{hurry, soon_ready};

const SOON: Duration = Duration::from_secs(90);
/// The kubelet alone needs 60 s and more.
const PUSHED: Duration = Duration::from_secs(10);

/// Generation of a stream that a node has in effect.
fn generation(status: &NodeStatus, stream: &str) -> Option<i64> {
    status.streams.iter().find(|one| one.name == stream).map(|one| one.generation)
}

/// Waits until every node has a stream in this generation or a later one, and gives how long that took.
fn until_applied(pods: &[Pod], stream: &str, wanted: i64, within: Duration) -> Duration {
    let began = Instant::now();
    eventually(&format!("generation {wanted} of {stream} on every node"), within, || {
        for pod in pods {
            let status = node_status(&pod.ip)?;
            if generation(&status, stream) < Some(wanted) {
                return Err(format!(
                    "{} has revision {}: {:?}",
                    pod.name, status.revision, status.config_error
                ));
            }
        }
        Ok(began.elapsed())
    })
}

/// Sets a stream's limit, and gives the generation that it has then.
fn set_limit(space: &Namespace<'_>, stream: &str, records_per_second: u64) -> i64 {
    let patch = json!({"spec": {"limits": {"recordsPerSecond": records_per_second}}}).to_string();
    let place = "-o=jsonpath={.metadata.generation}";
    let text =
        space.kubectl(&["patch", &format!("datastream/{stream}"), "--type=merge", "-p", &patch, place]);
    text.trim().parse().expect("a generation")
}

/// How often a limit is changed; the last one is 1.
const CHANGES: u64 = 9;

#[test]
fn a_new_stream_and_a_changed_limit_reach_every_node_without_a_restart() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("pushed");
    space.apply(&(fleet("edge", 2) + &stream("first", "edge")));
    soon_ready(&space, "first", &space);
    let pods = space.until_ready_pods("edge", 2, SOON);

    space.apply(&stream("second", "edge"));
    let took = until_applied(&pods, "second", 1, PUSHED);
    println!("a new stream is on both nodes {took:.2?} after kubectl apply ended");
    let mut took: Vec<Duration> = (1..=CHANGES)
        .rev()
        .map(|limit| until_applied(&pods, "second", set_limit(&space, "second", limit), PUSHED))
        .collect();
    took.sort_unstable();
    println!(
        "from a changed limit to both nodes: median {:.2?}, worst {:.2?} of {CHANGES} (target: under 1 s)",
        took[took.len() / 2],
        took[took.len() - 1]
    );
    space.until_condition("dstream/second", "Programmed", "True", "Programmed", SOON);

    // It is in effect, and not only told: one record a second is soon too few.
    let node = format!("{}:46802", pods[0].ip);
    let refused =
        (0..50).any(|number| try_report(&node, space.name(), "second", &number.to_string()).is_err());
    assert!(refused, "fifty reports went through a limit of one a second");
    assert_eq!(space.until_ready_pods("edge", 2, SOON), pods, "the same pods, none started again");
}

#[test]
fn a_stream_applied_to_a_running_fleet_soon_takes_its_first_report() {
    const STREAMS: usize = 9;
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("first");
    space.apply(&(fleet("edge", 2) + &stream("s", "edge")));
    soon_ready(&space, "s", &space);
    let service = space.service("sluice-edge");
    let mut took: Vec<Duration> = (0..STREAMS)
        .map(|number| {
            let name = format!("s{number}");
            space.apply(&stream(&name, "edge"));
            let applied = Instant::now();
            eventually("its first report", PUSHED, || try_report(&service, space.name(), &name, "first"));
            applied.elapsed()
        })
        .collect();
    took.sort_unstable();
    println!(
        "from applying a stream, its topic new, to its first report: median {:.2?}, worst {:.2?} of {STREAMS} (target: \
         under 1 s)",
        took[STREAMS / 2],
        took[STREAMS - 1]
    );
}

#[test]
fn without_any_operator_proxies_go_on_restart_and_start_anew() {
    let cluster = Cluster::alone();
    cluster.install();
    let space = cluster.namespace("alone");
    space.apply(&(fleet("edge", 1) + &stream("a", "edge")));
    soon_ready(&space, "a", &space);
    space.apply(&stream("b", "edge"));
    let pods = space.until_ready_pods("edge", 1, SOON);
    until_applied(&pods, "b", 1, PUSHED);
    let pushed = node_status(&pods[0].ip).expect("a status").revision;
    let operators = Away::new(&cluster);
    let service = space.service("sluice-edge");
    let serves = |what: &str| {
        for stream in ["a", "b"] {
            eventually(&format!("a report to {stream}, {what}"), KUBELET, || {
                hurry(&space);
                try_report(&service, space.name(), stream, what)
            });
        }
    };
    serves("gone on");

    // Its container alone ends: what was pushed and is perhaps not mounted yet is still there.
    cluster.signal_pod(space.name(), &pods[0].name, "KILL");
    let again = eventually("the container to run again", SOON, || {
        let now = space.ready_pods("edge");
        let again = now.into_iter().find(|pod| pod.uid == pods[0].uid && pod.restarts > pods[0].restarts);
        again.ok_or_else(|| "not yet".to_owned())
    });
    serves("restarted");
    let status = node_status(&again.ip).expect("a status");
    assert!(status.revision >= pushed, "it went back from {pushed} to {}", status.revision);

    space.kubectl(&["delete", "pod", &again.name, "--grace-period=0", "--force"]);
    let new = eventually("a pod of its own", SOON, || {
        let now = space.ready_pods("edge");
        now.into_iter().find(|pod| pod.uid != again.uid).ok_or_else(|| "none".to_owned())
    });
    serves("started anew");
    assert!(node_status(&new.ip).expect("a status").revision > 0);
    drop(operators);
}

/// How long operators die: in `make soak` longer than in `make test`.
fn soak() -> Duration {
    let seconds = std::env::var("SLUICE_SOAK").ok().map(|text| text.parse().expect("SLUICE_SOAK: seconds"));
    Duration::from_secs(seconds.unwrap_or(60))
}

/// Revisions that nodes were seen to have in effect, by the node's uid.
#[derive(Default)]
struct Seen {
    last: BTreeMap<String, u64>,
    looks: usize,
    went_back: Vec<String>,
}

impl Seen {
    fn look(&mut self, pod: &Pod, revision: u64) {
        self.looks += 1;
        let last = self.last.entry(pod.uid.clone()).or_default();
        if revision < *last {
            self.went_back.push(format!("{} from {last} to {revision}", pod.name));
        }
        *last = revision;
    }
}

#[test]
fn while_operators_die_no_proxy_goes_back_and_every_change_arrives() {
    let cluster = Cluster::alone();
    cluster.install();
    let space = cluster.namespace("soak");
    space.apply(&(fleet("edge", 3) + &stream("a", "edge")));
    soon_ready(&space, "a", &space);
    let pods = space.until_ready_pods("edge", 3, SOON);
    let (over, seen) = (AtomicBool::new(false), Mutex::new(Seen::default()));
    let (mut changes, mut longest, mut killed) = (0, Duration::ZERO, 0);
    std::thread::scope(|scope| {
        for pod in &pods {
            let (over, seen) = (&over, &seen);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    // One that is too busy to answer is asked again.
                    if let Ok(status) = node_status(&pod.ip) {
                        seen.lock().unwrap().look(pod, status.revision);
                    }
                    std::thread::sleep(Duration::from_millis(100));
                }
            });
        }
        // Ends the watchers also when something below panics.
        let end = End(&over);
        let until = Instant::now() + soak();
        let (mut next_kill, mut random) = (Instant::now() + Duration::from_secs(3), 7_usize);
        while Instant::now() < until {
            changes += 1;
            let wanted = set_limit(&space, "a", 1_000 + changes);
            if Instant::now() >= next_kill {
                // Any order will do, as long as it wanders.
                random = random.wrapping_mul(1_103_515_245).wrapping_add(12_345) % (1 << 31);
                let there = operators(&cluster);
                if let Some(operator) = there.get(random / 7 % there.len().max(1)) {
                    let how: &[&str] =
                        if random / 64 % 2 == 0 { &["--grace-period=0", "--force"] } else { &[] };
                    cluster.kubectl(
                        &[&["-n", SYSTEM, "delete", "pod", &operator.name, "--wait=false"][..], how].concat(),
                    );
                    killed += 1;
                }
                next_kill =
                    Instant::now() + Duration::from_secs(4 + u64::try_from(random / 128 % 6).unwrap_or(0));
            }
            // The leader's death costs its lease, and a machine that everything runs on takes its time.
            longest = longest.max(until_applied(&pods, "a", wanted, SOON));
        }
        drop(end);
    });
    let seen = seen.into_inner().unwrap();
    println!(
        "{} s: {changes} changes, {killed} operators deleted, the slowest change on every node after {longest:.1?}; {} looks",
        soak().as_secs(),
        seen.looks
    );
    assert!(seen.went_back.is_empty(), "{:?}", seen.went_back);
    assert_eq!(seen.last.len(), pods.len(), "every node was looked at");
    assert!(changes > 5 && killed > 2, "too slow a machine to tell");
    assert_eq!(space.until_ready_pods("edge", 3, SOON), pods, "the same pods, none started again");
    rolled_out(&cluster).expect("operators");
}

/// Ends what goes on beside, however it is dropped.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
