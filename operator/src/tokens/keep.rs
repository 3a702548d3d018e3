//! When the keys are fetched: at once, every five minutes, again with growing pauses while it fails, and when a token has a
//! key that is not known, but then no sooner than 30 s after the last time.
//! What was fetched last holds until it is replaced, however long the API server is away.

use std::sync::Arc;
use std::time::Duration;

use sluice_identity::Verifier;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::fetch::{FetchError, Published};
use super::{AUDIENCE, Tokens};

/// Between two looks when nothing happens.
const REFRESH: Duration = Duration::from_secs(5 * 60);
/// Between two looks that tokens with unknown keys cause.
const AGAIN: Duration = Duration::from_secs(30);
/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The first and the longest pause after a look that failed.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Keeps what `fetch` gives in `verifiers` until `stop`.
pub(super) async fn keep<F, R>(
    fetch: F,
    tokens: Tokens,
    verifiers: watch::Sender<Option<Arc<Verifier>>>,
    stop: CancellationToken,
) where
    F: Fn() -> R,
    R: Future<Output = Result<Published, FetchError>>,
{
    let mut pause = PAUSES.0;
    let mut issuer = None;
    loop {
        let fetched = tokio::select! {
            () = stop.cancelled() => return,
            fetched = timeout(PATIENCE, fetch()) => fetched.unwrap_or(Err(FetchError::Silent)),
        };
        let next = match fetched {
            Ok(published) => {
                // What it called itself before, it does still, when it does not say.
                issuer = published.issuer.or(issuer);
                hold(&verifiers, Verifier::new(AUDIENCE, issuer.clone(), published.keys));
                pause = PAUSES.0;
                REFRESH
            }
            Err(error) => {
                tracing::warn!(%error, "the keys of tokens can't be fetched and are asked for again");
                let longer = (pause * 2).min(PAUSES.1);
                std::mem::replace(&mut pause, longer)
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(next) => {}
            () = async { sleep(AGAIN).await; tokens.asked().await } => {}
        }
    }
}

/// The same again changes nothing, so that nobody forgets what was verified.
fn hold(verifiers: &watch::Sender<Option<Arc<Verifier>>>, verifier: Verifier) {
    verifiers.send_if_modified(|held| {
        if held.as_deref() == Some(&verifier) {
            return false;
        }
        tracing::info!("the keys of tokens are here");
        *held = Some(Arc::new(verifier));
        true
    });
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use sluice_identity::Keys;
    use tokio::time::Instant;

    use super::super::fixture::{NOW, Signer, claims};
    use super::*;

    type Answers = Vec<Result<Published, FetchError>>;

    fn published(signer: &Signer, issuer: Option<&str>) -> Published {
        let keys = Keys::from_jwks(signer.jwks().as_bytes()).unwrap();
        Published { keys, issuer: issuer.map(str::to_owned) }
    }

    /// When keys were asked for, while a test runs.
    struct World {
        asked: Arc<Mutex<Vec<u64>>>,
        tokens: Tokens,
        stop: CancellationToken,
        task: tokio::task::JoinHandle<()>,
    }

    impl World {
        /// Gives `answers` in turn, and the last again and again.
        fn start(mut answers: Answers) -> Self {
            answers.reverse();
            let last = answers.first().and_then(|last| last.as_ref().ok().cloned());
            let (asked, answers) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(answers)));
            let (tokens, sender) = Tokens::fixed(None);
            let (stop, began) = (CancellationToken::new(), Instant::now());
            let noted = Arc::clone(&asked);
            let fetch = move || {
                noted.lock().unwrap().push(began.elapsed().as_secs());
                let answer = answers.lock().unwrap().pop();
                let answer = answer.unwrap_or_else(|| last.clone().ok_or(FetchError::Silent));
                async move { answer }
            };
            let task = tokio::spawn(keep(fetch, tokens.clone(), sender, stop.clone()));
            Self { asked, tokens, stop, task }
        }

        fn asked(&self) -> Vec<u64> {
            self.asked.lock().unwrap().clone()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn keys_are_fetched_at_once_and_every_five_minutes() {
        let signer = Signer::new();
        let world = World::start(vec![Ok(published(&signer, None))]);
        sleep(Duration::from_secs(1)).await;
        let first = world.tokens.verifier().unwrap();
        assert!(first.verify(&signer.token(&claims()), NOW).is_ok());
        sleep(Duration::from_secs(601)).await;
        assert_eq!(world.asked(), [0, 300, 600]);
        assert!(Arc::ptr_eq(&first, &world.tokens.verifier().unwrap()), "the same keys change nothing");
        world.stop.cancel();
        world.task.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_is_tried_again_with_growing_pauses_and_what_was_fetched_holds() {
        let silent = || Err(FetchError::Silent);
        let signer = Signer::new();
        let answers = vec![silent(), silent(), Ok(published(&signer, None)), silent(), silent()];
        let world = World::start(answers);
        sleep(Duration::from_secs(2)).await;
        assert!(world.tokens.verifier().is_none());
        sleep(Duration::from_secs(400)).await;
        assert!(world.tokens.verifier().is_some());
        assert_eq!(world.asked()[..5], [0, 1, 3, 303, 304]);
        let world = World::start((0..20).map(|_| silent()).collect());
        sleep(Duration::from_secs(301)).await;
        assert_eq!(world.asked(), [0, 1, 3, 7, 15, 31, 63, 123, 183, 243], "at most a minute apart");
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_key_makes_them_be_fetched_again_at_most_once_in_thirty_seconds() {
        let (old, new) = (Signer::new(), Signer::new());
        let world = World::start(vec![Ok(published(&old, None)), Ok(published(&new, None))]);
        sleep(Duration::from_secs(10)).await;
        for _ in 0..5 {
            world.tokens.look_again();
        }
        sleep(Duration::from_secs(19)).await;
        assert_eq!(world.asked(), [0]);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(world.asked(), [0, 30]);
        assert!(world.tokens.verifier().unwrap().verify(&new.token(&claims()), NOW).is_ok());
        for _ in 0..100 {
            world.tokens.look_again();
            sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(world.asked(), [0, 30, 60, 90, 120]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_issuer_that_was_learned_is_held_on_to() {
        let signer = Signer::new();
        let answers = vec![Ok(published(&signer, Some("https://a"))), Ok(published(&signer, None))];
        let world = World::start(answers);
        for _ in 0..2 {
            sleep(Duration::from_secs(290)).await;
            let said = world.tokens.verifier().unwrap().verify(&signer.token(&claims()), NOW);
            assert_eq!(said, Err(sluice_identity::Refused::Issuer));
        }
        assert_eq!(world.asked(), [0, 300]);
    }
}
