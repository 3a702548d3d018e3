//! Fleets under loads of every kind, simulated: what holds whatever comes.

use proptest::prelude::*;

use super::*;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(5);

/// A fleet among which `demand` is spread evenly: 100 is what fills one node.
#[derive(Debug)]
struct World {
    scaler: Scaler,
    spec: Autoscaling,
    now: Instant,
    /// How long a pod starts.
    start: Duration,
    /// When each pod is ready.
    pods: Vec<Instant>,
}

/// A change of the number of pods.
#[derive(Clone, Copy, Debug)]
struct Change {
    at: Instant,
    from: i32,
    to: i32,
}

impl World {
    fn new(pods: usize, spec: Autoscaling, start: Duration) -> Self {
        let now = Instant::now();
        Self { scaler: Scaler::new(count(pods), spec, now), spec, now, start, pods: vec![now; pods] }
    }

    fn replicas(&self) -> i32 {
        count(self.pods.len())
    }

    /// What the ready nodes say, which together is `demand` as far as each can say it.
    fn loads(&self, demand: usize) -> Vec<Option<u8>> {
        let ready = self.pods.iter().filter(|at| **at <= self.now).count();
        let share = |node: usize| demand / ready + usize::from(node < demand % ready);
        (0..ready).map(|node| Some(u8::try_from(share(node)).unwrap_or(u8::MAX).min(200))).collect()
    }

    /// Lets time pass and looks once.
    fn look(&mut self, demand: usize) -> Option<Change> {
        self.now += LOOK;
        let (from, loads) = (self.replicas(), self.loads(demand));
        let seen = Seen { replicas: from, loads: &loads };
        let to = self.scaler.decide(seen, self.spec, self.now).replicas;
        // A workload lets go of those first that are not ready.
        self.pods.sort();
        self.pods.resize(usize::try_from(to).unwrap(), self.now + self.start);
        (to != from).then_some(Change { at: self.now, from, to })
    }
}

fn count(pods: usize) -> i32 {
    i32::try_from(pods).unwrap()
}

prop_compose! {
    fn specs()(min in 1..6_i32, more in 0..40_i32, target_load in 10..=90_u8, window in 10..=300_u64) -> Autoscaling {
        let scale_down_stabilization = Span::from_secs(window);
        Autoscaling { min, max: min + more, target_load, scale_down_stabilization }
    }
}

prop_compose! {
    fn worlds()(spec in specs(), pods in 0..50_usize, start in 0..90_u64) -> World {
        World::new(pods, spec, Duration::from_secs(start))
    }
}

proptest! {
    #[test]
    fn bounds_and_steps_are_kept_whatever_the_load(
        mut world in worlds(), demands in prop::collection::vec(0..4_000_usize, 1..300)
    ) {
        let mut last: Option<Change> = None;
        for demand in demands {
            let change = world.look(demand);
            prop_assert!((world.spec.min..=world.spec.max).contains(&world.replicas()));
            let Some(change) = change else { continue };
            let within = world.spec.bounded(change.from) == change.from;
            prop_assert!(!within || change.to <= change.from * 2 + 2, "{change:?}");
            if within && change.to < change.from {
                prop_assert!(change.from - change.to <= (change.from / 10).max(1), "{change:?}");
                let paced = last.is_none_or(|last| change.at - last.at >= PACE);
                prop_assert!(paced, "{change:?} after {last:?}");
            }
            last = Some(change);
        }
    }

    #[test]
    fn a_load_that_stays_is_met(mut world in worlds(), demand in 0..4_000_usize) {
        for _ in 0..600 {
            world.look(demand);
        }
        let (spec, replicas) = (world.spec, world.replicas());
        let (demand, target) = (i32::try_from(demand).unwrap(), i32::from(spec.target_load));
        let enough = demand * 10 <= target * replicas * 11;
        prop_assert!(enough || replicas == spec.max, "{replicas} for {demand}");
        let as_wanted = demand * 10 >= target * replicas * 9;
        let least = spec.bounded((demand + target - 1) / target);
        prop_assert!(as_wanted || replicas <= least, "{replicas} for {demand}");
    }

    #[test]
    fn noise_moves_nothing_back_and_forth(
        mut world in worlds(), demand in 0..4_000_usize, noise in prop::collection::vec(96..=104_usize, 900)
    ) {
        // Corrected to the bounds, which has nothing to do with load.
        world.look(demand);
        let mut fell = false;
        for percent in noise {
            if let Some(change) = world.look(demand * percent / 100) {
                fell |= change.to < change.from;
                prop_assert!(!fell || change.to < change.from, "{change:?} after the number fell");
            }
        }
    }

    #[test]
    fn nothing_leaves_before_a_whole_window_was_seen(mut world in worlds(), demand in 0..4_000_usize) {
        world.look(demand);
        let began = world.now;
        for _ in 0..100 {
            let Some(change) = world.look(demand) else { continue };
            if change.to < change.from {
                let window: Duration = world.spec.scale_down_stabilization.into();
                prop_assert!(change.at - began >= window - LOOK, "{change:?}");
                break;
            }
        }
    }
}
