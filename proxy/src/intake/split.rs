//! What is one record of a report's `body`. Pure.
//!
//! With a count above one the body is split at the report's delimiter, else at line ends, and empty
//! pieces are dropped; with a count of one, or none, it is one record, newlines and all.

use memchr::memmem;

/// The most records a report may hold.
pub(super) const MAX_RECORDS: usize = 10_000;

/// A report holds more than [`MAX_RECORDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_RECORDS} records")]
pub(super) struct TooMany;

/// The records of a body; none where it holds nothing but delimiters.
///
/// # Errors
/// [`TooMany`].
pub(super) fn records<'a>(
    body: &'a [u8],
    count: i64,
    delimiter: Option<&[u8]>,
) -> Result<Vec<&'a [u8]>, TooMany> {
    if count <= 1 {
        return Ok(vec![body]);
    }
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty()).unwrap_or(b"\n");
    let mut records = Vec::new();
    let mut start = 0;
    let ends = memmem::find_iter(body, delimiter).chain(std::iter::once(body.len()));
    for end in ends {
        let piece = body.get(start..end).unwrap_or_default();
        start = end + delimiter.len();
        if piece.is_empty() {
            continue;
        }
        if records.len() == MAX_RECORDS {
            return Err(TooMany);
        }
        records.push(piece);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split<'a>(body: &'a str, count: i64, delimiter: Option<&str>) -> Vec<&'a str> {
        let records = records(body.as_bytes(), count, delimiter.map(str::as_bytes)).unwrap();
        records.into_iter().map(|record| std::str::from_utf8(record).unwrap()).collect()
    }

    #[test]
    fn one_record_keeps_its_newlines() {
        assert_eq!(split("a\nb", 1, None), ["a\nb"]);
        assert_eq!(split("a\nb", 0, None), ["a\nb"]);
        assert_eq!(split("a|b", -1, Some("|")), ["a|b"]);
    }

    #[test]
    fn several_are_split_at_lines_or_at_the_delimiter_sent() {
        assert_eq!(split("a\nb\n", 2, None), ["a", "b"]);
        assert_eq!(split("a\nb|c", 2, Some("|")), ["a\nb", "c"]);
        assert_eq!(split("a::b::::c", 3, Some("::")), ["a", "b", "c"]);
        assert_eq!(split("a\nb", 2, Some("")), ["a", "b"]);
    }

    #[test]
    fn the_pieces_count_and_not_the_number_sent() {
        assert_eq!(split("a\nb\nc", 2, None), ["a", "b", "c"]);
        assert_eq!(split("||", 2, Some("|")), [""; 0]);
    }

    #[test]
    fn too_many_pieces_are_refused() {
        let body = "x\n".repeat(MAX_RECORDS);
        assert_eq!(records(body.as_bytes(), 2, None).unwrap().len(), MAX_RECORDS);
        let body = format!("{body}x");
        assert_eq!(records(body.as_bytes(), 2, None), Err(TooMany));
    }

    proptest! {
        #[test]
        fn joined_pieces_are_the_body_without_empty_pieces(
            body in prop::collection::vec(prop_oneof![Just(b'|'), any::<u8>()], 0..300),
        ) {
            let pieces = records(&body, 2, Some(b"|")).unwrap();
            let expected: Vec<_> = body.split(|byte| *byte == b'|').filter(|piece| !piece.is_empty()).collect();
            prop_assert_eq!(pieces, expected);
        }
    }
}
