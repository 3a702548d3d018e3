//! How many proxies a fleet is to have by how full they are: up at once, down slowly.
//! It sees numbers and a clock that are handed to it; it neither asks nodes nor writes workloads.
//!
//! A workload's own number of pods is what is remembered of the past. All else that a [`Scaler`] keeps only makes it
//! slower: one that knows nothing yet takes no proxy away until it has watched a whole stabilisation window.
//!
//! * **Up** as soon as the proxies there are carry more than the target: to `sum of loads / target`, so proxies that have
//!   not started yet don't call for further ones. A step at most doubles their number and adds two, and waits until
//!   the proxies of the last one carry load too, or [`PACE`] has passed.
//! * **Down** to the most that was needed at any moment of the window, by a tenth or one proxy a [`PACE`], so that
//!   each can drain. Not at all while the load of a ready proxy is not known.
//! * Within a tenth of the target nothing changes.
//! * A number outside of the bounds is put right at once.

mod demand;
mod news;
mod window;

use std::time::{Duration, Instant};

use sluice_crds::Autoscaling;

use demand::Demand;
use window::Window;

pub use news::{Kind, News};

/// Between two steps down, and for how long a step up waits for the proxies of the last one.
pub const PACE: Duration = Duration::from_secs(30);
/// What happened longer ago than this without being looked at is not known: then everything begins anew.
const GAP: Duration = Duration::from_secs(30);
/// For so long a load may be unknown before it is told.
const HIDDEN: Duration = Duration::from_secs(60);

/// What is seen of a fleet now.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// How many pods its workload is to have.
    pub replicas: i32,
    /// The load of each ready node, 0 to 200; `None`: not known.
    pub loads: &'a [Option<u8>],
}

/// How many proxies a fleet is to have, and what there is to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// How many pods its workload is to have.
    pub replicas: i32,
    /// What came about since the last decision.
    pub news: Vec<News>,
}

/// Scales one fleet.
#[derive(Debug)]
pub struct Scaler {
    /// When it was last asked.
    asked: Instant,
    /// By what the window's numbers were worked out.
    spec: Autoscaling,
    window: Window,
    /// The workload's number when it was last asked.
    replicas: i32,
    /// When that number last changed, or began to be watched.
    stepped: Instant,
    /// What was decided last and is not seen yet.
    decided: Option<Decided>,
    hidden: Hidden,
}

/// A step that is on its way.
#[derive(Debug)]
struct Decided {
    at: Instant,
    up: bool,
    why: String,
}

/// Whether the load of a ready node is not known.
#[derive(Debug)]
enum Hidden {
    No,
    Since(Instant),
    Told,
}

/// A step and its reason; no step where `to` is what is there.
#[derive(Debug)]
struct Step {
    to: i32,
    why: String,
}

impl Scaler {
    /// One that has seen nothing but the number of pods a workload has `now`.
    #[must_use]
    pub fn new(replicas: i32, spec: Autoscaling, now: Instant) -> Self {
        Self {
            asked: now,
            spec,
            window: Window::new(now),
            replicas,
            stepped: now,
            decided: None,
            hidden: Hidden::No,
        }
    }

    /// How many proxies there are to be. Asked again before the answer has come about, it says the same.
    pub fn decide(&mut self, seen: Seen<'_>, spec: Autoscaling, now: Instant) -> Decision {
        self.keep_up(seen.replicas, spec, now);
        let news = [self.stepped(seen.replicas, now), self.hidden(seen.loads, now)];
        let demand = Demand::of(seen, spec.target_load);
        self.window.take(now, demand.at_most, spec.scale_down_stabilization.into());
        let step = self.step(seen, &demand, now);
        if step.to != seen.replicas {
            self.decided = Some(Decided { at: now, up: step.to > seen.replicas, why: step.why });
        }
        Decision { replicas: step.to, news: news.into_iter().flatten().collect() }
    }

    /// Begins anew where what was seen says nothing any more.
    fn keep_up(&mut self, replicas: i32, spec: Autoscaling, now: Instant) {
        let other = |spec: &Autoscaling| (spec.target_load, spec.scale_down_stabilization);
        if now.saturating_duration_since(self.asked) > GAP {
            *self = Self::new(replicas, spec, now);
        } else if other(&spec) != other(&self.spec) {
            self.window = Window::new(now);
        }
        self.spec = spec;
        self.asked = now;
    }

    /// Sees whether the number has changed. It is told with its reason where that is known: a person may have
    /// changed it as well.
    fn stepped(&mut self, replicas: i32, now: Instant) -> Option<News> {
        let before = std::mem::replace(&mut self.replicas, replicas);
        if before == replicas {
            return None;
        }
        self.stepped = now;
        let up = replicas > before;
        let is_of = |decided: &Decided| decided.up == up && now.saturating_duration_since(decided.at) <= PACE;
        let decided = self.decided.take().filter(is_of)?;
        Some(news::step(before, replicas, &decided.why))
    }

    /// Tells once when the load of ready nodes has not been known for a while.
    fn hidden(&mut self, loads: &[Option<u8>], now: Instant) -> Option<News> {
        let unknown = loads.iter().filter(|load| load.is_none()).count();
        if unknown == 0 {
            self.hidden = Hidden::No;
            return None;
        }
        match self.hidden {
            Hidden::No => self.hidden = Hidden::Since(now),
            Hidden::Since(since) if now.saturating_duration_since(since) >= HIDDEN => {
                self.hidden = Hidden::Told;
                return Some(news::hidden(unknown, loads.len()));
            }
            Hidden::Since(_) | Hidden::Told => {}
        }
        None
    }

    fn step(&self, seen: Seen<'_>, demand: &Demand, now: Instant) -> Step {
        let (current, spec) = (seen.replicas, &self.spec);
        if spec.bounded(current) != current {
            return Step { to: spec.bounded(current), why: news::bounds(current, spec) };
        }
        let up = spec.bounded(demand.at_least);
        if up > current {
            let most = current.saturating_mul(2).saturating_add(2);
            let to = if self.may_rise(demand, now) { up.min(most) } else { current };
            return Step { to, why: news::full(demand, spec) };
        }
        let needed = spec.bounded(self.window.highest().unwrap_or(current));
        let to = if needed < current && self.may_fall(demand, now) {
            needed.max(current - (current / 10).max(1))
        } else {
            current
        };
        Step { to, why: news::idle(demand, needed, spec) }
    }

    /// Whether the proxies of the last step carry load, or had their time.
    fn may_rise(&self, demand: &Demand, now: Instant) -> bool {
        demand.known >= self.replicas || now.saturating_duration_since(self.stepped) >= PACE
    }

    /// Whether a proxy may leave: nothing is hidden now, a whole window has been seen, and the last step is over.
    fn may_fall(&self, demand: &Demand, now: Instant) -> bool {
        demand.known > 0
            && demand.unknown == 0
            && self.window.is_whole(now, self.spec.scale_down_stabilization.into())
            && now.saturating_duration_since(self.stepped) >= PACE
    }
}

#[cfg(test)]
mod tests;
