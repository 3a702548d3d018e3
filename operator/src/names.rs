//! Every name of an object the operator makes, each within what Kubernetes allows.
//! Two fleets, two streams, a fleet and a Service account `default`: no two of ours ever share a name.

use kube::api::ObjectMeta;
use sluice_wire::parts;

use crate::hex;

/// Namespace and name.
pub type Name = (String, String);

/// The namespace and name of an object; empty where it has none.
#[must_use]
pub fn name_of(metadata: &ObjectMeta) -> Name {
    (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}

/// The longest name of a Service, and of all that becomes a host name or a label's value.
const LABEL: usize = 63;

/// The longest name of anything else.
const SUBDOMAIN: usize = 253;

/// How much of a name's hash stands for what was cut off, in hexadecimal digits.
const HASH: usize = 8;

/// A fleet's workload, Service, service account and disruption budget. The prefix keeps a fleet `default` off
/// the service account of that name which every namespace has, and off applications' own Services.
#[must_use]
pub fn fleet(fleet: &str) -> String {
    fit("sluice-", fleet, "", LABEL)
}

/// A fleet's headless Service. A fleet may be named `edge-nodes`, so the difference is in front, where no fleet's
/// name can bring it about.
#[must_use]
pub fn nodes_service(fleet: &str) -> String {
    fit("nodes-sluice-", fleet, "", LABEL)
}

/// A part of a fleet's configuration: a ConfigMap.
#[must_use]
pub fn config(fleet: &str, index: usize) -> String {
    parts::config_map_name(fleet, index)
}

/// A stream's endpoint ConfigMap.
#[must_use]
pub fn endpoints(stream: &str) -> String {
    fit("", stream, "-endpoints", SUBDOMAIN)
}

/// The ConfigMap with whom proxies trust, in each namespace that has a fleet.
pub const TRUST: &str = "sluice-trust";

/// The Secret with the authority of the operator whose Service has that name.
#[must_use]
pub fn authority_secret(service: &str) -> String {
    fit("", service, "-ca", SUBDOMAIN)
}

/// The Secret with the certificate that its replicas serve with.
#[must_use]
pub fn leaf_secret(service: &str) -> String {
    fit("", service, "-tls", SUBDOMAIN)
}

/// The headless Service by which each of its replicas is found.
#[must_use]
pub fn replicas_service(service: &str) -> String {
    fit("", service, "-replicas", LABEL)
}

/// Every name that proxies may know the operator by: of both Services, in all the forms that resolve in a cluster.
#[must_use]
pub fn operator_hosts(namespace: &str, service: &str) -> Vec<String> {
    let forms =
        |name: String| ["", ".svc", ".svc.cluster.local"].map(|suffix| format!("{name}.{namespace}{suffix}"));
    [replicas_service(service), service.to_owned()].into_iter().flat_map(forms).collect()
}

/// The volume of a Secret. Volumes' names take no dots, Secrets' do.
#[must_use]
pub fn secret_volume(secret: &str) -> String {
    const PREFIX: &str = "sluice-secret-";
    match secret.contains('.') {
        false => fit(PREFIX, secret, "", LABEL),
        true => hashed(PREFIX, &secret.replace('.', "-"), &hash(secret), "", LABEL),
    }
}

/// `prefix`, `name`, `suffix`; with a hash of the name in place of its end where that would be longer than `max`.
fn fit(prefix: &str, name: &str, suffix: &str, max: usize) -> String {
    if prefix.len() + name.len() + suffix.len() <= max {
        return format!("{prefix}{name}{suffix}");
    }
    hashed(prefix, name, &hash(name), suffix, max)
}

fn hashed(prefix: &str, name: &str, hash: &str, suffix: &str, max: usize) -> String {
    let room = max.saturating_sub(prefix.len() + suffix.len() + 1 + HASH);
    // Names are ASCII by their patterns; any other is cut at the same place without breaking a character.
    let head: String =
        name.char_indices().take_while(|(at, c)| at + c.len_utf8() <= room).map(|(_, c)| c).collect();
    let head = head.trim_end_matches(['-', '.']);
    format!("{prefix}{head}-{hash}{suffix}")
}

fn hash(name: &str) -> String {
    let mut digest = hex::sha256(name.as_bytes());
    digest.truncate(HASH);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_read_well() {
        assert_eq!(fleet("default"), "sluice-default");
        assert_eq!(nodes_service("default"), "nodes-sluice-default");
        assert_eq!(config("default", 3), "default-config-3");
        assert_eq!(endpoints("orders"), "orders-endpoints");
        assert_eq!(secret_volume("kafka-login"), "sluice-secret-kafka-login");
        assert_eq!(authority_secret("sluice-operator"), "sluice-operator-ca");
        assert_eq!(leaf_secret("sluice-operator"), "sluice-operator-tls");
        assert_eq!(replicas_service("sluice-operator"), "sluice-operator-replicas");
    }

    #[test]
    fn the_longest_fleet_keeps_its_whole_name() {
        let longest = "f".repeat(40);
        assert_eq!(fleet(&longest), format!("sluice-{longest}"));
        assert!(nodes_service(&longest).ends_with(&longest));
    }

    #[test]
    fn no_name_is_longer_than_kubernetes_allows_and_long_ones_stay_apart() {
        for (make, max) in [
            (fleet as fn(&str) -> String, LABEL),
            (nodes_service, LABEL),
            (endpoints, SUBDOMAIN),
            (secret_volume, LABEL),
            (authority_secret, SUBDOMAIN),
            (leaf_secret, SUBDOMAIN),
            (replicas_service, LABEL),
        ] {
            let (a, b) = (make(&format!("{}a", "x".repeat(252))), make(&format!("{}b", "x".repeat(252))));
            assert!(a.len() <= max && b.len() <= max, "{a} {b}");
            assert_ne!(a, b);
        }
    }

    #[test]
    fn the_operator_is_known_by_both_its_services_in_every_form() {
        let wanted = [
            "op-replicas.here",
            "op-replicas.here.svc",
            "op-replicas.here.svc.cluster.local",
            "op.here",
            "op.here.svc",
            "op.here.svc.cluster.local",
        ];
        assert_eq!(operator_hosts("here", "op"), wanted);
    }

    #[test]
    fn a_cut_never_leaves_a_dash_or_a_dot_before_the_hash() {
        let name = endpoints(&format!("{}{}", "a".repeat(200), ".-".repeat(26)));
        assert!(name.starts_with(&format!("{}-", "a".repeat(200))), "{name}");
        assert!(!name.contains("--") && !name.contains(".-"), "{name}");
    }

    #[test]
    fn a_secret_with_dots_has_a_volume_of_its_own() {
        let (dots, dashes) = (secret_volume("kafka.login"), secret_volume("kafka-login"));
        assert!(dots.starts_with("sluice-secret-kafka-login-") && !dots.contains('.'), "{dots}");
        assert_ne!(dots, dashes);
    }

    #[test]
    fn a_fleet_called_like_another_ones_nodes_takes_no_name_of_it() {
        assert_ne!(fleet("nodes-edge"), nodes_service("edge"));
        assert_ne!(fleet("edge-nodes"), nodes_service("edge"));
    }
}
