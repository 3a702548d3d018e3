//! Callers by the token that comes with each request: a pod, as Kubernetes signed it.
//! Of a token that is refused nothing is logged or answered; which check failed is counted.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use sluice_identity::{Credential, PodIdentity, Refused, Remembered};

use super::callers::{Callers, Stranger};
use crate::caller::{Caller, Trust};
use crate::clock;
use crate::telemetry::Metrics;
use crate::tokens::{AUDIENCE, Tokens};

/// Callers by their tokens.
#[derive(Debug)]
pub struct Bearers {
    tokens: Tokens,
    known: Remembered<PodIdentity>,
    metrics: Metrics,
    /// Seconds since 1970.
    now: fn() -> u64,
}

impl Bearers {
    /// Verifies with what `tokens` holds.
    #[must_use]
    pub fn new(tokens: Tokens, metrics: Metrics) -> Self {
        Self { tokens, known: Remembered::default(), metrics, now: clock::seconds }
    }

    fn pod(&self, headers: &HeaderMap) -> Result<Arc<PodIdentity>, Unknown> {
        let Credential::Bearer(token) = Credential::of(headers) else { return Err(Unknown::NoToken) };
        let verifier = self.tokens.verifier().ok_or(Unknown::NoKeys)?;
        let now = (self.now)();
        let verify = || verifier.verify(token, now).map(|verified| (verified.pod, verified.until));
        self.known.of(&verifier, token, now, verify).map_err(|refused| {
            if refused == Refused::UnknownKey {
                self.tokens.look_again();
            }
            Unknown::Refused(refused)
        })
    }
}

impl Callers for Bearers {
    fn caller(&self, ip: IpAddr, headers: &HeaderMap) -> Result<Caller, Stranger> {
        match self.pod(headers) {
            Ok(pod) => Ok(Caller { ip, trust: Trust::Pod(pod) }),
            Err(unknown) => {
                self.metrics.token_refused(unknown.name());
                Err(unknown.told())
            }
        }
    }
}

/// Why a caller is not known.
#[derive(Clone, Copy)]
enum Unknown {
    NoToken,
    NoKeys,
    Refused(Refused),
}

impl Unknown {
    const fn name(self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::NoKeys => "no_keys",
            Self::Refused(refused) => refused.name(),
        }
    }

    /// What the caller is told; who guesses tokens learns nothing of it.
    fn told(self) -> Stranger {
        Stranger(match self {
            Self::NoKeys => "tokens can't be verified yet; try again soon".to_owned(),
            Self::NoToken | Self::Refused(_) => {
                format!("a pod's token for the audience {AUDIENCE} has to come as Authorization: Bearer")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::HeaderValue;
    use http::header::AUTHORIZATION;

    use super::*;
    use crate::tokens::fixture::{NOW, Signer, claims};

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn bearers(tokens: Tokens) -> (Bearers, Metrics) {
        let metrics = Metrics::new().unwrap();
        let bearers = Bearers { now: || NOW, ..Bearers::new(tokens, metrics.clone()) };
        (bearers, metrics)
    }

    fn caller(bearers: &Bearers, values: &[&str]) -> Result<Caller, Stranger> {
        bearers.caller(Ipv4Addr::LOCALHOST.into(), &headers(values))
    }

    #[test]
    fn a_pod_s_token_says_who_it_is_each_time() {
        let signer = Signer::new();
        let (tokens, _) = Tokens::fixed(Some(signer.verifier()));
        let (bearers, _) = bearers(tokens);
        let token = signer.token(&claims());
        for value in [format!("Bearer {token}"), format!("bearer {token}"), format!("BEARER  {token}")] {
            let caller = caller(&bearers, &[&value]).unwrap();
            let Trust::Pod(pod) = caller.trust else { panic!("{caller:?}") };
            assert_eq!((caller.ip, pod.uid.as_str()), (Ipv4Addr::LOCALHOST.into(), "pod-uid"));
        }
    }

    #[test]
    fn a_token_is_verified_once_and_again_when_the_keys_are_others() {
        let (signer, other) = (Signer::new(), Signer::new());
        let (tokens, sender) = Tokens::fixed(Some(signer.verifier()));
        let (bearers, _) = bearers(tokens);
        let value = format!("Bearer {}", signer.token(&claims()));
        let pod = |caller: Caller| match caller.trust {
            Trust::Pod(pod) => pod,
            trust => panic!("{trust:?}"),
        };
        let first = pod(caller(&bearers, &[&value]).unwrap());
        assert!(Arc::ptr_eq(&first, &pod(caller(&bearers, &[&value]).unwrap())), "not remembered");
        sender.send_replace(Some(Arc::new(other.verifier())));
        assert!(caller(&bearers, &[&value]).is_err(), "a key that was taken away holds no more");
    }

    #[test]
    fn who_brings_no_good_token_is_told_what_is_needed_and_nothing_else() {
        let signer = Signer::new();
        let (tokens, _) = Tokens::fixed(Some(signer.verifier()));
        let (bearers, metrics) = bearers(tokens);
        let good = format!("Bearer {}", signer.token(&claims()));
        let foreign = format!("Bearer {}", Signer::new().token(&claims()));
        let mut expired = claims();
        expired["exp"] = (NOW - 100).into();
        let expired = format!("Bearer {}", signer.token(&expired));
        for values in [
            &[][..],
            &["Bearer"],
            &["Bearer "],
            &["Basic dTpw"],
            &["Bearer a.b.c"],
            &[&good, &good],
            &[&foreign],
            &[&expired],
        ] {
            let told = caller(&bearers, values).unwrap_err().0;
            let wanted =
                "a pod's token for the audience sluice-operator has to come as Authorization: Bearer";
            assert_eq!(told, wanted, "{values:?}");
        }
        let counted = String::from_utf8(metrics.text().unwrap()).unwrap();
        for (reason, count) in [("no_token", 5), ("malformed", 1), ("signature", 1), ("expired", 1)] {
            let line = format!("sluice_operator_tokens_refused_total{{reason=\"{reason}\"}} {count}\n");
            assert!(counted.contains(&line), "{line}: {counted}");
        }
    }

    #[test]
    fn without_keys_nobody_is_known_yet() {
        let (tokens, sender) = Tokens::fixed(None);
        let signer = Signer::new();
        let (bearers, _) = bearers(tokens);
        let value = format!("Bearer {}", signer.token(&claims()));
        assert!(caller(&bearers, &[&value]).unwrap_err().0.contains("try again soon"));
        sender.send_replace(Some(Arc::new(signer.verifier())));
        assert!(caller(&bearers, &[&value]).is_ok());
    }

    #[tokio::test]
    async fn only_a_key_that_is_not_known_makes_the_keys_be_looked_at_again() {
        let signer = Signer::new();
        let (tokens, _sender) = Tokens::fixed(Some(signer.verifier()));
        let (bearers, _) = bearers(tokens.clone());
        let asked = || tokio::time::timeout(std::time::Duration::from_millis(20), tokens.asked());
        let foreign = format!("Bearer {}", Signer::new().token(&claims()));
        assert!(caller(&bearers, &[&foreign]).is_err());
        assert!(asked().await.is_err());
        let rotated = format!("Bearer {}", signer.token_of("another-key", &claims()));
        assert!(caller(&bearers, &[&rotated]).is_err());
        assert!(asked().await.is_ok());
    }
}
