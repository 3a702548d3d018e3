//! The poller against an operator that the test speaks for, answer by answer, over real sockets.

mod edition;

use http::{Request, Response, StatusCode};
use http_body_util::Full;
use sluice_wire::polling::{HOLD, REVISION};
use sluice_wire::status::ConfigSource;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use self::edition::Edition;
use super::*;
use crate::config::effect::Effect;
use crate::config::source::Whole;
use crate::counters::Count;
use crate::operators::Settings;
use crate::operators::tests::server::Server;

const SOON: Duration = Duration::from_secs(10);
/// Long enough to see that something does not come.
const A_WHILE: Duration = Duration::from_millis(300);

/// A question, and the way of its answer.
struct Question(Request<Bytes>, oneshot::Sender<Response<Full<Bytes>>>);

impl Question {
    /// Which of the two it is.
    fn path(&self) -> &str {
        self.0.uri().path()
    }

    /// Names and values of its form or query, in their order.
    fn said(&self) -> Vec<(String, String)> {
        let query = self.0.uri().query().unwrap_or_default().as_bytes();
        let said = form_urlencoded::parse(query).chain(form_urlencoded::parse(self.0.body()));
        said.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
    }

    fn revision(&self) -> &str {
        self.0.headers()[REVISION].to_str().unwrap()
    }

    /// How long it may be held, in milliseconds.
    fn hold(&self) -> &str {
        self.0.headers()[HOLD].to_str().unwrap()
    }

    fn answer(self, body: impl Into<Bytes>) {
        let _ = self.1.send(Response::new(Full::from(body.into())));
    }

    fn fail(self, status: StatusCode) {
        let _ = self.1.send(Response::builder().status(status).body(Full::default()).unwrap());
    }
}

/// A poller, its operator, and the owner of what is in effect; the test plays both.
struct Stage {
    _server: Server,
    questions: mpsc::Receiver<Question>,
    offers: mpsc::Receiver<Offer>,
    effect: watch::Sender<Option<Effect>>,
    state: Arc<crate::config::ConfigState>,
    stop: CancellationToken,
}

impl Stage {
    async fn new(effect: Option<Effect>) -> Self {
        let (asked, questions) = mpsc::channel(8);
        let answering = move |request| {
            let asked = asked.clone();
            async move {
                let (answer, answered) = oneshot::channel();
                asked.send(Question(request, answer)).await.unwrap();
                match answered.await {
                    Ok(answer) => answer,
                    Err(_) => std::future::pending().await,
                }
            }
        };
        let server = Server::plain(answering).await;
        let (sender, offers) = mpsc::channel(1);
        let (effect_sender, effects) = watch::channel(None);
        effect_sender.send_replace(effect);
        let (stop, state) = (CancellationToken::new(), Arc::default());
        start(server.address(), Exchange { offers: sender, effects }, &state, &stop);
        Self { _server: server, questions, offers, effect: effect_sender, state, stop }
    }

    async fn asked(&mut self, path: &str) -> Question {
        let question = timeout(SOON, self.questions.recv()).await.expect("a question").unwrap();
        assert_eq!(question.path(), path);
        question
    }

    /// Whether nothing is asked for a while.
    async fn is_quiet(&mut self) -> bool {
        timeout(A_WHILE, self.questions.recv()).await.is_err()
    }

    /// The next document, which comes to be in effect or not.
    async fn offered(&mut self, verdict: Verdict) -> Arc<Set> {
        let offer = timeout(SOON, self.offers.recv()).await.expect("an offer").unwrap();
        if verdict == Verdict::InEffect {
            self.effect.send_replace(Some(effect(&offer.set, ConfigSource::Operator)));
        }
        offer.verdict.send(verdict).unwrap();
        offer.set
    }

    /// Has a node poll until it runs this edition.
    async fn running(edition: &Edition) -> Self {
        let mut stage = Self::new(Some(effect(&edition.set(), ConfigSource::Mounted))).await;
        let listen = stage.asked("/configs/listener").await;
        assert_eq!(listen.said(), edition.claims());
        listen.answer(edition::NOTHING);
        stage
    }

    fn polls(&self) -> [u64; 4] {
        let polls = &self.state.polls;
        [&polls.changed, &polls.unchanged, &polls.refused, &polls.failed].map(Count::get)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Starts a poller of one operator.
fn start(
    address: SocketAddr,
    exchange: Exchange,
    state: &Arc<crate::config::ConfigState>,
    stop: &CancellationToken,
) {
    let url = format!("http://{address}").parse().unwrap();
    let settings = Settings { url, token: "none".into(), ca: "none".into() };
    let operators = Operators::start(settings, stop.clone(), &TaskTracker::new());
    let poller = Poller::new(operators, edition::fleet(), exchange, Arc::clone(state));
    tokio::spawn(poller.run(stop.clone()));
}

fn effect(set: &Arc<Set>, source: ConfigSource) -> Effect {
    let whole = Arc::new(Whole::Set(Arc::clone(set)));
    Effect { whole, source, fleet: set.fleet.clone(), revision: set.revision }
}

#[tokio::test]
async fn a_node_without_anything_fetches_everything_and_claims_it() {
    let mut stage = Stage::new(None).await;
    let edition = Edition::new(7, &["a", "b"]);
    let listen = stage.asked("/configs/listener").await;
    let nothing = [("namespaceId", "shop/main"), ("FLEET", ",0"), ("SINK", ",0"), ("STREAM", ",0")];
    assert_eq!(listen.said(), nothing.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(listen.revision(), "0");
    assert_eq!(listen.0.headers()["long-pulling-timeout"], "60000");
    listen.answer(edition::names(&["FLEET", "SINK", "STREAM"]));
    let fetch = stage.asked("/configs/fetch").await;
    let groups: Vec<_> = fetch.said().into_iter().filter(|(name, _)| name == "groupKeys").collect();
    assert_eq!(groups.len(), 3);
    fetch.answer(edition.whole());
    let offered = stage.offered(Verdict::InEffect).await;
    assert_eq!(offered.text().unwrap(), edition.text());
    let listen = stage.asked("/configs/listener").await;
    assert_eq!((listen.said(), listen.revision()), (edition.claims(), "7"));
    assert_eq!(stage.polls(), [1, 0, 0, 0]);
}

#[tokio::test]
async fn a_change_comes_with_the_answer_and_nothing_is_fetched() {
    let (old, new) = (Edition::new(7, &["a", "b"]), Edition::new(8, &["b", "c"]));
    let mut stage = Stage::running(&old).await;
    stage.asked("/configs/listener").await.answer(new.update_from(&old));
    assert_eq!(stage.offered(Verdict::InEffect).await.text().unwrap(), new.text());
    let listen = stage.asked("/configs/listener").await;
    assert_eq!((listen.said(), listen.revision()), (new.claims(), "8"));
    assert_eq!(stage.polls(), [1, 1, 0, 0]);
    let last = Edition::new(9, &[]);
    listen.answer(last.update_from(&new));
    assert_eq!(stage.offered(Verdict::InEffect).await.text().unwrap(), last.text());
}

#[tokio::test]
async fn names_alone_lead_to_a_fetch_of_what_changed_since() {
    let (old, new) = (Edition::new(7, &["a", "b"]), Edition::new(8, &["b", "c"]));
    let mut stage = Stage::running(&old).await;
    stage.asked("/configs/listener").await.answer(edition::names(&["STREAM"]));
    let fetch = stage.asked("/configs/fetch").await;
    let since: Vec<_> =
        fetch.said().into_iter().filter(|(name, _)| name == "since").map(|(_, md5)| md5).collect();
    assert_eq!(since, old.md5s());
    fetch.answer(new.since(&old));
    assert_eq!(stage.offered(Verdict::InEffect).await.text().unwrap(), new.text());
}

#[tokio::test]
async fn an_update_that_does_not_come_out_leads_to_a_fetch_of_everything() {
    let (old, new, other) =
        (Edition::new(7, &["a", "b"]), Edition::new(8, &["b", "c"]), Edition::new(6, &["x"]));
    for wrong in [new.update_from(&other), new.update_from(&old).replace("\"c\"", "\"d\"")] {
        let mut stage = Stage::running(&old).await;
        stage.asked("/configs/listener").await.answer(wrong);
        let fetch = stage.asked("/configs/fetch").await;
        assert!(fetch.said().iter().all(|(name, _)| name != "since"));
        fetch.answer(new.whole());
        assert_eq!(stage.offered(Verdict::InEffect).await.text().unwrap(), new.text());
    }
}

#[tokio::test]
async fn a_fetch_that_does_not_come_out_is_a_failure_and_all_is_asked_for_anew() {
    let (old, new) = (Edition::new(7, &["a"]), Edition::new(8, &["b"]));
    let mut stage = Stage::running(&old).await;
    stage.asked("/configs/listener").await.answer(edition::names(&["STREAM"]));
    stage.asked("/configs/fetch").await.answer(new.whole().replace("\"b\"", "\"d\""));
    let listen = stage.asked("/configs/listener").await;
    assert_eq!(listen.said()[3], ("STREAM".to_owned(), ",0".to_owned()));
    assert_eq!((stage.polls(), stage.state.polls.is_failing()), ([0, 1, 0, 1], true));
    listen.answer(edition::NOTHING);
    stage.asked("/configs/listener").await;
    assert!(!stage.state.polls.is_failing());
}

#[tokio::test]
async fn an_operator_that_is_behind_changes_nothing() {
    let (old, new) = (Edition::new(7, &["a"]), Edition::new(8, &["b"]));
    let mut stage = Stage::running(&new).await;
    stage.asked("/configs/listener").await.answer(old.update_from(&new));
    let listen = stage.asked("/configs/listener").await;
    assert_eq!(listen.said(), new.claims(), "what it has is not forgotten");
    listen.answer(edition::names(&["STREAM"]));
    stage.asked("/configs/fetch").await.answer(old.whole());
    let listen = stage.asked("/configs/listener").await;
    assert_eq!((listen.said(), listen.revision()), (new.claims(), "8"));
    assert_eq!(stage.polls(), [0, 1, 0, 2]);
    assert!(stage.offers.try_recv().is_err());
}

#[tokio::test]
async fn a_refused_document_is_not_asked_for_again_and_a_later_one_leads_on_from_it() {
    let (old, bad, good) = (Edition::new(7, &["a"]), Edition::new(8, &["b"]), Edition::new(9, &["c"]));
    let mut stage = Stage::running(&old).await;
    stage.asked("/configs/listener").await.answer(bad.update_from(&old));
    stage.offered(Verdict::Refused).await;
    let listen = stage.asked("/configs/listener").await;
    assert_eq!((listen.said(), listen.revision()), (bad.claims(), "8"));
    assert!(stage.is_quiet().await);
    listen.answer(good.update_from(&bad));
    assert_eq!(stage.offered(Verdict::InEffect).await.text().unwrap(), good.text());
    assert_eq!(stage.polls(), [0, 1, 1, 0]);
}

#[tokio::test]
async fn what_the_mount_brings_meanwhile_is_gone_on_from() {
    let (old, mounted, last) = (Edition::new(7, &["a"]), Edition::new(9, &["b"]), Edition::new(10, &["c"]));
    let mut stage = Stage::running(&old).await;
    let listen = stage.asked("/configs/listener").await;
    stage.effect.send_replace(Some(effect(&mounted.set(), ConfigSource::Mounted)));
    listen.answer(edition::NOTHING);
    let listen = stage.asked("/configs/listener").await;
    assert_eq!((listen.said(), listen.revision()), (mounted.claims(), "9"));
    listen.answer(last.update_from(&mounted));
    assert_eq!(stage.offered(Verdict::InEffect).await.text().unwrap(), last.text());
}

#[tokio::test]
async fn a_document_whose_digests_are_not_known_or_wrong_is_claimed_by_its_revision_alone() {
    let other = Edition::new(7, &["b"]);
    for said in [None, Some(&other)] {
        let edition = Edition::new(7, &["a"]).saying(said);
        let mut stage = Stage::new(Some(effect(&edition.set(), ConfigSource::Mounted))).await;
        let listen = stage.asked("/configs/listener").await;
        assert_eq!((&*listen.said()[3].1, listen.revision()), (",0", "7"));
    }
}

#[tokio::test]
async fn a_document_of_another_fleet_is_not_offered() {
    let mut stage = Stage::new(None).await;
    stage.asked("/configs/listener").await.answer(edition::names(&["FLEET"]));
    let whole = Edition::new(7, &["a"]).of("other").whole();
    stage.asked("/configs/fetch").await.answer(whole);
    stage.asked("/configs/listener").await;
    assert_eq!(stage.polls(), [0, 0, 0, 1]);
    assert!(stage.offers.try_recv().is_err());
}

#[tokio::test]
async fn failures_and_hasty_answers_are_slowed_down() {
    let mut stage = Stage::new(None).await;
    for round in 0..2 {
        let began = Instant::now();
        let listen = stage.asked("/configs/listener").await;
        if round == 0 {
            listen.fail(StatusCode::UNAUTHORIZED);
        } else {
            listen.answer("no json");
        }
        stage.asked("/configs/listener").await.answer(edition::NOTHING);
        assert!(began.elapsed() >= Duration::from_millis(100), "{:?}", began.elapsed());
        let began = Instant::now();
        stage.asked("/configs/listener").await.answer(edition::NOTHING);
        assert!(began.elapsed() >= Duration::from_millis(100), "{:?}", began.elapsed());
    }
    assert_eq!(stage.polls()[3], 2);
}

#[tokio::test]
async fn after_a_failure_it_is_soon_known_that_an_operator_answers_again() {
    let mut stage = Stage::new(None).await;
    let listen = stage.asked("/configs/listener").await;
    assert_eq!(listen.hold(), "60000");
    listen.fail(StatusCode::SERVICE_UNAVAILABLE);
    let listen = stage.asked("/configs/listener").await;
    assert!(stage.state.polls.is_failing());
    assert_eq!(listen.hold(), "2000");
    listen.answer(edition::NOTHING);
    assert_eq!(stage.asked("/configs/listener").await.hold(), "60000");
    assert!(!stage.state.polls.is_failing());
}

#[tokio::test]
async fn an_operator_that_closes_every_connection_is_not_hammered() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (effect, effects) = watch::channel(None);
    effect.send_replace(None);
    let exchange = Exchange { offers: mpsc::channel(1).0, effects };
    let (stop, state) = (CancellationToken::new(), Arc::default());
    start(listener.local_addr().unwrap(), exchange, &state, &stop);
    let mut connections = 0;
    let _ = timeout(SOON / 10, async {
        loop {
            drop(listener.accept().await);
            connections += 1;
        }
    })
    .await;
    stop.cancel();
    assert!((2..=5).contains(&connections), "{connections}");
}

#[tokio::test]
async fn the_poller_ends_when_it_is_told_though_a_poll_is_held() {
    let mut stage = Stage::new(None).await;
    let _held = stage.asked("/configs/listener").await;
    stage.stop.cancel();
    assert!(timeout(SOON, stage.offers.recv()).await.unwrap().is_none(), "it is gone");
}

#[test]
fn after_a_failure_another_operator_is_asked_if_there_is_one() {
    let address = |last| SocketAddr::from(([10, 0, 0, last], 8443));
    let (one, two) = (BTreeSet::from([address(1)]), BTreeSet::from([address(1), address(2)]));
    for _ in 0..50 {
        assert_eq!(choose(&two, Some(address(1))), Some(address(2)));
        assert_eq!(choose(&one, Some(address(1))), Some(address(1)));
    }
    let both: BTreeSet<_> = (0..200).filter_map(|_| choose(&two, None)).collect();
    assert_eq!(both, two, "by chance");
    assert_eq!(choose(&BTreeSet::new(), None), None);
}
