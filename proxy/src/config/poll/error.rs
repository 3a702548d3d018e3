//! Why a poll comes to nothing. Words here hold nothing of a document.

use super::pieces::Mismatch;
use crate::operators::OperatorError;

/// Why a poll came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum PollError {
    /// No answer, or none that is one.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// It closes the connection before it answered anything.
    #[error("the connection was closed at once")]
    Closed,
    /// An answer that is not as the contract has it.
    #[error("an odd answer: {0}")]
    Json(#[from] serde_json::Error),
    /// The change does not fit.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// The operator is behind this node.
    #[error("revision {theirs} is older than {ours}, which this node has seen")]
    Behind {
        /// What it has.
        theirs: u64,
        /// What this node has.
        ours: u64,
    },
    /// What it leads to is no configuration of this fleet.
    #[error("a configuration that can't be used: {0}")]
    Unusable(String),
    /// The node is leaving.
    #[error("the node leaves")]
    Leaving,
}
