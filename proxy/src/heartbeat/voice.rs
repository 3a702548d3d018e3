//! The task that tells one operator, over one connection that is kept.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use http_body_util::Full;
use sluice_wire::heartbeat::{Heard, PATH};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::pace::Pace;
use super::{HeartbeatCounts, Now, Sender};
use crate::operators::{Connection, OperatorError, Operators, read};

/// How long a heartbeat may take, a new connection included.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long the last may take.
const LAST_PATIENCE: Duration = Duration::from_secs(1);
/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 16 << 10;

/// Why a heartbeat was not taken.
#[derive(Debug, thiserror::Error)]
enum VoiceError {
    /// It was not answered.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// It was, and refused.
    #[error("refused: {0}")]
    Refused(String),
    /// It can't be written down.
    #[error("can't be written: {0}")]
    Unwritable(String),
}

/// One operator, and what it is told.
pub(super) struct Voice {
    pub(super) address: SocketAddr,
    pub(super) operators: Operators,
    pub(super) sender: Arc<Sender>,
    pub(super) now: watch::Receiver<Arc<Now>>,
    pub(super) counts: Arc<HeartbeatCounts>,
    pub(super) pace: Pace,
    pub(super) connection: Option<Connection>,
    /// Whether the last one failed, which is logged once.
    pub(super) failing: bool,
}

impl Voice {
    /// Tells until the operator is `gone`, or until the node leaves and that is told.
    pub(super) async fn run(mut self, gone: CancellationToken, leaving: CancellationToken) {
        loop {
            let next = self.pace.next(&self.now.borrow_and_update());
            tokio::select! {
                () = gone.cancelled() => return,
                () = leaving.cancelled() => break,
                () = sleep_until(next) => {}
                // Who looks at the node ends after its voices.
                Ok(()) = self.now.changed() => continue,
            }
            tokio::select! {
                () = gone.cancelled() => return,
                () = self.tell(PATIENCE) => {}
            }
        }
        let now = Arc::clone(&self.now.borrow());
        if !self.pace.has_told(&now) {
            self.tell(LAST_PATIENCE).await;
        }
    }

    async fn tell(&mut self, patience: Duration) {
        let (now, begin) = (Arc::clone(&self.now.borrow_and_update()), Instant::now());
        let told = timeout(patience, self.send(&now)).await;
        let told = told.unwrap_or_else(|_| Err(OperatorError::Slow("a heartbeat").into()));
        self.note(&told);
        self.pace.tried(now, told.is_ok(), (begin, Instant::now()), fastrand::f64());
    }

    fn note(&mut self, told: &Result<(), VoiceError>) {
        let (address, failed_before) = (self.address, self.failing);
        self.failing = told.is_err();
        match told {
            Ok(()) => self.counts.taken.add(1),
            Err(VoiceError::Refused(_) | VoiceError::Operator(OperatorError::Status(_))) => {
                self.counts.refused.add(1);
            }
            Err(_) => self.counts.failed.add(1),
        }
        match told {
            Err(error) if !failed_before => {
                tracing::warn!(%address, %error, "an operator hears no heartbeats");
            }
            Err(error) => tracing::debug!(%address, %error, "a heartbeat failed"),
            Ok(()) if failed_before => tracing::info!(%address, "an operator hears heartbeats again"),
            Ok(()) => {}
        }
    }

    /// Sends one heartbeat. A connection that was kept may have ended at the other end: then once more over a new one,
    /// because to hear the same twice does no harm.
    async fn send(&mut self, now: &Now) -> Result<(), VoiceError> {
        let body = self.body(now)?;
        if let Some(mut kept) = self.connection.take().filter(Connection::is_open) {
            match exchange(&mut kept, body.clone()).await {
                Err(VoiceError::Operator(OperatorError::Http(_))) => {}
                told => return self.keep(kept, told),
            }
        }
        let mut fresh = self.operators.connect(self.address).await?;
        let told = exchange(&mut fresh, body).await;
        self.keep(fresh, told)
    }

    /// A connection on which something went wrong is not used again.
    fn keep(&mut self, connection: Connection, told: Result<(), VoiceError>) -> Result<(), VoiceError> {
        self.connection = told.is_ok().then_some(connection);
        told
    }

    fn body(&self, now: &Now) -> Result<Bytes, VoiceError> {
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let heartbeat = self.sender.says(now, u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        let body =
            serde_json::to_vec(&heartbeat).map_err(|error| VoiceError::Unwritable(error.to_string()))?;
        Ok(body.into())
    }
}

async fn exchange(connection: &mut Connection, body: Bytes) -> Result<(), VoiceError> {
    let request = Request::post(PATH).header(CONTENT_TYPE, "application/json").body(Full::new(body));
    let request = request.map_err(|error| VoiceError::Unwritable(error.to_string()))?;
    let answer = connection.send(request, PATIENCE).await?;
    let answer = read(answer, LONGEST_ANSWER, PATIENCE).await?;
    let heard: Heard =
        serde_json::from_slice(&answer).map_err(|error| OperatorError::Answer(error.to_string()))?;
    if heard.success { Ok(()) } else { Err(VoiceError::Refused(heard.err_msg.unwrap_or_default())) }
}
