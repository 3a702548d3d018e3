//! A fleet's configuration in one piece, for who asks for it as InLong's data proxies do. It makes no digest of a part.

use serde::Serialize;
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
    sinks: &'a RawValue,
    streams: &'a RawValue,
}

impl Configurations for Hub {
    fn of(&self, (namespace, name): &FleetKey) -> Option<Configuration> {
        let (_, edition) = self.edition(&Space::fleet(namespace, name)).ok()?;
        whole(&edition).ok().map(Configuration::new)
    }
}

/// The document of an edition.
fn whole(edition: &Edition) -> serde_json::Result<Vec<u8>> {
    let group = |name: &str| edition.group(name).map(|served| &*served.content.bytes).unwrap_or_default();
    let [fleet, overload, drain] = serde_json::from_slice::<[&RawValue; 3]>(group(FLEET))?;
    serde_json::to_vec(&Whole {
        major: edition.major,
        revision: edition.revision,
        fleet,
        overload,
        drain,
        sinks: serde_json::from_slice(group(SINK))?,
        streams: serde_json::from_slice(group(STREAM))?,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::super::board::Change;
    use super::*;
    use crate::publish::groups;

    #[test]
    fn it_is_the_document_that_was_published() {
        let document = json!({
            "major": 1, "fleet": {"namespace": "shop", "name": "edge", "uid": "u"}, "revision": 7,
            "overload": {"maxInflightBytes": 1, "maxConnections": 2}, "drain": {"notifyMs": 3},
            "sinks": [{"name": "local", "file": {"directory": "d", "maxBytes": 1}}], "streams": []
        });
        let mut published: sluice_wire::document::Document =
            serde_json::from_value(document.clone()).unwrap();
        let digests = groups::digests(&published).unwrap();
        published.groups = groups::numbered(digests, &[].into(), 7);
        let edition = Edition::read(&serde_json::to_vec(&published).unwrap(), None).unwrap();
        let hub = Hub::default();
        let fleet = ("shop".to_owned(), "edge".to_owned());
        assert_eq!(hub.of(&fleet), None);
        let space = Space::fleet("shop", "edge");
        hub.take(vec![Change::Fleet { space, edition: Some(Arc::new(edition)) }]);
        let found = hub.of(&fleet).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&found.json).unwrap(), document);
        assert_eq!(found.md5.len(), 32);
    }
}
