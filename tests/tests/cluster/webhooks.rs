//! What the API server is told by the operator before it takes something, and what becomes of that without an operator.

mod certificates;

use std::process::Output;
use std::time::{Duration, Instant};

use sluice_tests::cluster::operators::operators;
use sluice_tests::cluster::product::PATIENCE;
use sluice_tests::cluster::{Cluster, Namespace, eventually};

use super::manifests::{fleet, stream};
use super::operator::{Away, Reinstall, meanwhile};
use super::sidecar::pods::{application, until_missed};

const DENIED: &str = "admission webhook \"validation.sluice.dev\" denied the request: ";

/// What kubectl prints on its standard error when it applies something, which it may refuse.
fn apply(space: &Namespace<'_>, cluster: &Cluster, more: &[&str], manifest: &str) -> (bool, String) {
    use std::io::Write as _;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(manifest.as_bytes()).unwrap();
    let mut kubectl = cluster.command("kubectl");
    kubectl.args(["-n", space.name(), "apply", "-f"]).arg(file.path()).args(more);
    said(&kubectl.output().unwrap())
}

fn patch(space: &Namespace<'_>, cluster: &Cluster, object: &str, change: &str) -> (bool, String) {
    let mut kubectl = cluster.command("kubectl");
    said(&kubectl.args(["-n", space.name(), "patch", object, "--type=merge", "-p", change]).output().unwrap())
}

fn said(output: &Output) -> (bool, String) {
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A stream on the fleet `edge` that names a sink which that does not have.
const FOREIGN: &str = "
apiVersion: sluice.dev/v1alpha1
kind: DataStream
metadata: {name: foreign}
spec:
  fleet: {name: edge}
  sink: {name: kafak}
";

/// What is then told.
const TOLD: &str = "spec.sink.name: the fleet has no sink \"kafak\"; name one of kafka";

/// Makes that fleet, and waits until every operator knows it: any of them may be asked.
pub(crate) fn known_fleet(cluster: &Cluster, space: &Namespace<'_>) {
    space.apply(&idle("edge"));
    let mut times = 0;
    eventually("operators that know the fleet", PATIENCE, || {
        let (taken, told) = apply(space, cluster, &["--dry-run=server"], FOREIGN);
        times = if taken { 0 } else { times + 1 };
        if times > 5 { Ok(()) } else { Err(told) }
    });
}

/// Asks for what has to be refused in a namespace with a fleet that every operator knows; what is not refused was not
/// checked.
fn try_refused(cluster: &Cluster, space: &Namespace<'_>) -> Result<(), String> {
    let (taken, told) = apply(space, cluster, &["--dry-run=server"], FOREIGN);
    if taken || !told.contains(DENIED) { Err(told) } else { Ok(()) }
}

/// Asks for that again and again while something is done. Gives how often.
pub(crate) fn refused_meanwhile(cluster: &Cluster, space: &Namespace<'_>, work: impl FnOnce()) -> usize {
    meanwhile(|| try_refused(cluster, space), work)
}

/// A fleet without proxies.
fn idle(name: &str) -> String {
    fleet(name, 0)
}

/// Makes a fleet `beside` of sidecars, and waits until there is something for them to run from.
fn beside(space: &Namespace<'_>) {
    space.apply(&idle("beside").replace("replicas: 0", "mode: Sidecar"));
    space.wait("pf/beside", "Available", PATIENCE);
}

fn pod(name: &str, labels: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{{labels}}}}}
spec:
  securityContext: {{runAsNonRoot: true, runAsUser: 65532, seccompProfile: {{type: RuntimeDefault}}}}
  containers:
  - name: a
    image: test.local/producer:1
    args: [\"--version\"]
    securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
  restartPolicy: Never
"
    )
}

#[test]
fn what_can_t_be_is_refused_with_the_words_of_its_condition_and_a_dry_run_says_the_same() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("refused");
    known_fleet(&cluster, &space);
    space.apply(&stream("old", "edge").replace("spec:\n", "spec:\n  streamId: same\n"));
    let same = stream("new", "edge").replace("spec:\n", "spec:\n  streamId: same\n");
    let owner = cluster.namespace("owner");
    owner.apply(&idle("own"));
    let name = space.name();
    let own = format!("fleet: {{namespace: {}, name: own}}", owner.name());
    let uninvited = stream("new", "own").replace("fleet: {name: own}", &own);
    for (manifest, wanted) in [
        (FOREIGN, format!("{DENIED}{TOLD}")),
        (
            same.as_str(),
            format!(
                "{DENIED}spec.streamId: DataStream {name}/old has groupId {name} and streamId same already"
            ),
        ),
        (
            uninvited.as_str(),
            format!(
                "{DENIED}spec.fleet: ProxyFleet {}/own takes no streams of namespace {name}",
                owner.name()
            ),
        ),
    ] {
        // What was made just now, an operator knows a moment later: dry runs come first, and nothing of them stays.
        eventually("the refusal", PATIENCE, || {
            let (taken, told) = apply(&space, &cluster, &["--dry-run=server"], manifest);
            if !taken && told.contains(&wanted) { Ok(()) } else { Err(told) }
        });
        std::thread::sleep(Duration::from_secs(1));
        let (taken, told) = apply(&space, &cluster, &[], manifest);
        assert!(!taken && told.contains(&wanted), "{told}\n{wanted}");
    }
    assert_eq!(space.kubectl(&["get", "dstream", "-o", "name"]), "datastream.sluice.dev/old\n");
}

#[test]
fn what_may_come_later_or_is_unwise_is_a_warning() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("warned");
    let (taken, told) = apply(&space, &cluster, &[], &stream("early", "later"));
    let wanted = format!("Warning: spec.fleet: there is no ProxyFleet {}/later; make it", space.name());
    assert!(taken && told.contains(&wanted), "{told}");
    space.apply(&idle("open").replace("spec:\n", "spec:\n  allowedStreams: {namespaces: {from: All}}\n"));
    // A dry run writes nothing and warns alike.
    let wanted = format!("nobody is asked who they are, and ProxyFleet {}/open is open", space.name());
    eventually("the warning", PATIENCE, || {
        let (taken, told) = apply(&space, &cluster, &["--dry-run=server"], &stream("foreign", "open"));
        if taken && told.contains(&wanted) { Ok(()) } else { Err(told) }
    });
    assert!(space.try_get("dstream/foreign").is_none());
}

#[test]
fn a_secret_that_is_not_there_yet_is_a_warning_and_one_of_another_type_is_like_none() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("tokens");
    space.apply(&idle("edge"));
    let named = "spec:\n  auth: {type: Token, tokensSecret: {name: producers}}\n";
    let guarded = stream("s", "edge").replace("spec:\n", named);
    let told = |manifest: &str| apply(&space, &cluster, &["--dry-run=server"], manifest);
    let wanted =
        format!("there is no Secret producers of type sluice.dev/tokens in namespace {}", space.name());
    let secret = |kind| {
        format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: producers}}, type: {kind}, \
             stringData: {{one: 0123456789abcdef012345}}}}"
        )
    };
    // A look that takes long says nothing.
    let warned = || match told(&guarded) {
        (true, told) if told.contains(&wanted) => Ok(()),
        other => Err(format!("{other:?}")),
    };
    eventually("the warning without a Secret", PATIENCE, warned);
    space.apply(&secret("Opaque"));
    eventually("the warning with a Secret of another type", PATIENCE, warned);
    space.kubectl(&["delete", "secret", "producers"]);
    space.apply(&secret("sluice.dev/tokens"));
    let (taken, told) = told(&guarded);
    assert!(taken && !told.contains("tokensSecret"), "{told}");
}

#[test]
fn an_edit_of_a_fleet_names_the_streams_that_it_takes_off() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("edited");
    let streams: String = (0..7).map(|number| stream(&format!("s{number}"), "edge")).collect();
    space.apply(&(idle("edge") + &streams));
    let sinks = r#"{"spec": {"sinks": [{"name": "local", "file": {}}]}}"#;
    let told = eventually("the operators to have seen all streams", PATIENCE, || {
        let mut kubectl = cluster.command("kubectl");
        kubectl.args([
            "-n",
            space.name(),
            "patch",
            "pf/edge",
            "--type=merge",
            "--dry-run=server",
            "-p",
            sinks,
        ]);
        let (taken, told) = said(&kubectl.output().unwrap());
        if taken && told.contains("and 2 more DataStreams") { Ok(told) } else { Err(told) }
    });
    assert_eq!(
        told.matches("is served no more: spec.sink.name: sink local writes files").count(),
        5,
        "{told}"
    );
    let (taken, _) = patch(&space, &cluster, "pf/edge", sinks);
    assert!(taken, "it is its owner's to do");
}

#[test]
fn who_is_refused_already_may_still_be_edited() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("edited");
    space.apply(&stream("early", "edge").replace("sink: {", "sink: {name: kafak, "));
    space.apply(&idle("edge"));
    space.until_condition("dstream/early", "Accepted", "False", "SinkNotFound", PATIENCE);
    let (taken, told) = patch(&space, &cluster, "dstream/early", r#"{"spec": {"paused": true}}"#);
    assert!(taken && told.contains("Warning: spec.sink.name: the fleet has no sink \"kafak\""), "{told}");
    let (taken, told) = patch(&space, &cluster, "dstream/early", r#"{"spec": {"sink": {"name": "kaffa"}}}"#);
    assert!(!taken && told.contains(DENIED), "{told}");
}

#[test]
fn a_pod_that_asks_for_a_proxy_which_there_is_not_is_refused_and_no_other_is() {
    let cluster = Cluster::shared();
    cluster.install();
    let space = cluster.namespace("asks");
    space.apply(&idle("edge"));
    let (taken, told) = apply(&space, &cluster, &[], &pod("asks", "sluice.dev/inject: edge"));
    assert!(
        !taken
            && told.contains("injection.sluice.dev")
            && told.contains("is of mode Deployment; let it name one of mode Sidecar"),
        "{told}"
    );
    let (taken, told) = apply(&space, &cluster, &[], &pod("plain", "a: b"));
    assert!(taken, "{told}");
}

#[test]
fn what_is_no_review_is_told_so_and_who_is_slow_or_long_is_cut_off() {
    let cluster = Cluster::shared();
    cluster.install();
    let ip = operators(&cluster).pop().unwrap().ip;
    let ask = |arguments: &[&str]| -> String {
        let mut curl = cluster.command("curl");
        curl.args(["-sSk", "-m", "60", "-o", "/dev/null", "-w", "%{http_code}"]).args(arguments);
        let output = curl.arg(format!("https://{ip}:9443/validate")).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(ask(&["-d", "{}"]), "400");
    assert_eq!(ask(&["-d", "no json"]), "400");
    assert_eq!(ask(&[]), "405");
    let mut long = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut long, &vec![b' '; 8 << 20]).unwrap();
    let long = format!("@{}", long.path().display());
    assert_eq!(ask(&["-H", "Expect: 100-continue", "--data-binary", &long]), "413");
    // Whoever sends it unasked may be cut off before it has read why.
    let unasked = ask(&["-H", "Expect:", "--data-binary", &long]);
    assert!(["413", "000"].contains(&&*unasked), "{unasked}");
    let mut slow = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut slow, &vec![b' '; 1 << 20]).unwrap();
    let (began, slow) = (Instant::now(), format!("@{}", slow.path().display()));
    assert_eq!(ask(&["-H", "Expect:", "--limit-rate", "10k", "--data-binary", &slow]), "408");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[test]
fn without_an_operator_streams_are_taken_and_only_pods_that_ask_for_a_proxy_wait() {
    let cluster = Cluster::alone();
    cluster.install();
    let space = cluster.namespace("away");
    known_fleet(&cluster, &space);
    let _restore = Reinstall(&cluster);
    {
        let _away = Away::new(&cluster);
        let (taken, told) = apply(&space, &cluster, &[], FOREIGN);
        assert!(taken, "{told}");
        let (taken, told) = apply(&space, &cluster, &[], &pod("plain", "a: b"));
        assert!(taken, "{told}");
        let (taken, told) = apply(&space, &cluster, &[], &pod("asks", "sluice.dev/inject: edge"));
        assert!(!taken && told.contains("failed calling webhook \"injection.sluice.dev\""), "{told}");
    }
    let told = space.until_condition("dstream/foreign", "Accepted", "False", "SinkNotFound", PATIENCE);
    assert!(told.starts_with(TOLD), "{told}");

    cluster.helm_install(&["--set", "webhooks.failurePolicy=Ignore"]);
    beside(&space);
    {
        let _away = Away::new(&cluster);
        let (taken, told) = apply(&space, &cluster, &[], &application("lonely", "Pod", 1, "beside"));
        assert!(taken, "{told}");
    }
    eventually("the pod that went without to be counted", PATIENCE, || {
        let sidecars = space.get("pf/beside")["status"]["sidecars"].clone();
        if sidecars["missing"] == 1 { Ok(()) } else { Err(sidecars.to_string()) }
    });
    until_missed(&space, "lonely");
}
