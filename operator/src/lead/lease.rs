//! What a candidate reads in a Lease and writes into it. It asks nobody and waits for nothing.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::core::Status;

use super::DURATION;

/// What came of one look at the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is this candidate's, renewed just now.
    Held,
    /// It is another's.
    Elsewhere,
}

/// The Lease as it was seen last, and since when it has stood so by the own clock: clocks of other machines
/// are not trusted.
#[derive(Debug, Default)]
pub(super) struct Seen {
    version: Option<String>,
    since: Option<Instant>,
}

impl Seen {
    /// Notes the Lease as it is `now`.
    pub(super) fn look(&mut self, lease: &Lease, now: Instant) {
        if self.since.is_none() || self.version != lease.metadata.resource_version {
            self.version.clone_from(&lease.metadata.resource_version);
            self.since = Some(now);
        }
    }

    fn unchanged_for(&self, now: Instant) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.duration_since(since))
    }
}

/// The Lease as `identity` writes it now to take or renew it; `None` while it is another's.
pub(super) fn next(lease: &Lease, identity: &str, seen: &Seen, now: Instant) -> Option<Lease> {
    let spec = lease.spec.clone().unwrap_or_default();
    let holder = spec.holder_identity.as_deref().unwrap_or_default();
    let duration = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let duration = duration.map_or(DURATION, Duration::from_secs);
    let own = holder == identity;
    if !own && !holder.is_empty() && seen.unchanged_for(now) < duration {
        return None;
    }
    let transitions = spec.lease_transitions.unwrap_or(0);
    let taken = LeaseSpec {
        acquire_time: if own { spec.acquire_time } else { Some(MicroTime(Timestamp::now())) },
        lease_transitions: Some(if own { transitions } else { transitions.saturating_add(1) }),
        ..held_by(identity)
    };
    Some(Lease { metadata: lease.metadata.clone(), spec: Some(taken) })
}

/// The first Lease.
pub(super) fn fresh(name: &str, identity: &str) -> Lease {
    let spec = LeaseSpec {
        acquire_time: Some(MicroTime(Timestamp::now())),
        lease_transitions: Some(0),
        ..held_by(identity)
    };
    let mut lease = Lease { spec: Some(spec), ..Lease::default() };
    lease.metadata.name = Some(name.to_owned());
    lease
}

/// The Lease without a holder, if `identity` is it.
pub(super) fn given_back(lease: &Lease, identity: &str) -> Option<Lease> {
    let spec = lease.spec.clone()?;
    (spec.holder_identity.as_deref() == Some(identity)).then(|| {
        let spec = LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(1),
            renew_time: Some(MicroTime(Timestamp::now())),
            ..spec
        };
        Lease { metadata: lease.metadata.clone(), spec: Some(spec) }
    })
}

/// Who writes first has it; who comes late looks again.
pub(super) fn won(written: kube::Result<Lease>) -> kube::Result<Step> {
    match written {
        Ok(_) => Ok(Step::Held),
        Err(kube::Error::Api(status)) if is_conflict(&status) => Ok(Step::Elsewhere),
        Err(error) => Err(error),
    }
}

fn is_conflict(status: &Status) -> bool {
    status.code == 409
}

fn held_by(identity: &str) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
        renew_time: Some(MicroTime(Timestamp::now())),
        ..LeaseSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(version: &str, holder: &str) -> Lease {
        let mut lease = fresh("operator", holder);
        lease.metadata.resource_version = Some(version.to_owned());
        lease
    }

    #[test]
    fn a_lease_of_another_is_left_until_it_stood_still_for_its_duration() {
        let (start, mut seen) = (Instant::now(), Seen::default());
        seen.look(&lease("1", "a"), start);
        assert_eq!(next(&lease("1", "a"), "b", &seen, start + DURATION / 2), None);
        seen.look(&lease("2", "a"), start + DURATION / 2);
        assert_eq!(next(&lease("2", "a"), "b", &seen, start + DURATION), None);
        let taken = next(&lease("2", "a"), "b", &seen, start + DURATION * 3 / 2).unwrap().spec.unwrap();
        assert_eq!(taken.holder_identity.as_deref(), Some("b"));
        assert_eq!(taken.lease_transitions, Some(1));
    }

    #[test]
    fn the_own_lease_is_renewed_and_keeps_when_it_was_acquired() {
        let (own, mut seen) = (lease("1", "a"), Seen::default());
        seen.look(&own, Instant::now());
        let renewed = next(&own, "a", &seen, Instant::now()).unwrap();
        let (before, after) = (own.spec.unwrap(), renewed.spec.unwrap());
        assert_eq!(after.acquire_time, before.acquire_time);
        assert_eq!(after.lease_transitions, Some(0));
        assert!(after.renew_time > before.renew_time);
    }

    #[test]
    fn a_lease_that_was_given_back_is_taken_at_once() {
        let free = given_back(&lease("1", "a"), "a").unwrap();
        assert_eq!(given_back(&free, "a"), None);
        let mut seen = Seen::default();
        seen.look(&free, Instant::now());
        assert!(next(&free, "b", &seen, Instant::now()).is_some());
    }
}
