//! A socket that knows when its connection last made progress, so that one that does not is ended:
//! 10 s from a request's first byte to the end of its head, 120 s between requests. While a request is
//! worked on, its handler watches the time.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

/// From the first byte of a request to the end of its head.
const HEAD: Duration = Duration::from_secs(10);
/// Between two requests, and before the first.
const IDLE: Duration = Duration::from_secs(120);

const BETWEEN: u8 = 0;
const IN_HEAD: u8 = 1;
const AT_WORK: u8 = 2;

/// What a connection is doing, and until when it may.
#[derive(Debug)]
pub struct Activity {
    begin: Instant,
    state: AtomicU8,
    /// Milliseconds since `begin`.
    deadline: AtomicU64,
}

impl Activity {
    /// Of a connection that has just begun.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let activity =
            Self { begin: Instant::now(), state: AtomicU8::new(BETWEEN), deadline: AtomicU64::new(0) };
        activity.allow(IDLE);
        Arc::new(activity)
    }

    /// A request's head is complete; its handler runs.
    pub fn begins_work(&self) {
        self.state.store(AT_WORK, Ordering::Relaxed);
        self.deadline.store(u64::MAX, Ordering::Relaxed);
    }

    /// The handler has answered.
    pub fn ends_work(&self) {
        self.state.store(BETWEEN, Ordering::Relaxed);
        self.allow(IDLE);
    }

    /// Whether no request is being worked on or arriving.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.state.load(Ordering::Relaxed) == BETWEEN
    }

    /// Until when the connection may go on as it does; `None` while a handler runs.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match self.deadline.load(Ordering::Relaxed) {
            u64::MAX => None,
            millis => Some(self.begin + Duration::from_millis(millis)),
        }
    }

    fn received(&self) {
        if self.is_idle() {
            self.state.store(IN_HEAD, Ordering::Relaxed);
            self.allow(HEAD);
        }
    }

    fn allow(&self, time: Duration) {
        let millis = (self.begin.elapsed() + time).as_millis();
        self.deadline.store(u64::try_from(millis).unwrap_or(u64::MAX - 1), Ordering::Relaxed);
    }
}

/// The connection's result, or `None` where its deadline came first.
pub async fn in_time<F: Future>(connection: F, activity: &Activity) -> Option<F::Output> {
    let mut connection = pin!(connection);
    let mut timer = pin!(sleep_until(activity.deadline().unwrap_or_else(Instant::now)));
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = connection.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        // The timer is set anew only when it fires or when it would fire too late: on a busy
        // connection that is hardly ever.
        loop {
            let deadline = activity.deadline();
            if deadline.is_some_and(|deadline| deadline < timer.deadline()) {
                set(timer.as_mut(), deadline);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Poll::Ready(None);
            }
            set(timer.as_mut(), deadline);
        }
    })
    .await
}

/// Sets the timer to the deadline, or to look again later where there is none.
fn set(timer: Pin<&mut tokio::time::Sleep>, deadline: Option<Instant>) {
    timer.reset(deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(10)));
}

/// A socket whose reads are noted.
#[derive(Debug)]
pub struct Watched<S> {
    /// The socket.
    pub socket: S,
    /// Where reads are noted.
    pub activity: Arc<Activity>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.received();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_head_has_ten_seconds_from_its_first_byte() {
        let activity = Activity::new();
        let begin = Instant::now();
        tokio::time::sleep(Duration::from_secs(60)).await;
        activity.received();
        assert_eq!(activity.deadline().unwrap() - begin, Duration::from_secs(70));
        tokio::time::sleep(Duration::from_secs(5)).await;
        activity.received();
        assert_eq!(
            activity.deadline().unwrap() - begin,
            Duration::from_secs(70),
            "later bytes give no more time"
        );
        activity.begins_work();
        assert_eq!(activity.deadline(), None);
        activity.ends_work();
        assert_eq!(activity.deadline().unwrap() - begin, Duration::from_secs(65 + 120));
    }
}
