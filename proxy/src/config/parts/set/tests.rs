//! Sets of parts, complete and not.

use super::*;

/// The parts of a document, cut into so many of about one length.
pub(in crate::config) fn parts(fleet: &str, revision: u64, text: &[u8], count: usize) -> Vec<Vec<u8>> {
    packed(fleet, revision, &zstd::encode_all(text, 3).unwrap(), count)
}

fn packed(fleet: &str, revision: u64, compressed: &[u8], count: usize) -> Vec<Vec<u8>> {
    let sha256 = digest(compressed);
    let length = compressed.len().div_ceil(count);
    (0..count)
        .map(|index| {
            let header =
                PartHeader { fleet: fleet.to_owned(), revision, index, count, sha256: sha256.clone() };
            let body = compressed.iter().skip(index * length).take(length);
            let line = serde_json::to_vec(&header).unwrap();
            line.iter().chain(b"\n").chain(body).copied().collect()
        })
        .collect()
}

fn some(parts: impl IntoIterator<Item = Vec<u8>>) -> Vec<Option<Vec<u8>>> {
    parts.into_iter().map(Some).collect()
}

fn text(files: &[Option<Vec<u8>>]) -> Option<Vec<u8>> {
    assemble(files).whole.map(|set| set.text().unwrap())
}

#[test]
fn a_complete_set_is_the_document() {
    for count in 1..=MAX_PARTS {
        let assembled = assemble(&some(parts("uid", 7, b"{\"of\": \"a document\"}", count)));
        assert_eq!((assembled.missing, assembled.damage), (None, None));
        let set = assembled.whole.unwrap();
        assert_eq!((set.fleet.as_str(), set.revision), ("uid", 7));
        assert_eq!(set.text().unwrap(), b"{\"of\": \"a document\"}");
    }
}

#[test]
fn a_set_lacks_any_part_that_is_absent_or_of_another_set() {
    let newer = parts("uid", 7, b"newer", 3);
    let older = parts("uid", 6, b"older", 3);
    let stranger = parts("other", 7, b"newer", 3);
    let fewer = parts("uid", 7, b"newer", 2);
    for index in 0..3 {
        for other in [None, Some(&older), Some(&stranger), fewer.get(index).map(|_| &fewer)] {
            let mut files = some(newer.clone());
            files[index] = other.map(|set| set[index].clone());
            let assembled = assemble(&files);
            assert!(assembled.whole.is_none(), "{index}");
            assert_eq!(assembled.damage, None);
            assert!(assembled.missing.unwrap().revision == 7);
        }
    }
}

#[test]
fn what_is_waited_for_is_the_first_part_of_the_newest_revision() {
    let (older, newer) = (parts("uid", 6, b"older", 2), parts("uid", 7, b"newer", 3));
    let missing = |files: &[Option<Vec<u8>>]| assemble(files).missing.unwrap().to_string();
    let first = missing(&some([newer[0].clone(), older[1].clone()]));
    assert_eq!(first, "waiting for part 2 of 3 of revision 7");
    let second = missing(&some([older[0].clone(), newer[1].clone(), newer[2].clone()]));
    assert_eq!(second, "waiting for part 1 of 3 of revision 7");
    assert_eq!(missing(&[None, Some(newer[1].clone())]), "waiting for part 1 of 3 of revision 7");
}

#[test]
fn an_older_set_serves_while_the_first_part_of_the_next_is_awaited() {
    let mut files = some(parts("uid", 6, b"older", 1));
    files.push(Some(parts("uid", 7, b"newer", 2)[1].clone()));
    let assembled = assemble(&files);
    assert_eq!(assembled.whole.unwrap().revision, 6);
    assert_eq!(assembled.missing.unwrap().revision, 7);
}

#[test]
fn parts_left_over_from_a_larger_or_another_fleets_set_do_not_matter() {
    for left in [parts("uid", 6, b"older", 4), parts("other", 99, b"stranger", 4), vec![b"torn".to_vec(); 4]]
    {
        let mut files = some(parts("uid", 7, b"newer", 2));
        files.extend([Some(left[2].clone()), Some(left[3].clone())]);
        let assembled = assemble(&files);
        assert_eq!((assembled.missing, assembled.damage), (None, None));
        assert_eq!(assembled.whole.unwrap().revision, 7);
    }
}

#[test]
fn a_torn_part_is_told_and_not_used() {
    let whole = parts("uid", 7, &[7; 5_000], 2);
    for (index, part) in whole.iter().enumerate() {
        for length in 0..part.len() {
            let mut files = some(whole.clone());
            files[index] = Some(part[..length].to_vec());
            let assembled = assemble(&files);
            assert!(assembled.whole.is_none() && assembled.damage.is_some(), "{index}, {length} bytes");
        }
    }
}

#[test]
fn a_header_that_names_another_place_or_none_is_damage() {
    let part = |index, count| {
        let sha256 = digest(b"x");
        let header = PartHeader { fleet: "uid".into(), revision: 1, index, count, sha256 };
        [serde_json::to_vec(&header).unwrap(), b"\nx".to_vec()].concat()
    };
    for (index, count) in [(1, 2), (0, 0), (0, MAX_PARTS + 1)] {
        assert!(assemble(&some([part(index, count)])).damage.is_some(), "{index} of {count}");
    }
    let padded = |padding: usize| [vec![b' '; padding], part(0, 1)].concat();
    assert!(assemble(&some([padded(MAX_HEADER)])).damage.unwrap().contains("no header"));
    assert!(assemble(&some([padded(10)])).damage.is_none());
    let long = [parts("uid", 1, b"x", 1).remove(0), vec![0; MAX_PART]].concat();
    assert!(assemble(&some([long])).damage.unwrap().contains("longer than"));
}

#[test]
fn what_is_not_zstd_or_too_long_is_refused() {
    let set = |compressed: &[u8]| assemble(&some(packed("uid", 1, compressed, 1))).whole.unwrap();
    assert!(set(b"not zstd").text().unwrap_err().contains("not zstd"));
    let bomb = zstd::encode_all(&vec![0; MAX_DOCUMENT + 1][..], 3).unwrap();
    assert!(set(&bomb).text().unwrap_err().contains("longer than 67108864 bytes"));
    let cut = zstd::encode_all(&[7; 5_000][..], 3).unwrap();
    assert!(set(&cut[..cut.len() - 1]).text().is_err());
    assert_eq!(text(&some(parts("uid", 1, b"", 1))).unwrap(), b"");
}
