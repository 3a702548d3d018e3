//! From two readings, or a limit and what is used of it, to shares: 1 is full. Pure.

use std::time::Duration;

use super::read::Reading;

/// The highest share of anything: what is more says no more.
const MAX: f64 = 2.0;

/// What is used of a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// What is used.
    pub used: u64,
    /// What there is.
    pub limit: u64,
}

impl Part {
    /// Which of two is fuller.
    #[must_use]
    pub fn compare(&self, other: &Self) -> std::cmp::Ordering {
        self.share().total_cmp(&other.share())
    }

    /// How much of the limit is used.
    pub(super) fn share(self) -> f64 {
        if self.used == 0 { 0.0 } else { bounded(self.used as f64 / self.limit.max(1) as f64) }
    }
}

/// CPU used between two readings, of what is allowed: the fullest of the process's cgroup and those around it that have
/// a quota, or the process itself where it is in none.
pub(super) fn cpu(before: &Reading, after: &Reading) -> Option<f64> {
    let elapsed = elapsed(before, after)?;
    let share = |used: (Duration, Duration), cores: f64| {
        bounded(used.1.saturating_sub(used.0).as_secs_f64() / elapsed / cores)
    };
    if after.levels.is_empty() || after.levels.len() != before.levels.len() {
        return Some(share((before.process?, after.process?), after.cores));
    }
    let levels = before.levels.iter().zip(&after.levels).enumerate();
    let shares = levels.filter_map(|(height, (before, after_level))| {
        let own = (height == 0).then_some(after.cores);
        let cores = after_level.quota.map(|quota| quota.min(after.cores)).or(own)?;
        Some(share((before.used, after_level.used), cores))
    });
    shares.reduce(f64::max)
}

/// How long the process's threads waited for a CPU between two readings, all together, against how long they could have
/// run: one thread always, or as many as there are cores allowed where those are more. A quota below one core does not
/// make it less, because within it a thread may run at any moment.
pub(super) fn cpu_wait(before: &Reading, after: &Reading) -> Option<f64> {
    let (elapsed, waits) = (elapsed(before, after)?, (before.waits.as_ref()?, after.waits.as_ref()?));
    let waited = |(thread, wait): (&u32, &Duration)| {
        // A thread that is new waited since then.
        wait.saturating_sub(waits.0.get(thread).copied().unwrap_or_default())
    };
    let waited: Duration = waits.1.iter().map(waited).sum();
    let quota = after.levels.iter().filter_map(|level| level.quota).reduce(f64::min);
    let cores = quota.unwrap_or(after.cores).min(after.cores).max(1.0);
    Some(bounded(waited.as_secs_f64() / elapsed / cores))
}

/// Seconds from one to the other.
fn elapsed(before: &Reading, after: &Reading) -> Option<f64> {
    let elapsed = after.at.saturating_duration_since(before.at).as_secs_f64();
    (elapsed > 0.0).then_some(elapsed)
}

fn bounded(share: f64) -> f64 {
    share.clamp(0.0, MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::read::Level;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn reading(at: Instant, levels: &[(u64, Option<f64>)]) -> Reading {
        let level = |(millis, quota): &(u64, Option<f64>)| Level {
            used: Duration::from_millis(*millis),
            quota: *quota,
        };
        Reading { at, levels: levels.iter().map(level).collect(), process: None, cores: 4.0, waits: None }
    }

    /// CPU used in a second, levels by their milliseconds then and quotas.
    fn used(levels: &[(u64, Option<f64>)]) -> Option<f64> {
        let start = Instant::now();
        let idle: Vec<_> = levels.iter().map(|(_, quota)| (0, *quota)).collect();
        cpu(&reading(start, &idle), &reading(start + SECOND, levels))
    }

    #[test]
    fn a_part_is_what_is_used_of_its_limit() {
        for (used, limit, share) in
            [(0, 0, 0.0), (0, 8, 0.0), (2, 8, 0.25), (8, 8, 1.0), (9, 1, 2.0), (1, 0, 1.0)]
        {
            assert_eq!(Part { used, limit }.share(), share, "{used} of {limit}");
        }
        assert!(Part { used: 1 << 30, limit: u64::MAX }.share() < 0.001, "no limit yet");
    }

    #[test]
    fn cpu_is_used_of_the_quota_or_of_the_cores_without_one() {
        assert_eq!(used(&[(100, Some(0.2))]), Some(0.5));
        assert_eq!(used(&[(1_000, None)]), Some(0.25));
        assert_eq!(used(&[(1_000, Some(64.0))]), Some(0.25), "more than there are cores is no more");
    }

    #[test]
    fn a_cgroup_around_it_counts_where_it_has_a_quota() {
        assert_eq!(used(&[(100, None), (900, Some(1.0)), (4_000, None)]), Some(0.9));
        assert_eq!(used(&[(100, Some(0.1)), (100, Some(1.0))]), Some(1.0));
    }

    #[test]
    fn without_a_cgroup_of_its_own_the_processs_times_count() {
        let start = Instant::now();
        let of = |at, millis| Reading { process: Some(Duration::from_millis(millis)), ..reading(at, &[]) };
        assert_eq!(cpu(&of(start, 500), &of(start + SECOND, 2_500)), Some(0.5));
        assert_eq!(cpu(&reading(start, &[]), &reading(start + SECOND, &[])), None);
    }

    #[test]
    fn no_time_between_two_readings_tells_nothing() {
        let start = Instant::now();
        assert_eq!(cpu(&reading(start, &[(0, None)]), &reading(start, &[(1, None)])), None);
    }

    /// What threads that waited so many milliseconds in a second make.
    fn waited(waits: &[(u32, u64)], cores: f64, quota: Option<f64>) -> f64 {
        let start = Instant::now();
        let of = |at, waits: &[(u32, u64)]| {
            let waits = waits.iter().map(|(thread, millis)| (*thread, Duration::from_millis(*millis)));
            Reading { waits: Some(waits.collect()), cores, ..reading(at, &[(0, quota)]) }
        };
        cpu_wait(&of(start, &[(1, 0), (2, 0), (9, 5_000)]), &of(start + SECOND, waits)).unwrap()
    }

    #[test]
    fn waiting_as_long_as_it_could_have_run_is_full() {
        assert_eq!(waited(&[(1, 1_000)], 1.0, None), 1.0);
        assert_eq!(waited(&[(1, 250), (2, 250)], 1.0, None), 0.5);
        assert_eq!(waited(&[(1, 1_000), (2, 1_000)], 2.0, None), 1.0);
        assert_eq!(waited(&[(1, 500)], 8.0, Some(0.2)), 0.5, "a thread may always run");
        assert_eq!(waited(&[(1, 1_000), (2, 1_000), (3, 1_000)], 1.0, None), 2.0, "and more says no more");
    }

    #[test]
    fn threads_come_and_go() {
        assert_eq!(waited(&[(7, 300)], 1.0, None), 0.3, "a new one, and the others are gone");
        assert_eq!(waited(&[(9, 4_000)], 1.0, None), 0.0, "another thread under an old number");
    }
}
