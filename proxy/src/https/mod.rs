//! Reports over TLS: the certificate in effect, who is told when it can't be used, and handshakes.
//! It must not know what is sent over a connection; nothing here ever logs what a Secret holds.

mod material;
mod names;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use sluice_wire::access::Https as Spec;
use sluice_wire::status::{HttpsStatus, NotReady};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use crate::admit::ClientNames;
use crate::counters::Count;
use crate::secrets::Secrets;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The listener over TLS: what it serves with, and how that is doing.
#[derive(Debug, Default)]
pub struct Https {
    serving: ArcSwapOption<ServerConfig>,
    state: Mutex<State>,
    /// What became of certificates and handshakes.
    pub counts: HttpsCounts,
}

/// Counts of the listener over TLS.
#[derive(Debug, Default)]
pub struct HttpsCounts {
    /// Times that what the Secrets hold was put into effect.
    pub renewed: Count,
    /// Times that it could not be.
    pub refused: Count,
    /// Handshakes not begun, because there is no certificate to serve with.
    pub without_certificate: Count,
    /// Handshakes that took too long.
    pub timed_out: Count,
    /// Handshakes that failed, most often because one side does not take the other's certificate.
    pub failed: Count,
}

#[derive(Debug, Default)]
struct State {
    /// What was asked for last, and the digest of the Secrets that it was tried with.
    tried: Option<(Spec, [u8; 32])>,
    /// What is in effect.
    effect: Option<Effect>,
    /// Why what is asked for is not.
    trouble: Option<String>,
}

#[derive(Debug)]
struct Effect {
    spec: Spec,
    not_after: i64,
}

impl Https {
    /// Serves as asked with what the Secrets hold, from the next handshake on; connections that are open stay as they
    /// are. What can't be used is told, and what was in effect goes on, unless it asks clients for other certificates
    /// than is asked for now: nobody is let in by a rule that was replaced.
    pub fn update(&self, asked: Option<&Spec>, secrets: &Secrets) {
        let mut state = self.state();
        let Some(spec) = asked else {
            *state = State::default();
            return self.serving.store(None);
        };
        let tried = Some((spec.clone(), secrets.digest(&spec.secrets().collect::<Vec<_>>())));
        if state.tried == tried {
            return;
        }
        state.tried = tried;
        match material::load(spec, secrets) {
            Ok(loaded) => self.renew(&mut state, spec, loaded),
            Err(error) => self.refuse(&mut state, spec, error.to_string()),
        }
    }

    fn renew(&self, state: &mut State, spec: &Spec, loaded: material::Loaded) {
        self.counts.renewed.add(1);
        tracing::info!(
            secret = spec.secret,
            client_ca = spec.client_ca_secret,
            "https certificate in effect"
        );
        state.trouble = None;
        state.effect = Some(Effect { spec: spec.clone(), not_after: loaded.not_after });
        self.serving.store(Some(loaded.config));
    }

    fn refuse(&self, state: &mut State, spec: &Spec, error: String) {
        self.counts.refused.add(1);
        if state.effect.as_ref().is_some_and(|effect| effect.spec.client_ca_secret != spec.client_ca_secret) {
            state.effect = None;
            self.serving.store(None);
        }
        let serving = state.effect.is_some();
        tracing::error!(error, secret = spec.secret, serving, "https certificate refused");
        state.trouble = Some(error);
    }

    /// How it is doing; `None` where it is not asked for.
    #[must_use]
    pub fn status(&self) -> Option<HttpsStatus> {
        let state = self.state();
        state.tried.as_ref()?;
        let not_after = state.effect.as_ref().map(|effect| effect.not_after.saturating_mul(1_000));
        let words = |trouble: &String| match state.effect {
            Some(_) => format!("{trouble}; the certificate before it is served"),
            None => format!("{trouble}; no connection is taken"),
        };
        Some(HttpsStatus {
            ready: state.trouble.is_none(),
            serving: state.effect.is_some(),
            not_after,
            reason: state.trouble.as_ref().map(|_| NotReady::SecretUnusable),
            message: state.trouble.as_ref().map(words).unwrap_or_default(),
        })
    }

    /// Speaks TLS on a connection, and says by which names the client is known; `None` where that fails, which concerns
    /// the client, who is told by an alert.
    pub async fn handshake(&self, socket: TcpStream) -> Option<(Box<TlsStream<TcpStream>>, ClientNames)> {
        let Some(config) = self.serving.load_full() else {
            self.counts.without_certificate.add(1);
            return None;
        };
        match timeout(HANDSHAKE, TlsAcceptor::from(config).accept(socket)).await {
            Ok(Ok(secured)) => {
                let certificate = secured.get_ref().1.peer_certificates().and_then(<[_]>::first);
                let names = certificate.map_or(ClientNames::None, |certificate| names::of(certificate));
                Some((Box::new(secured), names))
            }
            Ok(Err(_)) => {
                self.counts.failed.add(1);
                None
            }
            Err(_) => {
                self.counts.timed_out.add(1);
                None
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
