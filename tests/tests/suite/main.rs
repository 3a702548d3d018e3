//! The suites against real parts: a proxy, a broker, clients; each test's name says what holds.
//! Nothing here looks inside the product: wire, files, signals and exit codes only.
//!
//! Run with several threads (`--test-threads=8`): many tests mostly wait.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod chart;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod curl;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod documentation;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod files;
#[cfg(test)]
mod framing;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod heartbeat;
#[cfg(test)]
mod https;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod java;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod local_mode;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod mounted;
#[cfg(test)]
mod native;
#[cfg(test)]
mod outputs;
#[cfg(test)]
mod overload;
#[cfg(test)]
mod polled;
#[cfg(test)]
mod producers;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod relay_faults;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod sdk_replay;
#[cfg(test)]
mod secure;
#[cfg(test)]
mod sidecar;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod support;
#[cfg(test)]
mod telemetry;
