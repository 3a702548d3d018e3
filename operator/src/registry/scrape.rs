//! Asks a node for its metrics, to see whether it lives: who it is and how full it is. It reads no further than that.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::nodes;

/// From connecting to the end of the answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest answer that is looked through, in bytes.
const LONGEST: usize = 64 << 20;
/// The longest line of it that can be one of those looked for, in bytes.
const LONGEST_LINE: usize = 4 << 10;

/// The metric whose label `uid` says who the node is.
const INFO: &str = "sluice_node_info";
/// The metric with the lower edge of its load's band.
const BAND: &str = "sluice_load_band";

/// What a node shows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// Its uid.
    pub(super) uid: Option<String>,
    /// Lower edge of its load's band.
    pub(super) band: Option<u8>,
}

impl Shown {
    const fn is_whole(&self) -> bool {
        self.uid.is_some() && self.band.is_some()
    }

    fn line(&mut self, line: &str) {
        if let Some(labels) = line.strip_prefix(INFO).and_then(|rest| rest.strip_prefix('{')) {
            self.uid = labels
                .split_once("uid=\"")
                .and_then(|(_, rest)| rest.split_once('"'))
                .map(|(uid, _)| uid.to_owned());
        } else if let Some(value) = line.strip_prefix(BAND).and_then(|rest| rest.strip_prefix(' ')) {
            self.band = value.split(' ').next().and_then(|value| value.parse().ok());
        }
    }
}

/// What of an answer was read so far.
#[derive(Debug, Default)]
struct Reader {
    shown: Shown,
    /// The beginning of a line whose end has not come.
    rest: Vec<u8>,
    read: usize,
}

impl Reader {
    /// Takes in what came. Whether there is nothing more to look for.
    fn take(&mut self, bytes: &[u8]) -> bool {
        self.read += bytes.len();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.rest.len() < LONGEST_LINE {
                self.rest.extend_from_slice(piece.get(..LONGEST_LINE.min(piece.len())).unwrap_or(piece));
            }
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.rest);
                if let Ok(line) = std::str::from_utf8(&line) {
                    self.shown.line(line.trim_end());
                }
            }
        }
        self.shown.is_whole() || self.read > LONGEST
    }
}

/// What the node at `admin` shows; `None` if it does not answer.
pub(super) async fn scrape(admin: SocketAddr) -> Option<Shown> {
    match tokio::time::timeout(PATIENCE, nodes::get(admin, "/metrics", read)).await {
        Ok(Ok(shown)) => Some(shown),
        Ok(Err(error)) => {
            tracing::debug!(%admin, error, "no metrics");
            None
        }
        Err(_) => None,
    }
}

async fn read(mut body: Incoming) -> Result<Shown, nodes::Unanswered> {
    let mut reader = Reader::default();
    while let Some(frame) = body.frame().await {
        if let Ok(bytes) = frame?.into_data()
            && reader.take(&bytes)
        {
            break;
        }
    }
    Ok(reader.shown)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const TEXT: &str = "# HELP sluice_load_band Lower edge\n# TYPE sluice_load_band gauge\nsluice_load_band 40\n\
        sluice_load_component{component=\"cpu\"} 41\nsluice_node_info{version=\"1\",uid=\"a-b\"} 1\nsluice_z 1\n";

    #[test]
    fn uid_and_band_are_read_in_whatever_pieces_the_answer_comes() {
        let wanted = Shown { uid: Some("a-b".to_owned()), band: Some(40) };
        for size in [1, 7, 64, TEXT.len()] {
            let mut reader = Reader::default();
            assert!(TEXT.as_bytes().chunks(size).any(|piece| reader.take(piece)), "{size}");
            assert_eq!(reader.shown, wanted, "{size}");
        }
    }

    /// An address that answers one request so.
    async fn answering(answer: String) -> SocketAddr {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut connection, _) = socket.accept().await.unwrap();
            let mut request = [0; 1_024];
            let length = connection.read(&mut request).await.unwrap();
            assert!(request[..length].starts_with(b"GET /metrics "));
            let _ = connection.write_all(answer.as_bytes()).await;
        });
        address
    }

    #[tokio::test]
    async fn a_node_is_asked_for_its_metrics_and_one_that_does_not_give_them_does_not_answer() {
        let good = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{TEXT}", TEXT.len());
        let shown = scrape(answering(good).await).await.unwrap();
        assert_eq!(shown.uid.as_deref(), Some("a-b"));
        let odd = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned();
        assert_eq!(scrape(answering(odd).await).await, None);
        assert_eq!(scrape(([127, 0, 0, 1], 1).into()).await, None);
    }

    #[test]
    fn what_only_looks_like_them_is_neither() {
        let mut reader = Reader::default();
        let text =
            "sluice_load_band_x 1\nsluice_node_infos{uid=\"a\"} 1\nx{uid=\"b\"} 1\nsluice_load_band 1000\n";
        assert!(!reader.take(text.as_bytes()));
        assert_eq!(reader.shown, Shown::default());
    }

    #[test]
    fn a_line_without_an_end_is_not_kept_whole() {
        let mut reader = Reader::default();
        for _ in 0..100 {
            reader.take(&[b'x'; 1_000]);
        }
        assert!(reader.rest.len() <= 2 * LONGEST_LINE);
        assert!(!reader.take(b"\n") && reader.rest.is_empty());
        assert!(Reader { read: LONGEST, ..Reader::default() }.take(b"x"), "it ends somewhere");
    }
}
