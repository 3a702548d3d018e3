//! Ctrl-C and SIGTERM, for commands that have something to finish first.
//! It listens; what is finished is the commands' business.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Ctrl-C and SIGTERM.
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits until told to stop, once more at each call.
    pub(crate) async fn told(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Counts how often it is told, for several who wait.
    pub(crate) fn count(mut self) -> Told {
        let (sender, told) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                self.told().await;
                sender.send_modify(|times| *times += 1);
            }
        });
        Told(told)
    }
}

/// How often it was told to stop.
#[derive(Clone, Debug)]
pub(crate) struct Told(watch::Receiver<u32>);

impl Told {
    /// Never told unless by `sender`.
    #[cfg(test)]
    pub(crate) fn by(sender: &watch::Sender<u32>) -> Self {
        Self(sender.subscribe())
    }

    /// Whether it was told at all.
    pub(crate) fn once(&self) -> bool {
        *self.0.borrow() > 0
    }

    /// Waits until it was told this often in all.
    pub(crate) async fn times(&mut self, times: u32) {
        if self.0.wait_for(|told| *told >= times).await.is_err() {
            // Nobody is left who could tell.
            std::future::pending::<()>().await;
        }
    }
}
