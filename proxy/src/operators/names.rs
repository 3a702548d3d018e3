//! The operators' addresses, looked up again and again under their host's name. A name that can't be found takes no
//! address away: whether one still answers, a connection shows.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::url::OperatorUrl;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(5);
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// More operators than this are not spoken to.
const MOST: usize = 64;

/// Looks for addresses, and tells them.
#[derive(Debug)]
pub(super) struct Names {
    host: String,
    port: u16,
    found: watch::Sender<BTreeSet<SocketAddr>>,
    /// Whether the last look failed, which is logged once.
    failing: bool,
}

impl Names {
    pub(super) fn new(url: &OperatorUrl) -> (Self, watch::Receiver<BTreeSet<SocketAddr>>) {
        let (found, addresses) = watch::channel(BTreeSet::new());
        (Self { host: url.host().to_owned(), port: url.port(), found, failing: false }, addresses)
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut tick = interval(INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let looked = async {
                tick.tick().await;
                timeout(PATIENCE, look_up(&self.host, self.port)).await
            };
            let looked = tokio::select! {
                () = stop.cancelled() => return,
                looked = looked => looked,
            };
            self.take(looked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())));
        }
    }

    fn take(&mut self, looked: io::Result<BTreeSet<SocketAddr>>) {
        let failed = match looked {
            Ok(addresses) if !addresses.is_empty() => {
                self.failing = false;
                self.found.send_if_modified(|known| {
                    let other = *known != addresses;
                    *known = addresses;
                    other
                });
                return;
            }
            Ok(_) => "it has no address".to_owned(),
            Err(error) => error.to_string(),
        };
        if !self.failing {
            tracing::warn!(host = self.host, reason = failed, "the operators' name can't be found");
        }
        self.failing = true;
    }
}

async fn look_up(host: &str, port: u16) -> io::Result<BTreeSet<SocketAddr>> {
    Ok(tokio::net::lookup_host((host, port)).await?.take(MOST).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> (Names, watch::Receiver<BTreeSet<SocketAddr>>) {
        Names::new(&"https://ops.sluice.svc".parse().unwrap())
    }

    fn addresses(last: &[u8]) -> BTreeSet<SocketAddr> {
        last.iter().map(|last| SocketAddr::from(([10, 0, 0, *last], 8443))).collect()
    }

    #[test]
    fn a_change_of_addresses_is_told_and_sameness_is_not() {
        let (mut names, mut told) = names();
        names.take(Ok(addresses(&[1, 2])));
        assert_eq!(*told.borrow_and_update(), addresses(&[1, 2]));
        names.take(Ok(addresses(&[2, 1])));
        assert!(!told.has_changed().unwrap());
        names.take(Ok(addresses(&[2, 3])));
        assert_eq!(*told.borrow_and_update(), addresses(&[2, 3]));
    }

    #[test]
    fn a_name_that_is_gone_takes_no_address_away() {
        let (mut names, mut told) = names();
        names.take(Ok(addresses(&[1])));
        told.mark_unchanged();
        names.take(Err(io::ErrorKind::NotFound.into()));
        names.take(Ok(BTreeSet::new()));
        assert!(!told.has_changed().unwrap());
        assert_eq!(*told.borrow(), addresses(&[1]));
    }

    #[tokio::test]
    async fn an_address_in_place_of_a_name_is_its_own() {
        let found = look_up("127.0.0.1", 7).await.unwrap();
        assert_eq!(found, BTreeSet::from([SocketAddr::from(([127, 0, 0, 1], 7))]));
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_it_is_told() {
        let (names, mut told) = Names::new(&"http://127.0.0.1:7".parse().unwrap());
        let stop = CancellationToken::new();
        let running = tokio::spawn(names.run(stop.clone()));
        told.wait_for(|found| !found.is_empty()).await.unwrap();
        stop.cancel();
        running.await.unwrap();
    }
}
