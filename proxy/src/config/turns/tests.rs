use serde_json::json;
use sluice_wire::status::ConfigSource::{Copy, Mounted, Operator};

use super::*;
use crate::admit::{Budget, Gate};
use crate::catalog::Current;
use crate::config::parts::Set;
use crate::config::source::Waiting;
use crate::sink::SinkSet;
use crate::status::SinkView;

fn turns() -> Turns {
    let applier = Applier {
        https: None,
        catalog: Current::default(),
        budget: Budget::new(u64::MAX),
        gate: Gate::new(1),
        state: Arc::default(),
        view: SinkView::default(),
        sinks: SinkSet::default(),
    };
    Turns::new(applier, watch::channel(None).0)
}

fn text(uid: &str, revision: u64, connections: u32) -> Vec<u8> {
    let document = json!({
        "major": 1, "revision": revision, "fleet": {"namespace": "shop", "name": "main", "uid": uid},
        "overload": {"maxInflightBytes": 1 << 20, "maxConnections": connections}, "drain": {"notifyMs": 0},
        "sinks": [], "streams": []
    });
    serde_json::to_vec(&document).unwrap()
}

fn set(uid: &str, revision: u64) -> Arc<Set> {
    Arc::new(Set::pack(uid.to_owned(), revision, &text(uid, revision, 1)).unwrap())
}

/// A document that no node takes.
fn bad(revision: u64) -> Arc<Set> {
    Arc::new(Set::pack("u".to_owned(), revision, &text("u", revision, 0)).unwrap())
}

fn found(whole: Whole) -> Found {
    let content = Content { whole: Some(Arc::new(whole)), trouble: None };
    Found { content, secrets: Secrets::default() }
}

fn mounted(set: &Arc<Set>) -> Found {
    found(Whole::Set(Arc::clone(set)))
}

fn nothing() -> Found {
    let message = "waiting for the first configuration".to_owned();
    let trouble = Some(Trouble::Waiting(Waiting { newest: None, message }));
    Found { content: Content { whole: None, trouble }, secrets: Secrets::default() }
}

/// Revision and source in effect, and what is told as wrong.
fn told(turns: &Turns) -> (u64, Option<ConfigSource>, Option<String>) {
    let revision = turns.applier.catalog.load().as_ref().map_or(0, |catalog| catalog.revision);
    let effect = turns.effect.borrow();
    assert_eq!(effect.as_ref().map_or(0, |effect| effect.revision), revision);
    assert_eq!(effect.as_ref().map(|effect| effect.source), turns.applier.state.source());
    (revision, turns.applier.state.source(), turns.applier.state.error())
}

#[tokio::test]
async fn the_later_revision_wins_wherever_it_comes_from() {
    let mut turns = turns();
    turns.begin(mounted(&set("u", 5)), None).await;
    assert_eq!(told(&turns), (5, Some(Mounted), None));
    assert_eq!(turns.offer(set("u", 7)).await, Verdict::InEffect);
    assert_eq!(told(&turns), (7, Some(Operator), None));
    for older in [6, 7] {
        assert_eq!(turns.offer(set("u", older)).await, Verdict::NoNews);
        turns.take(mounted(&set("u", older))).await;
        assert_eq!(told(&turns), (7, Some(Operator), None));
    }
    turns.take(mounted(&set("u", 8))).await;
    assert_eq!(told(&turns), (8, Some(Mounted), None));
    assert_eq!((turns.applier.state.applied(), turns.applier.state.refused()), (3, 0));
}

#[tokio::test]
async fn a_file_that_lags_behind_an_operator_is_no_error() {
    let mut turns = turns();
    turns.begin(found(Whole::Text(text("u", 5, 1))), None).await;
    assert_eq!(turns.offer(set("u", 7)).await, Verdict::InEffect);
    for older in [6, 7] {
        turns.take(found(Whole::Text(text("u", older, 1)))).await;
        assert_eq!(told(&turns), (7, Some(Operator), None));
    }
    assert_eq!((turns.applier.state.applied(), turns.applier.state.refused()), (2, 0));
}

#[tokio::test]
async fn a_refused_offer_is_told_until_something_later_is_in_effect() {
    let mut turns = turns();
    turns.begin(mounted(&set("u", 4)), None).await;
    assert_eq!(turns.offer(set("u", 5)).await, Verdict::InEffect);
    assert_eq!(turns.offer(bad(6)).await, Verdict::Refused);
    let (revision, source, error) = told(&turns);
    assert_eq!((revision, source), (5, Some(Operator)));
    assert!(error.unwrap().contains("maxConnections"));
    turns.take(mounted(&set("u", 5))).await;
    assert!(told(&turns).2.is_some(), "a mount that lags behind says nothing of it");
    assert_eq!(turns.offer(set("u", 7)).await, Verdict::InEffect);
    assert_eq!(told(&turns), (7, Some(Operator), None));
}

#[tokio::test]
async fn what_was_wrong_with_the_mount_is_over_when_it_holds_nothing_newer() {
    let mut turns = turns();
    turns.begin(mounted(&set("u", 4)), None).await;
    turns.take(Found { content: Content::refused("torn".to_owned()), secrets: Secrets::default() }).await;
    assert_eq!(told(&turns).2.as_deref(), Some("torn"));
    turns.take(mounted(&set("u", 4))).await;
    assert_eq!(told(&turns), (4, Some(Mounted), None));
    assert_eq!(turns.applier.state.applied(), 1, "it was in effect all the time");
}

#[tokio::test]
async fn parts_that_lie_are_refused_though_an_operator_brings_them() {
    let mut turns = turns();
    turns.begin(nothing(), None).await;
    let lie = Arc::new(Set::pack("u".to_owned(), 9, &text("u", 8, 1)).unwrap());
    assert_eq!(turns.offer(lie).await, Verdict::Refused);
    assert_eq!(told(&turns).0, 0);
    assert_eq!(turns.offer(set("u", 9)).await, Verdict::InEffect);
}

#[tokio::test]
async fn the_copy_is_the_beginning_where_it_is_later_than_the_mount_or_alone() {
    let file = |revision| found(Whole::Text(text("u", revision, 1)));
    for (found, revision, source) in [
        (nothing(), 6, Copy),
        (mounted(&set("u", 5)), 6, Copy),
        (mounted(&set("u", 6)), 6, Mounted),
        (mounted(&set("u", 7)), 7, Mounted),
        (mounted(&set("made again", 3)), 3, Mounted),
        (file(5), 6, Copy),
        (file(7), 7, Mounted),
    ] {
        let mut turns = turns();
        turns.begin(found, Some((*set("u", 6)).clone())).await;
        assert_eq!(told(&turns), (revision, Some(source), None));
        assert_eq!(turns.applier.state.applied(), 1, "no older one was in effect on the way");
    }
}

#[tokio::test]
async fn a_copy_that_can_not_be_used_is_as_if_there_were_none() {
    let mut turns = turns();
    turns.begin(mounted(&set("u", 5)), Some((*bad(6)).clone())).await;
    assert_eq!(told(&turns), (5, Some(Mounted), None));
    assert_eq!(turns.applier.state.refused(), 0);
}

#[tokio::test]
async fn a_mount_without_anything_is_no_matter_once_an_operator_told() {
    let mut turns = turns();
    turns.begin(nothing(), None).await;
    assert!(told(&turns).2.unwrap().contains("first configuration"));
    assert_eq!(turns.offer(set("u", 1)).await, Verdict::InEffect);
    turns.take(nothing()).await;
    assert_eq!(told(&turns), (1, Some(Operator), None));
}
