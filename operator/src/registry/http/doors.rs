//! Who is told which nodes to report to: whoever could report to one of a group's streams, by the configuration that
//! nodes have. A group with a stream that asks for nothing is anybody's.
//! It keeps what it read of a configuration until there is another, and never asks the API server.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;
use sluice_identity::{Accounts, Credential, Denied, Guard};

use super::{Configuration, Configurations};
use crate::clock;
use crate::credentials::{Asked, AskedBy};
use crate::resolve::FleetKey;

/// Fleets of which it is kept what their streams ask for, at most.
const KEPT: usize = 256;

/// What a fleet's streams ask for.
#[derive(Debug)]
struct Door {
    /// Of which configuration.
    md5: String,
    /// Of each group.
    groups: BTreeMap<String, Vec<Guard>>,
    accounts: Option<Accounts>,
}

impl Door {
    /// Of a configuration that can't be read nothing is known, and nobody is let in.
    fn read(configuration: &Configuration) -> Self {
        let asked = Asked::by(configuration);
        let accounts = asked.keys().and_then(|keys| Accounts::from_keys(keys).ok());
        let mut groups: BTreeMap<String, Vec<Guard>> = BTreeMap::new();
        for AskedBy { namespace, name, group_id, auth, .. } in asked.streams {
            groups.entry(group_id).or_default().push(Guard::new(&auth, &namespace, &name));
        }
        Self { md5: configuration.md5.clone(), groups, accounts }
    }

    /// Whether what is shown is asked for by a stream of the group, or of the fleet where there is no group.
    fn check(&self, group: Option<&str>, shown: &Credential<'_>, now: u64) -> Result<(), Denied> {
        let guards = self.groups.iter().filter(|(name, _)| group.is_none_or(|group| group == **name));
        let mut refused = None;
        // Verified once, however many streams ask for it.
        let known = OnceCell::new();
        let verified = |token: &str| self.accounts.as_ref().ok_or(Denied::NoKeys)?.of(token, now);
        for guard in guards.flat_map(|(_, guards)| guards) {
            let account = |token: &str| known.get_or_init(|| verified(token)).clone();
            match guard.check(shown, account) {
                Ok(()) => return Ok(()),
                Err(denied) => refused = refused.max(Some(denied)),
            }
        }
        Err(refused.unwrap_or(Denied::NoKeys))
    }
}

/// What fleets' streams ask for.
#[derive(Clone, Debug)]
pub(super) struct Doors {
    configurations: Option<Arc<dyn Configurations>>,
    kept: Arc<Mutex<HashMap<FleetKey, Arc<Door>>>>,
}

impl Doors {
    pub(super) fn new(configurations: Option<Arc<dyn Configurations>>) -> Self {
        Self { configurations, kept: Arc::default() }
    }

    /// Whether a request with these headers may be told nodes of the group, or of the fleet where there is no group.
    pub(super) fn admit(
        &self,
        fleet: &FleetKey,
        group: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<(), Denied> {
        let configuration =
            self.configurations.as_ref().and_then(|all| all.of(fleet)).ok_or(Denied::NoKeys)?;
        self.door(fleet, &configuration).check(group, &Credential::of(headers), clock::seconds())
    }

    fn door(&self, fleet: &FleetKey, configuration: &Configuration) -> Arc<Door> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(door) = kept().get(fleet).filter(|door| door.md5 == configuration.md5) {
            return Arc::clone(door);
        }
        let door = Arc::new(Door::read(configuration));
        let mut kept = kept();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(fleet.clone(), Arc::clone(&door));
        door
    }
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;
    use serde_json::{Value, json};
    use sluice_identity::digest;

    use super::*;

    #[derive(Debug)]
    struct One(Mutex<Value>);

    impl Configurations for One {
        fn of(&self, fleet: &FleetKey) -> Option<Configuration> {
            let document = self.0.lock().unwrap().clone();
            (fleet.1 == "edge").then(|| Configuration::new(document.to_string()))
        }
    }

    fn stream(group: &str, name: &str, token: Option<&str>) -> Value {
        let mut stream = json!({"namespace": "shop", "name": name, "groupId": group});
        if let Some(token) = token {
            let sha256 = digest(&format!("shop/{name}"), token);
            stream["auth"] = json!({"tokens": [{"id": "a", "sha256": sha256}]});
        }
        stream
    }

    fn doors(streams: &[Value]) -> (Doors, Arc<One>) {
        let one = Arc::new(One(Mutex::new(json!({"streams": streams}))));
        (Doors::new(Some(Arc::clone(&one) as Arc<dyn Configurations>)), one)
    }

    fn admit(doors: &Doors, group: Option<&str>, shown: &str) -> Result<(), Denied> {
        let mut headers = HeaderMap::new();
        if !shown.is_empty() {
            headers.insert(AUTHORIZATION, shown.parse().unwrap());
        }
        doors.admit(&("shop".to_owned(), "edge".to_owned()), group, &headers)
    }

    #[test]
    fn a_credential_of_any_stream_of_the_group_opens_it() {
        let streams = [
            stream("g", "one", Some("first")),
            stream("g", "two", Some("second")),
            stream("h", "three", Some("third")),
        ];
        let (doors, _) = doors(&streams);
        for shown in ["Bearer first", "Bearer second", "Basic YTpmaXJzdA=="] {
            assert_eq!(admit(&doors, Some("g"), shown), Ok(()), "{shown}");
        }
        assert_eq!(admit(&doors, Some("g"), "Bearer third"), Err(Denied::Token));
        assert_eq!(admit(&doors, Some("g"), ""), Err(Denied::Missing));
        assert_eq!(admit(&doors, Some("other"), "Bearer first"), Err(Denied::NoKeys));
        assert_eq!(admit(&doors, None, "Bearer third"), Ok(()), "of the fleet, any stream's");
        assert_eq!(admit(&doors, None, "Bearer fourth"), Err(Denied::Token));
    }

    #[test]
    fn a_group_with_an_open_stream_is_anybodys() {
        let (doors, _) = doors(&[stream("g", "one", Some("first")), stream("g", "two", None)]);
        for shown in ["", "Bearer x", "nonsense"] {
            assert_eq!(admit(&doors, Some("g"), shown), Ok(()), "{shown}");
        }
    }

    #[test]
    fn what_is_asked_for_is_that_of_the_configuration_there_is() {
        let (doors, one) = doors(&[stream("g", "one", Some("first"))]);
        assert_eq!(admit(&doors, Some("g"), "Bearer first"), Ok(()));
        *one.0.lock().unwrap() = json!({"streams": [stream("g", "one", Some("second"))]});
        assert_eq!(admit(&doors, Some("g"), "Bearer first"), Err(Denied::Token));
        assert_eq!(admit(&doors, Some("g"), "Bearer second"), Ok(()));
    }

    #[test]
    fn without_a_configuration_that_can_be_read_nobody_is_let_in() {
        let (doors, one) = doors(&[]);
        *one.0.lock().unwrap() = json!({"streams": [{"auth": {"oidc": {}}}]});
        assert_eq!(admit(&doors, Some("g"), "Bearer first"), Err(Denied::NoKeys));
        assert_eq!(admit(&Doors::new(None), Some("g"), "Bearer first"), Err(Denied::NoKeys));
    }
}
