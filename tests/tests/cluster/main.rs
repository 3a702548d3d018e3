//! The suites that need a Kubernetes: one cluster serves all of them.
//! Nothing here looks inside the product: the API server, the network, logs and Kafka only.
//!
//! Run with several threads (`--test-threads=40`): they take turns on the cluster, and those that need it alone come
//! last.

#[cfg(test)]
mod admission;
#[cfg(test)]
mod attach;
#[cfg(test)]
mod autoscaling;
#[cfg(test)]
mod conditions;
#[cfg(test)]
mod discovery;
#[cfg(test)]
mod documentation;
#[cfg(test)]
mod edits;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod fleets;
#[cfg(test)]
mod forged;
#[cfg(test)]
mod healing;
#[cfg(test)]
mod helm;
#[cfg(test)]
mod images;
#[cfg(test)]
mod long_polling;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod node;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod over_tls;
#[cfg(test)]
mod oversized;
#[cfg(test)]
mod pace;
#[cfg(test)]
mod producers;
#[cfg(test)]
mod pushed;
#[cfg(test)]
mod quickstart;
#[cfg(test)]
mod scale;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod sidecar;
#[cfg(test)]
mod trust;
#[cfg(test)]
mod unused_rights;
#[cfg(test)]
mod webhooks;
