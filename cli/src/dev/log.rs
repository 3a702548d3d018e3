//! A proxy's log lines, which are JSON, in words for a terminal.
//! It words them; where they are shown is not its business.

use serde_json::{Map, Value};

/// Fields that say where and when, not what.
const LEFT_OUT: [&str; 6] = ["timestamp", "level", "target", "message", "span", "spans"];

/// Messages about what a proxy's status holds as well, where a fleet's view tells it, once for all streams.
const IN_STATUS: [&str; 2] = ["kafka connection in trouble", "topic takes no records"];

/// Whether the line says what is told from the status anyway.
pub(super) fn is_in_status(words: &str) -> bool {
    IN_STATUS.iter().any(|message| words.starts_with(message))
}

/// What the line says, without time and place, so that the same trouble gives the same words again. What is
/// no JSON, such as a panic, stays as it is.
pub(super) fn words(line: &str) -> String {
    serde_json::from_str::<Map<String, Value>>(line)
        .map_or_else(|_| line.to_owned(), |fields| sentence(&fields))
}

fn sentence(fields: &Map<String, Value>) -> String {
    let mut text = fields.get("message").map(plain).unwrap_or_default();
    for (name, value) in fields.iter().filter(|(name, _)| !LEFT_OUT.contains(&name.as_str())) {
        let part = match name.as_str() {
            "error" => plain(value),
            name => format!("{name} {}", plain(value)),
        };
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&part);
    }
    text
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_without_time_and_level() {
        let line = r#"{"timestamp":"2026-01-01T00:00:00Z","level":"ERROR","message":"can't start","error":"can't listen on 127.0.0.1:1: in use","target":"sluice_proxy"}"#;
        assert_eq!(words(line), "can't start: can't listen on 127.0.0.1:1: in use");
    }

    #[test]
    fn other_fields_are_told_by_name() {
        let line = r#"{"level":"WARN","message":"refused","sink":"kafka","attempt":3}"#;
        assert_eq!(words(line), "refused: sink kafka: attempt 3");
    }

    #[test]
    fn what_the_status_says_too_is_known() {
        let line = r#"{"level":"WARN","message":"topic takes no records","topic":"t","reason":"no broker"}"#;
        assert!(is_in_status(&words(line)));
        assert!(!is_in_status("refused: sink kafka: attempt 3"));
    }

    #[test]
    fn what_is_no_json_stays() {
        assert_eq!(words("thread 'main' panicked"), "thread 'main' panicked");
    }
}
