//! The trust bundle of a namespace: the authorities by which its proxies know the operator.
//! It is all its fleets' and goes with the last of them.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;
use serde_json::Value;

use super::owner::Owner;
use super::volumes::TRUST_FILE;
use super::{labels, names, value};

/// The bundle with `authorities`, as PEM, for a namespace with these fleets. The order of fleets changes nothing.
#[must_use]
pub fn trust(namespace: &str, fleets: &[Owner], authorities: &str) -> Value {
    let mut owners: Vec<_> = fleets.iter().map(Owner::shared).collect();
    owners.sort_by(|one, other| one.uid.cmp(&other.uid));
    let map = ConfigMap {
        metadata: ObjectMeta {
            name: Some(names::TRUST.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some(labels::trust()),
            owner_references: Some(owners),
            ..ObjectMeta::default()
        },
        data: Some([(TRUST_FILE.to_owned(), authorities.to_owned())].into()),
        ..ConfigMap::default()
    };
    value(&map)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_bundle_is_its_fleets_and_no_one_s_alone() {
        let owners = [Owner::fleet("b", "2"), Owner::fleet("a", "1")];
        let made = trust("shop", &owners, "PEM");
        let owner = |name: &str, uid: &str| json!({"apiVersion": "sluice.dev/v1alpha1", "kind": "ProxyFleet", "name": name, "uid": uid});
        assert_eq!(made["metadata"]["ownerReferences"], json!([owner("a", "1"), owner("b", "2")]));
        assert_eq!((&made["kind"], &made["data"]), (&json!("ConfigMap"), &json!({"ca.crt": "PEM"})));
        assert_eq!(
            (&made["metadata"]["namespace"], &made["metadata"]["name"]),
            (&json!("shop"), &json!("sluice-trust"))
        );
        assert_eq!(made["metadata"]["labels"]["app.kubernetes.io/managed-by"], "sluice-operator");
        let [one, other] = owners;
        assert_eq!(made, trust("shop", &[other, one], "PEM"));
    }
}
