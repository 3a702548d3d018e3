//! One connection of a simulated proxy: just enough HTTP/1.1 to send a request and to read an answer with a length.
//! While it waits it holds a socket and nothing else.

use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::tls::HOST;

/// Connections of one address: the addresses are many, as those of proxies are, so that neither the server's limit for
/// one nor the ports of one are met.
const PER_ADDRESS: usize = 200;
/// Where an answer's head ends at the latest.
const MAX_HEAD: usize = 4 << 10;

/// A connection.
#[derive(Debug)]
pub(crate) enum Connection {
    Plain(TcpStream),
    Secured(Box<TlsStream<TcpStream>>),
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// All of it, as it came over the wire.
    pub(crate) bytes: Vec<u8>,
    /// Where its body begins.
    body: usize,
}

impl Answer {
    pub(crate) fn body(&self) -> &[u8] {
        &self.bytes[self.body..]
    }
}

/// The address that the connection of this number comes from, from 127.0.1.1 on.
fn source(number: usize) -> Ipv4Addr {
    let (address, part) =
        (number / PER_ADDRESS, |number: usize| u8::try_from(number + 1).expect("few addresses"));
    Ipv4Addr::new(127, 0, part(address / 250), part(address % 250))
}

impl Connection {
    /// Connects from an address that goes with the connection's number.
    pub(crate) async fn open(server: SocketAddr, number: usize) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((source(number), 0)))?;
        let socket = socket.connect(server).await?;
        socket.set_nodelay(true)?;
        Ok(Self::Plain(socket))
    }

    /// Goes on over TLS.
    pub(crate) async fn secured(self, connector: &TlsConnector) -> Result<Self> {
        let Self::Plain(socket) = self else { return Ok(self) };
        let name = HOST.try_into().map_err(Error::other)?;
        Ok(Self::Secured(Box::new(connector.connect(name, socket).await?)))
    }

    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(request).await,
            Self::Secured(stream) => {
                stream.write_all(request).await?;
                stream.flush().await
            }
        }
    }

    /// Waits for more, and reads it.
    async fn fill(&mut self, bytes: &mut Vec<u8>) -> Result<usize> {
        match self {
            Self::Plain(socket) => {
                socket.readable().await?;
                bytes.reserve(2 << 10);
                socket.read_buf(bytes).await
            }
            Self::Secured(stream) => {
                bytes.reserve(2 << 10);
                stream.read_buf(bytes).await
            }
        }
    }

    /// Waits for an answer and reads it.
    pub(crate) async fn answer(&mut self) -> Result<Answer> {
        let (mut bytes, mut expected) = (Vec::new(), None);
        loop {
            if self.fill(&mut bytes).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if expected.is_none() {
                expected = head(&bytes)?;
                // A long answer is read in few steps.
                let missing =
                    expected.map_or(0, |(_, body, length)| (body + length).saturating_sub(bytes.len()));
                bytes.reserve_exact(missing);
            }
            if let Some((status, body, length)) = expected
                && bytes.len() >= body + length
            {
                return Ok(Answer { status, bytes, body });
            }
        }
    }

    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        self.send(request).await?;
        self.answer().await
    }
}

/// Status, where the body begins and how long it is, once the whole head is there.
fn head(bytes: &[u8]) -> Result<Option<(u16, usize, usize)>> {
    let bad = |what: &str| Error::new(ErrorKind::InvalidData, what);
    let Some(end) = bytes.windows(4).take(MAX_HEAD).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() < MAX_HEAD { Ok(None) } else { Err(bad("a head without an end")) };
    };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| bad("a head that is no text"))?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let length = lines.filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    match (status, length) {
        (Some(status), Some(length)) => Ok(Some((status, end + 4, length))),
        _ => Err(bad("an answer without status or length")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let bytes = b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 12\r\n\r\n{";
        assert_eq!(head(&bytes[..bytes.len() - 2]).unwrap(), None);
        assert_eq!(head(bytes).unwrap(), Some((200, bytes.len() - 1, 12)));
        assert!(head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn connections_come_from_many_addresses() {
        assert_eq!(source(0), Ipv4Addr::new(127, 0, 1, 1));
        assert_eq!(source(PER_ADDRESS * 2), Ipv4Addr::new(127, 0, 1, 3));
        assert_eq!(source(PER_ADDRESS * 250), Ipv4Addr::new(127, 0, 2, 1));
    }
}
