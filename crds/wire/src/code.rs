//! The `code` of an answer on the InLong path.
//!
//! Numbers and meanings are Apache InLong's (`DataProxyErrCode`); the table holds those that Sluice
//! sends. Success is 0, or 1 on a stream that asks for it; 1 is never sent as an error.

/// Why a report was answered the way it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// Every record of the report is stored.
    Ok,
    /// The node is leaving; nothing of the report is stored.
    Closed,
    /// The node has no usable configuration yet; nothing of the report is stored.
    NotReady,
    /// The stream takes nothing from whoever sent it; nothing of the report is stored.
    Source,
    /// The form can't be decoded.
    Form,
    /// Neither GET nor POST.
    Method,
    /// The path or query can't be decoded.
    Uri,
    /// No such path.
    Path,
    /// Not an uncompressed form in UTF-8.
    ContentType,
    /// `groupId` missing or blank.
    GroupId,
    /// `streamId` missing or blank.
    StreamId,
    /// `body` missing.
    BodyMissing,
    /// `body` longer than the stream takes.
    TooLong,
    /// `body` blank.
    BodyBlank,
    /// No room now; nothing of the report is stored.
    Busy,
    /// No such stream, or its topic is not there.
    NoTopic,
    /// Kafka refused; not every record of the report is stored, and none is in doubt.
    Refused,
    /// Whether every record of the report is stored is not known.
    Unknown,
}

impl Code {
    /// Every code, in the order of the numbers.
    pub const ALL: [Self; 18] = [
        Self::Ok,
        Self::Closed,
        Self::NotReady,
        Self::Source,
        Self::Form,
        Self::Method,
        Self::Uri,
        Self::Path,
        Self::ContentType,
        Self::GroupId,
        Self::StreamId,
        Self::BodyMissing,
        Self::TooLong,
        Self::BodyBlank,
        Self::Busy,
        Self::NoTopic,
        Self::Refused,
        Self::Unknown,
    ];

    /// The number that crosses the wire (as a JSON string).
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Ok => 0,
            Self::Closed => 2,
            Self::NotReady => 3,
            Self::Source => 10,
            Self::Form => 31,
            Self::Method => 32,
            Self::Uri => 34,
            Self::Path => 35,
            Self::ContentType => 36,
            Self::GroupId => 100,
            Self::StreamId => 101,
            Self::BodyMissing => 103,
            Self::TooLong => 104,
            Self::BodyBlank => 111,
            Self::Busy => 114,
            Self::NoTopic => 115,
            Self::Refused => 118,
            Self::Unknown => 119,
        }
    }

    /// This code's place in [`Code::ALL`], for tables indexed by code.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_complete_ordered_and_indexed() {
        for (index, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code.index(), index);
        }
        assert!(Code::ALL.windows(2).all(|pair| pair[0].number() < pair[1].number()));
    }

    #[test]
    fn one_is_no_code() {
        assert!(Code::ALL.iter().all(|code| code.number() != 1));
    }
}
