//! An OTLP/HTTP collector: takes traces off the wire and decodes them with the protocol's own types.
//! It answers only what it could decode.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::wait;

/// A span as it arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// The span itself.
    pub span: Span,
    /// Its attributes as text.
    pub attributes: BTreeMap<String, String>,
    /// What its sender says of itself, as text.
    pub resource: BTreeMap<String, String>,
    /// The request line and headers it came with, in lower case.
    pub head: String,
}

/// A running collector.
#[derive(Debug)]
pub struct Collector {
    port: u16,
    arrived: Arc<Mutex<Vec<Arrived>>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Collector {
    /// One on a free port.
    #[must_use]
    pub fn listen() -> Self {
        Self::listen_on(0)
    }

    /// One on that port.
    ///
    /// # Panics
    /// When it is taken.
    #[must_use]
    pub fn listen_on(port: u16) -> Self {
        let socket = TcpListener::bind(("127.0.0.1", port)).expect("a port");
        let port = socket.local_addr().expect("bound").port();
        let (arrived, ended) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<AtomicBool>::default());
        let (into, end) = (Arc::clone(&arrived), Arc::clone(&ended));
        let thread = std::thread::spawn(move || {
            for connection in socket.incoming().map_while(Result::ok) {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                take(connection, &into);
            }
        });
        Self { port, arrived, ended, thread: Some(thread) }
    }

    /// Its URL, as settings want it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Everything that arrived so far.
    ///
    /// # Panics
    /// Never, but for a poisoned lock.
    #[must_use]
    pub fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().expect("no panic under it").clone()
    }

    /// Waits until so many spans of a trace arrived, and returns them.
    ///
    /// # Panics
    /// When they don't soon.
    #[must_use]
    pub fn trace(&self, trace_id: &str, spans: usize) -> Vec<Arrived> {
        wait::for_some(&format!("{spans} spans of {trace_id}"), Duration::from_secs(30), || {
            let all = self.arrived();
            let found: Vec<_> = all.into_iter().filter(|one| hex(&one.span.trace_id) == trace_id).collect();
            (found.len() >= spans).then_some(found)
        })
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes the thread up, which then sees that it is over.
        let woken = TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

/// Bytes as they are written in a `traceparent`.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn take(mut connection: TcpStream, into: &Mutex<Vec<Arrived>>) {
    connection.set_read_timeout(Some(Duration::from_secs(10))).expect("not zero");
    let Some((head, body)) = request(&mut connection) else { return };
    assert!(head.starts_with("post /v1/traces "), "{head}");
    let request = ExportTraceServiceRequest::decode(&*body).expect("a request in protobuf");
    for of_resource in request.resource_spans {
        let resource = text(&of_resource.resource.unwrap_or_default().attributes);
        for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let (attributes, resource, head) = (text(&span.attributes), resource.clone(), head.clone());
            into.lock().expect("no panic under it").push(Arrived { span, attributes, resource, head });
        }
    }
    // Its sender may be gone already.
    let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

fn request(connection: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.expect("a length").trim().parse().expect("a number");
            if let Some(body) = bytes.get(end + 4..end + 4 + length) {
                return Some((head, body.to_vec()));
            }
        }
        match connection.read(&mut buffer).ok()? {
            0 => return None,
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

fn text(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let value = |attribute: &KeyValue| match attribute.value.clone().and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), value(attribute))).collect()
}
