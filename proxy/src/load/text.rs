//! What the kernel's files say. Pure: text in, numbers out; what can't be read as meant is none.

use std::time::Duration;

/// Clock ticks a second in `/proc/<pid>/stat`: `USER_HZ`, 100 on every platform that Kubernetes runs on.
const TICKS: u64 = 100;

/// Cores that a `cpu.max` like `20000 100000` allows; `None` for `max`.
pub(super) fn cpu_max(text: &str) -> Option<f64> {
    let mut fields = text.split_whitespace();
    let quota = fields.next()?.parse().ok()?;
    quotient(quota, fields.next().map_or(Some(100_000), |period| period.parse().ok())?)
}

/// Cores that `cpu.cfs_quota_us` and `cpu.cfs_period_us` allow; `None` for -1.
pub(super) fn cfs(quota: &str, period: &str) -> Option<f64> {
    quotient(quota.trim().parse().ok()?, period.trim().parse().ok()?)
}

fn quotient(quota: u64, period: u64) -> Option<f64> {
    (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
}

/// `usage_usec` of a `cpu.stat`.
pub(super) fn usage_usec(text: &str) -> Option<Duration> {
    let usage = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
    usage.trim().parse().ok().map(Duration::from_micros)
}

/// A `cpuacct.usage`, in nanoseconds.
pub(super) fn usage_nanos(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_nanos)
}

/// How many CPUs a list like `0-3,7` has; `None` where it is empty, as a `cpuset` is that was never set.
pub(super) fn cpus(text: &str) -> Option<u32> {
    let mut cpus = 0_u32;
    for range in text.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        cpus = cpus.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(cpus)
}

/// How many CPUs a `/proc/<pid>/status` allows.
pub(super) fn allowed(status: &str) -> Option<u32> {
    cpus(status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?)
}

/// CPU time that a `/proc/<pid>/stat` tells, in user and system mode. The name before it may hold anything.
pub(super) fn process_time(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(") ")?;
    // Fields 14 and 15, of which the first two are cut off.
    let mut times = fields.split(' ').skip(11);
    let (user, system): (u64, u64) = (times.next()?.parse().ok()?, times.next()?.parse().ok()?);
    Some(Duration::from_millis(user.checked_add(system)?.checked_mul(1_000 / TICKS)?))
}

/// How long a thread was runnable and did not run, out of its `schedstat`: `time on CPU, run delay, time slices`.
pub(super) fn run_delay(schedstat: &str) -> Option<Duration> {
    schedstat.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_cores_and_none_is_none() {
        assert_eq!(cpu_max("20000 100000\n"), Some(0.2));
        assert_eq!(cpu_max("150000"), Some(1.5), "the period has a default");
        assert_eq!(cfs("250000\n", "100000\n"), Some(2.5));
        for none in ["max 100000\n", "max", "", "x 1", "0 100000", "1 0"] {
            assert_eq!(cpu_max(none), None, "{none}");
        }
        assert_eq!(cfs("-1\n", "100000\n"), None);
    }

    #[test]
    fn usage_is_read_in_both_versions_units() {
        let stat = "usage_usec 1500000\nuser_usec 1\nsystem_usec 2\n";
        assert_eq!(usage_usec(stat), Some(Duration::from_millis(1_500)));
        assert_eq!(usage_usec("user_usec 1\n"), None);
        assert_eq!(usage_nanos("1500000000\n"), Some(Duration::from_millis(1_500)));
    }

    #[test]
    fn a_list_of_cpus_is_counted() {
        for (list, count) in [("0", 1), ("0-3", 4), ("0-1,4,6-7\n", 5)] {
            assert_eq!(cpus(list), Some(count), "{list}");
        }
        for odd in ["", "\n", "a", "3-1", "0,,1", "0-4294967295"] {
            assert_eq!(cpus(odd), None, "{odd:?}");
        }
        assert_eq!(allowed("Name:\tx\nCpus_allowed_list:\t2-3\n"), Some(2));
    }

    #[test]
    fn a_name_with_brackets_hides_no_times() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 9 0 1 2 3";
        assert_eq!(process_time(stat), Some(Duration::from_secs(3)));
        assert_eq!(process_time("7 (a) S 1"), None);
    }

    #[test]
    fn the_run_delay_is_the_second_number() {
        assert_eq!(run_delay("100 250 3\n"), Some(Duration::from_nanos(250)));
        assert_eq!(run_delay("100\n"), None);
    }
}
