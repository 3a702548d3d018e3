//! A fleet's configuration in one piece, for who asks for it as InLong's data proxies do. It makes no digest of a part.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::Error as _;
use serde_json::value::RawValue;
use sluice_wire::polling::{FLEET, SINK, STREAM};

use super::board::Space;
use super::edition::Edition;
use super::hub::Hub;
use crate::registry::http::{Configuration, Configurations};
use crate::resolve::FleetKey;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    major: u32,
    revision: u64,
    fleet: &'a RawValue,
    overload: &'a RawValue,
    drain: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    listeners: Option<&'a RawValue>,
    sinks: &'a RawValue,
    streams: &'a RawValue,
}

/// Fleets whose configuration is kept in one piece, at most.
const KEPT: usize = 16;

/// The configurations that a hub has, each put together once.
#[derive(Debug)]
pub struct Wholes {
    hub: Hub,
    kept: Mutex<HashMap<FleetKey, (Arc<Edition>, Configuration)>>,
}

impl Wholes {
    /// Those of `hub`.
    #[must_use]
    pub fn new(hub: Hub) -> Self {
        Self { hub, kept: Mutex::default() }
    }
}

impl Configurations for Wholes {
    fn of(&self, fleet: &FleetKey) -> Option<Configuration> {
        let (_, edition) = self.hub.edition(&Space::fleet(&fleet.0, &fleet.1)).ok()?;
        // One at a time: whoever asks for the same one meanwhile has it from the first.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, made)) = kept.get(fleet)
            && Arc::ptr_eq(of, &edition)
        {
            return Some(made.clone());
        }
        let made = whole(&edition).ok().map(Configuration::new)?;
        if kept.len() == KEPT {
            kept.clear();
        }
        kept.insert(fleet.clone(), (edition, made.clone()));
        Some(made)
    }
}

/// The document of an edition.
fn whole(edition: &Edition) -> serde_json::Result<Vec<u8>> {
    let group = |name: &str| edition.group(name).map(|served| &*served.content.bytes).unwrap_or_default();
    let elements: Vec<&RawValue> = serde_json::from_slice(group(FLEET))?;
    let [fleet, overload, drain, listeners @ ..] = &*elements else {
        return Err(serde_json::Error::custom("the group of the fleet is not whole"));
    };
    serde_json::to_vec(&Whole {
        major: edition.major,
        revision: edition.revision,
        fleet,
        overload,
        drain,
        listeners: listeners.first().copied(),
        sinks: serde_json::from_slice(group(SINK))?,
        streams: serde_json::from_slice(group(STREAM))?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::board::Change;
    use super::*;
    use crate::publish::groups;

    #[test]
    fn it_is_the_document_that_was_published() {
        let document = json!({
            "major": 1, "fleet": {"namespace": "shop", "name": "edge", "uid": "u"}, "revision": 7,
            "overload": {"maxInflightBytes": 1, "maxConnections": 2}, "drain": {"notifyMs": 3},
            "listeners": {"trustedProxies": ["10.0.0.0/8"]},
            "sinks": [{"name": "local", "file": {"directory": "d", "maxBytes": 1}}], "streams": []
        });
        let mut published: sluice_wire::document::Document =
            serde_json::from_value(document.clone()).unwrap();
        let digests = groups::digests(&published).unwrap();
        published.groups = groups::numbered(digests, &[].into(), 7);
        let edition = Edition::read(&serde_json::to_vec(&published).unwrap(), None).unwrap();
        let hub = Hub::default();
        let wholes = Wholes::new(hub.clone());
        let fleet = ("shop".to_owned(), "edge".to_owned());
        assert_eq!(wholes.of(&fleet), None);
        let space = Space::fleet("shop", "edge");
        hub.take(vec![Change::Fleet { space, edition: Some(Arc::new(edition)) }]);
        let found = wholes.of(&fleet).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&found.json).unwrap(), document);
        assert_eq!(found.md5.len(), 32);
        assert_eq!(wholes.of(&fleet).unwrap().json.as_ptr(), found.json.as_ptr(), "it is put together once");

        published.revision = 8;
        let next = Edition::read(&serde_json::to_vec(&published).unwrap(), None).unwrap();
        let space = Space::fleet("shop", "edge");
        hub.take(vec![Change::Fleet { space, edition: Some(Arc::new(next)) }]);
        let found = wholes.of(&fleet).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&found.json).unwrap()["revision"], 8);
    }
}
