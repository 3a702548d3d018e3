//! The product's resource types in the cluster, as this commit has them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Cluster, eventually};
use crate::paths;

/// How long a new type may take until it is served.
const SOON: Duration = Duration::from_secs(30);

impl Cluster {
    /// Applies `crds/yaml` if no test did so before, marked as parts of the Helm release `sluice` in `sluice-system`,
    /// which a later install of that release therefore takes over.
    ///
    /// # Panics
    /// When the API server refuses one.
    pub fn install_definitions(&self) {
        self.with_definitions(|there| {
            if !std::mem::replace(there, true) {
                self.apply_definitions();
            }
        });
    }

    /// Does something about the definitions while no other test does; it is told, and tells, whether they are there.
    pub(super) fn with_definitions(&self, work: impl FnOnce(&mut bool)) {
        static THERE: Mutex<bool> = Mutex::new(false);
        work(&mut THERE.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn apply_definitions(&self) {
        let folder = std::fs::read_dir(paths::repository().join("crds/yaml")).expect("the generated types");
        for file in folder {
            let text = std::fs::read_to_string(file.expect("a file").path()).expect("a text");
            let mut definition: Value = serde_yaml::from_str(&text).expect("YAML");
            definition["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!("Helm");
            let annotations = &mut definition["metadata"]["annotations"];
            annotations["meta.helm.sh/release-name"] = json!("sluice");
            annotations["meta.helm.sh/release-namespace"] = json!("sluice-system");
            self.apply(&definition.to_string());
            let name = definition["metadata"]["name"].as_str().expect("a name").to_owned();
            let resource =
                format!("--raw=/apis/sluice.dev/v1alpha1/{}", name.split('.').next().unwrap_or_default());
            eventually("the new type to be served", SOON, || self.try_kubectl(&["get", &resource]));
        }
    }
}
