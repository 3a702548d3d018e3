//! A client that sends many reports over many connections, by either route, and keeps the history of their records.
//! It sends no record twice: an id that came to nothing stays so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Barrier;

use crate::history::{History, Outcome};
use crate::http::{self, Answer};
use crate::native;

/// What to send; a record's first word is its id.
#[derive(Clone, Debug)]
pub struct Load {
    /// `ip:port` of the proxy.
    pub address: String,
    /// Of the stream.
    pub group_id: String,
    /// Of the stream.
    pub stream_id: String,
    /// Opened at once.
    pub connections: usize,
    /// Reports a connection sends, unless stopped before.
    pub reports: usize,
    /// Over the native route, so many records a report; `None`: one, over InLong's report path.
    pub native: Option<usize>,
    /// Bytes of a record.
    pub size: usize,
    /// Each report over a connection of its own, with `Connection: close`.
    pub close: bool,
    /// Header lines of each report, each with its `\r\n`.
    pub headers: String,
    /// Between an answer and the next report.
    pub pause: Duration,
    /// How long one answer may take.
    pub patience: Duration,
}

/// What a running load shares with the test around it.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    answered: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

/// What came of it: how often each code was answered, over the native route each status or problem; `""` is a
/// request without an answer, `"-"` one that could not be sent.
pub type Codes = BTreeMap<String, usize>;

impl Load {
    /// Reports of 100 bytes for `g`/`s`.
    #[must_use]
    pub fn new(address: &str, connections: usize, reports: usize) -> Self {
        Self {
            address: address.to_owned(),
            group_id: "g".to_owned(),
            stream_id: "s".to_owned(),
            connections,
            reports,
            native: None,
            size: 100,
            close: false,
            headers: String::new(),
            pause: Duration::ZERO,
            patience: Duration::from_secs(30),
        }
    }

    /// The same until it is stopped, with a pause after each answer, so that faults meet a steady trickle.
    #[must_use]
    pub fn steady(address: &str, connections: usize, pause: Duration) -> Self {
        Self { pause, ..Self::new(address, connections, usize::MAX) }
    }

    /// Sends it all from a runtime of its own and returns when every connection is done.
    ///
    /// # Panics
    /// When an answer is later than [`patience`](Self::patience).
    #[must_use]
    pub fn run(&self, history: &Arc<History>, progress: &Progress) -> Codes {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(self.run_all(history, progress))
    }

    /// [`run`](Self::run) in a thread beside the test.
    pub fn spawn(&self, history: &Arc<History>, progress: &Progress) -> std::thread::JoinHandle<Codes> {
        let (load, history, progress) = (self.clone(), Arc::clone(history), progress.clone());
        std::thread::spawn(move || load.run(&history, &progress))
    }

    async fn run_all(&self, history: &Arc<History>, progress: &Progress) -> Codes {
        static RUN: AtomicUsize = AtomicUsize::new(0);
        let run = RUN.fetch_add(1, Ordering::Relaxed);
        let start = Arc::new(Barrier::new(self.connections));
        let tasks: Vec<_> = (0..self.connections)
            .map(|number| {
                let producer = Producer {
                    load: self.clone(),
                    history: Arc::clone(history),
                    progress: progress.clone(),
                    name: format!("{run}-{number}"),
                    connection: None,
                    codes: Codes::new(),
                };
                let start = Arc::clone(&start);
                tokio::spawn(async move {
                    start.wait().await;
                    producer.send_all().await
                })
            })
            .collect();
        let mut all = Codes::new();
        for task in tasks {
            for (code, count) in task.await.expect("a producer that doesn't panic") {
                *all.entry(code).or_default() += count;
            }
        }
        all
    }
}

impl Progress {
    /// Nothing sent yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers read so far.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// Lets every connection finish the report it is at, and no more.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Producer {
    load: Load,
    history: Arc<History>,
    progress: Progress,
    name: String,
    connection: Option<TcpStream>,
    codes: Codes,
}

impl Producer {
    async fn send_all(mut self) -> Codes {
        for number in 0..self.load.reports {
            if self.progress.stop.load(Ordering::Relaxed) {
                break;
            }
            let code = self.send(&self.ids(number)).await;
            *self.codes.entry(code).or_default() += 1;
            if !self.load.pause.is_zero() {
                tokio::time::sleep(self.load.pause).await;
            }
        }
        self.codes
    }

    /// The ids of a report's records.
    fn ids(&self, number: usize) -> Vec<String> {
        let report = format!("{}-{number}", self.name);
        match self.load.native {
            None => vec![report],
            Some(records) => (0..records).map(|record| format!("{report}-{record}")).collect(),
        }
    }

    /// One report; returns its code and adds its records to the history.
    async fn send(&mut self, ids: &[String]) -> String {
        let Some(mut connection) = self.connect().await else {
            ids.iter().for_each(|id| self.history.record(id, Outcome::NotStored));
            // Not to spin while nobody listens.
            tokio::time::sleep(Duration::from_millis(20)).await;
            return "-".to_owned();
        };
        let answer = match connection.write_all(&self.request(ids)).await {
            Ok(()) => tokio::time::timeout(self.load.patience, read_answer(&mut connection))
                .await
                .unwrap_or_else(|_| panic!("no answer for {ids:?} within {:?}", self.load.patience)),
            Err(_) => None,
        };
        for (id, outcome) in ids.iter().zip(self.outcomes(answer.as_ref())) {
            self.history.record(id, outcome);
        }
        let Some(answer) = answer else { return String::new() };
        self.progress.answered.fetch_add(1, Ordering::Relaxed);
        if !self.load.close && answer.header("connection") != Some("close") {
            self.connection = Some(connection);
        }
        match self.load.native {
            None => answer.lenient_code().unwrap_or_else(|| format!("status {}", answer.status)),
            Some(_) => native::kind(&answer),
        }
    }

    fn outcomes(&self, answer: Option<&Answer>) -> Vec<Outcome> {
        match self.load.native {
            None => vec![Outcome::of(answer, "0")],
            Some(records) => native::outcomes(answer, records),
        }
    }

    async fn connect(&mut self) -> Option<TcpStream> {
        if let Some(connection) = self.connection.take() {
            return Some(connection);
        }
        let connection = TcpStream::connect(&self.load.address).await.ok()?;
        connection.set_nodelay(true).ok()?;
        Some(connection)
    }

    fn request(&self, ids: &[String]) -> Vec<u8> {
        let load = &self.load;
        let headers = format!("{}{}", if load.close { "Connection: close\r\n" } else { "" }, load.headers);
        let (Some(id), None) = (ids.first(), load.native) else {
            return native::batch(&native::target(&load.group_id, &load.stream_id), &headers, ids, load.size);
        };
        let record = format!("{id} {:.<width$}", "", width = load.size.saturating_sub(id.len() + 1));
        let form = [("groupId", load.group_id.as_str()), ("streamId", &load.stream_id), ("body", &record)];
        http::post("/dataproxy/message", &headers, &http::form(&form))
    }
}

/// The next answer, or `None` when the connection ends before it.
async fn read_answer(connection: &mut TcpStream) -> Option<Answer> {
    let mut read = Vec::with_capacity(512);
    loop {
        if let Some((answer, _)) = Answer::parse(&read) {
            return Some(answer);
        }
        if connection.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
}
