//! A namespace of a test's own, under the strictest Pod Security.
//! It goes with the test; nobody waits for that.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Resource, api::ObjectMeta};

use super::turn::output;
use super::{Cluster, eventually};
use crate::failure;

/// What is shown of Events.
const EVENTS: &str =
    "-o=custom-columns=AT:.lastTimestamp,ON:.involvedObject.name,REASON:.reason,MESSAGE:.message";

/// A namespace that is deleted when dropped.
#[derive(Debug)]
pub struct Namespace<'a> {
    cluster: &'a Cluster,
    name: String,
}

impl<'a> Namespace<'a> {
    pub(super) fn create(cluster: &'a Cluster, prefix: &str, labels: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("{prefix}-{:x}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self::named(cluster, name, labels)
    }

    /// The one of this name.
    pub(super) fn named(cluster: &'a Cluster, name: String, labels: &[(&str, &str)]) -> Self {
        failure::keep();
        let restricted = [("pod-security.kubernetes.io/enforce", "restricted"), ("sluice.dev/test", "true")];
        let labels: BTreeMap<_, _> =
            restricted.iter().chain(labels).map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        let namespace = v1::Namespace {
            metadata: ObjectMeta { name: Some(name.clone()), labels: Some(labels), ..ObjectMeta::default() },
            ..v1::Namespace::default()
        };
        let api = Api::all(cluster.client());
        cluster.run(api.create(&PostParams::default(), &namespace)).expect("a namespace");
        let made = Self { cluster, name };
        // Pods are refused until their service account is there.
        let accounts: Api<v1::ServiceAccount> = made.api();
        eventually("the namespace's service account", Duration::from_secs(30), || {
            cluster.run(accounts.get("default")).map_err(|error| error.to_string())
        });
        made
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The objects of a kind in it.
    #[must_use]
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.cluster.client(), &self.name)
    }

    /// What kubectl prints, of this namespace.
    ///
    /// # Panics
    /// When it fails, with what it said.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.try_kubectl(arguments).unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}"))
    }

    /// What kubectl prints, of this namespace, or what it says when it fails.
    ///
    /// # Errors
    /// When it fails.
    pub fn try_kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        self.cluster.try_kubectl(&[&["-n", &self.name], arguments].concat())
    }

    /// Applies manifests that name no namespace.
    ///
    /// # Panics
    /// When one is refused.
    pub fn apply(&self, manifests: &str) {
        self.try_apply(manifests).unwrap_or_else(|error| panic!("{error}\n{manifests}"));
    }

    /// Applies manifests that name no namespace, or says why one is refused.
    ///
    /// # Errors
    /// When one is refused.
    pub fn try_apply(&self, manifests: &str) -> Result<String, String> {
        self.kubectl_apply(&[], manifests)
    }

    /// Applies manifests that name no namespace in the name of another user, or says why one is refused.
    ///
    /// # Errors
    /// When one is refused.
    pub fn try_apply_as(&self, user: &str, manifests: &str) -> Result<String, String> {
        self.kubectl_apply(&["--as", user], manifests)
    }

    fn kubectl_apply(&self, arguments: &[&str], manifests: &str) -> Result<String, String> {
        let mut kubectl = self.cluster.command("kubectl");
        kubectl.args(["-n", &self.name, "apply", "--server-side", "-f", "-"]).args(arguments);
        output(&mut kubectl, manifests)
    }

    /// What a pod's containers logged so far.
    pub fn logs(&self, pod: &str) -> String {
        self.kubectl(&["logs", pod, "--all-containers", "--tail=-1"])
    }

    /// Waits for a condition of an object, such as `Ready` of `pod/a`.
    ///
    /// # Panics
    /// When it isn't true within `within`, with what the object says of itself.
    pub fn wait(&self, object: &str, condition: &str, within: Duration) {
        let (condition, timeout) =
            (format!("--for=condition={condition}"), format!("--timeout={}s", within.as_secs()));
        if let Err(error) = self.try_kubectl(&["wait", object, &condition, &timeout]) {
            panic!("{error}{}", self.try_kubectl(&["describe", object]).unwrap_or_else(|error| error));
        }
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let pods = self.try_kubectl(&["get", "pods", "-o", "wide"]).unwrap_or_else(|error| error);
            let events = self.try_kubectl(&["get", "events", "--sort-by=.lastTimestamp", EVENTS]);
            let events = events.unwrap_or_else(|error| error);
            failure::tell(&format!("namespace {}:\n{pods}{events}", self.name));
        }
        let api: Api<v1::Namespace> = Api::all(self.cluster.client());
        // One that stays is seen by nobody but the cluster, which ends too.
        let _ = self.cluster.run(api.delete(&self.name, &DeleteParams::background()));
    }
}
