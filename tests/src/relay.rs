//! A relay before Kafka that knows requests from answers and breaks what a test asks for.
//! It delays, cuts and swallows, and changes one thing only: whom an answer about the cluster names.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use socket2::SockRef;

/// Kafka's number of the Produce request.
const PRODUCE: i16 = 0;
/// Kafka's number of the Metadata request.
const METADATA: i16 = 3;

/// What to do to Produce requests and answers, where nothing else is said; everything else passes whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The broker has appended, its answer is swallowed and the connection cut.
    SwallowAnswer,
    /// The answer waits that long.
    DelayAnswer(Duration),
    /// Half of the request passes, then the connection is reset.
    ResetInRequest,
    /// Half of the answer passes, then the connection is reset.
    ResetInAnswer,
    /// Requests and answers of every kind pass one byte at a time.
    ByteByByte,
    /// Answers to Produce are swallowed, and Metadata answers name no broker, as those of a broker do that has just
    /// come back.
    NoBrokers,
}

/// A relay that listens until it is dropped.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: OnceLock<String>,
    fault: Mutex<Fault>,
    hits: AtomicUsize,
    closed: AtomicBool,
    open: Mutex<Vec<Weak<Pair>>>,
}

impl Relay {
    /// Listens; connections wait for [`forward_to`](Self::forward_to).
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("a bound listener").port();
        let shared = Arc::new(Shared {
            upstream: OnceLock::new(),
            fault: Mutex::new(Fault::None),
            hits: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            open: Mutex::new(Vec::new()),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.closed.load(Ordering::Relaxed) {
                    return;
                }
                accepting.serve(client);
            }
        });
        Self { port, shared }
    }

    /// Where it listens on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host:port` for clients.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where everything goes from now on.
    ///
    /// # Panics
    /// When that was said before.
    pub fn forward_to(&self, upstream: &str) {
        self.shared.upstream.set(upstream.to_owned()).expect("said once");
    }

    /// What to do from now on.
    pub fn set(&self, fault: Fault) {
        *self.shared.fault.lock().unwrap() = fault;
    }

    /// How many Produce requests or answers a fault has met.
    #[must_use]
    pub fn hits(&self) -> usize {
        self.shared.hits.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        for pair in self.shared.open.lock().unwrap().iter().filter_map(Weak::upgrade) {
            pair.end();
        }
        // Wakes the accepting thread, which then sees that it is over.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// A client's connection and the broker's behind it, closed when both threads have let go of it.
#[derive(Debug)]
struct Pair {
    client: TcpStream,
    broker: TcpStream,
    /// The kind of each request without an answer yet, by correlation id.
    kinds: Mutex<HashMap<[u8; 4], i16>>,
}

impl Pair {
    /// Makes the coming close a reset, after what was written had time to arrive.
    fn reset(&self) -> io::Result<()> {
        std::thread::sleep(Duration::from_millis(20));
        for stream in [&self.client, &self.broker] {
            SockRef::from(stream).set_linger(Some(Duration::ZERO))?;
        }
        Ok(())
    }

    /// Ends both sides, and wakes the thread that still reads from one of them.
    fn end(&self) {
        let reset = SockRef::from(&self.client).linger().is_ok_and(|linger| linger.is_some());
        // Closing for writing would say goodbye properly before the close can reset.
        let how = if reset { Shutdown::Read } else { Shutdown::Both };
        let _ = self.client.shutdown(how);
        let _ = self.broker.shutdown(how);
    }
}

impl Shared {
    fn serve(self: &Arc<Self>, client: TcpStream) {
        let Some(broker) = self.upstream.get().and_then(|upstream| TcpStream::connect(upstream).ok()) else {
            return;
        };
        let pair = Arc::new(Pair { client, broker, kinds: Mutex::default() });
        self.open.lock().unwrap().push(Arc::downgrade(&pair));
        let (requests, answers) = (Arc::clone(self), Arc::clone(self));
        let answered = Arc::clone(&pair);
        // Whichever thread fails first, both sides see the end.
        std::thread::spawn(move || {
            let _ = requests.pass_requests(&pair);
            pair.end();
        });
        std::thread::spawn(move || {
            let _ = answers.pass_answers(&answered);
            answered.end();
        });
    }

    fn pass_requests(&self, pair: &Pair) -> io::Result<()> {
        let (mut client, mut broker) = (&pair.client, &pair.broker);
        loop {
            let frame = read_frame(&mut client)?;
            let kind = i16::from_be_bytes(field(&frame, 4));
            pair.kinds.lock().unwrap().insert(field(&frame, 8), kind);
            match self.fault_for(kind) {
                Fault::ResetInRequest => {
                    self.hit();
                    broker.write_all(&frame[..frame.len() / 2])?;
                    return pair.reset();
                }
                Fault::ByteByByte => write_slowly(broker, &frame)?,
                _ => broker.write_all(&frame)?,
            }
        }
    }

    fn pass_answers(&self, pair: &Pair) -> io::Result<()> {
        let (mut client, mut broker) = (&pair.client, &pair.broker);
        loop {
            let frame = read_frame(&mut broker)?;
            let kind = pair.kinds.lock().unwrap().remove(&field(&frame, 4)).unwrap_or(-1);
            match self.fault_for(kind) {
                Fault::SwallowAnswer => {
                    self.hit();
                    return Ok(());
                }
                Fault::DelayAnswer(delay) => {
                    self.hit();
                    std::thread::sleep(delay);
                    client.write_all(&frame)?;
                }
                Fault::ResetInAnswer => {
                    self.hit();
                    client.write_all(&frame[..frame.len() / 2])?;
                    return pair.reset();
                }
                Fault::ByteByByte => write_slowly(client, &frame)?,
                // A lost answer makes the client ask who leads.
                Fault::NoBrokers if kind == PRODUCE => return Ok(()),
                Fault::NoBrokers => {
                    self.hit();
                    client.write_all(&without_brokers(&frame))?;
                }
                Fault::None | Fault::ResetInRequest => client.write_all(&frame)?,
            }
        }
    }

    fn fault_for(&self, kind: i16) -> Fault {
        let fault = *self.fault.lock().unwrap();
        if fault == Fault::ByteByByte && kind == PRODUCE {
            self.hit();
        }
        let meant = match fault {
            Fault::ByteByByte => true,
            Fault::NoBrokers => kind == METADATA || kind == PRODUCE,
            _ => kind == PRODUCE,
        };
        if meant { fault } else { Fault::None }
    }

    fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }
}

/// A Metadata answer of version 9 or later with an empty list of brokers.
fn without_brokers(frame: &[u8]) -> Vec<u8> {
    // Length, correlation id, no tagged fields, throttle time; then the count of brokers and one, as a varint.
    const BROKERS: usize = 4 + 4 + 1 + 4;
    let brokers = frame[BROKERS].saturating_sub(1);
    let mut end = BROKERS + 1;
    for _ in 0..brokers {
        end += 4; // node id
        end += usize::from(frame[end]).max(1); // host: its length and one, then its bytes
        end += 4; // port
        end += usize::from(frame[end]).max(1); // rack, 0 for none
        end += 1; // no tagged fields
    }
    let rest = [&frame[4..BROKERS], &[1], &frame[end..]].concat();
    let length = u32::try_from(rest.len()).expect("shorter than before");
    [&length.to_be_bytes()[..], &rest].concat()
}

/// A whole frame with its length before it.
fn read_frame(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    from.read_exact(&mut frame)?;
    let length = u32::from_be_bytes(field(&frame, 0));
    frame.resize(4 + usize::try_from(length).map_err(io::Error::other)?, 0);
    from.read_exact(&mut frame[4..])?;
    Ok(frame)
}

fn write_slowly(mut to: &TcpStream, frame: &[u8]) -> io::Result<()> {
    to.set_nodelay(true)?;
    frame.iter().try_for_each(|byte| to.write_all(&[*byte]))
}

fn field<const N: usize>(frame: &[u8], at: usize) -> [u8; N] {
    frame.get(at..at + N).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
}
