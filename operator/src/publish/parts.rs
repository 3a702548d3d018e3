//! Cuts a document into the parts that ConfigMaps hold (`sluice_wire::parts`). Pure, and deterministic: equal
//! documents give equal bytes, so that nothing is written that says nothing new.

use sluice_wire::document::Document;
use sluice_wire::parts::{MAX_DOCUMENT, MAX_HEADER, MAX_PART, MAX_PARTS, PartHeader};

use crate::hex;

/// How hard zstd tries. Its window is 2 MiB at this level, below what readers allow.
const LEVEL: i32 = 3;

/// A document can't be published.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// It does not fit into its parts.
    #[error("the configuration takes {length} bytes {form}, at most {most} fit")]
    TooLarge {
        /// Which bytes are meant.
        form: &'static str,
        /// How many there are.
        length: usize,
        /// How many there may be.
        most: usize,
    },
    /// It has no form as JSON.
    #[error("the configuration can't be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It can't be compressed.
    #[error("the configuration can't be compressed: {0}")]
    Compress(#[from] std::io::Error),
}

impl EncodeError {
    /// Whether fewer streams would do.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::TooLarge { .. })
    }
}

/// The parts of a document, in their order; at least one, at most [`MAX_PARTS`].
///
/// # Errors
/// [`EncodeError::TooLarge`] where the document does not fit; the others do not happen to a document.
pub fn encode(document: &Document) -> Result<Vec<Vec<u8>>, EncodeError> {
    let text = serde_json::to_vec(document)?;
    within("as JSON", text.len(), MAX_DOCUMENT)?;
    let compressed = zstd::bulk::compress(&text, LEVEL)?;
    within("compressed", compressed.len(), MAX_PARTS * MAX_PART)?;
    let sha256 = hex::sha256(&compressed);
    let bodies: Vec<_> = compressed.chunks(MAX_PART).collect();
    let part = |(index, body): (usize, &&[u8])| {
        let (fleet, revision, count) = (document.fleet.uid.clone(), document.revision, bodies.len());
        let header = PartHeader { fleet, revision, index, count, sha256: sha256.clone() };
        let mut part = serde_json::to_vec(&header)?;
        within("in a part's header", part.len(), MAX_HEADER)?;
        part.reserve_exact(body.len() + 1);
        part.push(b'\n');
        part.extend_from_slice(body);
        Ok(part)
    };
    bodies.iter().enumerate().map(part).collect()
}

fn within(form: &'static str, length: usize, most: usize) -> Result<(), EncodeError> {
    if length > most { Err(EncodeError::TooLarge { form, length, most }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sluice_wire::document::{Drain, FleetRef, MAJOR, Output, Overload, Split, Stream};

    use super::*;

    /// Names that no compressor shortens to less than half: 1 KiB.
    fn stream(number: usize) -> Stream {
        let random = |header: usize| hex::sha256(format!("{number}-{header}").as_bytes());
        Stream {
            namespace: "shop".to_owned(),
            name: format!("orders-{number}"),
            uid: String::new(),
            generation: 1,
            group_id: "g".to_owned(),
            stream_id: format!("s{number}"),
            sink: "kafka".to_owned(),
            topic: format!("shop.orders-{number}"),
            create: None,
            output: Output::Raw,
            split: Split::Auto,
            key: None,
            headers: (0..32).map(random).collect(),
            success_code: 0,
            max_body_bytes: 65_536,
            records_per_second: None,
            bytes_per_second: None,
            sources: sluice_wire::access::Sources::default(),
            auth: sluice_wire::auth::Auth::None,
            paused: false,
        }
    }

    fn document(streams: usize) -> Document {
        Document {
            major: MAJOR,
            fleet: FleetRef { namespace: "ns".to_owned(), name: "main".to_owned(), uid: "uid".to_owned() },
            revision: 7,
            groups: BTreeMap::new(),
            overload: Overload { max_inflight_bytes: 1, max_connections: 1 },
            drain: Drain { notify_ms: 0 },
            listeners: sluice_wire::access::Listeners::default(),
            sinks: Vec::new(),
            streams: (0..streams).map(stream).collect(),
        }
    }

    fn open(part: &[u8]) -> (PartHeader, &[u8]) {
        let end = part.iter().position(|byte| *byte == b'\n').unwrap();
        (serde_json::from_slice(&part[..end]).unwrap(), &part[end + 1..])
    }

    fn decode(parts: &[Vec<u8>]) -> Document {
        let compressed: Vec<u8> = parts.iter().flat_map(|part| open(part).1).copied().collect();
        assert!(parts.iter().all(|part| open(part).0.sha256 == hex::sha256(&compressed)));
        serde_json::from_slice(&zstd::decode_all(&*compressed).unwrap()).unwrap()
    }

    #[test]
    fn a_small_document_is_one_part_that_says_what_it_is() {
        let parts = encode(&document(1)).unwrap();
        assert_eq!(parts.len(), 1);
        let (header, _) = open(&parts[0]);
        assert_eq!((header.fleet.as_str(), header.revision), ("uid", 7));
        assert_eq!((header.index, header.count), (0, 1));
        assert_eq!(decode(&parts), document(1));
    }

    #[test]
    fn a_larger_one_is_cut_and_every_part_fits_into_a_config_map() {
        let large = document(1_500);
        let parts = encode(&large).unwrap();
        assert!((2..=MAX_PARTS).contains(&parts.len()), "{}", parts.len());
        for (index, part) in parts.iter().enumerate() {
            let (header, body) = open(part);
            assert_eq!((header.index, header.count), (index, parts.len()));
            assert!(!body.is_empty() && body.len() <= MAX_PART);
            // A ConfigMap's data is at most 1 MiB.
            assert!(part.len() < 1 << 20);
        }
        assert_eq!(decode(&parts), large);
    }

    #[test]
    fn what_does_not_fit_is_told_by_its_size() {
        let error = encode(&document(4_500)).unwrap_err();
        assert!(error.is_too_large(), "{error}");
        assert!(error.to_string().contains("compressed, at most 3686400 fit"), "{error}");
    }

    #[test]
    fn equal_documents_give_equal_bytes_and_another_revision_others() {
        let parts = encode(&document(50)).unwrap();
        assert_eq!(encode(&document(50)).unwrap(), parts);
        let next = Document { revision: 8, ..document(50) };
        assert_ne!(encode(&next).unwrap(), parts);
    }
}
