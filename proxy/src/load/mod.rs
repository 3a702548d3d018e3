//! How full the node is: each of its limits measured for real, and one number and band out of them.
//! It must not know of reports or streams, nor decide anything by what it measures; `docs/load.md` has the formulas.
//!
//! | file | holds |
//! |---|---|
//! | `place` | where the cgroups of this process lie (pure) |
//! | `text` | what the kernel's files say (pure) |
//! | `read` | one reading of them all |
//! | `share` | from two readings, or a limit and what is used of it, to shares (pure) |
//! | `band` | bands with hysteresis, and the slow start (pure) |
//! | `meter` | readings become the load (pure) |
//! | `sampler` | the task that measures |

mod band;
mod meter;
mod place;
mod read;
mod sampler;
mod share;
mod text;

use std::sync::{Arc, Mutex, PoisonError};

pub use band::STEP;
pub use sampler::Sampler;
pub use share::Part;

/// What the load is the largest of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// CPU used, of what the cgroup allows.
    Cpu,
    /// CPU waited for.
    CpuWait,
    /// Bytes in flight, of their limit.
    Bytes,
    /// Records in the queue of a Kafka producer, of its limit; the fullest queue.
    Queue,
    /// Connections, of their limit.
    Connections,
}

impl Component {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Cpu, Self::CpuWait, Self::Bytes, Self::Queue, Self::Connections];

    /// Its name as a label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::CpuWait => "cpu_wait",
            Self::Bytes => "bytes",
            Self::Queue => "queue",
            Self::Connections => "connections",
        }
    }
}

/// How full the node's own limits are at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filling {
    /// Whether it takes reports; the slow start begins when it first does.
    pub ready: bool,
    /// Bytes in flight.
    pub bytes: Part,
    /// The fullest queue of a Kafka producer; `None` without Kafka.
    pub queue: Option<Part>,
    /// Connections.
    pub connections: Part,
}

/// The load as it was measured last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The largest component: 0 to [`sluice_wire::heartbeat::MAX_LOAD`], 100 is full.
    pub load: u8,
    /// Lower edge of the band that is announced: it follows the load with hysteresis, and includes the slow start.
    pub band: u8,
    /// Each component in the same scale, in the order of [`Component::ALL`]; `None` where it can't be measured.
    pub components: [Option<f64>; Component::ALL.len()],
}

impl Default for Measured {
    /// Before the first measurement.
    fn default() -> Self {
        Self { load: 0, band: band::SLOW_START_FROM, components: [None; Component::ALL.len()] }
    }
}

/// Where the load as it was measured last is found. Clones are the same place.
#[derive(Clone, Debug, Default)]
pub struct Load(Arc<Mutex<Measured>>);

impl Load {
    /// The last measurement.
    #[must_use]
    pub fn now(&self) -> Measured {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, measured: Measured) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = measured;
    }
}
