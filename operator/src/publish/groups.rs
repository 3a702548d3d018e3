//! A document's groups, as long polling serves them: what the data of each is, byte for byte, and its digest.
//! Who publishes and who serves both go through here, so that a digest is always that of what is served.

use std::collections::BTreeMap;

use md5::{Digest, Md5};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use sluice_wire::document::{Document, Group};
use sluice_wire::polling::{FLEET, SINK, STREAM};

use crate::hex;

/// MD5 by group.
pub type Digests = BTreeMap<String, String>;

/// The data of a document's groups. `fleet` are the elements of what concerns the fleet as a whole; parts may be values
/// or the JSON that a document had for them.
///
/// # Errors
/// A part has no form as JSON.
pub fn data(
    fleet: &[impl Serialize],
    sinks: &[impl Serialize],
    streams: &[impl Serialize],
) -> serde_json::Result<[(&'static str, Vec<u8>); 3]> {
    Ok([
        (FLEET, serde_json::to_vec(fleet)?),
        (SINK, serde_json::to_vec(sinks)?),
        (STREAM, serde_json::to_vec(streams)?),
    ])
}

/// The digests of a document's groups.
///
/// # Errors
/// The document has no form as JSON.
pub fn digests(document: &Document) -> serde_json::Result<Digests> {
    let data = data(&fleet(document)?, &document.sinks, &document.streams)?;
    Ok(data.map(|(name, bytes)| (name.to_owned(), hex::digits(&Md5::digest(bytes)))).into())
}

/// What concerns a fleet as a whole. Listeners that ask for nothing are left out, as the document leaves them out.
fn fleet(document: &Document) -> serde_json::Result<Vec<Box<RawValue>>> {
    let Document { fleet, overload, drain, listeners, .. } = document;
    let mut elements = vec![to_raw_value(fleet)?, to_raw_value(overload)?, to_raw_value(drain)?];
    if !listeners.is_empty() {
        elements.push(to_raw_value(listeners)?);
    }
    Ok(elements)
}

/// The groups of a document at `revision`: one that is as `before` keeps its time.
#[must_use]
pub fn numbered(
    digests: Digests,
    before: &BTreeMap<String, Group>,
    revision: u64,
) -> BTreeMap<String, Group> {
    let group = |(name, md5): (String, String)| {
        let same = before.get(&name).filter(|group| group.md5 == md5);
        let last_modify_time = same.map_or(revision, |group| group.last_modify_time);
        (name, Group { md5, last_modify_time })
    };
    digests.into_iter().map(group).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_group_is_an_array_without_spaces_and_its_digest_that_of_the_bytes() {
        let document: Document = serde_json::from_value(json!({
            "major": 1, "fleet": {"namespace": "shop", "name": "edge", "uid": "u"}, "revision": 1,
            "overload": {"maxInflightBytes": 1, "maxConnections": 2}, "drain": {"notifyMs": 3},
            "sinks": [{"name": "local", "file": {"directory": "d", "maxBytes": 1}}], "streams": [],
        }))
        .unwrap();
        let fleet = concat!(
            r#"[{"namespace":"shop","name":"edge","uid":"u"},{"maxInflightBytes":1,"maxConnections":2},"#,
            r#"{"notifyMs":3}]"#
        );
        let data = data(&super::fleet(&document).unwrap(), &document.sinks, &document.streams).unwrap();
        let wanted = [
            ("FLEET", fleet),
            ("SINK", r#"[{"name":"local","file":{"directory":"d","maxBytes":1}}]"#),
            ("STREAM", "[]"),
        ];
        assert_eq!(data, wanted.map(|(name, text)| (name, text.as_bytes().to_vec())));
        let digests = digests(&document).unwrap();
        assert_eq!(digests["STREAM"], "d751713988987e9331980363e24189ce");
        assert_eq!(digests["FLEET"], hex::digits(&Md5::digest(fleet)));
    }

    #[test]
    fn listeners_are_of_the_fleets_group_where_they_ask_for_something() {
        let mut document: Document = serde_json::from_value(json!({
            "major": 1, "fleet": {"namespace": "shop", "name": "edge"}, "revision": 1,
            "overload": {"maxInflightBytes": 1, "maxConnections": 2}, "drain": {"notifyMs": 3},
            "listeners": {}, "sinks": [], "streams": [],
        }))
        .unwrap();
        let without = digests(&document).unwrap();
        document.listeners.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        let with = digests(&document).unwrap();
        assert_ne!(without["FLEET"], with["FLEET"]);
        assert_eq!((&without["SINK"], &without["STREAM"]), (&with["SINK"], &with["STREAM"]));
        assert_eq!(fleet(&document).unwrap()[3].get(), r#"{"trustedProxies":["10.0.0.0/8"]}"#);
    }

    #[test]
    fn a_group_that_is_as_before_keeps_its_time() {
        let of = |md5: &str, time| Group { md5: md5.to_owned(), last_modify_time: time };
        let before = [("A".to_owned(), of("1", 5)), ("B".to_owned(), of("1", 5))].into();
        let digests = [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())].into();
        let groups = numbered(digests, &before, 9);
        assert_eq!(groups, [("A".to_owned(), of("1", 5)), ("B".to_owned(), of("2", 9))].into());
    }
}
