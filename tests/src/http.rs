//! A client that sends any bytes over a socket and reads whole answers.
//! It repairs nothing: what a test sends is what the proxy gets.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

/// Longer than any answer may take: the answer's own deadline is 9 s by default.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A whole answer, its body without the chunks' framing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case, in their order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first whole answer in `bytes` and its length there; `None` when more bytes are needed.
    ///
    /// # Panics
    /// When it isn't HTTP/1.1.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let head_end = find(bytes, b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&bytes[..head_end - 4]).expect("a head in ASCII");
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or_default();
        assert!(first.starts_with("HTTP/1."), "not a status line: {first:?}");
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let headers = lines
            .map(|line| line.split_once(':').unwrap_or_else(|| panic!("not a header: {line:?}")))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Self { status, headers, body: Vec::new() };
        let rest = &bytes[head_end..];
        let used = if answer.header("transfer-encoding") == Some("chunked") {
            read_chunks(rest, &mut answer.body)?
        } else {
            let length = answer.header("content-length").map_or(0, |n| n.parse().expect("a length"));
            answer.body = rest.get(..length)?.to_vec();
            length
        };
        Some((answer, head_end + used))
    }

    /// The first header of that name, given in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    ///
    /// # Panics
    /// When it isn't UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body in UTF-8")
    }

    /// The `code`, by the letter of the contract: a body of exactly `code` and `msg`, both JSON strings.
    ///
    /// # Panics
    /// When the body has another shape.
    #[must_use]
    pub fn code(&self) -> String {
        let json: serde_json::Value =
            serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()));
        let fields: Vec<_> = json.as_object().expect("an object").keys().collect();
        assert_eq!(fields, ["code", "msg"], "{}", self.text());
        assert!(json["msg"].is_string(), "{}", self.text());
        json["code"].as_str().expect("code is a string").to_owned()
    }

    /// The `code` as clients read it, who take a number as well and ask nothing else.
    #[must_use]
    pub fn lenient_code(&self) -> Option<String> {
        let json: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        match json.get("code")? {
            serde_json::Value::String(code) => Some(code.clone()),
            serde_json::Value::Number(code) => Some(code.to_string()),
            _ => None,
        }
    }
}

/// Sends one request over a connection of its own; `None` where no whole answer comes in time.
#[must_use]
pub fn try_exchange(address: &str, request: &[u8], within: Duration) -> Option<Answer> {
    let address = address.parse().ok()?;
    let mut stream = TcpStream::connect_timeout(&address, within).ok()?;
    stream.set_read_timeout(Some(within)).ok()?;
    stream.write_all(request).ok()?;
    let mut read = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        if let Some((answer, _)) = Answer::parse(&read) {
            return Some(answer);
        }
        match stream.read(&mut buffer).ok()? {
            0 => return None,
            length => read.extend_from_slice(&buffer[..length]),
        }
    }
}

/// A connection to a proxy.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens there.
    #[must_use]
    pub fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        stream.set_nodelay(true).expect("an option every socket has");
        Self { stream, read: Vec::new() }
    }

    /// Connects from an address of this machine.
    ///
    /// # Panics
    /// When nobody listens there.
    #[must_use]
    pub fn open_from(source: [u8; 4], address: &str) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((source, 0)).into()).expect("an address of this machine");
        let to: SocketAddr = address.parse().expect("ip:port");
        socket.connect(&to.into()).unwrap_or_else(|error| panic!("{address}: {error}"));
        Self { stream: socket.into(), read: Vec::new() }
    }

    /// Sends bytes; `false` when the other side is gone.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends no more, but reads on.
    pub fn finish_sending(&self) {
        // A connection that the other side already closed has finished too.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The next whole answer; `None` when the connection ends before it.
    ///
    /// # Panics
    /// When it isn't there within `within`.
    pub fn answer_within(&mut self, within: Duration) -> Option<Answer> {
        let end = Instant::now() + within;
        loop {
            if let Some((answer, used)) = Answer::parse(&self.read) {
                self.read.drain(..used);
                return Some(answer);
            }
            match self.fill(end) {
                Fill::Some => {}
                Fill::End => return None,
                Fill::Late => panic!("no answer within {within:?}; so far {:?}", self.unread()),
            }
        }
    }

    /// The next whole answer, within [`PATIENCE`].
    ///
    /// # Panics
    /// When the connection ends before it, or it is late.
    pub fn answer(&mut self) -> Answer {
        self.answer_within(PATIENCE).expect("the connection ended before an answer")
    }

    /// Waits for `100 Continue`.
    ///
    /// # Panics
    /// When something else comes.
    pub fn expect_continue(&mut self) {
        let interim = self.answer();
        assert_eq!(interim.status, 100, "{interim:?}");
    }

    /// How long until the other side closed; `None` when it stays open for `within`.
    ///
    /// # Panics
    /// When anything else comes.
    pub fn closed_within(&mut self, within: Duration) -> Option<Duration> {
        let start = Instant::now();
        match self.fill(start + within) {
            Fill::Some => panic!("unexpected: {:?}", self.unread()),
            Fill::End => Some(start.elapsed()),
            Fill::Late => None,
        }
    }

    /// Every whole answer until the other side closes.
    ///
    /// # Panics
    /// When it doesn't within [`PATIENCE`].
    pub fn answers_to_end(&mut self) -> Vec<Answer> {
        std::iter::from_fn(|| self.answer_within(PATIENCE)).collect()
    }

    fn unread(&self) -> String {
        String::from_utf8_lossy(&self.read[..self.read.len().min(300)]).into_owned()
    }

    fn fill(&mut self, end: Instant) -> Fill {
        let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(left)).expect("not zero");
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => Fill::End,
            Ok(read) => {
                self.read.extend_from_slice(&buffer[..read]);
                Fill::Some
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Fill::Late,
            Err(error) if error.kind() == ErrorKind::Interrupted => self.fill(end),
            Err(_) => Fill::End,
        }
    }
}

enum Fill {
    Some,
    End,
    Late,
}

/// A GET, as bytes.
#[must_use]
pub fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n").into_bytes()
}

/// A POST of a form, as bytes; `headers` are whole lines, each with its `\r\n`.
#[must_use]
pub fn post(target: &str, headers: &str, form: &str) -> Vec<u8> {
    let length = form.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: test\r\nContent-Type: application/x-www-form-urlencoded\r\n{headers}\
         Content-Length: {length}\r\n\r\n{form}"
    )
    .into_bytes()
}

/// A POST of a report, as bytes.
#[must_use]
pub fn report(group_id: &str, stream_id: &str, body: &str) -> Vec<u8> {
    post("/dataproxy/message", "", &form(&[("groupId", group_id), ("streamId", stream_id), ("body", body)]))
}

/// Sends one request over a connection of its own and returns the answer.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn exchange(address: &str, request: &[u8]) -> Answer {
    let mut connection = Connection::open(address);
    connection.send(request);
    connection.answer()
}

/// A form from names and values.
#[must_use]
pub fn form(fields: &[(&str, &str)]) -> String {
    let fields: Vec<_> =
        fields.iter().map(|(name, value)| format!("{name}={}", encode(value.as_bytes()))).collect();
    fields.join("&")
}

/// Bytes as a form's value: letters, digits and `-_.*` as they are, a space as `+`, the rest as `%XX`.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => text.push(byte.into()),
            b' ' => text.push('+'),
            other => write!(text, "%{other:02X}").expect("a string takes all"),
        }
    }
    text
}

fn read_chunks(mut rest: &[u8], body: &mut Vec<u8>) -> Option<usize> {
    let whole = rest.len();
    loop {
        let line_end = find(rest, b"\r\n")?;
        let size =
            std::str::from_utf8(&rest[..line_end]).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let size = size.expect("a chunk's size in hexadecimal");
        rest = &rest[line_end + 2..];
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
        if size == 0 {
            return Some(whole - rest.len());
        }
    }
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_whole_or_not_at_all() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP";
        for end in 0..bytes.len() - 4 {
            assert_eq!(Answer::parse(&bytes[..end]), None, "{end}");
        }
        let (answer, used) = Answer::parse(bytes).unwrap();
        assert_eq!((answer.text(), used), ("abc", bytes.len() - 4));
    }

    #[test]
    fn chunks_are_joined() {
        let bytes =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\na\r\n0123456789\r\n0\r\n\r\n";
        let (answer, used) = Answer::parse(bytes).unwrap();
        assert_eq!((answer.text(), used), ("ab0123456789", bytes.len()));
        assert_eq!(Answer::parse(&bytes[..bytes.len() - 1]), None);
    }

    #[test]
    fn forms_are_encoded_as_java_does() {
        assert_eq!(form(&[("body", "a b*\u{4e2d}&=~")]), "body=a+b*%E4%B8%AD%26%3D%7E");
    }
}
