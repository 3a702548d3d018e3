//! When Secrets are read, by a clock that stands still between events.

use std::sync::Mutex;

use k8s_openapi::ByteString;
use tokio::time::sleep;

use super::*;
use crate::credentials::TYPE;

/// What a test's API server answers, and when it was asked.
#[derive(Clone, Default)]
struct Server {
    asked: Arc<Mutex<Vec<u64>>>,
    answer: Arc<Mutex<Option<Secret>>>,
    fails: Arc<Mutex<Option<u16>>>,
}

impl Server {
    fn holds(&self, token: &str) {
        let data = [("a".to_owned(), ByteString(token.as_bytes().to_vec()))].into();
        let secret = Secret { type_: Some(TYPE.to_owned()), data: Some(data), ..Secret::default() };
        *self.answer.lock().unwrap() = Some(secret);
    }

    fn got(&self, began: Instant) -> Got {
        self.asked.lock().unwrap().push(began.elapsed().as_secs());
        if let Some(code) = *self.fails.lock().unwrap() {
            let status = kube::core::Status { code, message: "no".to_owned(), ..Default::default() };
            return Err(kube::Error::Api(Box::new(status)).into());
        }
        Ok(self.answer.lock().unwrap().clone())
    }
}

struct World {
    server: Server,
    wanted: watch::Sender<Wanted>,
    readings: watch::Receiver<Credentials>,
    stop: CancellationToken,
}

impl World {
    fn new() -> Self {
        let (server, stop) = (Server::default(), CancellationToken::new());
        let (wanted, receiver) = watch::channel(Wanted::new());
        let (sender, readings) = watch::channel(Credentials::new());
        let (asked, began) = (server.clone(), Instant::now());
        let get = move |_: Name| std::future::ready(asked.got(began));
        tokio::spawn(Keeper::new(get, receiver, sender).run(stop.clone()));
        Self { server, wanted, readings, stop }
    }

    fn name() -> Name {
        ("shop".to_owned(), "tokens".to_owned())
    }

    fn want(&self, streams: &[&str]) {
        let streams = streams.iter().map(|&stream| stream.to_owned()).collect();
        self.wanted.send_replace([(Self::name(), streams)].into());
    }

    fn reading(&self) -> Option<Arc<Reading>> {
        self.readings.borrow().get(&Self::name()).cloned()
    }

    fn asked(&self) -> usize {
        self.server.asked.lock().unwrap().len()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn pass(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn one_is_read_at_once_and_then_every_fifteen_seconds_or_so() {
    let world = World::new();
    world.server.holds("0123456789abcdef012345");
    pass(5).await;
    assert_eq!(world.asked(), 0, "nobody wants it");
    world.want(&["orders"]);
    pass(1).await;
    assert_eq!(world.reading().unwrap().tokens("orders").len(), 1);
    pass(60).await;
    assert!((4..=5).contains(&world.asked()), "{}", world.asked());
}

#[tokio::test(start_paused = true)]
async fn another_stream_of_the_secret_has_it_read_at_once() {
    let world = World::new();
    world.server.holds("0123456789abcdef012345");
    world.want(&["orders"]);
    pass(1).await;
    world.want(&["orders", "bills"]);
    pass(1).await;
    assert_eq!(world.reading().unwrap().tokens("bills").len(), 1);
    assert_eq!(world.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_gone_holds_nothing_and_one_that_can_t_be_read_what_it_held() {
    let world = World::new();
    world.server.holds("0123456789abcdef012345");
    world.want(&["orders"]);
    pass(1).await;
    for code in [500, 403] {
        *world.server.fails.lock().unwrap() = Some(code);
        pass(30).await;
        let Reading::Tokens { streams, fault } = world.reading().unwrap().as_ref().clone() else { panic!() };
        assert_eq!((streams["orders"].len(), fault.as_str()), (1, ""), "{code}");
    }
    pass(60).await;
    let Reading::Tokens { streams, fault } = world.reading().unwrap().as_ref().clone() else { panic!() };
    assert_eq!(streams["orders"].len(), 1);
    assert!(fault.contains("what was read last holds"), "{fault}");
    *world.server.fails.lock().unwrap() = None;
    pass(17).await;
    let Reading::Tokens { fault, .. } = world.reading().unwrap().as_ref().clone() else { panic!() };
    assert_eq!(fault, "");
    *world.server.answer.lock().unwrap() = None;
    pass(17).await;
    assert_eq!(*world.reading().unwrap(), Reading::Missing);
}

#[tokio::test(start_paused = true)]
async fn one_that_was_never_read_is_not_known_but_for_who_may_not_read_it() {
    let world = World::new();
    *world.server.fails.lock().unwrap() = Some(500);
    world.want(&["orders"]);
    pass(10).await;
    assert_eq!(world.reading(), None);
    assert!(world.asked() > 3, "tried again soon");
    *world.server.fails.lock().unwrap() = Some(403);
    pass(5).await;
    assert_eq!(*world.reading().unwrap(), Reading::Forbidden("no".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn one_that_may_not_be_read_is_looked_at_no_more_often_than_another() {
    let world = World::new();
    *world.server.fails.lock().unwrap() = Some(403);
    world.want(&["orders"]);
    pass(61).await;
    assert_eq!(*world.reading().unwrap(), Reading::Forbidden("no".to_owned()));
    assert!((4..=5).contains(&world.asked()), "{}", world.asked());
    *world.server.fails.lock().unwrap() = None;
    world.server.holds("0123456789abcdef012345");
    pass(17).await;
    assert_eq!(world.reading().unwrap().tokens("orders").len(), 1, "once it may");
}

#[tokio::test(start_paused = true)]
async fn good_tokens_hold_while_nobody_may_read_them_any_more() {
    let world = World::new();
    world.server.holds("0123456789abcdef012345");
    world.want(&["orders"]);
    pass(1).await;
    *world.server.fails.lock().unwrap() = Some(403);
    pass(120).await;
    let Reading::Tokens { streams, fault } = world.reading().unwrap().as_ref().clone() else { panic!() };
    assert_eq!(streams["orders"].len(), 1);
    assert!(fault.contains("what was read last holds"), "{fault}");
    assert!((8..=10).contains(&world.asked()), "{}", world.asked());
}

#[tokio::test(start_paused = true)]
async fn of_one_that_held_nothing_it_is_told_that_it_may_not_be_read() {
    let world = World::new();
    world.want(&["orders"]);
    pass(1).await;
    assert_eq!(*world.reading().unwrap(), Reading::Missing);
    *world.server.fails.lock().unwrap() = Some(403);
    pass(17).await;
    assert_eq!(*world.reading().unwrap(), Reading::Forbidden("no".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_is_wanted_no_more_is_forgotten() {
    let world = World::new();
    world.server.holds("0123456789abcdef012345");
    world.want(&["orders"]);
    pass(1).await;
    world.wanted.send_replace(Wanted::new());
    pass(1).await;
    assert_eq!(world.reading(), None);
    pass(60).await;
    assert_eq!(world.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_hangs_is_waited_for_and_keeps_nobody_busy() {
    let (asked, stop) = (Arc::new(Mutex::new(0)), CancellationToken::new());
    let (wanted, receiver) = watch::channel(Wanted::new());
    let (sender, _readings) = watch::channel(Credentials::new());
    let counted = Arc::clone(&asked);
    let get = move |_: Name| {
        *counted.lock().unwrap() += 1;
        std::future::pending()
    };
    tokio::spawn(Keeper::new(get, receiver, sender).run(stop.clone()));
    for stream in ["orders", "bills", "carts"] {
        wanted.send_replace([(World::name(), [stream.to_owned()].into())].into());
        pass(1).await;
    }
    // A clock that stands still only goes on while everybody waits.
    assert_eq!(*asked.lock().unwrap(), 1);
    pass(11).await;
    assert_eq!(*asked.lock().unwrap(), 2, "due again when the first has ended");
    stop.cancel();
}
