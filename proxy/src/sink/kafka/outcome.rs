//! What an error of librdkafka means for a record: surely not stored, or unknown.
//!
//! Two things make a refusal certain. First its kind: the broker says that it did not append. Second
//! that this was the only attempt: an attempt before it may have been appended although its answer
//! was lost, and the safe API does not tell attempts apart. librdkafka waits `retry.backoff.ms`, less
//! 20 % jitter, before it tries again, so a refusal sooner than that is one of the first attempt.
//! A later one is unknown.

use std::time::Duration;

use rdkafka::types::RDKafkaErrorCode;
use sluice_wire::status::NotReady;

use super::breaker::Fault;
use crate::sink::{Cause, Outcome};

/// `retry.backoff.ms` of every producer.
pub(super) const RETRY_BACKOFF: Duration = Duration::from_millis(100);

/// A refusal within this time of the hand-over belongs to the first attempt.
const FIRST_ATTEMPT: Duration = Duration::from_millis(75);

/// The outcome of a record that the producer would not take. None was sent, so all are certain.
pub(super) fn of_handover(code: Option<RDKafkaErrorCode>) -> Outcome {
    use RDKafkaErrorCode as E;
    Outcome::NotStored(match code {
        Some(E::UnknownTopic | E::UnknownPartition) => Cause::NoTopic,
        code => code.and_then(refusal).unwrap_or(Cause::Busy),
    })
}

/// The outcome of a record that the producer took and gave back with an error `since` its hand-over.
///
/// What librdkafka itself decides about a record it took (purged, timed out, topic or partition gone by
/// its own knowledge) is unknown: the record may be an attempt's whose answer was lost, waiting to be sent
/// again, and such a one comes back without any delay.
pub(super) fn of_delivery(code: Option<RDKafkaErrorCode>, since: Duration) -> Outcome {
    match code.and_then(refusal) {
        Some(cause) if since < FIRST_ATTEMPT => Outcome::NotStored(cause),
        _ => Outcome::Unknown,
    }
}

/// What an error means with which a broker says that it did not append.
fn refusal(code: RDKafkaErrorCode) -> Option<Cause> {
    use RDKafkaErrorCode as E;
    match code {
        E::UnknownTopicOrPartition => Some(Cause::NoTopic),
        E::MessageSizeTooLarge
        | E::MessageBatchTooLarge
        | E::TopicAuthorizationFailed
        | E::ClusterAuthorizationFailed
        | E::InvalidTopic
        | E::InvalidRequiredAcks
        | E::InvalidRecord
        | E::PolicyViolation
        | E::InvalidTimestamp
        | E::NotEnoughReplicas
        | E::UnsupportedForMessageFormat => Some(Cause::Refused),
        _ => None,
    }
}

/// What an error says of the record's topic, apart from the record: nothing, where the record itself is at
/// fault, or the producer or the connection.
pub(super) fn fault(code: Option<RDKafkaErrorCode>) -> Option<Fault> {
    use RDKafkaErrorCode as E;
    match code? {
        E::MessageTimedOut => Some(Fault::TimedOut),
        E::TopicAuthorizationFailed => Some(Fault::Forbidden),
        E::PolicyViolation | E::NotEnoughReplicas | E::InvalidRequiredAcks => Some(Fault::Refused),
        _ => None,
    }
}

/// Of which kind the trouble is that an error tells of.
pub(super) fn reason(code: Option<RDKafkaErrorCode>) -> NotReady {
    use RDKafkaErrorCode as E;
    match code {
        Some(
            E::AllBrokersDown
            | E::Authentication
            | E::BrokerNotAvailable
            | E::BrokerTransportFailure
            | E::IllegalSASLState
            | E::MessageTimedOut
            | E::NetworkException
            | E::OperationTimedOut
            | E::RequestTimedOut
            | E::Resolve
            | E::SSL
            | E::SaslAuthenticationFailed
            | E::UnsupportedSASLMechanism,
        ) => NotReady::SinkUnreachable,
        Some(E::TopicAuthorizationFailed | E::ClusterAuthorizationFailed) => NotReady::TopicForbidden,
        code if topic_is_gone(code) => NotReady::TopicMissing,
        _ => NotReady::Other,
    }
}

/// Whether the error says that the topic is gone.
pub(super) fn topic_is_gone(code: Option<RDKafkaErrorCode>) -> bool {
    use RDKafkaErrorCode as E;
    matches!(
        code,
        Some(E::UnknownTopicOrPartition | E::UnknownTopic | E::UnknownPartition | E::UnknownTopicId)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(5);
    const LATE: Duration = Duration::from_millis(80);

    #[test]
    fn a_first_refusal_is_certain_and_a_later_one_is_not() {
        for code in [RDKafkaErrorCode::TopicAuthorizationFailed, RDKafkaErrorCode::MessageSizeTooLarge] {
            assert_eq!(of_delivery(Some(code), SOON), Outcome::NotStored(Cause::Refused));
            assert_eq!(of_delivery(Some(code), LATE), Outcome::Unknown);
        }
    }

    #[test]
    fn a_retry_can_not_begin_within_the_time_of_a_first_attempt() {
        assert!(FIRST_ATTEMPT < RETRY_BACKOFF.mul_f64(0.8));
    }

    #[test]
    fn what_librdkafka_decides_itself_is_unknown_however_soon() {
        for code in [
            RDKafkaErrorCode::MessageTimedOut,
            RDKafkaErrorCode::RequestTimedOut,
            RDKafkaErrorCode::PurgeInflight,
            RDKafkaErrorCode::PurgeQueue,
            RDKafkaErrorCode::UnknownPartition,
            RDKafkaErrorCode::NotEnoughReplicasAfterAppend,
            RDKafkaErrorCode::OutOfOrderSequenceNumber,
            RDKafkaErrorCode::BrokerTransportFailure,
            RDKafkaErrorCode::Fatal,
        ] {
            assert_eq!(of_delivery(Some(code), SOON), Outcome::Unknown, "{code:?}");
        }
        assert_eq!(of_delivery(None, SOON), Outcome::Unknown);
    }

    #[test]
    fn a_record_that_is_too_large_says_nothing_of_its_topic() {
        assert_eq!(fault(Some(RDKafkaErrorCode::MessageSizeTooLarge)), None);
        assert_eq!(fault(Some(RDKafkaErrorCode::PurgeQueue)), None);
        assert_eq!(fault(Some(RDKafkaErrorCode::TopicAuthorizationFailed)), Some(Fault::Forbidden));
        assert_eq!(fault(Some(RDKafkaErrorCode::PolicyViolation)), Some(Fault::Refused));
        assert_eq!(fault(Some(RDKafkaErrorCode::MessageTimedOut)), Some(Fault::TimedOut));
    }

    #[test]
    fn what_was_never_handed_over_is_never_unknown() {
        assert_eq!(of_handover(Some(RDKafkaErrorCode::QueueFull)), Outcome::NotStored(Cause::Busy));
        assert_eq!(of_handover(None), Outcome::NotStored(Cause::Busy));
        let revoked = RDKafkaErrorCode::TopicAuthorizationFailed;
        assert_eq!(of_handover(Some(revoked)), Outcome::NotStored(Cause::Refused));
        let gone = RDKafkaErrorCode::UnknownTopic;
        assert_eq!(of_handover(Some(gone)), Outcome::NotStored(Cause::NoTopic));
    }
}
