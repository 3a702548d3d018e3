//! The labels of everything the operator makes, and the metadata of a fleet's objects.
//! Selectors are the two labels that never change; all others may.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::owner::Owner;
use crate::marks::{FLEET, MANAGED_BY, MANAGER};
use crate::resolve::ResolvedFleet;

/// The label with what runs.
pub const NAME: &str = "app.kubernetes.io/name";

/// The label with the part of the product an object is.
pub const COMPONENT: &str = "app.kubernetes.io/component";

/// The value of [`NAME`] on fleets' objects.
pub const PROXY: &str = "sluice-proxy";

/// The value of [`COMPONENT`] on endpoint ConfigMaps.
pub const ENDPOINTS: &str = "endpoints";

/// The value of [`COMPONENT`] on trust bundles.
pub const TRUST: &str = "trust";

/// The labels that select a fleet's pods. They can't be changed: workloads' selectors are immutable.
pub const SELECTOR: [&str; 2] = [NAME, FLEET];

/// The labels of a fleet's objects and pods.
#[must_use]
pub fn fleet(fleet: &str) -> BTreeMap<String, String> {
    let mut labels = selected(fleet);
    for (key, value) in [
        ("app.kubernetes.io/instance", fleet),
        (COMPONENT, "proxy"),
        (MANAGED_BY, MANAGER),
        ("app.kubernetes.io/part-of", "sluice"),
    ] {
        labels.insert(key.to_owned(), value.to_owned());
    }
    labels
}

/// The labels of a stream's endpoint ConfigMap.
#[must_use]
pub fn endpoints() -> BTreeMap<String, String> {
    [(COMPONENT, ENDPOINTS), (MANAGED_BY, MANAGER), ("app.kubernetes.io/part-of", "sluice")]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// The labels of a trust bundle.
#[must_use]
pub fn trust() -> BTreeMap<String, String> {
    [(COMPONENT, TRUST), (MANAGED_BY, MANAGER), ("app.kubernetes.io/part-of", "sluice")]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// The selector of a fleet's pods, as `status.selector` and a list request take it.
#[must_use]
pub fn selector_text(fleet: &str) -> String {
    let pairs: Vec<String> = selected(fleet).iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}

/// The labels that select a fleet's pods.
pub(super) fn selected(fleet: &str) -> BTreeMap<String, String> {
    [(NAME, PROXY), (FLEET, fleet)]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

pub(super) fn selector(fleet: &str) -> LabelSelector {
    LabelSelector { match_labels: Some(selected(fleet)), ..LabelSelector::default() }
}

/// Metadata of an object of the fleet.
pub(super) fn meta(fleet: &ResolvedFleet, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(fleet.namespace.clone()),
        labels: Some(self::fleet(&fleet.name)),
        owner_references: Some(vec![Owner::fleet(&fleet.name, &fleet.uid).reference()]),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selector_is_written_as_a_list_request_takes_it() {
        assert_eq!(selector_text("default"), "app.kubernetes.io/name=sluice-proxy,sluice.dev/fleet=default");
    }

    #[test]
    fn pods_have_every_label_they_are_selected_by() {
        let labels = fleet("default");
        for (key, value) in selected("default") {
            assert!(SELECTOR.contains(&key.as_str()));
            assert_eq!(labels.get(&key), Some(&value));
        }
    }
}
