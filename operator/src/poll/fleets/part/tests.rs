use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use serde_json::json;
use sluice_wire::document::Document;

use super::*;
use crate::publish::groups;
use crate::publish::parts::encode;

/// A document of fleet shop/edge with so many streams.
pub(in crate::poll) fn document(uid: &str, revision: u64, streams: usize) -> Document {
    let stream = |number: usize| {
        json!({
            "namespace": "shop", "name": format!("s{number}"), "groupId": "shop", "streamId": format!("s{number:05}"),
            "sink": "local", "topic": "t", "output": "Raw", "successCode": 0, "maxBodyBytes": 65_536,
        })
    };
    let mut document: Document = serde_json::from_value(json!({
        "major": 1, "fleet": {"namespace": "shop", "name": "edge", "uid": uid}, "revision": revision,
        "overload": {"maxInflightBytes": 1, "maxConnections": 2}, "drain": {"notifyMs": 3},
        "sinks": [{"name": "local", "file": {"directory": "d", "maxBytes": 1}}],
        "streams": (0..streams).map(stream).collect::<Vec<_>>(),
    }))
    .unwrap();
    number(&mut document, &BTreeMap::new());
    document
}

/// Gives a document the groups that a publisher would.
pub(in crate::poll) fn number(
    document: &mut Document,
    before: &BTreeMap<String, sluice_wire::document::Group>,
) {
    let digests = groups::digests(document).unwrap();
    document.groups = groups::numbered(digests, before, document.revision);
}

/// The ConfigMaps of a document, cut into `count` parts.
pub(in crate::poll) fn maps(document: &Document, count: usize) -> Vec<ConfigMap> {
    let part = encode(document).unwrap().remove(0);
    let body = part.splitn(2, |byte| *byte == b'\n').nth(1).unwrap().to_vec();
    let sha256 = hex::sha256(&body);
    let map = |(index, body): (usize, &[u8])| {
        let (fleet, revision) = (document.fleet.uid.clone(), document.revision);
        let header = PartHeader { fleet, revision, index, count, sha256: sha256.clone() };
        map(&document.fleet.name, index, &[&serde_json::to_vec(&header).unwrap(), &b"\n"[..], body].concat())
    };
    body.chunks(body.len().div_ceil(count)).enumerate().map(map).collect()
}

fn map(fleet: &str, index: usize, part: &[u8]) -> ConfigMap {
    let uid = part.splitn(2, |byte| *byte == b'\n').next().and_then(|line| serde_json::from_slice(line).ok());
    let uid = uid.map_or_else(|| "u".to_owned(), |header: PartHeader| header.fleet);
    let mut map: ConfigMap = serde_json::from_value(json!({
        "metadata": {
            "namespace": "shop", "name": names::config(fleet, index), "labels": {FLEET: fleet},
            "ownerReferences": [{
                "apiVersion": "sluice.dev/v1alpha1", "kind": "ProxyFleet", "name": fleet, "uid": uid, "controller": true,
            }],
        },
    }))
    .unwrap();
    map.binary_data = Some([(KEY.to_owned(), ByteString(part.to_vec()))].into());
    map
}

#[test]
fn a_part_is_known_by_its_fleet_s_label_and_its_name() {
    let map = map("edge", 2, b"");
    assert_eq!(place(&map), Some((("shop".to_owned(), "edge".to_owned()), 2)));
    let mut other = map;
    other.metadata.name = Some("edge-config-4".to_owned());
    assert_eq!(place(&other), None);
    other.metadata.name = Some("other-config-2".to_owned());
    assert_eq!(place(&other), None, "of a fleet that its label does not name");
    other.metadata.labels = None;
    assert_eq!(place(&other), None);
}

#[test]
fn what_is_published_reads_back_the_same() {
    let document = document("u", 7, 50);
    let parts: Vec<_> =
        maps(&document, 4).into_iter().enumerate().map(|(index, map)| read(map, index).unwrap()).collect();
    let bodies: Vec<_> = parts.iter().map(|part| part.body.clone()).collect();
    let set = Set::new(&parts[0].header, &bodies);
    assert_eq!((set.uid.as_str(), set.revision), ("u", 7));
    assert_eq!(serde_json::from_slice::<Document>(&set.text().unwrap()).unwrap(), document);
}

#[test]
fn a_damaged_part_says_what_is_wrong() {
    let header = |index: usize, count: usize| {
        let header = PartHeader { fleet: "u".to_owned(), revision: 1, index, count, sha256: String::new() };
        [serde_json::to_vec(&header).unwrap(), b"\n".to_vec()].concat()
    };
    let long = [header(1, 2), vec![0; MAX_PART + 1]].concat();
    let endless = vec![b' '; MAX_HEADER + 2];
    for (part, words) in [
        (&b""[..], "no header"),
        (&endless, "no header"),
        (b"{}\n", "header: missing field"),
        (&header(0, 2), "part 0 of 2"),
        (&header(1, 1), "part 1 of 1"),
        (&header(1, 5), "part 1 of 5"),
        (&long, "longer than 921600 bytes"),
    ] {
        let said = read(map("edge", 1, part), 1).unwrap_err().to_string();
        assert!(said.contains(words), "{words}: {said}");
    }
    let mut empty = map("edge", 1, &header(1, 2));
    empty.metadata.owner_references = None;
    assert!(matches!(read(empty.clone(), 1), Err(Damage::Foreign)));
    empty.binary_data = None;
    assert!(matches!(read(empty, 1), Err(Damage::NoPart)));
}

fn set(compressed: Vec<u8>) -> Set {
    Set { uid: "u".to_owned(), revision: 1, sha256: hex::sha256(&compressed), compressed }
}

#[test]
fn a_set_that_is_not_what_it_says_or_too_long_is_not_unpacked() {
    let spoilt = Set { sha256: hex::sha256(b"other"), ..set(zstd::encode_all(&b"{}"[..], 3).unwrap()) };
    assert!(matches!(spoilt.text(), Err(Damage::Digest)));
    assert!(matches!(set(b"{}".to_vec()).text(), Err(Damage::Zstd(_))));
    let bomb = zstd::encode_all(io::repeat(b' ').take(MAX_DOCUMENT as u64 + 1), 3).unwrap();
    assert!(bomb.len() < 64 << 10 && matches!(set(bomb).text(), Err(Damage::TooLong(MAX_DOCUMENT))));
    let mut wide = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    wide.window_log(WINDOW_LOG + 1).unwrap();
    io::Write::write_all(&mut wide, b"{}").unwrap();
    assert!(
        matches!(set(wide.finish().unwrap()).text(), Err(Damage::Zstd(_))),
        "a window wider than is allowed"
    );
}
