//! An operator that tells one fleet's configuration over long polling, as `sluice_wire::polling` has it, and can be told
//! to lie, to die and to come back. It asks for no token: it stands on loopback.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use md5::{Digest, Md5};
use serde::Serialize;
use serde_json::{Value, json};
use sluice_wire::document::{Document, Group};
use sluice_wire::polling::{FLEET, GROUPS, HOLD, LONGEST_HOLD_MS, SINK, STREAM};

/// A document with the digests of its groups, as it is published.
#[must_use]
pub fn digested(mut document: Document) -> Document {
    let group = |name: &str| Group { md5: md5(&data(&document, name)), last_modify_time: document.revision };
    document.groups = GROUPS.map(|name| (name.to_owned(), group(name))).into();
    document
}

/// A running operator; dropping it ends it.
#[derive(Debug)]
pub struct Operator {
    port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Every document published; the last is the one that is told.
    documents: Vec<Document>,
    /// Whether updates in a listener's answer are spoilt.
    spoils: bool,
    ended: bool,
    held: usize,
    asked: Vec<String>,
    connections: Vec<TcpStream>,
}

impl Operator {
    /// One on a free port, with nothing to tell yet.
    #[must_use]
    pub fn listen() -> Self {
        let mut operator = Self { port: 0, shared: Arc::default(), thread: None };
        operator.start();
        operator
    }

    /// Its URL, as a proxy is told it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Tells this from now on.
    pub fn publish(&self, document: Document) {
        self.state().documents.push(digested(document));
        self.shared.changed.notify_all();
    }

    /// Whether updates in a listener's answer are wrong from now on.
    pub fn spoil(&self, spoils: bool) {
        self.state().spoils = spoils;
    }

    /// How many polls it holds now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.state().held
    }

    /// Path and query of every request so far that begins so.
    #[must_use]
    pub fn asked(&self, path: &str) -> Vec<String> {
        self.state().asked.iter().filter(|asked| asked.starts_with(path)).cloned().collect()
    }

    /// Breaks every connection and takes no more.
    pub fn stop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.state().ended = true;
        self.shared.changed.notify_all();
        // Wakes its thread up, which then sees that it is over.
        let woken = TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        assert!(woken && thread.join().is_ok(), "the operator's thread ends");
        for connection in self.state().connections.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Comes back on its port with what it had to tell.
    ///
    /// # Panics
    /// When the port is taken.
    pub fn start(&mut self) {
        let socket = TcpListener::bind(("127.0.0.1", self.port)).expect("a port");
        self.port = socket.local_addr().expect("bound").port();
        self.state().ended = false;
        let shared = Arc::clone(&self.shared);
        self.thread = Some(std::thread::spawn(move || {
            for connection in socket.incoming().map_while(Result::ok) {
                let mut state = shared.state();
                if state.ended {
                    return;
                }
                state.connections.extend(connection.try_clone());
                drop(state);
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(connection, &shared));
            }
        }));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn serve(mut connection: TcpStream, shared: &Shared) {
    let mut bytes = Vec::new();
    while let Some(Request { target, hold, body }) = request(&mut connection, &mut bytes) {
        shared.state().asked.push(target.clone());
        let answer = if target.starts_with("/configs/listener") {
            listener(&body, hold, shared)
        } else {
            fetch(&target, shared)
        };
        let Some(answer) = answer else { return };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len());
        if connection.write_all(&[head.as_bytes(), answer.as_bytes()].concat()).is_err() {
            return;
        }
    }
}

/// What is asked, and how long a poll may be held.
struct Request {
    target: String,
    hold: Duration,
    body: String,
}

/// The next request.
fn request(connection: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<Request> {
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let number = |wanted: &str| -> Option<u64> {
                head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case(wanted).then(|| value.trim().parse().ok())?
                })
            };
            let length = usize::try_from(number("content-length").unwrap_or(0)).ok()?;
            let hold = Duration::from_millis(number(HOLD).unwrap_or(LONGEST_HOLD_MS));
            if let Some(body) = bytes.get(end + 4..end + 4 + length) {
                let body = String::from_utf8_lossy(body).into_owned();
                bytes.drain(..end + 4 + length);
                return Some(Request { target: head.split(' ').nth(1)?.to_owned(), hold, body });
            }
        }
        match connection.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
        }
    }
}

/// Holds a poll until something is other than it claims; nothing when the operator ends.
fn listener(form: &str, hold: Duration, shared: &Shared) -> Option<String> {
    let claims: BTreeMap<_, _> = form.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let claims = |group: &str| claims.get(group).and_then(|claim| claim.split("%2C").next()).unwrap_or("");
    let other = |document: &Document| GROUPS.iter().any(|name| document.groups[*name].md5 != claims(name));
    let mut state = shared.state();
    state.held += 1;
    let same = |state: &mut State| !state.ended && !state.documents.last().is_some_and(other);
    let (mut state, _) =
        shared.changed.wait_timeout_while(state, hold, same).unwrap_or_else(PoisonError::into_inner);
    state.held -= 1;
    if state.ended {
        return None;
    }
    let Some(document) = state.documents.last().filter(|document| other(document)) else {
        return Some(json!({"code": 200, "message": "success", "data": []}).to_string());
    };
    let changed: Vec<_> =
        GROUPS.into_iter().filter(|name| document.groups[*name].md5 != claims(name)).collect();
    let before = state.documents.iter().rev().find(|known| known.groups[STREAM].md5 == claims(STREAM));
    let mut answer = json!({"code": 200, "message": "success", "data": changed});
    if let Some(before) = before {
        let changes: serde_json::Map<_, _> =
            changed.iter().map(|name| ((*name).to_owned(), change(document, before, name))).collect();
        let mut groups = document.groups.clone();
        if state.spoils {
            groups.values_mut().for_each(|group| group.md5 = "0".repeat(32));
        }
        answer["update"] = json!({
            "major": document.major, "revision": document.revision, "groups": groups, "changes": changes
        });
    }
    Some(answer.to_string())
}

/// What leads from a document to another in one group.
fn change(document: &Document, before: &Document, group: &str) -> Value {
    if group != STREAM {
        return json!({"put": data(document, group)});
    }
    let put: Vec<_> = document.streams.iter().filter(|stream| !before.streams.contains(stream)).collect();
    let ids = |document: &Document| -> Vec<_> {
        document.streams.iter().map(|stream| (stream.group_id.clone(), stream.stream_id.clone())).collect()
    };
    let (left, mut gone) = (ids(document), ids(before));
    gone.retain(|id| !left.contains(id));
    json!({"since": before.groups[STREAM].md5, "put": put, "gone": gone})
}

fn fetch(target: &str, shared: &Shared) -> Option<String> {
    assert!(target.starts_with("/configs/fetch?"), "{target}");
    let state = shared.state();
    let document = state.documents.last()?;
    let group = |name: &str| {
        let Group { md5, last_modify_time } = &document.groups[name];
        let group = json!({"md5": md5, "lastModifyTime": last_modify_time, "data": data(document, name)});
        (name.to_owned(), group)
    };
    let data: serde_json::Map<_, _> = GROUPS.map(group).into_iter().collect();
    let (major, revision) = (document.major, document.revision);
    let answer =
        json!({"code": 200, "message": "success", "data": data, "major": major, "revision": revision});
    Some(answer.to_string())
}

/// A group's data.
fn data(document: &Document, group: &str) -> Value {
    let value = match group {
        FLEET => serde_json::to_value((&document.fleet, &document.overload, &document.drain)),
        SINK => serde_json::to_value(&document.sinks),
        _ => serde_json::to_value(&document.streams),
    };
    value.expect("JSON")
}

fn md5(data: &impl Serialize) -> String {
    let bytes = serde_json::to_vec(data).expect("JSON");
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
