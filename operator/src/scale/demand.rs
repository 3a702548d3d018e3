//! How many proxies carry what the ready ones carry now, each as full as it is to be.
//! It looks at one moment; bounds, steps and the past are others'.

use super::Seen;

/// How many proxies are needed at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Demand {
    /// So many at least: nodes whose load is not known are taken for empty.
    pub(super) at_least: i32,
    /// So many at most: nodes whose load is not known, and pods that are not ready, are taken for as full as they are
    /// to be. The others may be as full as can be told because these are missing.
    pub(super) at_most: i32,
    /// The mean load of those whose load is known.
    pub(super) mean: i64,
    /// Ready nodes whose load is known.
    pub(super) known: i32,
    /// Ready nodes whose load is not.
    pub(super) unknown: i32,
}

impl Demand {
    pub(super) fn of(seen: Seen<'_>, target: u8) -> Self {
        let (current, target) = (seen.replicas, i64::from(target));
        let loads = || seen.loads.iter().flatten().map(|load| i64::from(*load));
        let (sum, known) = (loads().sum::<i64>(), count(loads().count()));
        let unknown = count(seen.loads.len()).saturating_sub(known);
        let hidden = i64::from(unknown.max(current.saturating_sub(known))) * target;
        // Of no node anything is known: what is there is as good a number as any.
        let needed = |sum| if known == 0 { current } else { needed(sum, current, target) };
        Self {
            at_least: needed(sum),
            at_most: needed(sum + hidden),
            mean: if known == 0 { 0 } else { (sum + i64::from(known) / 2) / i64::from(known) },
            known,
            unknown,
        }
    }
}

/// How many carry `sum` at `target` each; those that are there, if they come within a tenth of it.
fn needed(sum: i64, current: i32, target: i64) -> i32 {
    let wanted = i64::from(current) * target;
    if (sum - wanted).abs() * 10 <= wanted {
        return current;
    }
    let target = target.max(1);
    i32::try_from((sum + target - 1) / target).unwrap_or(i32::MAX)
}

fn count(nodes: usize) -> i32 {
    i32::try_from(nodes).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(replicas: i32, loads: &[Option<u8>]) -> Demand {
        Demand::of(Seen { replicas, loads }, 60)
    }

    #[test]
    fn the_load_of_all_is_spread_so_that_each_is_as_full_as_it_is_to_be() {
        let full = demand(3, &[Some(82), Some(80), Some(84)]);
        assert_eq!((full.at_least, full.at_most, full.mean), (5, 5, 82));
        let idle = demand(5, &[Some(10), Some(0), Some(20), Some(30), Some(1)]);
        assert_eq!((idle.at_least, idle.at_most, idle.mean), (2, 2, 12));
        assert_eq!(demand(4, &[Some(0); 4]).at_most, 0);
        assert_eq!(demand(2, &[Some(200), Some(200)]).at_least, 7);
    }

    #[test]
    fn a_tenth_more_or_less_than_wanted_is_as_wanted() {
        for (load, wanted) in [(53, 9), (54, 10), (60, 10), (66, 10), (67, 12)] {
            assert_eq!(demand(10, &[Some(load); 10]).at_least, wanted, "{load}");
        }
    }

    #[test]
    fn a_node_whose_load_is_not_known_calls_for_none_and_frees_none() {
        let seen = demand(5, &[Some(82), Some(82), Some(82), None, None]);
        assert_eq!((seen.at_least, seen.at_most), (5, 7));
        assert_eq!((seen.known, seen.unknown), (3, 2));
        let seen = demand(3, &[Some(10), Some(10), None]);
        assert_eq!((seen.at_least, seen.at_most), (1, 2));
    }

    #[test]
    fn pods_that_are_not_ready_call_for_none_and_free_none() {
        let seen = demand(5, &[Some(82), Some(82), Some(82)]);
        assert_eq!((seen.at_least, seen.at_most), (5, 7));
        let seen = demand(10, &[Some(200)]);
        assert_eq!((seen.at_least, seen.at_most), (4, 13));
    }

    #[test]
    fn with_nothing_known_what_is_there_is_what_is_needed() {
        for loads in [&[][..], &[None, None]] {
            let seen = demand(4, loads);
            assert_eq!((seen.at_least, seen.at_most), (4, 4));
        }
    }
}
