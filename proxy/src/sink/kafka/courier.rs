//! Carries verdicts from a producer's thread into the runtime.
//!
//! Sent from outside, each would wake a worker of the runtime by itself; sent by a task inside, the
//! whole run of an acknowledged batch costs one such wake.

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::sink::delivery::Ready;

/// How many verdicts are sent before others have their turn.
const RUN: usize = 256;

/// The producer's end. The channel needs no bound of its own: it holds one verdict a waiting request.
#[derive(Clone, Debug)]
pub(super) struct Courier(UnboundedSender<Ready>);

impl Courier {
    /// Starts carrying, until every clone is dropped. Must be called within a tokio runtime.
    pub(super) fn start() -> (Self, JoinHandle<()>) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), tokio::spawn(carry(receiver)))
    }

    /// Has a verdict sent from within the runtime; from here, where that has ended.
    pub(super) fn take(&self, ready: Ready) {
        if let Err(returned) = self.0.send(ready) {
            returned.0.send();
        }
    }
}

async fn carry(mut receiver: UnboundedReceiver<Ready>) {
    let mut run = Vec::with_capacity(RUN);
    while receiver.recv_many(&mut run, RUN).await > 0 {
        run.drain(..).for_each(Ready::send);
    }
}
