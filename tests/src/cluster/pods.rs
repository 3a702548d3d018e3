//! A fleet's pods as tests see and trouble them: their addresses, what their proxies say, a CPU that is burnt, a cable
//! that is cut. What is troubled is well again when the value for it is dropped.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, Stdio};
use std::time::Duration;

use serde_json::Value;
use sluice_wire::status::NodeStatus;

use super::{Cluster, Namespace, eventually};
use crate::http;

/// How long a proxy may take to say how it is.
const ANSWER: Duration = Duration::from_secs(5);

/// A pod that is ready and not going.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its address.
    pub ip: String,
    /// How often its containers were started again, in all.
    pub restarts: u64,
}

impl Namespace<'_> {
    /// A fleet's pods that are ready and not going.
    ///
    /// # Panics
    /// When kubectl prints no JSON.
    #[must_use]
    pub fn ready_pods(&self, fleet: &str) -> Vec<Pod> {
        let text = self.kubectl(&["get", "pods", "-l", &format!("sluice.dev/fleet={fleet}"), "-o", "json"]);
        let list: Value = serde_json::from_str(&text).expect("JSON");
        let mut pods: Vec<_> = list["items"].as_array().expect("a list").iter().filter_map(ready).collect();
        pods.sort_unstable();
        pods
    }

    /// Waits until a fleet has this many pods that are ready, and none that is going.
    ///
    /// # Panics
    /// When it has not within `within`.
    #[must_use]
    pub fn until_ready_pods(&self, fleet: &str, count: usize, within: Duration) -> Vec<Pod> {
        eventually(&format!("{count} ready pods of {fleet}"), within, || {
            let pods = self.ready_pods(fleet);
            if pods.len() == count { Ok(pods) } else { Err(format!("{pods:?}")) }
        })
    }
}

fn ready(pod: &Value) -> Option<Pod> {
    let text = |pointer| pod.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array)?;
    let is_ready = conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True");
    let stays = pod.pointer("/metadata/deletionTimestamp").is_none();
    let containers = pod.pointer("/status/containerStatuses").and_then(Value::as_array)?;
    let restarts = containers.iter().filter_map(|container| container["restartCount"].as_u64()).sum();
    let found = Pod {
        name: text("/metadata/name")?,
        uid: text("/metadata/uid")?,
        ip: text("/status/podIP")?,
        restarts,
    };
    (is_ready && stays).then_some(found)
}

/// What a proxy says of itself.
///
/// # Errors
/// It does not.
pub fn node_status(ip: &str) -> Result<NodeStatus, String> {
    let answer = http::try_exchange(&format!("{ip}:9102"), &http::get("/status"), ANSWER);
    let answer = answer.ok_or_else(|| format!("{ip} does not answer"))?;
    serde_json::from_slice(&answer.body).map_err(|error| format!("{ip}: {error}"))
}

/// A process that takes all the CPU that a pod's container may have.
#[derive(Debug)]
pub struct Burner {
    child: Child,
    /// Its end is the burner's.
    input: Option<ChildStdin>,
}

impl Drop for Burner {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// A pod that is cut off from the operators.
#[derive(Debug)]
pub struct Cut<'a> {
    cluster: &'a Cluster,
    ip: String,
    way: Way,
}

/// What of a pod's packets is dropped.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Those to the operators' port for proxies.
    Out,
    /// Those of other pods to its admin port; the kubelet's own come through.
    In,
}

impl Cut<'_> {
    fn rule(&self, operation: &str) -> [String; 9] {
        let (end, port) = match self.way {
            Way::Out => ("-s", "8443"),
            Way::In => ("-d", "9102"),
        };
        [operation, "FORWARD", end, &self.ip, "-p", "tcp", "--dport", port, "-j"].map(str::to_owned)
    }

    fn iptables(&self, operation: &str) -> bool {
        let status =
            self.cluster.command("iptables").arg("-w").args(self.rule(operation)).arg("DROP").status();
        status.expect("iptables runs").success()
    }

    /// How many of the pod's packets did not come through.
    ///
    /// # Panics
    /// When iptables does not say so.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        let output = self.cluster.command("iptables").args(["-w", "-nvxL", "FORWARD"]).output();
        let text = String::from_utf8(output.expect("iptables runs").stdout).expect("UTF-8");
        let rows = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let mut ours = rows.filter(|row| row.contains(&"DROP") && row.contains(&&*self.ip));
        let packets = ours.next().and_then(|row| row.first()?.parse().ok());
        packets.unwrap_or_else(|| panic!("no rule for {} in\n{text}", self.ip))
    }
}

impl Drop for Cut<'_> {
    fn drop(&mut self) {
        if !self.iptables("-D") {
            eprintln!("{} stays cut off from the operators", self.ip);
        }
    }
}

impl Cluster {
    /// Takes all the CPU of a pod from within its container's control group, until what this gives is dropped. The
    /// container has a limit, which is the end of it.
    ///
    /// # Panics
    /// When the pod has no process, or its group can't be entered.
    #[must_use]
    pub fn burn_cpu(&self, namespace: &str, pod: &str) -> Burner {
        let processes = self.pod_processes(namespace, pod);
        // Of version 1 the hierarchies that limit and that count, which may be one; of version 2 the only one.
        let script = r#"
            enter() {
                root=$(awk -v type="$1" -v word="$2" \
                    '$3 == type && (word == "" || $4 ~ "(^|,)" word "(,|$)") {print $2; exit}' /proc/mounts)
                echo $$ >"$root$3/cgroup.procs" && entered=yes || exit 1
            }
            while IFS=: read -r _ controllers path; do
                for word in cpu cpuacct; do
                    case ",$controllers," in *",$word,"*) enter cgroup "$word" "$path" ;; esac
                done
            done <"/proc/$1/cgroup"
            [ -n "$entered" ] || enter cgroup2 "" "$(sed -n 's/^0:://p' "/proc/$1/cgroup")"
            while :; do :; done &
            echo burning
            cat >/dev/null
            kill $!
        "#;
        let mut sh = self.command("sh");
        sh.args(["-c", script, "burner", &processes[0]]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = sh.spawn().expect("sh runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("its answer");
        assert_eq!(line, "burning\n", "the group of {namespace}/{pod} can't be entered");
        let input = child.stdin.take();
        Burner { child, input }
    }

    /// Cuts a pod off from the operators' port for proxies, until what this gives is dropped.
    ///
    /// # Panics
    /// When the node's firewall takes no rule.
    #[must_use]
    pub fn cut_from_operators(&self, pod: &Pod) -> Cut<'_> {
        self.cut(pod.ip.clone(), Way::Out)
    }

    /// The same, and operators off from the pod: neither hears the other, and the kubelet still finds the pod ready.
    ///
    /// # Panics
    /// When the node's firewall takes no rule.
    #[must_use]
    pub fn silence(&self, ip: &str) -> [Cut<'_>; 2] {
        [Way::Out, Way::In].map(|way| self.cut(ip.to_owned(), way))
    }

    fn cut(&self, ip: String, way: Way) -> Cut<'_> {
        let cut = Cut { cluster: self, ip, way };
        assert!(cut.iptables("-I"), "iptables takes no rule");
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(ready: &str, more: &str) -> Value {
        let text = format!(
            r#"{{"metadata": {{"name": "a", "uid": "u"{more}}}, "status": {{"podIP": "10.0.0.1",
            "conditions": [{{"type": "Ready", "status": "{ready}"}}],
            "containerStatuses": [{{"restartCount": 2}}]}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_pod_counts_while_it_is_ready_and_not_going() {
        let found = ready(&pod("True", "")).unwrap();
        assert_eq!((&*found.name, &*found.uid, &*found.ip, found.restarts), ("a", "u", "10.0.0.1", 2));
        assert_eq!(ready(&pod("False", "")), None);
        assert_eq!(ready(&pod("True", r#", "deletionTimestamp": "2026-01-01T00:00:00Z""#)), None);
    }
}
