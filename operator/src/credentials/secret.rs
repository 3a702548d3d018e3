//! A Secret as the digests of its tokens. Pure.
//! What it says of a value that is not taken names its key, never the value.

use std::collections::{BTreeMap, BTreeSet};

use sluice_identity::digest;
use sluice_wire::auth::{MAX_TOKEN_LENGTH, MAX_TOKENS, Token};

use super::{Held, Reading};

/// The type that a Secret with tokens has: no other is looked into, so that nobody has another Secret read by naming it.
pub const TYPE: &str = "sluice.dev/tokens";

/// The fewest characters a token has.
const SHORTEST: usize = 22;

/// Reads a Secret of `namespace` for `streams` there. `before` is what was read last, at `now_ms` it is another.
#[must_use]
pub fn read<'a>(
    (namespace, kind): (&str, Option<&str>),
    data: impl Iterator<Item = (&'a str, &'a [u8])>,
    streams: &BTreeSet<String>,
    (before, now_ms): (Option<&Reading>, u64),
) -> Reading {
    if kind != Some(TYPE) {
        return Reading::Unfit(format!(
            "its type is {:?}; make it one of type {TYPE}",
            kind.unwrap_or_default()
        ));
    }
    let (mut good, mut faults) = (Vec::new(), Vec::new());
    for (id, value) in data {
        match token(value) {
            Ok(token) => good.push((id, token)),
            Err(fault) => faults.push(format!("{id} {fault}")),
        }
    }
    good.sort_unstable();
    faults.sort_unstable();
    let fault = too_many(&good).or_else(|| faults.into_iter().next());
    if good.is_empty() {
        return Reading::Unfit(fault.unwrap_or_else(|| "it has no key".to_owned()));
    }
    good.truncate(MAX_TOKENS);
    let held = |stream: &String| {
        let place = format!("{namespace}/{stream}");
        let known = before.map(|before| before.tokens(stream)).unwrap_or_default();
        let one = |(id, secret): &(&str, &str)| {
            let token = Token { id: (*id).to_owned(), sha256: digest(&place, secret) };
            let same = known.iter().find(|held| held.token == token);
            // Who was not looked at before may be as old as can be.
            let since_ms = same.map_or(before.map(|_| now_ms), |held| held.since_ms);
            Held { token, since_ms }
        };
        (stream.clone(), good.iter().map(one).collect())
    };
    let streams: BTreeMap<String, Vec<Held>> = streams.iter().map(held).collect();
    Reading::Tokens { streams, fault: fault.unwrap_or_default() }
}

/// Which of these, in the order of their names, are more than hold at once.
fn too_many(good: &[(&str, &str)]) -> Option<String> {
    let (first, _) = good.get(MAX_TOKENS)?;
    Some(format!(
        "it has {} tokens and at most {MAX_TOKENS} hold at once, so those from {first} on, in the order of their names, \
         are not taken",
        good.len()
    ))
}

/// A value as a token, which has to fit a header.
fn token(value: &[u8]) -> Result<&str, String> {
    let text =
        std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()));
    match text {
        None if value.ends_with(b"\n") => Err("ends with a line break; encode it without one".to_owned()),
        None => Err("has characters that are not printable ASCII, or spaces".to_owned()),
        Some(text) if text.len() < SHORTEST => Err(format!("has fewer than {SHORTEST} characters")),
        Some(text) if text.len() > MAX_TOKEN_LENGTH => {
            Err(format!("has more than {MAX_TOKEN_LENGTH} characters"))
        }
        Some(text) => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0123456789abcdef012345";
    const TWO: &str = "another-token-that-is-long-enough";

    fn read_of(kind: &str, data: &[(&str, &[u8])], before: Option<&Reading>) -> Reading {
        let streams = ["orders".to_owned(), "bills".to_owned()].into();
        read(("shop", Some(kind)), data.iter().copied(), &streams, (before, 7))
    }

    fn reading(data: &[(&str, &[u8])]) -> Reading {
        read_of(TYPE, data, None)
    }

    fn unfit(reading: Reading) -> String {
        match reading {
            Reading::Unfit(why) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_value_is_a_token_of_each_stream_under_a_digest_of_its_own() {
        let read = reading(&[("b", TWO.as_bytes()), ("a", ONE.as_bytes())]);
        for stream in ["orders", "bills"] {
            let tokens = read.tokens(stream);
            let ids: Vec<&str> = tokens.iter().map(|held| held.token.id.as_str()).collect();
            assert_eq!(ids, ["a", "b"]);
            assert_eq!(tokens[0].token.sha256, digest(&format!("shop/{stream}"), ONE));
            assert_eq!(tokens[0].since_ms, None, "how old it is, nobody knows");
        }
        assert!(read.tokens("other").is_empty());
        assert!(!format!("{read:?}").contains(ONE));
    }

    #[test]
    fn a_token_that_is_new_or_another_holds_since_it_was_seen() {
        let first = reading(&[("a", ONE.as_bytes()), ("b", TWO.as_bytes())]);
        let changed = [("a", ONE.as_bytes()), ("b", ONE.as_bytes()), ("c", TWO.as_bytes())];
        let second = read_of(TYPE, &changed, Some(&first));
        let since =
            |read: &Reading| read.tokens("orders").iter().map(|held| held.since_ms).collect::<Vec<_>>();
        assert_eq!(since(&second), [None, Some(7), Some(7)]);
        assert_eq!(since(&read_of(TYPE, &changed, Some(&second))), since(&second));
    }

    #[test]
    fn another_type_is_not_looked_into() {
        for kind in ["Opaque", "", "kubernetes.io/service-account-token"] {
            let why = unfit(read_of(kind, &[("a", ONE.as_bytes())], None));
            assert!(why.contains(TYPE) && why.contains(kind), "{why}");
        }
    }

    #[test]
    fn a_value_that_is_no_token_is_named_by_its_key_and_the_others_hold() {
        let odd: [(&[u8], &str); 6] = [
            (b"0123456789abcdef01234", "fewer than 22"),
            (b"", "fewer than 22"),
            (b"0123456789abcdef012345\n", "line break"),
            (b"0123456789 abcdef 012345", "printable"),
            (b"0123456789abcdef012345\xff", "printable"),
            (&[b'x'; 1_025], "more than 1024"),
        ];
        for (value, wanted) in odd {
            let Reading::Tokens { streams, fault } = reading(&[("odd", value), ("a", ONE.as_bytes())]) else {
                panic!("{wanted}");
            };
            assert_eq!(streams["orders"].len(), 1);
            assert!(fault.starts_with("odd ") && fault.contains(wanted), "{fault}");
            assert!(unfit(reading(&[("odd", value)])).contains(wanted));
        }
        assert_eq!(unfit(reading(&[])), "it has no key");
    }

    #[test]
    fn of_more_than_hold_at_once_the_first_by_name_do() {
        let ids: Vec<String> = (0..MAX_TOKENS + 2).rev().map(|number| format!("t{number:03}")).collect();
        let mut data: Vec<(&str, &[u8])> = ids.iter().map(|id| (id.as_str(), ONE.as_bytes())).collect();
        data.push(("odd", b"".as_slice()));
        let Reading::Tokens { streams, fault } = reading(&data) else { panic!() };
        for held in streams.values() {
            let held: Vec<&str> = held.iter().map(|held| held.token.id.as_str()).collect();
            assert_eq!((held.len(), held[0], held[MAX_TOKENS - 1]), (MAX_TOKENS, "t000", "t255"));
        }
        assert!(fault.starts_with("it has 258 tokens") && fault.contains("from t256 on"), "{fault}");
        let Reading::Tokens { streams, fault } = reading(&data[2..data.len() - 1]) else { panic!() };
        assert_eq!((streams["orders"].len(), fault.as_str()), (MAX_TOKENS, ""));
    }
}
