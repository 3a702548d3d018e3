//! Bodies of answers, made once for all who ask the same: after a change, that is every client.
//! One is made at a time, those who want the same wait for it together, and what is kept is bounded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::spawn_blocking;

use super::answer::gzip;
use crate::poll::board::Space;

/// Answers that are kept, in all their bytes.
const MOST_BYTES: usize = 32 << 20;
/// And in their number.
const MOST: usize = 256;
/// A body from about this size on is made apart from the tasks that serve.
const LARGE: usize = 64 << 10;

/// What a body is an answer to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// A fetch of these groups.
    Groups(Arc<[String]>),
    /// A fetch of a fleet's groups, from what the client has of each.
    Bases(Arc<[(String, Option<String>)]>),
    /// What changed in a fleet's groups since these MD5s.
    Update(Arc<[(String, String)]>),
}

/// What is asked for, and whether gzip is taken.
pub(super) type Key = (Space, Question, bool);

/// A body, and whether it is compressed.
pub(super) type Body = (Bytes, bool);

/// A body that is made or being made.
type Cell = Arc<OnceCell<Option<Body>>>;

#[derive(Debug, Default)]
struct Kept {
    /// With the number of the change that each was made after, and its length once it is made.
    answers: HashMap<Key, (u64, Cell, usize)>,
    bytes: usize,
}

impl Kept {
    /// Where the body is or will be. What was made before another change is let go.
    fn cell(&mut self, key: &Key, version: u64) -> Cell {
        if let Some((of, cell, _)) = self.answers.get(key)
            && *of == version
        {
            return Arc::clone(cell);
        }
        if let Some((_, _, length)) = self.answers.remove(key) {
            self.bytes -= length;
        }
        if self.answers.len() == MOST {
            *self = Self::default();
        }
        let cell = Cell::default();
        self.answers.insert(key.clone(), (version, Arc::clone(&cell), 0));
        cell
    }

    /// Counts what was made, if it is to be kept still.
    fn made(&mut self, key: &Key, cell: &Cell, length: usize) {
        let Some((_, kept, counted)) = self.answers.get_mut(key) else { return };
        if !Arc::ptr_eq(kept, cell) {
            return;
        }
        *counted = length;
        self.bytes += length;
        if self.bytes <= MOST_BYTES {
            return;
        }
        let this = self.answers.remove_entry(key).filter(|_| length <= MOST_BYTES);
        *self = Self::default();
        if let Some((key, this)) = this {
            self.bytes = length;
            self.answers.insert(key, this);
        }
    }
}

/// Bodies of answers.
#[derive(Debug)]
pub(super) struct Prepared {
    kept: Mutex<Kept>,
    making: Semaphore,
}

impl Default for Prepared {
    fn default() -> Self {
        Self { kept: Mutex::default(), making: Semaphore::new(1) }
    }
}

impl Prepared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body that answers `key` after the change `version`, made by `make` unless it is there; that gives none where
    /// there is no such answer. `about` is how long it will be, as far as that is known.
    pub(super) async fn body(
        &self,
        key: Key,
        version: u64,
        about: usize,
        make: impl FnOnce() -> Option<Vec<u8>> + Send + 'static,
    ) -> Option<Body> {
        let cell = self.kept().cell(&key, version);
        let zip = key.2;
        let made = cell.get_or_try_init(|| async {
            let _alone = self.making.acquire().await.map_err(drop)?;
            let make = move || make().map(|plain| zipped(plain, zip));
            let body = if about < LARGE { make() } else { spawn_blocking(make).await.map_err(drop)? };
            let length = body.as_ref().map_or(0, |(bytes, _)| bytes.len());
            self.kept().made(&key, &cell, length);
            Ok::<_, ()>(body)
        });
        made.await.ok().cloned().flatten()
    }
}

fn zipped(plain: Vec<u8>, zip: bool) -> Body {
    match zip.then(|| gzip(&plain)).flatten() {
        Some(zipped) => (zipped.into(), true),
        None => (plain.into(), false),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn key(name: &str) -> Key {
        (Space::namespace(name), Question::Groups(Arc::new([])), false)
    }

    #[tokio::test]
    async fn a_body_is_made_once_for_a_change_however_many_want_it() {
        let (prepared, made) = (Prepared::default(), AtomicUsize::new(0));
        let made: &'static AtomicUsize = Box::leak(Box::new(made));
        for (about, version) in [(10, 1), (LARGE, 2)] {
            let ask = |_| {
                let make = move || {
                    made.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    Some(format!("body {version}").into_bytes())
                };
                prepared.body(key("a"), version, about, make)
            };
            let bodies = futures_util::future::join_all((0..100).map(ask)).await;
            assert!(bodies.iter().flatten().all(|(body, _)| **body == *format!("body {version}").as_bytes()));
            assert_eq!(bodies.iter().flatten().count(), 100);
        }
        assert_eq!(made.load(Ordering::Relaxed), 2);
        assert_eq!(prepared.kept().answers.len(), 1);
    }

    #[tokio::test]
    async fn that_there_is_no_body_is_found_out_once_too() {
        let prepared = Prepared::default();
        assert_eq!(prepared.body(key("a"), 1, 0, || None).await, None);
        assert_eq!(prepared.body(key("a"), 1, 0, || Some(Vec::new())).await, None);
        assert_eq!(prepared.body(key("a"), 2, 0, || Some(Vec::new())).await, Some((Bytes::new(), false)));
    }

    #[tokio::test]
    async fn one_who_goes_while_a_body_is_made_leaves_it_to_the_others() {
        let prepared = Prepared::default();
        let one = prepared.making.acquire().await.unwrap();
        let mut first = Box::pin(prepared.body(key("a"), 1, 0, || Some(b"first".to_vec())));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        let second = prepared.body(key("a"), 1, 0, || Some(b"second".to_vec()));
        drop((first, one));
        assert_eq!(&*second.await.unwrap().0, b"second");
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let prepared = Prepared::default();
        let bounded = || {
            let kept = prepared.kept();
            let bytes: usize = kept.answers.values().map(|(.., length)| length).sum();
            kept.bytes == bytes && kept.bytes <= MOST_BYTES && kept.answers.len() <= MOST
        };
        for number in 0..MOST * 2 {
            let make = || Some(vec![0; MOST_BYTES / 100]);
            assert!(prepared.body(key(&number.to_string()), 1, LARGE, make).await.is_some() && bounded());
        }
        let made = prepared.body(key("large"), 1, LARGE, || Some(vec![0; MOST_BYTES + 1])).await;
        assert_eq!(made.unwrap().0.len(), MOST_BYTES + 1);
        assert!(bounded() && !prepared.kept().answers.contains_key(&key("large")));
    }
}
