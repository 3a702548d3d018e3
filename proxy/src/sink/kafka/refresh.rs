//! Asks for topics whose records were refused, over the producers themselves. Where librdkafka once heard that it
//! has no rights on a topic, it refuses records itself and asks again after five minutes; what this asks is
//! heard by it too. It changes nothing else.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::producer::Producer as _;

use super::control::{Control, Place};

/// Between two rounds of questions.
const EVERY: Duration = Duration::from_secs(2);
/// How many topics are asked for in a round; the others have their turn in the next ones.
const ROUND: usize = 64;
/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// The rounds of a connection, one at a time, each on a thread of its own.
pub(super) struct Refresh {
    running: Option<JoinHandle<()>>,
    begun: Instant,
    next: usize,
}

impl Refresh {
    pub(super) fn new() -> Self {
        Self { running: None, begun: Instant::now(), next: 0 }
    }

    /// Begins a round, where it is time and there are such topics.
    pub(super) fn run(&mut self, refused: &[String], control: &Arc<Control>) {
        let busy = self.running.as_ref().is_some_and(|running| !running.is_finished());
        if refused.is_empty() || busy || self.begun.elapsed() < EVERY {
            return;
        }
        self.begun = Instant::now();
        let names: Vec<_> = refused
            .iter()
            .cycle()
            .skip(self.next % refused.len())
            .take(refused.len().min(ROUND))
            .cloned()
            .collect();
        self.next = (self.next % refused.len()) + names.len();
        let control = Arc::clone(control);
        let thread = std::thread::Builder::new().name("kafka-refresh".to_owned());
        self.running = thread.spawn(move || ask(&names, &control)).ok();
    }

    /// Waits for the last round.
    pub(super) fn end(self) {
        // A round that failed has nothing to tell.
        let _ = self.running.map(JoinHandle::join);
    }
}

fn ask(names: &[String], control: &Control) {
    for place in [Place::Quarantine, Place::Main] {
        for name in names {
            if control.retire.load(std::sync::atomic::Ordering::Relaxed) {
                return;
            }
            // Only for as long as one question: the producer may have been replaced.
            let Some(producer) = control.lane(place).producer.load_full() else { break };
            // The answer is for librdkafka, which keeps it.
            let _ = producer.client().fetch_metadata(Some(name), PATIENCE);
        }
    }
}
