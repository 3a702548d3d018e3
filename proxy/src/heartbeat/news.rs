//! What is told of a node, and which change of it can't wait for the next heartbeat. Pure.

use sluice_wire::status::NodeState;

use crate::load::STEP;

/// How the node is at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Now {
    /// Where it is in its life.
    pub state: NodeState,
    /// Revision of the configuration in effect; 0 before the first.
    pub revision: u64,
    /// Why the newest configuration is not in effect.
    pub config_error: Option<String>,
    /// Its load.
    pub load: u8,
    /// Lower edge of the band that it announces.
    pub band: u8,
    /// A number that is another when something new is said of sinks or streams.
    pub changes: u64,
}

/// What is told of.
pub trait Subject: Send + Sync + 'static {
    /// How it is now, with [`Now::changes`] left at 0; cheap.
    fn now(&self) -> Now;

    /// [`Now::changes`]; it looks at every stream.
    fn changes(&self) -> u64;
}

impl Now {
    /// Whether it is to be told at once to who knows `told`. The load alone is not, but for two steps of its band.
    pub(super) fn is_news_after(&self, told: &Self) -> bool {
        self.state != told.state
            || self.revision != told.revision
            || self.config_error != told.config_error
            || self.changes != told.changes
            || self.band.abs_diff(told.band) >= 2 * STEP
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A node without anything special.
    pub(in super::super) fn now() -> Now {
        Now { state: NodeState::Ready, revision: 7, config_error: None, load: 31, band: 30, changes: 1 }
    }

    #[test]
    fn what_an_operator_acts_on_is_told_at_once() {
        for other in [
            Now { state: NodeState::Draining, ..now() },
            Now { revision: 8, ..now() },
            Now { config_error: Some("odd".to_owned()), ..now() },
            Now { changes: 2, ..now() },
            Now { band: 50, ..now() },
            Now { band: 10, ..now() },
        ] {
            assert!(other.is_news_after(&now()), "{other:?}");
            assert!(!other.is_news_after(&other));
        }
    }

    #[test]
    fn a_load_that_moves_a_little_waits() {
        for other in
            [Now { load: 39, ..now() }, Now { load: 42, band: 40, ..now() }, Now { band: 20, ..now() }]
        {
            assert!(!other.is_news_after(&now()), "{other:?}");
        }
    }
}
