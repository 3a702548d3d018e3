//! A broker that has three replicas of every topic, and none of it: it answers what proxies ask before they store,
//! as a topic's name wants it. No record is ever sent to it.
//!
//! The formats are those of the Kafka protocol's first versions, the only ones it says it knows.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use sluice_tests::cluster::KAFKA;

const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;
const INIT_PRODUCER_ID: i16 = 22;
const DESCRIBE_CONFIGS: i16 = 32;
/// Which requests it knows, each in its first and last version. A producer asks for the first two to be there.
const KNOWN: [(i16, i16, i16); 6] = [
    (0, 0, 3),
    (1, 0, 4),
    (METADATA, 1, 1),
    (API_VERSIONS, 0, 0),
    (INIT_PRODUCER_ID, 0, 0),
    (DESCRIBE_CONFIGS, 0, 0),
];

const UNSUPPORTED_VERSION: i16 = 35;
const TOPIC_AUTHORIZATION_FAILED: i16 = 29;
const COORDINATOR_NOT_AVAILABLE: i16 = 15;

/// Listens for pods, and answers nobody until [`serve`].
pub(super) fn listen() -> (TcpListener, SocketAddr) {
    let host = KAFKA.split(':').next().unwrap_or_default();
    let listener = TcpListener::bind((host, 0)).expect("the node's address");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// Answers from now on, until the process ends.
pub(super) fn serve(listener: TcpListener, address: SocketAddr) {
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || while answer(&stream, address).is_some() {});
        }
    });
}

/// Answers one request; `None`: the connection ends.
fn answer(mut stream: &TcpStream, own: SocketAddr) -> Option<()> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut request = vec![0; usize::try_from(i32::from_be_bytes(length)).ok()?.min(1 << 20)];
    stream.read_exact(&mut request).ok()?;
    let mut read = Reader(&request);
    let (key, version, correlation) = (read.int16()?, read.int16()?, read.int32()?);
    read.text();
    let mut body = Writer(correlation.to_be_bytes().to_vec());
    match key {
        API_VERSIONS => versions(&mut body, version),
        METADATA => metadata(&mut body, &mut read, own)?,
        INIT_PRODUCER_ID => body.int32(0).int16(0).int64(1).int16(0).end(),
        DESCRIBE_CONFIGS => configs(&mut body, &mut read)?,
        _ => return None,
    }
    let length = i32::try_from(body.0.len()).ok()?;
    stream.write_all(&length.to_be_bytes()).ok()?;
    stream.write_all(&body.0).ok()
}

fn versions(body: &mut Writer, version: i16) {
    body.int16(if version == 0 { 0 } else { UNSUPPORTED_VERSION }).count(KNOWN.len());
    for (key, first, last) in KNOWN {
        body.int16(key).int16(first).int16(last);
    }
}

fn metadata(body: &mut Writer, read: &mut Reader<'_>, own: SocketAddr) -> Option<()> {
    // One broker, number 1, without a rack, which is the controller.
    body.count(1).int32(1).text(&own.ip().to_string()).int32(own.port().into()).int16(-1).int32(1);
    let topics: Vec<&str> = (0..read.int32()?.max(0)).map_while(|_| read.text()).collect();
    body.count(topics.len());
    for topic in topics {
        let error = match topic.rsplit('.').next() {
            Some("forbidden") => TOPIC_AUTHORIZATION_FAILED,
            Some("odd") => COORDINATOR_NOT_AVAILABLE,
            _ => 0,
        };
        body.int16(error).text(topic).byte(0).count(usize::from(error == 0));
        if error == 0 {
            body.int16(0).int32(0).int32(1);
            // The replicas, and those in sync.
            body.count(3).int32(1).int32(2).int32(3).count(3).int32(1).int32(2).int32(3);
        }
    }
    Some(())
}

fn configs(body: &mut Writer, read: &mut Reader<'_>) -> Option<()> {
    let count = read.int32()?.max(0);
    body.int32(0).int32(count);
    for _ in 0..count {
        let (kind, name) = (read.byte()?, read.text()?);
        for _ in 0..read.int32()?.max(0) {
            read.text()?;
        }
        body.int16(0).int16(-1).byte(kind).text(name);
        let in_sync = if name.ends_with("thin") { "1" } else { "2" };
        let settings = [("min.insync.replicas", in_sync), ("max.message.bytes", "1048588")];
        body.count(settings.len());
        for (name, value) in settings {
            body.text(name).text(value).byte(0).byte(0).byte(0);
        }
    }
    Some(())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn int16(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn int32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A text; `None` for one that is null, too.
    fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.int16()?).ok()?;
        std::str::from_utf8(self.take(length)?).ok()
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn byte(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    fn int16(&mut self, value: i16) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    fn int32(&mut self, value: i32) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    fn int64(&mut self, value: i64) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    fn count(&mut self, value: usize) -> &mut Self {
        self.int32(i32::try_from(value).expect("few"))
    }

    fn text(&mut self, value: &str) -> &mut Self {
        self.int16(i16::try_from(value.len()).expect("a short text"));
        self.0.extend(value.as_bytes());
        self
    }

    fn end(&mut self) {}
}
