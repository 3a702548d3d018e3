//! Every transition of authority and leaf.

use super::*;

const DAY: u64 = 24 * 60 * 60;
const GRACE: u64 = 600;
/// When authority and leaf of these tests begin.
const BEGIN: u64 = 1_000 * DAY;
const YEARS: Span = Span { from: BEGIN, until: BEGIN + 1_800 * DAY };
const DAYS: Span = Span { from: BEGIN, until: BEGIN + 90 * DAY };

fn authority(id: &str, trusted: Option<u64>) -> Found<AuthorityFacts> {
    Found::Good { ours: true, facts: AuthorityFacts { id: id.to_owned(), span: YEARS, trusted } }
}

fn leaf(authority: &str, span: Span) -> Found<LeafFacts> {
    let facts = LeafFacts { authority: authority.to_owned(), span, named: true };
    Found::Good { ours: true, facts }
}

/// All is well: authority `a` is trusted, and the leaf is of it.
fn well() -> Seen {
    Seen { authority: authority("a", Some(BEGIN)), leaf: leaf("a", DAYS), out: true }
}

fn at(seen: &Seen, now: u64) -> Option<Action> {
    decide(seen, GRACE, now).action
}

#[test]
fn at_first_an_authority_is_made_and_signs_at_once() {
    let mut seen = Seen { authority: Found::Absent, leaf: Found::Absent, out: false };
    assert_eq!(at(&seen, BEGIN), Some(Action::MakeAuthority));
    seen.authority = authority("a", None);
    assert_eq!(at(&seen, BEGIN), Some(Action::Sign), "nobody is served, so nobody is cut off");
    seen.leaf = leaf("a", DAYS);
    assert_eq!(at(&seen, BEGIN + 1), None);
    seen.out = true;
    assert_eq!(at(&seen, BEGIN + 2), Some(Action::NoteTrusted));
}

#[test]
fn when_all_is_well_nothing_is_written_and_the_leaf_s_renewal_is_waited_for() {
    for seen in [well(), Seen { out: false, ..well() }] {
        let decision = decide(&seen, GRACE, BEGIN + DAY);
        assert_eq!(decision, Decision { action: None, again: BEGIN + 60 * DAY });
    }
}

#[test]
fn a_leaf_is_renewed_when_two_thirds_of_its_life_are_over() {
    assert_eq!(at(&well(), BEGIN + 60 * DAY - 1), None);
    assert_eq!(at(&well(), BEGIN + 60 * DAY), Some(Action::Sign));
}

#[test]
fn an_authority_is_renewed_when_two_thirds_of_its_life_are_over() {
    let due = BEGIN + 1_200 * DAY;
    let young = Span { from: due - DAY, until: due + 89 * DAY };
    let seen = Seen { leaf: leaf("a", young), ..well() };
    let before = decide(&seen, GRACE, due - 1);
    assert_eq!(before, Decision { action: None, again: due });
    assert_eq!(at(&seen, due), Some(Action::MakeAuthority));
}

#[test]
fn a_new_authority_signs_once_it_was_in_every_bundle_for_the_grace() {
    let now = BEGIN + DAY;
    let mut seen = Seen { authority: authority("b", None), leaf: leaf("a", DAYS), out: false };
    assert_eq!(at(&seen, now), None);
    assert_eq!(at(&seen, now + 30 * DAY), None, "however long that takes");
    seen.out = true;
    assert_eq!(at(&seen, now), Some(Action::NoteTrusted));
    seen.authority = authority("b", Some(now));
    assert_eq!(decide(&seen, GRACE, now), Decision { action: None, again: now + GRACE });
    // A namespace whose first fleet came since then has it from the start.
    seen.out = false;
    assert_eq!(at(&seen, now + GRACE - 1), None);
    assert_eq!(at(&seen, now + GRACE), Some(Action::Sign));
    seen.leaf = leaf("b", Span { from: now + GRACE, until: now + 90 * DAY });
    assert_eq!(at(&seen, now + GRACE), None);
}

#[test]
fn an_authority_that_was_deleted_is_made_anew_and_the_leaf_is_served_on() {
    let mut seen = Seen { authority: Found::Absent, ..well() };
    assert_eq!(at(&seen, BEGIN + DAY), Some(Action::MakeAuthority));
    seen.authority = authority("b", None);
    assert_eq!(at(&seen, BEGIN + DAY), Some(Action::NoteTrusted), "not signed before it is trusted");
}

#[test]
fn a_leaf_that_was_deleted_or_is_garbage_is_signed_at_once() {
    for leaf in [Found::Absent, Found::Broken { ours: true }] {
        for trusted in [Some(BEGIN), None] {
            let seen = Seen { authority: authority("a", trusted), leaf: leaf.clone(), out: false };
            assert_eq!(at(&seen, BEGIN + DAY), Some(Action::Sign), "{seen:?}");
        }
    }
}

#[test]
fn a_leaf_that_has_expired_is_signed_at_once_by_whatever_authority_there_is() {
    let seen = Seen { authority: authority("b", None), out: false, ..well() };
    assert_eq!(at(&seen, DAYS.until), Some(Action::Sign));
}

#[test]
fn a_namespace_that_can_t_take_its_bundle_does_not_let_the_leaf_end() {
    let seen = Seen { authority: authority("b", None), out: false, ..well() };
    let overdue = BEGIN + 75 * DAY;
    assert_eq!(decide(&seen, GRACE, overdue - 1), Decision { action: None, again: overdue });
    assert_eq!(at(&seen, overdue), Some(Action::Sign));
}

#[test]
fn garbage_in_place_of_our_authority_is_replaced() {
    let seen = Seen { authority: Found::Broken { ours: true }, ..well() };
    assert_eq!(at(&seen, BEGIN), Some(Action::MakeAuthority));
}

#[test]
fn a_leaf_for_other_names_is_signed_again_by_an_authority_that_is_trusted() {
    let facts = LeafFacts { authority: "a".to_owned(), span: DAYS, named: false };
    let seen = Seen { leaf: Found::Good { ours: true, facts }, ..well() };
    assert_eq!(at(&seen, BEGIN + GRACE), Some(Action::Sign));
    let seen = Seen { authority: authority("a", None), out: false, ..seen };
    assert_eq!(at(&seen, BEGIN + GRACE), None);
}

#[test]
fn somebody_else_s_authority_is_used_after_the_grace_and_to_its_end_and_never_replaced() {
    let foreign = |trusted| {
        let facts = AuthorityFacts { id: "f".to_owned(), span: DAYS, trusted };
        Seen { authority: Found::Good { ours: false, facts }, ..well() }
    };
    let now = BEGIN + DAY;
    assert_eq!(at(&foreign(None), now), Some(Action::NoteTrusted));
    assert_eq!(at(&foreign(Some(now)), now), None);
    assert_eq!(at(&foreign(Some(now)), now + GRACE), Some(Action::Sign));
    let end = Seen { leaf: leaf("f", DAYS), ..foreign(Some(BEGIN)) };
    assert_eq!(at(&end, DAYS.until - 1), Some(Action::Sign), "its two thirds renew only what is ours");
    assert_eq!(at(&end, DAYS.until), Some(Action::ComplainOfAuthority));
    let broken = Seen { authority: Found::Broken { ours: false }, ..well() };
    assert_eq!(at(&broken, now), Some(Action::ComplainOfAuthority));
}

#[test]
fn somebody_else_s_leaf_is_served_and_never_replaced() {
    let facts = LeafFacts { authority: "a".to_owned(), span: DAYS, named: true };
    let seen = Seen { leaf: Found::Good { ours: false, facts }, ..well() };
    assert_eq!(at(&seen, BEGIN + DAY), None);
    assert_eq!(at(&seen, BEGIN + 60 * DAY), Some(Action::ComplainOfLeaf));
    assert_eq!(at(&seen, DAYS.until), Some(Action::ComplainOfLeaf));
    let broken = Seen { leaf: Found::Broken { ours: false }, ..well() };
    assert_eq!(at(&broken, BEGIN), Some(Action::ComplainOfLeaf));
    // The authority is seen to all the same.
    let untold = Seen { authority: authority("a", None), ..broken };
    assert_eq!(at(&untold, BEGIN), Some(Action::NoteTrusted));
}

#[test]
fn by_deciding_again_and_again_an_authority_is_replaced_without_a_gap() {
    // Who is trusted by a proxy is trusted from `GRACE` after it is in the bundle on.
    let (mut now, mut seen) = (BEGIN + DAY, Seen { authority: Found::Absent, ..well() });
    let mut steps = Vec::new();
    for _ in 0..10 {
        let decision = decide(&seen, GRACE, now);
        match decision.action {
            Some(Action::MakeAuthority) => {
                (seen.authority, seen.out) = (authority("b", None), false);
            }
            Some(Action::NoteTrusted) => seen.authority = authority("b", Some(now)),
            Some(Action::Sign) => seen.leaf = leaf("b", Span { from: now, until: now + 90 * DAY }),
            Some(complaint) => panic!("{complaint:?}"),
            None if !seen.out => seen.out = true,
            None if decision.again > now + DAY => break,
            None => now = decision.again,
        }
        steps.extend(decision.action.map(|action| (action, now)));
    }
    let begin = BEGIN + DAY;
    let wanted =
        [(Action::MakeAuthority, begin), (Action::NoteTrusted, begin), (Action::Sign, begin + GRACE)];
    assert_eq!(steps, wanted);
}
