//! A fingerprint of an object as it was built, kept on the object itself: what is remembered only in memory
//! would have a restarted operator write everything again.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::hex;
use crate::marks::HASH;

/// How much of the digest is kept, in hexadecimal digits.
const DIGITS: usize = 32;

/// The hash of an object, in 32 hexadecimal digits. The order of fields does not count, nor does a hash that the
/// object has already.
#[must_use]
pub fn hash(desired: &Value) -> String {
    let mut digest = Sha256::new();
    feed(&mut digest, desired);
    let mut text = hex::digits(&digest.finalize());
    text.truncate(DIGITS);
    text
}

/// Every value begins with its kind and, where it holds others, their number, so that no two read alike.
fn feed(digest: &mut Sha256, value: &Value) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().filter(|(name, _)| *name != HASH).collect();
            fields.sort_by_key(|(name, _)| *name);
            digest.update([b'{']);
            digest.update((fields.len() as u64).to_be_bytes());
            for (name, value) in fields {
                text(digest, name);
                feed(digest, value);
            }
        }
        Value::Array(items) => {
            digest.update([b'[']);
            digest.update((items.len() as u64).to_be_bytes());
            items.iter().for_each(|item| feed(digest, item));
        }
        Value::String(string) => text(digest, string),
        // A number, a boolean or null, none of which begins like any of the above.
        scalar => text(digest, &format!("\0{scalar}")),
    }
}

fn text(digest: &mut Sha256, text: &str) {
    digest.update([b'"']);
    digest.update((text.len() as u64).to_be_bytes());
    digest.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_fields_does_not_count() {
        assert_eq!(
            hash(&json!({"a": 1, "b": {"c": 2, "d": 3}})),
            hash(&json!({"b": {"d": 3, "c": 2}, "a": 1}))
        );
    }

    #[test]
    fn the_order_of_a_list_and_every_value_count() {
        let values = [
            json!({"a": ["x", "y"]}),
            json!({"a": ["y", "x"]}),
            json!({"a": ["xy"]}),
            json!({"a": ["x", ["y"]]}),
            json!({"a": {"x": "y"}}),
            json!({"a": 1}),
            json!({"a": "1"}),
            json!({"a": null}),
            json!({"a": "null"}),
            json!({"a": {}}),
            json!({}),
        ];
        let hashes: std::collections::BTreeSet<String> = values.iter().map(hash).collect();
        assert_eq!(hashes.len(), values.len());
    }

    #[test]
    fn a_hash_is_the_same_on_an_object_that_has_it() {
        let plain = json!({"metadata": {"annotations": {"a": "b"}}});
        let stamped = json!({"metadata": {"annotations": {"a": "b", "sluice.dev/hash": "0"}}});
        assert_eq!(hash(&plain), hash(&stamped));
        assert_eq!(hash(&plain).len(), 32);
    }
}
