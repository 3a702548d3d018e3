//! Asks proxies how they are: `GET 9102/status` of each pod, again and again.
//! It carries answers; what follows from them others judge.

mod ask;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_wire::status::NodeStatus;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use ask::{Unanswered, get};

/// Where proxies answer.
pub const PORT: u16 = 9_102;
/// Between two questions to a node whose fleet is not settled.
const SOON: Duration = Duration::from_secs(1);
/// Between two questions to a node whose fleet is.
const LATER: Duration = Duration::from_secs(10);
/// Between two questions to a sidecar that has what it should: there may be as many as pods, and one with news says so.
const SELDOM: Duration = Duration::from_secs(60);
/// Between two questions to a node that says that it has news.
const AT_LEAST: Duration = Duration::from_millis(200);
/// How often it is looked who is to be asked.
const TICK: Duration = Duration::from_millis(250);
/// Nodes asked at the same time.
const AT_ONCE: usize = 16;
/// Answers that wait to be taken.
const QUEUE: usize = 64;

/// A node to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its address.
    pub ip: IpAddr,
    /// How often.
    pub pace: Pace,
    /// The longest answer it may give, in bytes.
    pub longest: usize,
}

/// How often a node is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Something is expected to change.
    Soon,
    /// Nothing is.
    Later,
    /// Nothing is, and there are many.
    Seldom,
}

/// Who is to be asked, by uid of the pod.
pub type Targets = BTreeMap<String, Target>;

/// What a node answered; `None`: nothing that can be used.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Uid of the pod.
    pub uid: String,
    /// What it said of itself.
    pub status: Option<NodeStatus>,
}

/// Asks `targets`, whoever they are at the moment, until `stop`; those whose uid comes as `news` at once.
pub async fn run(
    targets: watch::Receiver<Targets>,
    mut news: mpsc::Receiver<String>,
    answers: mpsc::Sender<Answer>,
    stop: CancellationToken,
) {
    let seats = Arc::new(Semaphore::new(AT_ONCE));
    let mut asked: BTreeMap<String, Instant> = BTreeMap::new();
    let mut eager: BTreeSet<String> = BTreeSet::new();
    let mut questions = JoinSet::new();
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(uid) = news.recv() => drop(eager.insert(uid)),
            _ = tick.tick() => {}
        }
        while let Ok(uid) = news.try_recv() {
            eager.insert(uid);
        }
        while questions.try_join_next().is_some() {}
        let targets = targets.borrow().clone();
        asked.retain(|uid, _| targets.contains_key(uid));
        eager.retain(|uid| targets.contains_key(uid));
        for (uid, target) in due(targets, &asked, &eager) {
            let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else { break };
            eager.remove(&uid);
            asked.insert(uid.clone(), Instant::now());
            let answers = answers.clone();
            questions.spawn(async move {
                let status = ask::status(target).await;
                drop(seat);
                // The loop that takes answers ends after this one; then nobody wants them.
                let _ = answers.send(Answer { uid, status }).await;
            });
        }
    }
    questions.shutdown().await;
}

/// Who is to be asked now: those first that have waited longest, so that silent ones hold up nobody for long.
fn due(
    targets: Targets,
    asked: &BTreeMap<String, Instant>,
    eager: &BTreeSet<String>,
) -> Vec<(String, Target)> {
    let pause = |uid: &String, target: &Target| match (eager.contains(uid), target.pace) {
        (true, _) => AT_LEAST,
        (false, Pace::Soon) => SOON,
        (false, Pace::Later) => LATER,
        (false, Pace::Seldom) => SELDOM,
    };
    let is_due = |uid: &String, target: &Target| {
        asked.get(uid).is_none_or(|last| last.elapsed() >= pause(uid, target))
    };
    let mut due: Vec<_> = targets.into_iter().filter(|(uid, target)| is_due(uid, target)).collect();
    due.sort_by_key(|(uid, _)| (!eager.contains(uid), asked.get(uid).copied()));
    due
}

/// A channel for uids of nodes that have news.
#[must_use]
pub fn news() -> (mpsc::Sender<String>, mpsc::Receiver<String>) {
    mpsc::channel(QUEUE)
}

/// A channel for answers.
#[must_use]
pub fn answers() -> (mpsc::Sender<Answer>, mpsc::Receiver<Answer>) {
    mpsc::channel(QUEUE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_has_news_is_asked_first_and_before_its_time() {
        let target = |last: u8| Target { ip: IpAddr::from([127, 0, 0, last]), pace: Pace::Later, longest: 1 };
        let targets: Targets = ["a", "b", "c"].map(|uid| (uid.to_owned(), target(1))).into();
        let now = Instant::now();
        let ago = |millis| now.checked_sub(Duration::from_millis(millis)).unwrap();
        let asked: BTreeMap<_, _> =
            [("a", 11_000), ("b", 300), ("c", 0)].map(|(uid, millis)| (uid.to_owned(), ago(millis))).into();
        let due = |eager: &[&str]| -> Vec<String> {
            let eager = eager.iter().map(|uid| (*uid).to_owned()).collect();
            due(targets.clone(), &asked, &eager).into_iter().map(|(uid, _)| uid).collect()
        };
        assert_eq!(due(&[]), ["a"]);
        assert_eq!(due(&["b"]), ["b", "a"]);
        assert_eq!(due(&["c"]), ["a"], "it was asked just now");
    }
}
