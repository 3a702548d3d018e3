//! Which tokens are told to be in effect, and since when.

use sluice_crds::auth::{AuthStatus, TokenStatus};

use super::*;

fn told(tokens: &[(&str, i64)]) -> DataStream {
    let mut stream = orders();
    let tokens = tokens.iter().map(|(id, since)| TokenStatus { id: (*id).to_owned(), since: at(*since) });
    let auth = Some(AuthStatus { tokens: tokens.collect() });
    let fleet = Some("sluice-system/default".to_owned());
    stream.status = Some(DataStreamStatus { auth, fleet, ..DataStreamStatus::default() });
    stream
}

fn tokens(stream: &DataStream, view: &FleetView, proof: &Proof) -> Vec<(String, Time)> {
    let status = tell_guarded(stream, view, proof);
    status.auth.unwrap().tokens.into_iter().map(|token| (token.id, token.since)).collect()
}

fn are(tokens: &[(&str, i64)]) -> Vec<(String, Time)> {
    tokens.iter().map(|(id, since)| ((*id).to_owned(), at(*since))).collect()
}

#[test]
fn a_token_is_told_once_every_ready_node_has_it() {
    let wanted = proof(&[("a", None), ("b", None)], Trouble::None);
    let before = told(&[("a", -50)]);
    assert_eq!(tokens(&before, &seen([holds("new"), holds("old")]), &wanted), are(&[("a", -50)]));
    assert_eq!(tokens(&before, &FleetView::default(), &wanted), are(&[("a", -50)]));
    let all = seen([holds("new"), holds("new")]);
    assert_eq!(tokens(&before, &all, &wanted), are(&[("a", -50), ("b", 0)]));
}

#[test]
fn a_token_that_was_taken_away_is_told_until_no_node_takes_it() {
    let wanted = proof(&[("b", None)], Trouble::None);
    let before = told(&[("a", -50), ("b", -50)]);
    assert_eq!(tokens(&before, &seen([holds("old"), holds("new")]), &wanted), are(&[("a", -50), ("b", -50)]));
    assert_eq!(tokens(&before, &seen([holds("new")]), &wanted), are(&[("b", -50)]));
}

#[test]
fn another_token_under_the_same_name_is_told_anew() {
    let wanted = proof(&[("a", Some(700))], Trouble::None);
    let before = told(&[("a", -50)]);
    assert_eq!(tokens(&before, &seen([holds("old")]), &wanted), are(&[]), "not every node has it");
    assert_eq!(tokens(&before, &seen([holds("new")]), &wanted), are(&[("a", 0)]));
    let again = told(&[("a", 0)]);
    assert_eq!(tokens(&again, &seen([holds("old")]), &wanted), are(&[("a", 0)]), "told since then");
}

#[test]
fn nothing_is_told_of_what_asks_for_no_tokens() {
    let accounts = Proof { secret: None, ..proof(&[], Trouble::None) };
    assert_eq!(tell_guarded(&told(&[("a", -50)]), &seen([holds("new")]), &accounts).auth, None);
    assert_eq!(tell(&told(&[("a", -50)]), &served(), &seen([good()])).auth, None);
}
