//! What makes a node leave: SIGTERM, SIGINT, or the end of its parent's pipe.

use std::io;
use std::io::Read;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// Waits for a reason to leave.
#[derive(Debug)]
pub struct Stop {
    terminate: Signal,
    interrupt: Signal,
    stdin: Option<oneshot::Receiver<()>>,
}

impl Stop {
    /// Listens for signals, and for the end of standard input where the node is `supervised`.
    ///
    /// # Errors
    /// Where the signals can't be listened for.
    pub fn listen(supervised: bool) -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            stdin: supervised.then(end_of_stdin).transpose()?,
        })
    }

    /// Returns at the next reason, with its name.
    pub async fn next(&mut self) -> &'static str {
        let stdin = async {
            match self.stdin.as_mut() {
                // A thread that failed to read has lost its parent too.
                Some(end) => drop(end.await),
                None => std::future::pending().await,
            }
        };
        let reason = tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            () = stdin => "end of standard input",
        };
        if reason == "end of standard input" {
            self.stdin = None;
        }
        reason
    }
}

/// Reads standard input on a thread of its own to its end. The thread may outlive the node's work: a
/// blocking read can't be called off, and the process ends without it.
fn end_of_stdin() -> io::Result<oneshot::Receiver<()>> {
    let (sender, receiver) = oneshot::channel();
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let mut buffer = [0; 256];
        while let Ok(1..) = io::stdin().read(&mut buffer) {}
        // The node may be gone already.
        let _ = sender.send(());
    })?;
    Ok(receiver)
}
