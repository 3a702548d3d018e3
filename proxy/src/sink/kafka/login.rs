//! What is told where a broker refuses a connection's login. It names the Secret, and shows nothing of it: a user's
//! name stands there too.

use rdkafka::types::RDKafkaErrorCode;
use sluice_wire::document::Sasl;

/// The words for an error that librdkafka reports with `reason`; `None` where it is not the login's.
pub(super) fn refused(
    sink: &str,
    login: Option<&Sasl>,
    code: Option<RDKafkaErrorCode>,
    reason: &str,
) -> Option<String> {
    use RDKafkaErrorCode as E;
    let Sasl { mechanism, secret } = login?;
    let is_refusal = matches!(
        code?,
        E::Authentication | E::IllegalSASLState | E::SaslAuthenticationFailed | E::UnsupportedSASLMechanism
    );
    is_refusal.then(|| {
        let mechanism = mechanism.name();
        format!(
            "the broker refused the login of sink {sink} by {mechanism}; check the name of secret {secret:?}, its \
             keys username and password, and that the broker lets in this user by {mechanism}: {reason}"
        )
    })
}

#[cfg(test)]
mod tests {
    use sluice_wire::document::SaslMechanism;

    use super::*;

    fn login() -> Sasl {
        Sasl { mechanism: SaslMechanism::ScramSha512, secret: "kafka-login".to_owned() }
    }

    #[test]
    fn a_refused_login_names_the_sink_the_mechanism_and_the_secret() {
        let words =
            refused("main", Some(&login()), Some(RDKafkaErrorCode::Authentication), "k:1: no").unwrap();
        assert_eq!(
            words,
            "the broker refused the login of sink main by SCRAM-SHA-512; check the name of secret \
             \"kafka-login\", its keys username and password, and that the broker lets in this user by \
             SCRAM-SHA-512: k:1: no"
        );
    }

    #[test]
    fn other_trouble_is_told_in_librdkafkas_own_words() {
        let transport = Some(RDKafkaErrorCode::BrokerTransportFailure);
        assert_eq!(refused("main", Some(&login()), transport, "k:1: no"), None);
        assert_eq!(refused("main", Some(&login()), None, "k:1: no"), None);
        assert_eq!(refused("main", None, Some(RDKafkaErrorCode::Authentication), "k:1: no"), None);
    }
}
