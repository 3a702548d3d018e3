//! Bands of the load, with hysteresis, and the slow start of a node that has just begun to take reports. Pure.
//!
//! A band moves up as soon as the load reaches a higher one, and down only when the load is [`HYSTERESIS`] below its
//! edge. So noise of half of that to either side moves it at most once, and once before where it came from afar.

use std::time::Duration;

/// How wide a band is.
pub const STEP: u8 = 10;
/// How far below its band's edge the load falls before the band does.
const HYSTERESIS: u8 = 8;
/// What a node announces when it begins to take reports, at least.
pub(super) const SLOW_START_FROM: u8 = 90;
/// After which time it announces its real band alone.
const SLOW_START: Duration = Duration::from_secs(30);

/// The band of the load, after the one before; the lower edge of it.
pub(super) fn follow(before: Option<u8>, load: u8) -> u8 {
    let stays =
        |before: &u8| load < before.saturating_add(STEP) && load.saturating_add(HYSTERESIS) >= *before;
    before.filter(stays).unwrap_or(edge(load))
}

/// The lowest band that a node announces which takes reports since then, if it does.
pub(super) fn slow_start(since: Option<Duration>) -> u8 {
    let Some(since) = since else { return SLOW_START_FROM };
    let left = SLOW_START.saturating_sub(since).as_millis() * u128::from(SLOW_START_FROM);
    edge(u8::try_from(left / SLOW_START.as_millis()).unwrap_or(SLOW_START_FROM))
}

fn edge(load: u8) -> u8 {
    load / STEP * STEP
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The bands that follow these loads.
    fn bands(before: Option<u8>, loads: &[u8]) -> Vec<u8> {
        let mut band = before;
        loads
            .iter()
            .map(|load| {
                let next = follow(band, *load);
                band = Some(next);
                next
            })
            .collect()
    }

    #[test]
    fn a_band_moves_up_at_once_and_down_late() {
        let loads = [0, 9, 10, 35, 39, 40, 39, 32, 31, 30, 22, 21, 200, 192, 191, 0];
        let wanted = [0, 0, 10, 30, 30, 40, 40, 40, 30, 30, 30, 20, 200, 200, 190, 0];
        assert_eq!(bands(None, &loads), wanted);
    }

    #[test]
    fn a_node_that_starts_announces_less_and_less_down_to_what_is_real() {
        assert_eq!(slow_start(None), 90);
        let at = |millis| slow_start(Some(Duration::from_millis(millis)));
        assert_eq!(
            [0, 1, 3_333, 15_000, 26_666, 27_000, 30_000, 90_000].map(at),
            [90, 80, 80, 40, 10, 0, 0, 0]
        );
    }

    proptest! {
        #[test]
        fn noise_around_any_level_moves_a_band_at_most_once_after_it_came_there(
            before in proptest::option::of((0_u8..=20).prop_map(|band| band * STEP)),
            level in 4_u8..=196,
            noise in proptest::collection::vec(0_u8..=8, 1..200),
        ) {
            let loads: Vec<_> = noise.iter().map(|noise| level - 4 + noise).collect();
            let bands = bands(before, &loads);
            let moves = bands.windows(2).filter(|pair| pair[0] != pair[1]).count();
            prop_assert!(moves <= 1 + usize::from(before.is_some()), "{bands:?} of {loads:?}");
        }

        #[test]
        fn a_band_is_never_above_the_load_by_more_than_the_hysteresis_nor_a_step_below(
            loads in proptest::collection::vec(0_u8..=200, 1..200),
        ) {
            for (load, band) in loads.iter().zip(bands(None, &loads)) {
                prop_assert_eq!(band % STEP, 0);
                prop_assert!(band <= load + HYSTERESIS && *load < band + STEP, "{} for {}", band, load);
            }
        }

        #[test]
        fn the_slow_start_only_ever_falls(first in 0_u64..40_000, later in 0_u64..40_000) {
            let (first, later) = (first.min(later), first.max(later));
            let at = |millis| slow_start(Some(Duration::from_millis(millis)));
            prop_assert!(at(first) >= at(later));
        }
    }
}
