//! Reads an InLongMsg of version 1, by its description and not by the product's code.

/// An InLongMsg of one attribute group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InLongMsg {
    /// Milliseconds since the epoch.
    pub created: i64,
    /// The attributes as they stand.
    pub attributes: String,
    /// Whether the records came compressed.
    pub snappy: bool,
    /// The records.
    pub records: Vec<Vec<u8>>,
}

/// Reads one.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn parse(bytes: &[u8]) -> InLongMsg {
    let mut rest = bytes;
    let mut take = |length: usize| {
        let (head, tail) = rest.split_at(length);
        rest = tail;
        head
    };
    assert_eq!(take(2), [0x0f, 0x01], "the magic of version 1");
    let created = i64::from_be_bytes(take(8).try_into().expect("eight bytes"));
    assert_eq!(number(take(4)), 1, "one attribute group");
    let length = usize::from(u16::from_be_bytes(take(2).try_into().expect("two bytes")));
    let attributes = String::from_utf8(take(length).to_vec()).expect("attributes in UTF-8");
    let length = number(take(4)) - 1;
    let snappy = take(1) == [1];
    let data = take(length).to_vec();
    assert_eq!(take(2), [0x0f, 0x01], "the magic at the end");
    assert!(rest.is_empty(), "nothing behind it");
    let data = if snappy { snap::raw::Decoder::new().decompress_vec(&data).expect("snappy") } else { data };
    InLongMsg { created, attributes, snappy, records: records(&data) }
}

fn records(mut data: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while !data.is_empty() {
        let (length, rest) = data.split_at(4);
        let (record, rest) = rest.split_at(number(length));
        records.push(record.to_vec());
        data = rest;
    }
    records
}

fn number(bytes: &[u8]) -> usize {
    usize::try_from(i32::from_be_bytes(bytes.try_into().expect("four bytes"))).expect("not below zero")
}
