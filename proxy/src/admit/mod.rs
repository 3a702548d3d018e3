//! Decides whether there is room: for another connection, for more bytes, for more of one stream; and who may send.
//! It must not know what the bytes mean or where they go.

mod budget;
mod gate;
mod quota;
mod share;
mod sources;

pub use budget::{Budget, Charge, Full};
pub use gate::{Admission, Gate, Seat};
pub use quota::{OverQuota, Quota, Taken};
pub use share::{PARTS, Portion, Share, ShareFull};
pub use sources::{ClientName, ClientNames, SourceRefused, may_report};

/// What a report holds until it is settled; given back on drop.
#[derive(Debug)]
pub struct Hold {
    /// Of the node's budget.
    pub charge: Charge,
    /// Of its stream's share.
    pub portion: Option<Portion>,
}

impl From<Charge> for Hold {
    fn from(charge: Charge) -> Self {
        Self { charge, portion: None }
    }
}
