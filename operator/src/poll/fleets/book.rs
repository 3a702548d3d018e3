//! Which fleets have a configuration, and which set of parts is the newest that is complete.
//! A fleet never goes back: what is no newer than what was seen complete is not looked at.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ConfigMap;
use sluice_wire::parts::PartHeader;

use super::part::{self, Part, Set};
use crate::resolve::FleetKey;

/// Fleets without any part whose last revision is remembered; beyond, all of those are forgotten.
const MAX_ENDED: usize = 1_024;

/// What a part that came or went has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A set is complete and newer than any before.
    Whole(FleetKey, Set),
    /// A fleet has parts, and never had a complete set.
    Parts(FleetKey),
    /// A fleet has no part any more.
    Gone(FleetKey),
}

#[derive(Debug, Default)]
struct Fleet {
    /// Which parts there are.
    there: BTreeSet<usize>,
    /// Of those: what is newer than the last complete set.
    newer: BTreeMap<usize, Part>,
    /// Uid and revision of the last complete set.
    last: Option<(String, u64)>,
}

impl Fleet {
    /// Whether a part is none that was seen, or of a set that is older.
    fn is_past(&self, header: &PartHeader) -> bool {
        self.last.as_ref().is_some_and(|(uid, revision)| *uid == header.fleet && header.revision <= *revision)
    }

    /// The set that the first part belongs to, if all of it is there. Every set has a first part, so no two can be.
    fn complete(&mut self) -> Option<Set> {
        let header = self.newer.get(&0)?.header.clone();
        let of_one_set = |part: &Part| {
            let other = &part.header;
            (&header.fleet, header.revision, header.count, &header.sha256)
                == (&other.fleet, other.revision, other.count, &other.sha256)
        };
        if !(0..header.count).all(|index| self.newer.get(&index).is_some_and(of_one_set)) {
            return None;
        }
        let beyond = self.newer.split_off(&header.count);
        let newer = std::mem::replace(&mut self.newer, beyond);
        // Beyond may be parts of a larger set: an older one's, or one's that is still to come.
        self.newer.retain(|_, part| part.header.revision > header.revision);
        let bodies: Vec<_> = newer.into_values().map(|part| part.body).collect();
        self.last = Some((header.fleet.clone(), header.revision));
        Some(Set::new(&header, &bodies))
    }
}

/// The parts of all fleets.
#[derive(Debug, Default)]
pub struct Book {
    fleets: BTreeMap<FleetKey, Fleet>,
    /// Parts that the list which is on its way has shown.
    listed: Option<BTreeSet<(FleetKey, usize)>>,
}

impl Book {
    /// A list of all ConfigMaps begins: what it does not show is no more.
    pub fn begin(&mut self) {
        self.listed = Some(BTreeSet::new());
    }

    /// The list has ended.
    pub fn end(&mut self) -> Vec<News> {
        let Some(listed) = self.listed.take() else { return Vec::new() };
        let parts = |(key, fleet): (&FleetKey, &Fleet)| {
            fleet.there.iter().map(|index| (key.clone(), *index)).collect::<Vec<_>>()
        };
        let there: Vec<_> = self.fleets.iter().flat_map(parts).collect();
        let gone = there.into_iter().filter(|part| !listed.contains(part));
        gone.filter_map(|(key, index)| self.remove(&key, index)).collect()
    }

    /// Takes in a ConfigMap that is there or has changed. What is no part is passed over; of a damaged one, the last
    /// good stays.
    pub fn apply(&mut self, map: ConfigMap) -> Option<News> {
        let (key, index) = part::place(&map)?;
        if let Some(listed) = &mut self.listed {
            listed.insert((key.clone(), index));
        }
        let fleet = self.fleets.entry(key.clone()).or_default();
        fleet.there.insert(index);
        match part::read(map, index) {
            Ok(part) if fleet.is_past(&part.header) => drop(fleet.newer.remove(&index)),
            Ok(part) => drop(fleet.newer.insert(index, part)),
            Err(damage) => {
                tracing::warn!(namespace = key.0, fleet = key.1, index, %damage, "a part of a configuration is not used");
            }
        }
        match fleet.complete() {
            Some(set) => Some(News::Whole(key, set)),
            None => fleet.last.is_none().then_some(News::Parts(key)),
        }
    }

    /// Takes out a ConfigMap that is gone.
    pub fn delete(&mut self, map: &ConfigMap) -> Option<News> {
        let (key, index) = part::place(map)?;
        self.remove(&key, index)
    }

    fn remove(&mut self, key: &FleetKey, index: usize) -> Option<News> {
        let fleet = self.fleets.get_mut(key)?;
        fleet.there.remove(&index);
        fleet.newer.remove(&index);
        if !fleet.there.is_empty() {
            return None;
        }
        if self.fleets.values().filter(|fleet| fleet.there.is_empty()).count() > MAX_ENDED {
            self.fleets.retain(|_, fleet| !fleet.there.is_empty());
        }
        Some(News::Gone(key.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::part::tests::{document, maps};
    use super::*;

    const SHOP: &str = "shop";

    fn key() -> FleetKey {
        (SHOP.to_owned(), "edge".to_owned())
    }

    /// The revision of a complete set.
    fn whole(news: Option<News>) -> Option<u64> {
        match news? {
            News::Whole(of, set) => {
                assert_eq!(of, key());
                let text: serde_json::Value = serde_json::from_slice(&set.text().unwrap()).unwrap();
                assert_eq!(text["revision"], set.revision);
                Some(set.revision)
            }
            News::Parts(_) | News::Gone(_) => None,
        }
    }

    fn parts(uid: &str, revision: u64, count: usize) -> Vec<ConfigMap> {
        maps(&document(uid, revision, 3), count)
    }

    #[test]
    fn a_set_is_taken_once_all_of_its_parts_are_there() {
        let mut book = Book::default();
        let mut maps = parts("u", 5, 3);
        assert_eq!(book.apply(maps.remove(2)), Some(News::Parts(key())));
        assert_eq!(book.apply(maps.remove(0)), Some(News::Parts(key())));
        assert_eq!(whole(book.apply(maps.remove(0))), Some(5));
    }

    #[test]
    fn parts_of_two_revisions_are_no_set() {
        let mut book = Book::default();
        for map in parts("u", 5, 2) {
            book.apply(map);
        }
        let (mut next, mut last) = (parts("u", 6, 2), parts("u", 7, 2));
        assert_eq!(book.apply(next.remove(0)), None);
        assert_eq!(book.apply(last.remove(1)), None);
        assert_eq!(whole(book.apply(last.remove(0))), Some(7));
    }

    #[test]
    fn a_part_of_a_larger_set_that_is_to_come_is_kept() {
        let mut book = Book::default();
        let mut larger = parts("u", 7, 2);
        assert_eq!(book.apply(larger.remove(1)), Some(News::Parts(key())));
        assert_eq!(whole(book.apply(parts("u", 6, 1).remove(0))), Some(6));
        assert_eq!(whole(book.apply(larger.remove(0))), Some(7));
    }

    #[test]
    fn a_fleet_never_goes_back_and_is_not_told_twice() {
        let mut book = Book::default();
        let told = |book: &mut Book, uid: &str, revision: u64, count: usize| {
            parts(uid, revision, count).into_iter().filter_map(|map| whole(book.apply(map))).next_back()
        };
        assert_eq!(told(&mut book, "u", 5, 2), Some(5));
        for revision in [5, 4, 1] {
            assert_eq!(told(&mut book, "u", revision, 2), None, "{revision}");
        }
        for index in 0..2 {
            book.delete(&parts("u", 5, 2)[index]);
        }
        assert_eq!(told(&mut book, "u", 4, 2), None, "not even through its end");
        assert_eq!(told(&mut book, "u", 6, 1), Some(6));
        assert_eq!(told(&mut book, "other", 2, 2), Some(2), "another fleet of the name counts anew");
    }

    #[test]
    fn a_fleet_is_gone_with_its_last_part() {
        let mut book = Book::default();
        let maps = parts("u", 5, 2);
        for map in maps.clone() {
            book.apply(map);
        }
        assert_eq!(book.delete(&maps[0]), None);
        assert_eq!(book.delete(&maps[1]), Some(News::Gone(key())));
        assert_eq!(book.delete(&parts("u", 6, 4)[3]), Some(News::Gone(key())), "told again, as it may be");
    }

    #[test]
    fn what_a_list_does_not_show_is_gone() {
        let mut book = Book::default();
        book.begin();
        for map in parts("u", 5, 2) {
            book.apply(map);
        }
        assert_eq!(book.end(), []);
        book.begin();
        book.apply(parts("u", 6, 1).remove(0));
        assert_eq!(book.end(), [], "of two parts one is left");
        book.begin();
        assert_eq!(book.end(), [News::Gone(key())]);
        book.begin();
        assert_eq!(book.end(), []);
    }

    #[test]
    fn a_damaged_part_takes_nothing_away() {
        let mut book = Book::default();
        for map in parts("u", 5, 1) {
            book.apply(map);
        }
        let mut broken = parts("u", 6, 1).remove(0);
        broken.binary_data = None;
        assert_eq!(book.apply(broken), None);
        assert_eq!(whole(book.apply(parts("u", 7, 1).remove(0))), Some(7));
    }

    #[test]
    fn ends_of_very_many_fleets_cost_no_memory() {
        let mut book = Book::default();
        for number in 0..MAX_ENDED * 2 {
            let mut map = parts("u", 5, 1).remove(0);
            map.metadata.namespace = Some(format!("n{number}"));
            book.apply(map.clone());
            book.delete(&map);
            assert!(book.fleets.len() <= MAX_ENDED + 1);
        }
    }
}
