//! A node as the contract of the native route has it, played by a script: it stores what it says it stores.
//! It checks the framing of each request, and answers or breaks off as it is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) line: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) records: Vec<String>,
}

/// What the node does about a request.
#[derive(Debug)]
pub(super) enum Act {
    /// Stores all.
    Store,
    /// Answers with a problem, and stores what it does not call failed if it names such.
    Problem(u16, &'static str, Value, Option<u64>),
    /// Answers with anything.
    Odd(u16, String),
    /// Closes without an answer; stored or not.
    Break { stored: bool },
    /// Says nothing.
    Hang,
}

/// A problem that says nothing is stored.
pub(super) fn refuse(status: u16, name: &'static str) -> Act {
    Act::Problem(status, name, json!({"outcome": "notStored"}), None)
}

#[derive(Debug, Default)]
struct Seen {
    requests: Vec<Request>,
    stored: Vec<String>,
}

/// The node.
pub(super) struct Server {
    pub(super) address: String,
    seen: Arc<Mutex<Seen>>,
}

impl Server {
    /// `script` decides about each request, given its number from 0 and its records.
    pub(super) async fn start(script: impl Fn(usize, &[String]) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (script, shared) = (Arc::new(script), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&shared));
                tokio::spawn(async move { serve(stream, &*script, &seen).await });
            }
        });
        Self { address, seen }
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().requests.clone()
    }

    pub(super) fn stored(&self) -> Vec<String> {
        self.seen.lock().unwrap().stored.clone()
    }
}

async fn serve(mut stream: TcpStream, script: &(dyn Fn(usize, &[String]) -> Act + Sync), seen: &Mutex<Seen>) {
    while let Some(request) = read(&mut stream).await {
        let records = request.records.clone();
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.requests.push(request);
            seen.requests.len() - 1
        };
        let act = script(number, &records);
        let answer = {
            let mut seen = seen.lock().unwrap();
            act_on(act, &records, &mut seen.stored)
        };
        match answer {
            Some(Some(answer)) => stream.write_all(answer.as_bytes()).await.unwrap(),
            Some(None) => return,
            None => std::future::pending().await,
        }
    }
}

/// The answer; `Some(None)` closes, `None` is silent.
fn act_on(act: Act, records: &[String], stored: &mut Vec<String>) -> Option<Option<String>> {
    Some(Some(match act {
        Act::Store => {
            stored.extend_from_slice(records);
            answer(200, "application/json", None, &json!({"accepted": records.len()}).to_string())
        }
        Act::Problem(status, name, more, retry_after) => {
            let failed = more["failed"].as_array().cloned();
            let is_failed = |index: usize| failed.iter().flatten().any(|one| one["index"] == json!(index));
            if failed.is_some() {
                let good = records.iter().enumerate().filter(|(index, _)| !is_failed(*index));
                stored.extend(good.map(|(_, record)| record.clone()));
            }
            let mut problem = json!({"type": format!("urn:sluice:problem:{name}"), "title": name,
                "status": status, "detail": "in words", "requestId": "r"});
            problem.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            answer(status, "application/problem+json", retry_after, &problem.to_string())
        }
        Act::Odd(status, body) => answer(status, "text/html", None, &body),
        Act::Break { stored: is_stored } => {
            if is_stored {
                stored.extend_from_slice(records);
            }
            return Some(None);
        }
        Act::Hang => return None,
    }))
}

fn answer(status: u16, content_type: &str, retry_after: Option<u64>, body: &str) -> String {
    let retry_after = retry_after.map(|seconds| format!("Retry-After: {seconds}\r\n")).unwrap_or_default();
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Words\r\nContent-Type: {content_type}\r\n{retry_after}Content-Length: {length}\r\n\r\n{body}"
    )
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap().to_owned();
    let headers: BTreeMap<_, _> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers["content-length"].parse().unwrap();
    while bytes.len() < head_end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(bytes[head_end + 4..].to_vec()).unwrap();
    let records = body.lines().filter(|line| !line.trim().is_empty()).map(ToOwned::to_owned).collect();
    Some(Request { line, headers, records })
}
