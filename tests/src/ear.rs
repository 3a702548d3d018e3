//! An operator that only hears: it takes heartbeats over plain HTTP and notes them. What else it is asked it does not know.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sluice_wire::heartbeat::{Beat, Heartbeat, PATH};

use crate::wait;

/// A heartbeat as it arrived.
#[derive(Clone, Debug)]
pub struct Heard {
    /// When.
    pub at: Instant,
    /// Over which of the connections so far, the first being 0.
    pub connection: usize,
    /// As it was sent.
    pub text: String,
    /// The same, read.
    pub heartbeat: Heartbeat,
    /// Sluice's own part of it.
    pub beat: Beat,
}

/// A running operator.
#[derive(Debug)]
pub struct Ear {
    port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ear {
    /// One on a free port.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn open() -> Self {
        let socket = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = socket.local_addr().expect("bound").port();
        let (heard, ended) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<AtomicBool>::default());
        let (into, end) = (Arc::clone(&heard), Arc::clone(&ended));
        let thread = std::thread::spawn(move || {
            for (number, connection) in socket.incoming().map_while(Result::ok).enumerate() {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                let into = Arc::clone(&into);
                // It ends with its client, or at the latest with the test.
                std::thread::spawn(move || serve(connection, number, &into));
            }
        });
        Self { port, heard, ended, thread: Some(thread) }
    }

    /// Its URL, as a proxy wants it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All heartbeats so far.
    ///
    /// # Panics
    /// Never, but for a poisoned lock.
    #[must_use]
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("no panic under it").clone()
    }

    /// Waits until a heartbeat is so, and returns the first that is.
    ///
    /// # Panics
    /// When none is in time.
    #[must_use]
    pub fn hears(&self, what: &str, within: Duration, is: impl Fn(&Heard) -> bool) -> Heard {
        wait::for_some(what, within, || self.heard().into_iter().find(|heard| is(heard)))
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes the thread up, which then sees that it is over.
        let woken = TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

fn serve(mut connection: TcpStream, number: usize, into: &Mutex<Vec<Heard>>) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 16 << 10]);
    loop {
        while let Some((head, body)) = request(&mut bytes) {
            let known = head.starts_with(&format!("POST {PATH} "));
            if known {
                let heartbeat: Heartbeat = serde_json::from_slice(&body).expect("a heartbeat");
                let beat = heartbeat.sluice.clone().expect("with Sluice's part");
                let text = String::from_utf8(body).expect("JSON is text");
                let heard = Heard { at: Instant::now(), connection: number, text, heartbeat, beat };
                into.lock().expect("no panic under it").push(heard);
            }
            let answer = if known {
                ("200 OK", r#"{"success":true,"errMsg":null,"data":true}"#)
            } else {
                ("404 Not Found", "")
            };
            let head = format!("HTTP/1.1 {}\r\nContent-Length: {}\r\n\r\n", answer.0, answer.1.len());
            if connection.write_all((head + answer.1).as_bytes()).is_err() {
                return;
            }
        }
        match connection.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

/// Takes the first whole request out of `bytes`: its head and its body.
fn request(bytes: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.trim().parse().expect("a number"));
    let body = bytes.get(end..end + length)?.to_vec();
    bytes.drain(..end + length);
    Some((head, body))
}
