//! The product's own step, board and waiters; a lock and a wake of loom stand for those of tokio.
//! What is missed shows as a thread that waits for ever, which loom reports as a deadlock.

use std::collections::BTreeSet;

use loom::model::Builder;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use sluice_operator::poll::board::{Change, Claim, Content, Space};
use sluice_operator::poll::state::State;
use sluice_operator::poll::wait::{Poll, Step, Waits};

const GROUP: &str = "A";

/// One wake is kept for who does not wait yet, as `tokio::sync::Notify` keeps it.
struct Wake {
    given: Mutex<bool>,
    changed: Condvar,
}

impl Wake {
    fn give(&self) {
        *self.given.lock().unwrap() = true;
        self.changed.notify_one();
    }

    fn wait(&self) {
        let mut given = self.given.lock().unwrap();
        while !*given {
            given = self.changed.wait(given).unwrap();
        }
        *given = false;
    }
}

/// The hub, with loom's lock.
#[derive(Clone)]
struct Hub(Arc<Mutex<State<Arc<Wake>>>>);

struct Waiting {
    hub: Hub,
    claims: std::sync::Arc<[Claim]>,
    number: u64,
    wake: Arc<Wake>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.hub.0.lock().unwrap().forget(&space(), &self.claims, self.number);
    }
}

impl Hub {
    fn new() -> Self {
        let hub = Self(Arc::new(Mutex::new(State::default())));
        hub.take(Change::Whole { space: space(), groups: [].into(), at: 1 });
        hub
    }

    /// As the product's hub: changes under the lock, wakes after it.
    fn take(&self, change: Change) {
        let woken = self.0.lock().unwrap().take(vec![change]);
        for wake in woken {
            wake.give();
        }
    }

    fn fetch(&self) -> Claim {
        let (_, served) = self.0.lock().unwrap().board().served(&space(), &[GROUP.to_owned()]).unwrap();
        let md5 = served[0].content.md5.to_string();
        Claim { group: GROUP.to_owned(), md5, last_modify_time: served[0].last_modify_time }
    }
}

impl Waits for Hub {
    type Waiting = Waiting;

    fn register(&self, space: &Space, claims: &std::sync::Arc<[Claim]>) -> Waiting {
        let wake = Arc::new(Wake { given: Mutex::new(false), changed: Condvar::new() });
        let number = self.0.lock().unwrap().register(space, claims, &wake);
        Waiting { hub: self.clone(), claims: std::sync::Arc::clone(claims), number, wake }
    }

    fn due(&self, space: &Space, claims: &[Claim], revision: u64) -> BTreeSet<String> {
        self.0.lock().unwrap().board().due(space, claims, revision)
    }
}

fn space() -> Space {
    Space::namespace("demo")
}

fn change(at: u64) -> Change {
    let content = Some(Content::new(format!("[{at}]").into_bytes()));
    Change::One { space: space(), group: GROUP.to_owned(), content, at }
}

/// Polls until it is told that something changed.
fn poll<H: Waits>(hub: H, has: &Claim, wait: impl Fn(&H::Waiting)) {
    let mut poll = Poll::new(hub, space(), vec![has.clone()]);
    loop {
        match poll.step() {
            Step::Next => {}
            Step::Wait(waiting) => wait(waiting),
            Step::Answer(due) => {
                assert_eq!(due, BTreeSet::from([GROUP.to_owned()]), "an answer that names nothing");
                return;
            }
        }
    }
}

/// A client as the contract has it, until it has what was changed last.
fn client(hub: &Hub, mut has: Claim, last: u64) {
    while has.last_modify_time < last {
        poll(hub.clone(), &has, |waiting| waiting.wake.wait());
        let fetched = hub.fetch();
        assert!(fetched.last_modify_time > has.last_modify_time, "a client would not apply it");
        has = fetched;
    }
}

#[test]
fn a_client_sees_every_change_whenever_it_comes() {
    loom::model(|| {
        let hub = Hub::new();
        let has = hub.fetch();
        let changes = thread::spawn({
            let hub = hub.clone();
            move || (2..=3).for_each(|at| hub.take(change(at)))
        });
        client(&hub, has, 3);
        changes.join().unwrap();
        assert_eq!(hub.0.lock().unwrap().waited_for(), 0);
    });
}

#[test]
fn of_two_clients_none_misses_a_change() {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let hub = Hub::new();
        let has = hub.fetch();
        let changes = thread::spawn({
            let hub = hub.clone();
            move || hub.take(change(2))
        });
        let other = thread::spawn({
            let (hub, has) = (hub.clone(), has.clone());
            move || client(&hub, has, 2)
        });
        client(&hub, has, 2);
        changes.join().unwrap();
        other.join().unwrap();
    });
}

/// The hub of a server that compares first and registers then.
#[derive(Clone)]
struct Backwards(Hub);

impl Waits for Backwards {
    type Waiting = std::cell::OnceCell<Waiting>;

    fn register(&self, _: &Space, _: &std::sync::Arc<[Claim]>) -> Self::Waiting {
        std::cell::OnceCell::new()
    }

    fn due(&self, space: &Space, claims: &[Claim], revision: u64) -> BTreeSet<String> {
        self.0.due(space, claims, revision)
    }
}

/// Set for the process in which the model is to fail.
const BACKWARDS: &str = "SLUICE_TEST_BACKWARDS";

#[test]
fn the_model_finds_what_a_server_misses_that_compares_before_it_registers() {
    if std::env::var_os(BACKWARDS).is_some() {
        return backwards();
    }
    // Loom can't take a run down that is stuck: the process ends with it.
    let name = "model::the_model_finds_what_a_server_misses_that_compares_before_it_registers";
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let output = child.args(["--exact", name, "--nocapture"]).env(BACKWARDS, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("deadlock"), "{}: {said}", output.status);
}

fn backwards() {
    loom::model(|| {
        let hub = Hub::new();
        let has = hub.fetch();
        let changes = thread::spawn({
            let hub = hub.clone();
            move || hub.take(change(2))
        });
        poll(Backwards(hub.clone()), &has, |waiting| {
            let waiting = waiting.get_or_init(|| hub.register(&space(), &vec![has.clone()].into()));
            waiting.wake.wait();
        });
        changes.join().unwrap();
    });
}
