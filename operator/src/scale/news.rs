//! What there is to tell of scaling, in numbers.
//! It finds the words; when they are said is decided elsewhere.

use sluice_crds::Autoscaling;

use super::demand::Demand;

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// What it is.
    pub kind: Kind,
    /// The same in words, with its numbers.
    pub note: String,
}

/// What there can be to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A fleet has got more proxies.
    ScaledUp,
    /// A fleet has got fewer.
    ScaledDown,
    /// The load of ready proxies is not known, so none is taken away.
    LoadUnknown,
}

impl Kind {
    /// Its name, as the reason of an Event.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ScaledUp => "ScaledUp",
            Self::ScaledDown => "ScaledDown",
            Self::LoadUnknown => "LoadUnknown",
        }
    }
}

pub(super) fn step(from: i32, to: i32, why: &str) -> News {
    let kind = if to > from { Kind::ScaledUp } else { Kind::ScaledDown };
    News { kind, note: format!("{from} to {to} {}: {why}", proxies(to)) }
}

/// Why there are more.
pub(super) fn full(demand: &Demand, spec: &Autoscaling) -> String {
    let more = if demand.at_least > spec.max {
        format!("; it would take {}, and spec.autoscaling.max is {}", demand.at_least, spec.max)
    } else {
        String::new()
    };
    format!("{}{more}", load(demand, spec))
}

/// Why there are fewer.
pub(super) fn idle(demand: &Demand, needed: i32, spec: &Autoscaling) -> String {
    let window = spec.scale_down_stabilization;
    format!("{}, at most {needed} needed in the last {window}", load(demand, spec))
}

/// Why a number outside of the bounds changes.
pub(super) fn bounds(current: i32, spec: &Autoscaling) -> String {
    if current < spec.min {
        format!("spec.autoscaling.min is {}", spec.min)
    } else {
        format!("spec.autoscaling.max is {}", spec.max)
    }
}

/// Of `unknown` of `ready` proxies the load is not known.
pub(super) fn hidden(unknown: usize, ready: usize) -> News {
    let stays = if unknown == ready { "none is added or taken away" } else { "none is taken away" };
    let note = format!("the load of {unknown} of {ready} ready {} is not known, so {stays}", proxies(ready));
    News { kind: Kind::LoadUnknown, note }
}

fn load(demand: &Demand, spec: &Autoscaling) -> String {
    format!("mean load {} of target {}", demand.mean, spec.target_load)
}

fn proxies<N: Copy + PartialEq + From<u8>>(count: N) -> &'static str {
    if count == N::from(1) { "proxy" } else { "proxies" }
}
