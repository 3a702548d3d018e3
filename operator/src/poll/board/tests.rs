use super::*;

const SPACE: &str = "demo";

fn content(text: &'static str) -> Content {
    Content::new(text.as_bytes())
}

fn whole(groups: &[(&str, Option<&'static str>)], at: u64) -> Change {
    let groups = groups.iter().map(|(group, text)| ((*group).to_owned(), text.map(content))).collect();
    Change::Whole { space: Space::namespace(SPACE), groups, at }
}

fn one(group: &str, text: Option<&'static str>, at: u64) -> Change {
    Change::One { space: Space::namespace(SPACE), group: group.to_owned(), content: text.map(content), at }
}

fn board(changes: impl IntoIterator<Item = Change>) -> Board {
    let mut board = Board::default();
    changes.into_iter().for_each(|change| drop(board.take(change)));
    board
}

/// Text and time of a group.
fn served(board: &Board, group: &str) -> (String, u64) {
    let (_, served) = board.served(&Space::namespace(SPACE), &[group.to_owned()]).unwrap();
    (String::from_utf8(served[0].content.bytes.to_vec()).unwrap(), served[0].last_modify_time)
}

fn is_due(board: &Board, group: &str, has: &'static str, since: u64) -> bool {
    let claim = Claim { group: group.to_owned(), md5: content(has).md5.to_string(), last_modify_time: since };
    !board.due(&Space::namespace(SPACE), &[claim], 0).is_empty()
}

#[test]
fn nothing_has_the_digest_of_an_empty_array() {
    assert_eq!(Content::nothing(), content("[]"));
    assert_eq!(&*content("abc").md5, "900150983cd24fb0d6963f7d28e17f72", "RFC 1321, appendix A.5");
}

#[test]
fn a_space_is_unknown_until_it_was_looked_at() {
    let board = board([]);
    assert_eq!(board.served(&Space::namespace(SPACE), &[]), None);
    assert!(!board.holds([Space::namespace(SPACE)].iter()) && !is_due(&board, "A", "[1]", 0));
}

#[test]
fn a_group_has_the_time_of_the_last_change_of_its_content() {
    let mut board = board([whole(&[("A", Some("[1]"))], 10)]);
    assert_eq!(served(&board, "A"), ("[1]".to_owned(), 10));
    board.take(one("A", Some("[2]"), 12));
    assert_eq!(served(&board, "A"), ("[2]".to_owned(), 12));
    board.take(one("A", Some("[2]"), 13));
    assert_eq!(served(&board, "A"), ("[2]".to_owned(), 12), "the content is the same");
    board.take(one("A", None, 14));
    assert_eq!(served(&board, "A"), ("[]".to_owned(), 14));
}

#[test]
fn a_group_that_nobody_made_is_an_empty_array_since_the_space_was_looked_at() {
    let mut board = board([whole(&[], 10)]);
    assert_eq!(served(&board, "A"), ("[]".to_owned(), 10));
    board.take(one("A", None, 11));
    assert_eq!(served(&board, "A"), ("[]".to_owned(), 10));
}

#[test]
fn a_look_at_the_whole_space_gives_every_group_its_time() {
    let board = board([
        whole(&[("A", Some("[1]")), ("B", Some("[1]"))], 10),
        one("A", None, 11),
        whole(&[("B", Some("[1]"))], 20),
    ]);
    // What was between two looks is not known: B may have been another content, and that since 19.
    assert_eq!(served(&board, "A"), ("[]".to_owned(), 20));
    assert_eq!(served(&board, "B"), ("[1]".to_owned(), 20));
    assert!(!is_due(&board, "B", "[1]", 10));
    assert!(is_due(&board, "B", "[other]", 19));
}

#[test]
fn what_differs_and_is_no_older_is_due() {
    let board = board([whole(&[("A", Some("[1]"))], 10)]);
    assert!(is_due(&board, "A", "[0]", 9));
    assert!(is_due(&board, "A", "[0]", 10));
    assert!(!is_due(&board, "A", "[1]", 9), "the same content");
    assert!(!is_due(&board, "A", "[2]", 11), "this replica is behind what the client has seen");
    assert!(
        is_due(&board, "B", "[0]", 10) && !is_due(&board, "B", "[]", 9) && !is_due(&board, "B", "[0]", 11)
    );
}

#[test]
fn a_group_of_unknown_content_is_never_due_until_it_is_known() {
    let mut board = board([whole(&[("A", None)], 10)]);
    assert_eq!(served(&board, "A"), ("[]".to_owned(), 0));
    assert!(!is_due(&board, "A", "[1]", 5));
    board.take(one("A", None, 11));
    assert_eq!(served(&board, "A"), ("[]".to_owned(), 11));
    assert!(is_due(&board, "A", "[1]", 5));
}

#[test]
fn ends_of_very_many_groups_cost_no_memory_and_hide_no_change() {
    let mut board = board([whole(&[("KEPT", Some("[1]")), ("UNKNOWN", None)], 1)]);
    let mut at = 1;
    for number in 0..MAX_ENDS * 3 {
        for text in [Some("[2]"), None] {
            at += 1;
            board.take(one(&format!("G{number}"), text, at));
        }
    }
    assert!(board.shelves[&Space::namespace(SPACE)].groups.len() <= MAX_ENDS + 2);
    assert_eq!(served(&board, "UNKNOWN"), ("[]".to_owned(), 0));
    assert!(!is_due(&board, "KEPT", "[1]", 1));
    assert!(is_due(&board, "G0", "[2]", 2) && is_due(&board, "G3071", "[2]", at - 1));
}

mod fleets {
    use sluice_wire::document::Document;

    use super::*;
    use crate::poll::fleets::part::tests::{document, number};

    fn space() -> Space {
        Space::fleet("shop", "edge")
    }

    fn edition(document: &Document) -> Change {
        let edition = Edition::read(&serde_json::to_vec(document).unwrap(), None).unwrap();
        Change::Fleet { space: space(), edition: Some(Arc::new(edition)) }
    }

    /// One at revision 7, and one at revision 8 with other streams.
    fn two() -> [Document; 2] {
        let first = document("u", 7, 3);
        let mut second = document("u", 8, 2);
        number(&mut second, &first.groups);
        [first, second]
    }

    fn due(board: &Board, has: &Document, revision: u64) -> Vec<String> {
        let claim = |(group, has): (&String, &sluice_wire::document::Group)| Claim {
            group: group.clone(),
            md5: has.md5.clone(),
            last_modify_time: has.last_modify_time,
        };
        let claims: Vec<_> = has.groups.iter().map(claim).collect();
        board.due(&space(), &claims, revision).into_iter().collect()
    }

    #[test]
    fn only_groups_that_changed_are_looked_at_again() {
        let ([first, second], mut board) = (two(), Board::default());
        let groups = |places: Vec<Place>| {
            let group = |(of, group): Place| (of == space()).then_some(group).flatten().unwrap();
            places.into_iter().map(group).collect::<Vec<_>>()
        };
        assert_eq!(groups(board.take(edition(&first))), ["FLEET", "SINK", "STREAM"]);
        assert_eq!(groups(board.take(edition(&second))), ["STREAM"]);
        assert_eq!(board.take(Change::FleetGone { space: space() }), []);
        assert_eq!(groups(board.take(edition(&second))), ["FLEET", "SINK", "STREAM"]);
    }

    #[test]
    fn what_differs_is_due_unless_this_replica_is_behind() {
        let ([first, second], mut board) = (two(), Board::default());
        assert_eq!(due(&board, &first, 7), [""; 0], "it is not there yet");
        board.take(edition(&second));
        assert_eq!(due(&board, &first, 7), ["STREAM"]);
        assert_eq!(due(&board, &first, 8), ["STREAM"]);
        assert_eq!(due(&board, &first, 9), [""; 0], "by the revision that the client was shown");
        assert_eq!(due(&board, &second, 8), [""; 0]);
        let mut board = Board::default();
        board.take(edition(&first));
        assert_eq!(due(&board, &second, 0), [""; 0], "by the times of groups");
        let mut odd = first;
        odd.groups.insert("PLUGIN".to_owned(), sluice_wire::document::Group::default());
        assert_eq!(due(&board, &odd, 0), [""; 0], "a group that fleets don't have");
    }

    #[test]
    fn a_fleet_is_absent_for_sure_once_all_were_listed() {
        let ([first, _], mut board) = (two(), Board::default());
        assert_eq!(board.edition(&space()), Err(Absent::NotYet));
        assert!(!board.holds([Space::fleets()].iter()));
        board.take(Change::FleetsListed);
        assert!(board.holds([Space::fleets()].iter()) && !board.holds([space()].iter()));
        assert_eq!(board.edition(&space()), Err(Absent::NoFleet));
        board.take(Change::Fleet { space: space(), edition: None });
        assert_eq!(board.edition(&space()), Err(Absent::NotYet));
        board.take(edition(&first));
        let (one, _) = board.edition(&space()).unwrap();
        board.take(Change::Fleet { space: space(), edition: None });
        assert_eq!(board.edition(&space()).unwrap().0, one, "what was whole stays");
        board.take(Change::FleetGone { space: space() });
        assert_eq!(board.edition(&space()), Err(Absent::NoFleet));
        board.take(edition(&first));
        assert!(board.edition(&space()).unwrap().0 > one, "no two editions share a number");
    }
}
