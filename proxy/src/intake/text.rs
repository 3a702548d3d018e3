//! Small rules about text that the report contract takes from Java and from browsers. Pure.

/// Whether Java's `String.isBlank` would call this blank: empty, or white space by
/// `Character.isWhitespace` throughout. Bytes that are no UTF-8 are not blank.
#[must_use]
pub(super) fn is_blank(bytes: &[u8]) -> bool {
    // The usual first byte of a body decides without a look at the rest.
    if bytes.first().is_some_and(u8::is_ascii_graphic) {
        return false;
    }
    std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(is_java_whitespace))
}

fn is_java_whitespace(c: char) -> bool {
    matches!(c,
        '\u{9}'..='\u{d}' | '\u{1c}'..='\u{20}' | '\u{1680}' | '\u{2000}'..='\u{2006}'
        | '\u{2008}'..='\u{200a}' | '\u{2028}' | '\u{2029}' | '\u{205f}' | '\u{3000}')
}

/// Whether this may be sent as the name of a JSONP function: `[A-Za-z_$][A-Za-z0-9_$.]{0,127}`.
#[must_use]
pub(super) fn is_callback(name: &[u8]) -> bool {
    let first = |byte: u8| byte.is_ascii_alphabetic() || b"_$".contains(&byte);
    let later = |byte: u8| byte.is_ascii_alphanumeric() || b"_$.".contains(&byte);
    match name {
        [start, rest @ ..] => first(*start) && rest.len() <= 127 && rest.iter().all(|byte| later(*byte)),
        [] => false,
    }
}

/// A number as the contract reads it: decimal, perhaps signed, nothing else beside it.
#[must_use]
pub(super) fn integer(bytes: &[u8]) -> Option<i64> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_is_what_java_calls_blank() {
        for blank in ["", " ", "\t\r\n\u{b}\u{c}", "\u{1c}\u{1f}", "\u{2003}\u{3000}\u{2028}"] {
            assert!(is_blank(blank.as_bytes()), "{blank:?}");
        }
        for not in ["x", " x", "\u{a0}", "\u{2007}", "\u{202f}", "\u{feff}", "\0"] {
            assert!(!is_blank(not.as_bytes()), "{not:?}");
        }
        assert!(!is_blank(&[0xff]));
        assert!(!is_blank(&[b' ', 0xff]));
    }

    #[test]
    fn a_callback_is_a_name_and_nothing_more() {
        for name in ["cb", "_", "$", "jQuery1.cb_2", &"a".repeat(128)] {
            assert!(is_callback(name.as_bytes()), "{name}");
        }
        for name in ["", "1a", ".a", "a(b)", "a;b", "a b", "a<b", "ä", &"a".repeat(129)] {
            assert!(!is_callback(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn an_integer_stands_alone() {
        assert_eq!(integer(b"-12"), Some(-12));
        assert_eq!(integer(b"+3"), Some(3));
        for odd in ["", "1 ", "1.0", "0x1", "9223372036854775808", "1&a=b"] {
            assert_eq!(integer(odd.as_bytes()), None, "{odd}");
        }
    }
}
