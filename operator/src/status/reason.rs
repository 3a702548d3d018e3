//! Every condition and every reason it can have, each with the one status it means.
//! It names them; which one holds is worked out elsewhere.

use sluice_crds::Kind;

use crate::problem;

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// It does.
    True,
    /// It does not.
    False,
    /// It can't be told.
    Unknown,
}

impl Status {
    /// As Kubernetes writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// When a reason is told as an Event, besides standing in its condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tell {
    /// Never: it is a step on the way, or another condition tells it.
    Never,
    /// As news.
    News,
    /// As a warning.
    Warning,
    /// As a warning where the condition held before.
    Loss,
}

/// A reason of one condition.
pub trait Reason: Copy {
    /// The condition's type.
    const CONDITION: &'static str;
    /// Its name.
    fn name(self) -> &'static str;
    /// What it means for the condition.
    fn status(self) -> Status;
    /// When it is told as an Event.
    fn tell(self) -> Tell;
}

/// Declares the reasons of a condition: each with the status it means and when it is told.
macro_rules! reasons {
    ($(#[$about:meta])* $condition:ident { $($(#[$meaning:meta])* $reason:ident: $status:ident, $tell:ident;)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $condition { $($(#[$meaning])* $reason,)* }

        impl $condition {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$reason,)*];
        }

        impl Reason for $condition {
            const CONDITION: &'static str = stringify!($condition);

            fn name(self) -> &'static str {
                match self { $(Self::$reason => stringify!($reason),)* }
            }

            fn status(self) -> Status {
                match self { $(Self::$reason => Status::$status,)* }
            }

            fn tell(self) -> Tell {
                match self { $(Self::$reason => Tell::$tell,)* }
            }
        }
    };
}

/// Of a `DataStream`: whether a fleet serves it as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Accepted {
    /// It does.
    Accepted,
    /// It does not, for this reason, one of [`problem::Reason::REFUSALS`].
    Refused(problem::Reason),
}

impl Accepted {
    /// Every reason.
    pub fn all() -> impl Iterator<Item = Self> {
        std::iter::once(Self::Accepted).chain(problem::Reason::REFUSALS.map(Self::Refused))
    }
}

impl Reason for Accepted {
    const CONDITION: &'static str = "Accepted";

    fn name(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Refused(reason) => reason.name(),
        }
    }

    fn status(self) -> Status {
        match self {
            Self::Accepted => Status::True,
            Self::Refused(_) => Status::False,
        }
    }

    fn tell(self) -> Tell {
        match self {
            Self::Accepted => Tell::Never,
            // Mostly it is being made, which needs nobody.
            Self::Refused(problem::Reason::NoDefaultFleet) => Tell::News,
            Self::Refused(_) => Tell::Warning,
        }
    }
}

reasons! {
    /// Of a `DataStream`: whether every ready node of its fleet runs it as written.
    Programmed {
        /// They do.
        Programmed: True, Never;
        /// No fleet serves it.
        NotAccepted: False, Never;
        /// No node of the fleet is ready.
        NoNodes: False, Never;
        /// A node refuses the configuration.
        ConfigRefused: False, Warning;
        /// The fleet is paused.
        FleetPaused: False, News;
        /// Some nodes don't run it yet.
        Pending: False, Never;
    }
}

reasons! {
    /// Of a `DataStream`: whether its nodes can store its records.
    SinkReady {
        /// They can.
        SinkReady: True, Never;
        /// A Secret of the connection is missing or can't be used.
        SecretUnusable: False, Warning;
        /// No broker answers, or the login is refused.
        SinkUnreachable: False, Warning;
        /// The topic is missing.
        TopicMissing: False, Warning;
        /// The topic can't be written with the fleet's credentials.
        TopicForbidden: False, Warning;
        /// The topic does not take the stream's records.
        TopicUnfit: False, Warning;
        /// Anything else.
        SinkNotReady: False, Warning;
        /// The topic is being looked at.
        Checking: Unknown, Never;
        /// A node has not told yet.
        NotReported: Unknown, Never;
        /// No node of the fleet is ready.
        NoNodes: Unknown, Never;
        /// No fleet serves it.
        NotAccepted: Unknown, Never;
    }
}

reasons! {
    /// Of a `DataStream`: whether its producers can prove who they are.
    AuthReady {
        /// They need not.
        NotRequired: True, Never;
        /// They can.
        Ready: True, Never;
        /// There is no Secret with tokens.
        TokensMissing: False, Warning;
        /// The Secret, or a token in it, can't be used.
        TokensUnfit: False, Warning;
        /// The operator may not read the Secret.
        TokensForbidden: False, Warning;
        /// What they are known by is being read, or some nodes don't have it yet.
        Pending: False, Never;
        /// No node of the fleet is ready.
        NoNodes: Unknown, Never;
        /// No fleet serves it.
        NotAccepted: Unknown, Never;
    }
}

reasons! {
    /// Of a `DataStream`: whether what is acknowledged outlives a broker.
    Durability {
        /// It does.
        Durable: True, Never;
        /// The topic has fewer than three replicas.
        BelowThreeReplicas: False, Warning;
        /// Fewer than two replicas must have a record before it is acknowledged.
        BelowTwoInSync: False, Warning;
        /// A node has not told yet.
        NotReported: Unknown, Never;
        /// No node of the fleet is ready.
        NoNodes: Unknown, Never;
        /// No fleet serves it.
        NotAccepted: Unknown, Never;
    }
}

reasons! {
    /// Of a `DataStream`: whether reports are taken. While another condition does not hold, that one's reason
    /// stands here.
    Ready {
        /// They are.
        Ready: True, News;
        /// A person has paused the stream.
        Paused: False, News;
    }
}

reasons! {
    /// Of a `ProxyFleet`: whether it takes reports.
    Available {
        /// It does.
        NodesReady: True, News;
        /// It gives sidecars, and no pod has one now.
        NoSidecars: True, Never;
        /// No node is ready.
        NoNodesReady: False, Loss;
        /// It is to have no nodes.
        ScaledToZero: False, News;
    }
}

reasons! {
    /// Of a `ProxyFleet`: whether its pods are on the way to what is written.
    Progressing {
        /// Pods are being replaced.
        RollingOut: True, Never;
        /// Pods are starting.
        Starting: True, Never;
        /// A new proxy image comes to other fleets first.
        Waiting: True, Never;
        /// They are there.
        UpToDate: False, Never;
        /// A person has paused the fleet.
        Paused: False, News;
    }
}

reasons! {
    /// Of a `ProxyFleet`: whether something needs a person.
    Degraded {
        /// The pod template can't be used.
        InvalidPodTemplate: True, Warning;
        /// An object of a name that the fleet needs is someone else's.
        NameTaken: True, Warning;
        /// The API server refuses an object.
        ApplyRefused: True, Warning;
        /// Pods don't run.
        PodsFailing: True, Warning;
        /// Pods asked for a sidecar and have none.
        SidecarsMissing: True, Warning;
        /// A node refuses the configuration.
        ConfigRefused: True, Warning;
        /// A Secret of a connection is missing or can't be used.
        SecretUnusable: True, Warning;
        /// A connection can't be used.
        SinkUnreachable: True, Warning;
        /// Most nodes are neither heard nor answer.
        NodesSilent: True, Warning;
        /// Nothing does.
        AsExpected: False, Never;
    }
}

/// A condition with one of its reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Of which kind.
    pub kind: Kind,
    /// The condition's type.
    pub condition: &'static str,
    /// The reason.
    pub reason: &'static str,
    /// What it means for the condition.
    pub status: Status,
    /// When it is told as an Event.
    pub tell: Tell,
}

/// Every condition with every reason of its own.
#[must_use]
pub fn table() -> Vec<Row> {
    let stream = Kind::DataStream;
    let fleet = Kind::ProxyFleet;
    [
        rows(stream, Accepted::all()),
        rows(stream, Programmed::ALL.iter().copied()),
        rows(stream, SinkReady::ALL.iter().copied()),
        rows(stream, AuthReady::ALL.iter().copied()),
        rows(stream, Durability::ALL.iter().copied()),
        rows(stream, Ready::ALL.iter().copied()),
        rows(fleet, Available::ALL.iter().copied()),
        rows(fleet, Progressing::ALL.iter().copied()),
        rows(fleet, Degraded::ALL.iter().copied()),
    ]
    .concat()
}

fn rows<R: Reason>(kind: Kind, reasons: impl Iterator<Item = R>) -> Vec<Row> {
    let row = |reason: R| Row {
        kind,
        condition: R::CONDITION,
        reason: reason.name(),
        status: reason.status(),
        tell: reason.tell(),
    };
    reasons.map(row).collect()
}
