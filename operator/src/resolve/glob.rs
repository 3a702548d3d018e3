//! Globs over names: `*` is any run of characters, `{namespace}` the stream's, all else itself.
//! It matches whole texts and knows nothing of what they name.

/// What stands for the stream's namespace.
const NAMESPACE: &str = "{namespace}";

/// Whether `glob`, for a stream of `namespace`, matches the whole of `text`.
pub(super) fn matches(glob: &str, namespace: &str, text: &str) -> bool {
    // Taken apart at the stars first, so that a namespace is literal whatever it holds.
    let mut pieces = glob.split('*').map(|piece| piece.replace(NAMESPACE, namespace));
    let Some(rest) = pieces.next().and_then(|first| text.strip_prefix(first.as_str())) else {
        return false;
    };
    let Some(last) = pieces.next_back() else {
        return rest.is_empty();
    };
    let Some(mut middle) = rest.strip_suffix(last.as_str()) else {
        return false;
    };
    // The first place of each piece leaves the most for those that follow.
    pieces.all(|piece| match middle.find(piece.as_str()) {
        Some(at) => {
            middle = middle.get(at + piece.len()..).unwrap_or_default();
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_namespace_grants_its_own_names_and_none_that_only_begin_alike() {
        for (glob, text, wanted) in [
            ("{namespace}", "shop", true),
            ("{namespace}", "shopadmin", false),
            ("{namespace}.*", "shop.orders", true),
            ("{namespace}.*", "shop.", true),
            ("{namespace}.*", "shop", false),
            ("{namespace}.*", "shopadmin.orders", false),
            ("{namespace}.*", "a.shop.orders", false),
            ("*.{namespace}.*", "a.shop.orders", true),
            ("{namespace}*{namespace}", "shop", false),
            ("{namespace}*{namespace}", "shopshop", true),
            ("shop.*", "shopxorders", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*a", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("{Namespace}", "shop", false),
        ] {
            assert_eq!(matches(glob, "shop", text), wanted, "{glob} {text}");
        }
    }

    /// The same, written as what it means: every way to share the text out is tried.
    fn means(glob: &[char], text: &[char]) -> bool {
        match glob {
            [] => text.is_empty(),
            ['*', rest @ ..] => (0..=text.len()).any(|taken| means(rest, &text[taken..])),
            [first, rest @ ..] => text.first() == Some(first) && means(rest, &text[1..]),
        }
    }

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    proptest! {
        #[test]
        fn a_glob_matches_what_it_means(glob in "[ab.*]{0,8}", text in "[ab.]{0,10}") {
            prop_assert_eq!(matches(&glob, "n", &text), means(&chars(&glob), &chars(&text)));
        }

        #[test]
        fn a_namespace_stands_for_itself(before in "[ab*]{0,4}", after in "[ab*]{0,4}", text in "[ab]{0,12}",
            namespace in "[ab]{1,3}") {
            let glob = format!("{before}{NAMESPACE}{after}");
            let plain = format!("{before}{namespace}{after}");
            prop_assert_eq!(matches(&glob, &namespace, &text), means(&chars(&plain), &chars(&text)));
        }

        #[test]
        fn without_a_star_only_the_same_text_matches(glob in "[a-z.?+()\\[\\]^$|]{0,8}", text in "[a-z.]{0,8}") {
            prop_assert_eq!(matches(&glob, "n", &text), glob == text);
            prop_assert!(matches(&text, "n", &text));
        }
    }
}
