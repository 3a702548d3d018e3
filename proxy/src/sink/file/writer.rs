//! The thread that writes a directory's files. It takes everything that waits, writes it, syncs each
//! file touched once, and only then settles: a group commit that lasts as long as the disk takes.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sluice_wire::status::NotReady;
use tokio::task::JoinHandle;

use super::segment::{AppendError, Segment};
use crate::sink::{Cause, Outcome, Ticket, Trouble};

/// How many reports may wait; more are refused.
const QUEUE: usize = 16_384;
/// How many reports one commit takes at most.
const COMMIT: usize = 4_096;
/// How many files are kept open between commits.
const OPEN_FILES: usize = 256;
/// How often a full directory is counted anew.
const RECOUNT: Duration = Duration::from_secs(1);

/// A stream of a directory, as a path below it.
pub(super) type Target = Arc<PathBuf>;

/// The lines of one report.
pub(super) struct Job {
    pub(super) target: Target,
    pub(super) lines: Vec<u8>,
    /// Each message's place in its report, and its bytes.
    pub(super) messages: Vec<(Ticket, usize)>,
}

impl Job {
    fn settle(self, outcome: Outcome) {
        for (ticket, bytes) in self.messages {
            ticket.settle(outcome, bytes);
        }
    }
}

/// A running writer of one directory.
#[derive(Debug)]
pub struct Writer {
    queue: Mutex<Option<SyncSender<Job>>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    max_bytes: AtomicU64,
    trouble: Mutex<Option<String>>,
}

impl Shared {
    fn set_trouble(&self, trouble: Option<String>) {
        let mut current = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if *current != trouble {
            match &trouble {
                Some(error) => tracing::warn!(error, "file sink in trouble"),
                None => tracing::info!("file sink works again"),
            }
            *current = trouble;
        }
    }
}

impl Writer {
    /// Starts writing below `directory`, at most `max_bytes` in all. Must be called within a tokio runtime.
    #[must_use]
    pub fn start(directory: PathBuf, max_bytes: u64) -> (Arc<Self>, JoinHandle<()>) {
        let (queue, jobs) = sync_channel(QUEUE);
        let shared = Arc::new(Shared { max_bytes: AtomicU64::new(max_bytes), trouble: Mutex::new(None) });
        let thread = Thread { directory, shared: Arc::clone(&shared), open: HashMap::new(), store: None };
        let task = tokio::task::spawn_blocking(move || thread.run(&jobs));
        (Arc::new(Self { queue: Mutex::new(Some(queue)), shared }), task)
    }

    /// Sets the bytes of all files together at which records are refused.
    pub fn set_max_bytes(&self, max_bytes: u64) {
        self.shared.max_bytes.store(max_bytes, Ordering::Relaxed);
    }

    /// What is wrong, in words a person can act on.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        let trouble = self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        trouble.map(|message| Trouble::new(NotReady::Other, message))
    }

    /// No more reports come; what waits is written, and the thread ends.
    pub fn retire(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    pub(super) fn enqueue(&self, job: Job) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sent = match queue {
            Some(queue) => queue.try_send(job),
            None => Err(TrySendError::Disconnected(job)),
        };
        if let Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) = sent {
            job.settle(Outcome::NotStored(Cause::Busy));
        }
    }
}

/// The directory while it is held.
struct Store {
    /// Locked, so that no other process writes here.
    lock: File,
    /// Of the files below.
    bytes: u64,
    /// When they were counted.
    counted: Instant,
}

struct Thread {
    directory: PathBuf,
    shared: Arc<Shared>,
    store: Option<Store>,
    open: HashMap<Target, Segment>,
}

impl Thread {
    fn run(mut self, jobs: &Receiver<Job>) {
        let opened = self.hold().map(|_| ());
        self.note(opened);
        while let Ok(first) = jobs.recv() {
            let batch: Vec<_> = std::iter::once(first).chain(jobs.try_iter().take(COMMIT - 1)).collect();
            self.commit(batch);
        }
    }

    fn note(&self, result: io::Result<()>) {
        let directory = self.directory.display();
        self.shared.set_trouble(result.err().map(|error| format!("{directory}: {error}")));
    }

    /// Takes hold of the directory, once it can be had, and again when somebody removed it.
    fn hold(&mut self) -> io::Result<&mut Store> {
        if self.store.as_ref().is_none_or(|store| is_removed(&store.lock)) {
            self.open.clear();
            std::fs::create_dir_all(&self.directory)?;
            let lock = File::create(self.directory.join(".lock"))?;
            lock.try_lock().map_err(|_| io::Error::other("another process writes to this directory"))?;
            let bytes = bytes_below(&self.directory, 0)?;
            self.store = Some(Store { lock, bytes, counted: Instant::now() });
        }
        self.store.as_mut().ok_or_else(|| io::Error::other("directory is not held"))
    }

    /// Takes room for so many bytes. Somebody may have made some, which is looked for now and then.
    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        let max_bytes = self.shared.max_bytes.load(Ordering::Relaxed);
        let directory = self.directory.clone();
        let store = self.hold()?;
        if store.bytes + bytes > max_bytes && store.counted.elapsed() > RECOUNT {
            store.bytes = bytes_below(&directory, 0)?;
            store.counted = Instant::now();
        }
        if store.bytes + bytes > max_bytes {
            let held = store.bytes;
            return Err(io::Error::other(format!(
                "full: {held} of {max_bytes} bytes; raise maxBytes or remove files"
            )));
        }
        store.bytes += bytes;
        Ok(())
    }

    /// Writes, syncs and settles a batch. A stream's failure is its own.
    fn commit(&mut self, batch: Vec<Job>) {
        let mut by_target: HashMap<Target, Vec<Job>> = HashMap::new();
        for job in batch {
            by_target.entry(Arc::clone(&job.target)).or_default().push(job);
        }
        let mut result = Ok(());
        let (mut written, mut settled) = (Vec::new(), Vec::new());
        for (target, jobs) in by_target {
            let mut whole = Vec::with_capacity(jobs.len());
            for job in jobs {
                match self.write(&target, &job.lines) {
                    Ok(()) => whole.push(job),
                    Err((outcome, error)) => {
                        settled.push((vec![job], outcome));
                        result = Err(error);
                    }
                }
            }
            written.push((target, whole));
        }
        for (target, jobs) in written.into_iter().filter(|(_, jobs)| !jobs.is_empty()) {
            match self.sync(&target) {
                Ok(()) => settled.push((jobs, Outcome::Stored)),
                Err(error) => {
                    settled.push((jobs, Outcome::Unknown));
                    result = Err(error);
                }
            }
        }
        self.note(result);
        for (jobs, outcome) in settled {
            jobs.into_iter().for_each(|job| job.settle(outcome));
        }
        if self.open.len() > OPEN_FILES {
            self.open.clear();
        }
    }

    fn sync(&mut self, target: &Target) -> io::Result<()> {
        let segment = self.open.get(target).ok_or_else(|| io::Error::other("segment is not open"))?;
        let synced = segment.sync();
        if synced.is_err() {
            // What the disk holds after a failed sync is anybody's guess: begin anew.
            self.open.remove(target);
        }
        synced
    }

    /// Writes the lines of one report, not yet synced.
    fn write(&mut self, target: &Target, lines: &[u8]) -> Result<(), (Outcome, io::Error)> {
        let refused = |error| (Outcome::NotStored(Cause::Busy), error);
        self.reserve(lines.len() as u64).map_err(refused)?;
        let written =
            self.segment(target).map_err(AppendError::Clean).and_then(|segment| segment.append(lines));
        match written {
            Ok(()) => Ok(()),
            Err(AppendError::Clean(error)) => Err(refused(error)),
            Err(AppendError::Torn(error)) => {
                self.open.remove(target);
                Err((Outcome::Unknown, error))
            }
        }
    }

    /// The stream's open segment; another one where somebody removed its file.
    fn segment(&mut self, target: &Target) -> io::Result<&mut Segment> {
        if self.open.get(target).is_some_and(Segment::is_removed) {
            self.open.remove(target);
        }
        if !self.open.contains_key(target) {
            let (segment, cut) = Segment::open(self.directory.join(&**target))?;
            if cut > 0 {
                tracing::warn!(stream = %target.display(), bytes = cut, "cut a torn last line");
            }
            self.open.insert(Arc::clone(target), segment);
        }
        self.open.get_mut(target).ok_or_else(|| io::Error::other("segment is not open"))
    }
}

/// Whether an open file has no name any more.
pub(super) fn is_removed(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
}

/// Bytes of the `.ndjson` files below a directory (group, stream, file: two levels down).
fn bytes_below(directory: &Path, depth: u32) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && depth < 2 {
            bytes += bytes_below(&entry.path(), depth + 1)?;
        } else if kind.is_file() && entry.path().extension().is_some_and(|end| end == "ndjson") {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}
