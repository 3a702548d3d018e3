//! Brings changes from their sources into the hub, those of one moment together, so that a client is told of all
//! of them in one answer. It keeps their order and leaves none out.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::board::{Change, Space};
use super::hub::Hub;

/// How long changes are gathered, from the first on.
pub const GATHER: Duration = Duration::from_millis(15);
/// How many are gathered at most.
const MOST: usize = 1_024;

/// Runs until `stop` or until no source is left; `complete` says when all of `spaces` were looked at once.
pub async fn run(
    hub: Hub,
    mut changes: mpsc::Receiver<Change>,
    spaces: BTreeSet<Space>,
    complete: watch::Sender<bool>,
    stop: CancellationToken,
) {
    loop {
        let first = tokio::select! {
            () = stop.cancelled() => return,
            first = changes.recv() => first,
        };
        let Some(first) = first else { return };
        let mut gathered = vec![first];
        let end = Instant::now() + GATHER;
        while gathered.len() < MOST
            && let Ok(Some(change)) = timeout_at(end, changes.recv()).await
        {
            gathered.push(change);
        }
        hub.take(gathered);
        let holds = hub.holds(spaces.iter());
        complete.send_if_modified(|known| std::mem::replace(known, holds) != holds);
    }
}

#[cfg(test)]
mod tests {
    use super::super::board::{Claim, Content};
    use super::super::wait::Poll;
    use super::*;

    fn space() -> Space {
        Space::namespace("a")
    }

    fn one(group: &str, text: &'static str, at: u64) -> Change {
        let content = Some(Content::new(text.as_bytes()));
        Change::One { space: space(), group: group.to_owned(), content, at }
    }

    #[tokio::test(start_paused = true)]
    async fn groups_that_change_within_a_moment_are_told_in_one_answer() {
        let hub = Hub::default();
        let whole = Change::Whole { space: space(), groups: [].into(), at: 1 };
        hub.take(vec![whole]);
        let (sender, changes) = mpsc::channel(8);
        let (complete, _) = watch::channel(false);
        let fed =
            tokio::spawn(run(hub.clone(), changes, [space()].into(), complete, CancellationToken::new()));
        let md5 = Content::nothing().md5.to_string();
        let claims =
            ["A", "B"].map(|group| Claim { group: group.to_owned(), md5: md5.clone(), last_modify_time: 1 });
        let poll = Poll::new(hub, space(), claims);
        let polled = tokio::spawn(poll.answer(Duration::from_secs(60), std::future::pending()));
        sender.send(one("A", "[1]", 2)).await.unwrap();
        tokio::time::sleep(GATHER / 2).await;
        sender.send(one("B", "[2]", 3)).await.unwrap();
        let began = Instant::now();
        assert_eq!(polled.await.unwrap(), BTreeSet::from(["A".to_owned(), "B".to_owned()]));
        assert!(began.elapsed() <= GATHER, "{:?}", began.elapsed());
        drop(sender);
        fed.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_complete_once_every_space_was_looked_at() {
        let (sender, changes) = mpsc::channel(8);
        let (complete, mut completed) = watch::channel(false);
        let spaces = ["a", "b"].map(Space::namespace);
        let fed = tokio::spawn(run(
            Hub::default(),
            changes,
            spaces.clone().into(),
            complete,
            CancellationToken::new(),
        ));
        for space in spaces {
            assert!(!*completed.borrow());
            sender.send(Change::Whole { space, groups: [].into(), at: 1 }).await.unwrap();
            tokio::time::sleep(GATHER * 2).await;
        }
        assert!(*completed.borrow_and_update());
        drop(sender);
        fed.await.unwrap();
    }
}
