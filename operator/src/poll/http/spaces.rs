//! Which space a request is about, and whether its caller may read it. Pure.
//!
//! | caller | opted-in ConfigMaps | a fleet |
//! |---|---|---|
//! | anyone (8083) | yes | there is none |
//! | a pod (8443) | there are none | its own: whose proxy it is, or whose sidecar it has |
//! | local mode | yes | yes |

use std::collections::BTreeMap;

use sluice_identity::PodIdentity;

use super::answer::Refusal;
use crate::caller::{Caller, Trust};
use crate::names;
use crate::poll::board::Space;
use crate::resolve::FleetKey;

/// The longest part of a `namespaceId` that an answer repeats, in characters.
const MAX_SHOWN: usize = 64;

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Labelled ConfigMaps.
    Maps(Space),
    /// A fleet's configuration.
    Fleet(Space),
}

/// Spaces of ConfigMaps by the name that clients give them.
#[derive(Debug)]
pub(super) struct Spaces(pub(super) BTreeMap<String, Space>);

impl Spaces {
    /// What `named` is to this caller. `sidecar_of` is the fleet that a pod has a sidecar of.
    pub(super) fn find(
        &self,
        caller: &Caller,
        named: &str,
        sidecar_of: impl Fn(&PodIdentity) -> Option<FleetKey>,
    ) -> Result<Asked, Refusal> {
        let maps = || self.0.get(named).map(|space| Asked::Maps(space.clone()));
        let found = match &caller.trust {
            Trust::Anyone => maps(),
            Trust::Local => maps().or_else(|| fleet(named).map(|(namespace, name)| asked(namespace, name))),
            Trust::Pod(pod) => match fleet(named) {
                Some((namespace, name)) => {
                    admit(pod, (namespace, name), sidecar_of(pod))?;
                    Some(asked(namespace, name))
                }
                None => None,
            },
        };
        found.ok_or_else(|| Refusal::NoSpace(shown(named)))
    }
}

/// Lets a pod through that is a proxy of the fleet, or has a sidecar of it; who has one is nobody else.
fn admit(
    pod: &PodIdentity,
    (namespace, name): (&str, &str),
    sidecar_of: Option<FleetKey>,
) -> Result<(), Refusal> {
    let who = match sidecar_of {
        Some(own) if (own.0.as_str(), own.1.as_str()) == (namespace, name) => return Ok(()),
        Some(own) => format!("has a sidecar of ProxyFleet {}/{}", own.0, own.1),
        None if pod.namespace == namespace && pod.service_account == names::fleet(name) => return Ok(()),
        None => format!("runs as service account {} and has no sidecar that is known", pod.service_account),
    };
    Err(Refusal::Forbidden(format!(
        "pod {}/{} {who}, and only proxies of ProxyFleet {} in namespace {} may read its configuration",
        pod.namespace,
        pod.pod,
        shown(name),
        shown(namespace)
    )))
}

fn asked(namespace: &str, name: &str) -> Asked {
    Asked::Fleet(Space::fleet(namespace, name))
}

/// Namespace and name of a fleet.
fn fleet(named: &str) -> Option<(&str, &str)> {
    named.split_once('/').filter(|(namespace, name)| {
        !namespace.is_empty() && !name.is_empty() && !name.contains('/') && named.len() <= 2 * MAX_SHOWN
    })
}

fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn find(trust: Trust, named: &str) -> Result<Asked, String> {
        beside(trust, named, None)
    }

    /// What a pod is told that has a sidecar of this fleet.
    fn beside(trust: Trust, named: &str, sidecar_of: Option<(&str, &str)>) -> Result<Asked, String> {
        let maps = ["", "id", "a/b"].map(|id| (id.to_owned(), Space::namespace("demo")));
        let caller = Caller { ip: [10, 0, 0, 1].into(), trust };
        let of =
            |_: &PodIdentity| sidecar_of.map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
        Spaces(maps.into()).find(&caller, named, of).map_err(|refusal| refusal.to_string())
    }

    fn pod(namespace: &str, service_account: &str) -> Trust {
        Trust::Pod(Arc::new(PodIdentity {
            namespace: namespace.to_owned(),
            service_account: service_account.to_owned(),
            pod: "p-0".to_owned(),
            uid: "u".to_owned(),
        }))
    }

    fn maps() -> Asked {
        Asked::Maps(Space::namespace("demo"))
    }

    fn edge() -> Asked {
        Asked::Fleet(Space::fleet("shop", "edge"))
    }

    fn nothing(named: &str) -> Result<Asked, String> {
        Err(format!("nothing is served under namespaceId {named:?}"))
    }

    #[test]
    fn anyone_is_served_what_is_opted_in_and_no_fleet() {
        assert_eq!(find(Trust::Anyone, ""), Ok(maps()));
        assert_eq!(find(Trust::Anyone, "a/b"), Ok(maps()));
        assert_eq!(find(Trust::Anyone, "shop/edge"), nothing("shop/edge"));
        assert_eq!(
            find(Trust::Anyone, "demo"),
            nothing("demo"),
            "a namespace that nobody opted in by this name"
        );
    }

    #[test]
    fn a_pod_is_served_the_fleet_whose_proxy_it_is_and_nothing_else() {
        let proxy = || pod("shop", "sluice-edge");
        assert_eq!(find(proxy(), "shop/edge"), Ok(edge()));
        for named in ["", "id", "shop", "/", "shop/", "/edge", "shop/edge/x"] {
            assert_eq!(find(proxy(), named), nothing(named));
        }
        for (stranger, named) in [
            (pod("shop", "default"), "shop/edge"),
            (pod("other", "sluice-edge"), "shop/edge"),
            (proxy(), "shop/other"),
            (proxy(), "other/edge"),
            (proxy(), "a/b"),
        ] {
            let said = find(stranger, named).unwrap_err();
            assert!(
                said.contains("only proxies of ProxyFleet") && said.contains("service account"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_pod_with_a_sidecar_is_served_the_fleet_of_that_whoever_it_is_besides() {
        let of = Some(("shop", "edge"));
        for account in ["default", "sluice-edge", "sluice-other"] {
            assert_eq!(beside(pod("shop", account), "shop/edge", of), Ok(edge()));
            let said = beside(pod("shop", account), "shop/other", of).unwrap_err();
            assert!(said.contains("has a sidecar of ProxyFleet shop/edge"), "{said}");
        }
    }

    #[test]
    fn local_mode_serves_both() {
        assert_eq!(find(Trust::Local, "id"), Ok(maps()));
        assert_eq!(find(Trust::Local, "a/b"), Ok(maps()));
        assert_eq!(find(Trust::Local, "shop/edge"), Ok(edge()));
        assert_eq!(find(Trust::Local, "other"), nothing("other"));
    }

    #[test]
    fn an_answer_repeats_little_of_a_long_name() {
        let long = format!("{}/x", "a".repeat(1_000));
        assert_eq!(find(Trust::Local, &long), nothing(&long[..64]));
    }
}
