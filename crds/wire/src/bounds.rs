//! What a stream's fields may hold, said once for the definitions, the operator and the proxy.
//! It judges names and bounds; nothing here reads a request.

use crate::document::{RESERVED_HEADERS, SECRET_HEADERS};

/// The longest name of an HTTP header that a stream may name.
pub const MAX_HEADER_NAME: usize = 128;

/// The longest name of a parameter that a key may come from.
pub const MAX_PARAMETER: usize = 64;

/// The longest JSON pointer that a key may come from, in characters.
pub const MAX_POINTER: usize = 256;

/// The largest quota of records in a second; the smallest is 1.
pub const MAX_RECORDS_PER_SECOND: u64 = 1_000_000_000;

/// The smallest quota of bytes in a second.
pub const MIN_BYTES_PER_SECOND: u64 = 1 << 10;

/// The largest quota of bytes in a second.
pub const MAX_BYTES_PER_SECOND: u64 = 16 << 40;

/// Parameters of a report that no key may come from: the record itself, and what an answer is wrapped in.
pub const OWN_PARAMETERS: [&str; 2] = ["body", "callback"];

/// Beginnings of header names that are reserved beside [`RESERVED_HEADERS`]: the attributes of CloudEvents, in
/// Kafka and in HTTP.
pub const RESERVED_PREFIXES: [&str; 2] = ["ce_", "ce-"];

/// Whether `name` can be the name of an HTTP header (a token of RFC 9110) and is not too long.
#[must_use]
pub fn is_header_name(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=MAX_HEADER_NAME).contains(&name.len()) && name.bytes().all(token)
}

/// Whether `name`, in any case, is one of [`RESERVED_HEADERS`] or begins as one of [`RESERVED_PREFIXES`].
#[must_use]
pub fn is_reserved_header(name: &str) -> bool {
    let begins =
        |prefix: &&str| name.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix));
    is_one_of(&RESERVED_HEADERS, name) || RESERVED_PREFIXES.iter().any(begins)
}

/// Whether `name`, in any case, is one of [`SECRET_HEADERS`].
#[must_use]
pub fn is_secret_header(name: &str) -> bool {
    is_one_of(&SECRET_HEADERS, name)
}

fn is_one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|one| one.eq_ignore_ascii_case(name))
}

/// Whether a key may come from a parameter of this name.
#[must_use]
pub fn is_key_parameter(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=MAX_PARAMETER).contains(&name.len()) && name.bytes().all(allowed) && !OWN_PARAMETERS.contains(&name)
}

/// Whether `text` is a JSON pointer (RFC 6901) and not too long. The empty one names the whole record.
#[must_use]
pub fn is_pointer(text: &str) -> bool {
    let escaped = |rest: &str| rest.starts_with(['0', '1']);
    (text.is_empty() || text.starts_with('/'))
        && text.chars().count() <= MAX_POINTER
        && text.split('~').skip(1).all(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_name_is_a_token_of_at_most_128() {
        let longest = "a".repeat(128);
        for name in ["X-Tenant", "a", "!#$%&'*+-.^_`|~9", longest.as_str()] {
            assert!(is_header_name(name), "{name}");
        }
        let longer = "a".repeat(129);
        for name in ["", "a b", "a:", "naïve", "a\n", "(a)", "a,b", "\"a\"", longer.as_str()] {
            assert!(!is_header_name(name), "{name:?}");
        }
    }

    #[test]
    fn a_reserved_or_secret_header_is_known_in_any_case() {
        for name in ["rt", "srcIp", "Content-Type", "TRACEPARENT", "ce_id", "CE-Type", "ce-"] {
            assert!(is_reserved_header(name), "{name}");
        }
        for name in ["Authorization", "cookie", "SET-COOKIE", "Proxy-Authorization"] {
            assert!(is_secret_header(name), "{name}");
            assert!(!is_reserved_header(name), "{name}");
        }
        for name in ["ce", "cent", "rts", "x-rt", "é", "cé_", "x-authorization"] {
            assert!(!is_reserved_header(name) && !is_secret_header(name), "{name}");
        }
    }

    #[test]
    fn a_key_comes_from_any_parameter_but_the_products_own() {
        let longest = "a".repeat(64);
        for name in ["orderId", "order.id_2-x", "Body", longest.as_str()] {
            assert!(is_key_parameter(name), "{name}");
        }
        let longer = "a".repeat(65);
        for name in ["", "body", "callback", "a b", "a=b", "é", longer.as_str()] {
            assert!(!is_key_parameter(name), "{name:?}");
        }
    }

    #[test]
    fn a_pointer_is_that_of_rfc_6901() {
        let longest = format!("/{}", "é".repeat(255));
        for text in ["", "/", "/a", "/a/0/b c", "/~0~1", "//", "/é", longest.as_str()] {
            assert!(is_pointer(text), "{text}");
        }
        let longer = format!("/{}", "a".repeat(256));
        for text in ["a", "a/b", "/~", "/~2", "/a~", "/~~0", "#/a", " /a", longer.as_str()] {
            assert!(!is_pointer(text), "{text}");
        }
    }
}
