//! Answers of fetch, made once for all who ask the same: after a change, that is every client.
//! One is made at a time, and what is kept is bounded.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::answer::{body, gzip};
use crate::poll::board::{Served, Space};
use crate::poll::hub::Hub;

/// Answers that are kept, in all their bytes.
const MOST_BYTES: usize = 32 << 20;
/// And in their number.
const MOST: usize = 256;
/// A body from this size on is made apart from the tasks that serve.
const LARGE: usize = 64 << 10;

/// What is asked for, and whether gzip is taken.
type Key = (Space, Arc<[String]>, bool);

/// A body, and whether it is compressed.
pub(super) type Body = (Bytes, bool);

#[derive(Debug, Default)]
struct Kept {
    /// With the number of the space's change that each was made after.
    answers: HashMap<Key, (u64, Body)>,
    bytes: usize,
}

impl Kept {
    fn get(&self, key: &Key, version: u64) -> Option<Body> {
        self.answers.get(key).filter(|(of, _)| *of == version).map(|(_, body)| body.clone())
    }

    fn put(&mut self, key: Key, version: u64, body: Body) {
        if let Some((_, former)) = self.answers.remove(&key) {
            self.bytes -= former.0.len();
        }
        if self.bytes + body.0.len() > MOST_BYTES || self.answers.len() == MOST {
            *self = Self::default();
        }
        if body.0.len() <= MOST_BYTES {
            self.bytes += body.0.len();
            self.answers.insert(key, (version, body));
        }
    }
}

/// Answers of fetch.
#[derive(Debug, Default)]
pub(super) struct Prepared(Mutex<Kept>);

impl Prepared {
    /// The answer for these groups; `None` while the space was not looked at.
    pub(super) async fn body(
        &self,
        hub: &Hub,
        space: &Space,
        groups: Vec<String>,
        zip: bool,
    ) -> Option<Body> {
        let groups: Arc<[String]> = groups.into();
        let key = (space.clone(), Arc::clone(&groups), zip);
        let mut kept = self.0.lock().await;
        let (version, served) = hub.served(space, &groups)?;
        if let Some(body) = kept.get(&key, version) {
            return Some(body);
        }
        let large = served.iter().map(|served| served.content.bytes.len()).sum::<usize>() >= LARGE;
        let body = if large {
            let made = spawn_blocking(move || make(&groups, &served, zip)).await;
            made.ok()?
        } else {
            make(&groups, &served, zip)
        };
        kept.put(key, version, body.clone());
        Some(body)
    }
}

fn make(groups: &[String], served: &[Served], zip: bool) -> Body {
    let plain = body(groups, served);
    match zip.then(|| gzip(&plain)).flatten() {
        Some(zipped) => (zipped.into(), true),
        None => (plain.into(), false),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::board::{Change, Content};
    use super::*;

    fn change(bytes: usize, at: u64) -> Change {
        let content = Some(Content::new(format!("[\"{}\"]", "a".repeat(bytes)).into_bytes()));
        Change::One { space: Space::namespace("a"), group: "A".to_owned(), content, at }
    }

    #[tokio::test]
    async fn an_answer_is_made_once_for_a_change_and_is_that_of_the_last() {
        let (hub, prepared, space) = (Hub::default(), Prepared::default(), Space::namespace("a"));
        let ask = || prepared.body(&hub, &space, vec!["A".to_owned()], false);
        assert!(ask().await.is_none());
        for (size, at) in [(10, 1), (LARGE, 2)] {
            hub.take(vec![change(size, at)]);
            let (first, second) = (ask().await.unwrap(), ask().await.unwrap());
            assert_eq!(first.0.as_ptr(), second.0.as_ptr());
            let json: serde_json::Value = serde_json::from_slice(&first.0).unwrap();
            assert_eq!(json["data"]["A"]["lastModifyTime"], at);
        }
        assert_eq!(prepared.0.lock().await.answers.len(), 1);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut kept = Kept::default();
        for number in 0..MOST * 2 {
            let key = (Space::namespace(&number.to_string()), Vec::new().into(), false);
            kept.put(key, 1, (vec![0; MOST_BYTES / 100].into(), false));
            assert!(kept.bytes <= MOST_BYTES && kept.answers.len() <= MOST);
            let bytes: usize = kept.answers.values().map(|(_, body)| body.0.len()).sum();
            assert_eq!(kept.bytes, bytes);
        }
        let key: Key = (Space::namespace("large"), Vec::new().into(), false);
        kept.put(key.clone(), 1, (vec![0; MOST_BYTES + 1].into(), false));
        assert_eq!(kept.get(&key, 1), None);
    }
}
