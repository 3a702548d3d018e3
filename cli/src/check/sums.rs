//! The arithmetic of books. Pure; no sum overflows.

use std::collections::BTreeMap;
use std::fmt;

use sluice_wire::status::{Books, StreamBooks};

/// A stream of a node whose books do not balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Imbalance {
    pub(super) group_id: String,
    pub(super) stream_id: String,
    pub(super) admitted: u64,
    /// Records that have an outcome or wait for one; more than a `u64` can hold if counts are that wrong.
    pub(super) accounted: u128,
}

impl fmt::Display for Imbalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group_id, stream_id, admitted, accounted } = self;
        let admitted_wide = u128::from(*admitted);
        write!(
            f,
            "{group_id}/{stream_id} does not balance: admitted {admitted}, accounted for {accounted}, "
        )?;
        match accounted.checked_sub(admitted_wide) {
            Some(more) => write!(f, "{more} too many"),
            None => write!(f, "{} missing", admitted_wide.saturating_sub(*accounted)),
        }
    }
}

/// What does not balance in the books of a node.
pub(super) fn imbalances(books: &Books) -> Vec<Imbalance> {
    books.streams.iter().filter_map(imbalance).collect()
}

fn imbalance(stream: &StreamBooks) -> Option<Imbalance> {
    let accounted = accounted(stream);
    (accounted != u128::from(stream.admitted)).then(|| Imbalance {
        group_id: stream.group_id.clone(),
        stream_id: stream.stream_id.clone(),
        admitted: stream.admitted,
        accounted,
    })
}

fn accounted(stream: &StreamBooks) -> u128 {
    let StreamBooks { delivered, waiting, dead_lettered, suppressed, failed, unknown, .. } = stream;
    [delivered, waiting, dead_lettered, suppressed, failed, unknown]
        .into_iter()
        .copied()
        .map(u128::from)
        .sum()
}

/// The books of each stream over all nodes, by groupId and streamId. A sum that a count can't hold stays at the
/// largest one; what balances is decided node by node, without sums over nodes.
pub(super) fn by_stream<'a>(all: impl Iterator<Item = &'a Books>) -> Vec<StreamBooks> {
    let mut sums: BTreeMap<(&str, &str), StreamBooks> = BTreeMap::new();
    for stream in all.flat_map(|books| &books.streams) {
        match sums.get_mut(&(stream.group_id.as_str(), stream.stream_id.as_str())) {
            Some(sum) => add(sum, stream),
            None => {
                sums.insert((&stream.group_id, &stream.stream_id), stream.clone());
            }
        }
    }
    sums.into_values().collect()
}

fn add(sum: &mut StreamBooks, more: &StreamBooks) {
    // While one node still serves it, it is not gone, and that node knows best where its records go.
    if sum.removed && !more.removed {
        sum.removed = false;
        sum.sink.clone_from(&more.sink);
        sum.topic.clone_from(&more.topic);
    }
    for (sum, more) in [
        (&mut sum.admitted, more.admitted),
        (&mut sum.delivered, more.delivered),
        (&mut sum.waiting, more.waiting),
        (&mut sum.dead_lettered, more.dead_lettered),
        (&mut sum.suppressed, more.suppressed),
        (&mut sum.failed, more.failed),
        (&mut sum.unknown, more.unknown),
        (&mut sum.refused_reports, more.refused_reports),
    ] {
        *sum = sum.saturating_add(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(stream_id: &str, admitted: u64) -> StreamBooks {
        let group_id = "g".to_owned();
        StreamBooks { group_id, stream_id: stream_id.to_owned(), admitted, ..StreamBooks::default() }
    }

    fn books(streams: Vec<StreamBooks>) -> Books {
        Books { fleet: None, streams }
    }

    /// A change of one count by one.
    type Plant = fn(&mut StreamBooks);

    #[test]
    fn admitted_is_the_sum_of_what_became_of_records_and_refused_is_apart() {
        let whole = StreamBooks {
            delivered: 1,
            waiting: 2,
            dead_lettered: 4,
            suppressed: 8,
            failed: 16,
            unknown: 32,
            refused_reports: 64,
            ..stream("s", 63)
        };
        assert_eq!(imbalance(&whole), None);
        let plants: [Plant; 7] = [
            |books| books.admitted += 1,
            |books| books.delivered += 1,
            |books| books.waiting += 1,
            |books| books.dead_lettered += 1,
            |books| books.suppressed += 1,
            |books| books.failed += 1,
            |books| books.unknown += 1,
        ];
        for plant in plants {
            let mut planted = whole.clone();
            plant(&mut planted);
            assert!(imbalance(&planted).is_some(), "{planted:?}");
        }
    }

    #[test]
    fn an_imbalance_says_how_much_is_missing_or_too_much() {
        let found = imbalances(&books(vec![
            stream("ok", 0),
            StreamBooks { delivered: 3, ..stream("few", 5) },
            StreamBooks { delivered: 6, ..stream("many", 5) },
        ]));
        let words: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            words,
            [
                "g/few does not balance: admitted 5, accounted for 3, 2 missing",
                "g/many does not balance: admitted 5, accounted for 6, 1 too many"
            ]
        );
    }

    #[test]
    fn counts_near_the_largest_neither_overflow_nor_wrap_to_a_balance() {
        // Modulo 2^64 these would balance.
        let wraps = StreamBooks { delivered: u64::MAX, failed: 6, ..stream("s", 5) };
        assert_eq!(imbalance(&wraps).unwrap().accounted, u128::from(u64::MAX) + 6);
        let full = StreamBooks {
            delivered: u64::MAX,
            waiting: u64::MAX,
            dead_lettered: u64::MAX,
            suppressed: u64::MAX,
            failed: u64::MAX,
            unknown: u64::MAX,
            ..stream("s", u64::MAX)
        };
        assert!(imbalance(&full).is_some());
        let sums = by_stream([books(vec![full.clone()]), books(vec![full])].iter());
        assert_eq!(sums[0].admitted, u64::MAX);
    }

    #[test]
    fn two_nodes_whose_errors_cancel_out_still_do_not_balance() {
        let nodes = [
            books(vec![StreamBooks { delivered: 4, ..stream("s", 5) }]),
            books(vec![StreamBooks { delivered: 6, ..stream("s", 5) }]),
        ];
        assert_eq!(nodes.iter().flat_map(imbalances).count(), 2);
        let sums = by_stream(nodes.iter());
        assert_eq!((sums[0].admitted, sums[0].delivered), (10, 10));
    }

    #[test]
    fn streams_are_added_up_over_nodes_and_stay_apart() {
        let removed = StreamBooks { removed: true, topic: "old".to_owned(), ..stream("a", 1) };
        let served = StreamBooks { topic: "new".to_owned(), refused_reports: 2, ..stream("a", 2) };
        let nodes = [books(vec![removed, stream("b", 1)]), books(vec![served])];
        let sums = by_stream(nodes.iter());
        let told: Vec<_> = sums.iter().map(|one| (one.stream_id.as_str(), one.admitted)).collect();
        assert_eq!(told, [("a", 3), ("b", 1)]);
        assert_eq!((sums[0].removed, sums[0].topic.as_str(), sums[0].refused_reports), (false, "new", 2));
    }
}
