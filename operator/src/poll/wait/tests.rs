use futures_util::FutureExt;

use super::super::board::{Change, Content, Served};
use super::*;

const GROUPS: [&str; 3] = ["A", "B", "C"];

fn space() -> Space {
    Space::namespace("demo")
}

fn one(group: &str, number: u64, at: u64) -> Change {
    let content = Some(Content::new(format!("[{number}]").into_bytes()));
    Change::One { space: space(), group: group.to_owned(), content, at }
}

fn hub() -> Hub {
    let hub = Hub::default();
    hub.take(vec![Change::Whole { space: space(), groups: [].into(), at: 1 }]);
    hub
}

fn fetch(hub: &Hub, groups: &[String]) -> Vec<Claim> {
    let (_, served) = hub.served(&space(), groups).unwrap();
    let claim = |(group, served): (&String, Served)| Claim {
        group: group.clone(),
        md5: served.content.md5.to_string(),
        last_modify_time: served.last_modify_time,
    };
    groups.iter().zip(served).map(claim).collect()
}

/// Numbers in an order that the seed alone decides (Knuth's MMIX generator).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// A client as the contract has it: it polls with what it has and fetches what it is told of.
struct Client {
    groups: Vec<String>,
    has: Vec<Claim>,
    doing: Doing,
}

enum Doing {
    Polling(Poll),
    /// Its poll waits for a change.
    Waiting(Poll),
    /// It was told of these groups.
    Fetching(Vec<String>),
}

impl Client {
    fn new(hub: &Hub, groups: Vec<String>) -> Self {
        let has = fetch(hub, &groups);
        let doing = Doing::Polling(Poll::new(hub.clone(), space(), has.clone()));
        Self { groups, has, doing }
    }

    /// Does one thing; false where it can do nothing but wait.
    fn go(&mut self, hub: &Hub) -> bool {
        let doing = std::mem::replace(&mut self.doing, Doing::Fetching(Vec::new()));
        let (doing, went) = match doing {
            Doing::Polling(mut poll) => {
                let (waits, due) = match poll.step() {
                    Step::Next => (false, None),
                    Step::Wait(_) => (true, None),
                    Step::Answer(due) => (false, Some(due)),
                };
                let due: Option<Vec<_>> = due.map(|due| due.into_iter().collect());
                match due {
                    Some(due) => {
                        assert!(!due.is_empty() && due.iter().all(|group| self.groups.contains(group)));
                        (Doing::Fetching(due), true)
                    }
                    None if waits => (Doing::Waiting(poll), true),
                    None => (Doing::Polling(poll), true),
                }
            }
            Doing::Waiting(poll) => {
                let waiting = poll.waiting.as_ref().unwrap();
                let woken = waiting.woken().now_or_never().is_some();
                if woken { (Doing::Polling(poll), true) } else { (Doing::Waiting(poll), false) }
            }
            Doing::Fetching(due) => {
                for fetched in fetch(hub, &due) {
                    let has = self.has.iter_mut().find(|has| has.group == fetched.group).unwrap();
                    assert!(fetched.last_modify_time > has.last_modify_time, "a client would not apply it");
                    *has = fetched;
                }
                (Doing::Polling(Poll::new(hub.clone(), space(), self.has.clone())), true)
            }
        };
        self.doing = doing;
        went
    }
}

/// One order of what clients and changes do, until nothing is left to do.
fn interleave(seed: u64) {
    let (hub, mut random) = (hub(), Random(seed));
    let some = |random: &mut Random| {
        let mask = 1 + random.below(7);
        (0..3).filter(|bit| mask >> bit & 1 == 1).map(|bit| GROUPS[bit].to_owned()).collect()
    };
    let mut clients: Vec<_> = (0..2).map(|_| Client::new(&hub, some(&mut random))).collect();
    let mut changes = 1 + random.below(4);
    let mut at = 1;
    loop {
        let actor = random.below(clients.len() + 1);
        if actor < clients.len() {
            if clients[actor].go(&hub) || changes > 0 {
                continue;
            }
            // Nothing changes any more, and this one waits: it is over when all the others do too.
            if !clients.iter_mut().any(|client| client.go(&hub)) {
                break;
            }
        } else if changes > 0 {
            changes -= 1;
            let batch = some(&mut random).into_iter().map(|group: String| {
                at += 1;
                one(&group, at, at)
            });
            hub.take(batch.collect());
        }
    }
    for client in clients {
        assert_eq!(client.has, fetch(&hub, &client.groups), "seed {seed}: a client missed a change");
    }
    assert_eq!(hub.waited_for(), 0, "a poll that is gone is still waited for");
}

#[test]
fn in_whatever_order_things_happen_no_client_misses_a_change() {
    (0..100_000).for_each(interleave);
}

#[tokio::test(start_paused = true)]
async fn a_poll_without_a_change_is_answered_with_nothing_when_its_hold_ends() {
    let hub = hub();
    let poll = Poll::new(hub.clone(), space(), fetch(&hub, &["A".to_owned()]));
    let began = tokio::time::Instant::now();
    let answer = poll.answer(Duration::from_secs(60), std::future::pending()).await;
    assert!(answer.is_empty() && began.elapsed() == Duration::from_secs(60));
    assert_eq!(hub.waited_for(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_poll_is_answered_at_once_when_the_listener_closes() {
    let hub = hub();
    let poll = Poll::new(hub.clone(), space(), fetch(&hub, &["A".to_owned()]));
    assert!(poll.answer(Duration::from_secs(60), std::future::ready(())).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_behind_holds_a_poll_until_it_has_caught_up() {
    let hub = hub();
    let claim = Claim { group: "A".to_owned(), md5: "0".repeat(32), last_modify_time: 5 };
    let poll = Poll::new(hub.clone(), space(), vec![claim]);
    let polled = tokio::spawn(poll.answer(Duration::from_secs(60), std::future::pending()));
    let began = tokio::time::Instant::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    hub.take(vec![one("A", 3, 4)]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!polled.is_finished(), "what the client has is newer still");
    hub.take(vec![one("A", 4, 6)]);
    assert_eq!(polled.await.unwrap(), BTreeSet::from(["A".to_owned()]));
    assert_eq!(began.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn only_those_who_wait_for_a_group_that_changed_are_woken() {
    let hub = hub();
    let claims = |group: &str| fetch(&hub, &[group.to_owned()]).into();
    let [a, b] = ["A", "B"].map(|group| hub.register(&space(), &claims(group)));
    let elsewhere = hub.register(&Space::namespace("other"), &claims("A"));
    hub.take(vec![one("A", 1, 2)]);
    assert!(a.woken().now_or_never().is_some());
    assert!(b.woken().now_or_never().is_none() && elsewhere.woken().now_or_never().is_none());
}
