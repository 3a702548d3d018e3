//! The product on the cluster: its chart, installed once for all suites, and what tests ask of it.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;

use super::operators::until_settled;
use super::{Cluster, KAFKA_SERVICE, Namespace, eventually};
use crate::http::{Answer, report, try_exchange};
use crate::{paths, wait};

/// Where the operator and the default fleet are.
pub const SYSTEM: &str = "sluice-system";
/// Name of the Helm release.
pub const RELEASE: &str = "sluice";
/// The kinds of object that the operator makes of fleets and streams, as kubectl takes them.
pub const CHILDREN: &str = "configmaps,services,deployments,statefulsets,daemonsets,poddisruptionbudgets,networkpolicies,serviceaccounts";
/// The label by which they are the operator's.
pub const OURS: &str = "app.kubernetes.io/managed-by=sluice-operator";
/// How long a stream may take from being applied to its first report: the kubelet looks at ConfigMaps once a
/// minute, plus its cache's age.
pub const KUBELET: Duration = Duration::from_secs(120);

/// How long anything else may take that the cluster does in its own time: start a pod, elect a leader, tell a status.
/// It bounds a wait and promises nothing: beside other tests, two cores at times take most of it.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// What clients of long polling send as `namespaceId`, of each space that the product is installed with.
pub const SPACES: [&str; 3] = ["", "all", "many"];

/// The namespace of a space of long polling.
fn polled(id: &str) -> String {
    format!("polled-{}-{:x}", if id.is_empty() { "soul" } else { id }, std::process::id())
}

/// The label of namespaces whose resources go past the operator's webhooks, so that the reconciler's own word is heard.
pub const UNCHECKED: &str = "sluice.dev/test-unchecked";

static INSTALLED: Mutex<bool> = Mutex::new(false);

impl Cluster {
    /// Installs the product if no test did so before, and waits until its operators have settled, whatever the test
    /// before did to them.
    ///
    /// # Panics
    /// When it does not install, or they do not settle.
    pub fn install(&self) {
        // A test that failed while installing leaves it to the next to say why.
        let mut installed = INSTALLED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // What a test has left that does not settle is installed anew by the next one.
        if std::mem::take(&mut *installed) {
            until_settled(self);
        } else {
            // The chart makes the definitions, or takes over what is there; helm fails where they appear meanwhile.
            self.with_definitions(|there| {
                self.helm_install(&[]);
                *there = true;
            });
        }
        *installed = true;
    }

    /// The namespace of one of [`SPACES`], which the test that takes it has to itself.
    #[must_use]
    pub fn polled_namespace(&self, id: &str) -> Namespace<'_> {
        Namespace::named(self, polled(id), &[])
    }

    /// A namespace whose resources nobody checks on their way in.
    #[must_use]
    pub fn unchecked_namespace(&self, prefix: &str) -> Namespace<'_> {
        self.labelled_namespace(prefix, &[(UNCHECKED, "true")])
    }

    /// Makes the namespace that the product is installed into, or has the one that is there do it: it enforces the
    /// strictest Pod Security.
    ///
    /// # Panics
    /// When the API server refuses it.
    pub fn restrict_system(&self) {
        self.apply(&format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {SYSTEM}, labels: \
             {{pod-security.kubernetes.io/enforce: restricted}}}}}}\n"
        ));
    }

    /// Installs or upgrades the release with further arguments, and waits until its operators have settled.
    ///
    /// # Panics
    /// When it does not install.
    pub fn helm_install(&self, more: &[&str]) {
        self.restrict_system();
        let chart = paths::repository().join("charts/sluice");
        let chart = chart.to_str().expect("UTF-8");
        let kafka = format!("defaultFleet.kafka.bootstrapServers={KAFKA_SERVICE}");
        let spaces: serde_json::Map<_, _> =
            SPACES.iter().map(|id| ((*id).to_owned(), polled(id).into())).collect();
        let spaces = format!("longPolling.namespaces={}", Value::Object(spaces));
        let checked = format!(
            r#"webhooks.namespaceSelector={{"matchExpressions":[{{"key":"{UNCHECKED}","operator":"DoesNotExist"}}]}}"#
        );
        let arguments = ["upgrade", "--install", RELEASE, chart, "--namespace", SYSTEM, "--create-namespace"];
        let values = [
            "--set",
            "image.registry=test.local",
            "--set",
            &kafka,
            "--set-json",
            &spaces,
            "--set-json",
            &checked,
            "--wait",
            "--timeout",
            "3m",
        ];
        self.helm(&[&arguments[..], &values[..], more].concat());
        // Helm does not wait for those before to be gone.
        until_settled(self);
    }
}

impl Namespace<'_> {
    /// An object as JSON.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn get(&self, object: &str) -> Value {
        self.try_get(object).unwrap_or_else(|| panic!("no {object} in {}", self.name()))
    }

    /// An object as JSON, if it is there.
    ///
    /// # Panics
    /// When kubectl prints no JSON.
    #[must_use]
    pub fn try_get(&self, object: &str) -> Option<Value> {
        let text = self.try_kubectl(&["get", object, "-o", "json", "--ignore-not-found"]).ok()?;
        (!text.trim().is_empty()).then(|| serde_json::from_str(&text).expect("JSON"))
    }

    /// Status, reason and message of a condition; empty where there is none.
    #[must_use]
    pub fn condition(&self, object: &str, kind: &str) -> (String, String, String) {
        self.try_get(object).map(|object| condition(&object, kind)).unwrap_or_default()
    }

    /// Waits until a condition has a status and a reason, and gives its message.
    ///
    /// # Panics
    /// When it has not within `within`.
    pub fn until_condition(
        &self,
        object: &str,
        kind: &str,
        status: &str,
        reason: &str,
        within: Duration,
    ) -> String {
        let what = format!("{object} to have {kind}={status}, {reason}");
        eventually(&what, within, || {
            let seen = self.condition(object, kind);
            if seen.0 == status && seen.1 == reason { Ok(seen.2) } else { Err(format!("{seen:?}")) }
        })
    }

    /// Waits until a stream is ready.
    ///
    /// # Panics
    /// When it is not within [`KUBELET`].
    pub fn until_ready(&self, stream: &str) {
        self.wait(&format!("datastream/{stream}"), "Ready", KUBELET);
    }

    /// What the operator made in it, each like `service/sluice-edge`.
    #[must_use]
    pub fn children(&self) -> BTreeSet<String> {
        let names = self.kubectl(&["get", CHILDREN, "-l", OURS, "-o", "name"]);
        names.lines().map(str::to_owned).collect()
    }

    /// `host:port` of a Service by its cluster address, which tests reach as pods do.
    ///
    /// # Panics
    /// When there is no such Service.
    #[must_use]
    pub fn service(&self, name: &str) -> String {
        address(&self.get(&format!("service/{name}")))
    }
}

/// Status, reason and message of a condition; empty where there is none.
#[must_use]
pub fn condition(object: &Value, kind: &str) -> (String, String, String) {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let found = conditions.into_iter().flatten().find(|condition| condition["type"] == kind);
    let text = |field: &str| {
        let value = found.and_then(|condition| condition[field].as_str());
        value.unwrap_or_default().to_owned()
    };
    (text("status"), text("reason"), text("message"))
}

/// `host:port` of a Service's cluster address.
///
/// # Panics
/// When it has none.
#[must_use]
pub fn address(service: &Value) -> String {
    let ip = service.pointer("/spec/clusterIP").and_then(Value::as_str).expect("an address");
    let port = service.pointer("/spec/ports/0/port").expect("a port");
    format!("{ip}:{port}")
}

/// Sends one report once the address can be connected to, and gives its answer's code or what was wrong.
///
/// # Errors
/// No answer, or no success.
pub fn try_report(address: &str, group_id: &str, stream_id: &str, body: &str) -> Result<(), String> {
    // A Service leads to a pod a moment after the pod is ready: the node has to write it down first.
    wait::holds(Duration::from_secs(10), || TcpStream::connect(address).is_ok());
    let answer = try_exchange(address, &report(group_id, stream_id, body), Duration::from_secs(15));
    let answer: Answer = answer.ok_or("no answer")?;
    if answer.lenient_code().as_deref() == Some("0") { Ok(()) } else { Err(answer.text().to_owned()) }
}

impl Cluster {
    /// Sends a signal to every process of a pod's containers.
    ///
    /// # Panics
    /// When the pod has none.
    pub fn signal_pod(&self, namespace: &str, pod: &str, signal: &str) {
        for pid in self.pod_processes(namespace, pod) {
            let status = self.command("kill").args([&format!("-{signal}"), &pid]).status();
            assert!(status.expect("kill runs").success(), "kill -{signal} {pid}");
        }
    }

    /// Resident memory of a pod's processes, in KiB.
    ///
    /// # Panics
    /// When the pod has none.
    #[must_use]
    pub fn resident_kib(&self, namespace: &str, pod: &str) -> u64 {
        let of = |pid: String| -> u64 {
            let output = self.command("grep").args(["VmRSS", &format!("/proc/{pid}/status")]).output();
            let text = String::from_utf8(output.expect("grep runs").stdout).expect("UTF-8");
            text.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a size")
        };
        self.pod_processes(namespace, pod).into_iter().map(of).sum()
    }

    /// A file as a pod's first container sees it.
    ///
    /// # Errors
    /// It is not there.
    ///
    /// # Panics
    /// When the pod has no process.
    pub fn read_in_pod(&self, namespace: &str, pod: &str, path: &str) -> Result<String, String> {
        let pid = &self.pod_processes(namespace, pod)[0];
        let output = self.command("cat").arg(format!("/proc/{pid}/root{path}")).output().expect("cat runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// Ids of the processes of a pod's containers, in the cluster's own numbers.
    pub(super) fn pod_processes(&self, namespace: &str, pod: &str) -> Vec<String> {
        let uid = self.kubectl(&["-n", namespace, "get", "pod", pod, "-o=jsonpath={.metadata.uid}"]);
        // A pod's cgroup names its uid; the sandbox's own process is called pause.
        let find = format!(
            "for p in /proc/[0-9]*; do grep -qs 'pod{uid}' $p/cgroup && [ \"$(cat $p/comm)\" != pause ] && echo ${{p#/proc/}}; done; true"
        );
        let output = self.command("sh").args(["-c", &find]).output().expect("sh runs");
        let pids: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
        assert!(!pids.is_empty(), "no process of {namespace}/{pod}");
        pids
    }
}
