//! Tells the API server what to refuse of what people write, and what to put into pods that ask for a proxy.
//! It writes nothing for a review: what it knows is what the operator watches, and who lets it be asked in vain loses no more
//! than an early word, since the reconciler applies the same rules.
//!
//! | module | holds |
//! |---|---|
//! | `index` | what a review is held against, kept up to date by the reconciler's loop |
//! | [`validate`] | what is refused and what is warned of |
//! | `inject` | who puts a proxy into a pod |
//! | `sidecars` | the one who does: finds what the pod names |
//! | `secrets` | whether a Secret is there that a stream names |
//! | `review` | an AdmissionReview, read and answered |
//! | `routes` | which answer a request gets |
//! | `serve` | the listener and its limits |
//! | `configuration`, `trust` | the webhooks' configurations in the cluster, and whom the API server trusts by them |

mod configuration;
mod index;
pub mod inject;
mod review;
mod room;
mod routes;
mod secrets;
mod serve;
mod sidecars;
mod trust;
pub mod validate;

use std::sync::Arc;

use kube::Client;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use index::{Index, Touched};
pub use inject::Injector;
pub use routes::Routes;
pub use serve::serve;
use sidecars::Sidecars;
pub(crate) use trust::Asks;

use crate::build::objects::Context;
use crate::poll::Tasks;
use crate::telemetry::Metrics;
use crate::tls::Configs;

/// What reviews are answered with.
pub(crate) struct Parts {
    /// The certificate to serve with.
    pub(crate) configs: Configs,
    /// What is known.
    pub(crate) index: watch::Receiver<Index>,
    /// What is counted.
    pub(crate) metrics: Metrics,
    /// What sidecars are made with.
    pub(crate) context: Context,
}

/// Serves reviews on `socket`, and has the API server trust the certificate as `asks` says.
pub(crate) fn start(
    client: &Client,
    socket: TcpListener,
    parts: Parts,
    asks: Asks,
    (writes, rest): (&Tasks<'_>, &Tasks<'_>),
) {
    let Parts { configs, index, metrics, context } = parts;
    let injector = Arc::new(Sidecars::new(index.clone(), client.clone(), context));
    let secrets = secrets::Secrets::new(client.clone());
    let routes = Routes::new(index, injector, metrics.clone()).with_secrets(secrets);
    rest.tracker.spawn(serve(socket, routes, configs, metrics, rest.stop.clone()));
    writes.tracker.spawn(trust::Keeper::new(client, asks).run(writes.stop.clone()));
}
