//! A line of a file sink as a person or a program wants it. Pure but for the writing.
//! Values are producers' bytes: what would steer a terminal is escaped on one.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::args::Output;

/// How lines are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) output: Output,
    /// Whether time, key and headers stand before each value.
    pub(super) headers: bool,
    /// Whether control characters are escaped.
    pub(super) escape: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(borrow, default)]
    time: Cow<'a, str>,
    #[serde(borrow, default)]
    key: Option<Cow<'a, str>>,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(borrow, default)]
    value: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    value_base64: Option<Cow<'a, str>>,
}

impl Form {
    /// Writes a line of a file. What is no line of a sink is written as it is.
    pub(super) fn write(self, out: &mut impl Write, line: &[u8]) -> io::Result<()> {
        let parsed = match self.output {
            Output::Json => None,
            Output::Text => serde_json::from_slice::<Line<'_>>(line).ok(),
        };
        match parsed {
            Some(parsed) => self.write_text(out, &parsed)?,
            None if self.escape => out.write_all(self.plain(&String::from_utf8_lossy(line)).as_bytes())?,
            None => out.write_all(line)?,
        }
        out.write_all(b"\n")
    }

    fn write_text(self, out: &mut impl Write, line: &Line<'_>) -> io::Result<()> {
        if self.headers {
            let headers = line.headers.iter().map(|(name, value)| {
                format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned))
            });
            let headers = headers.collect::<Vec<_>>().join(" ");
            let key = line.key.as_deref().unwrap_or("-");
            for field in [&*line.time, key, &headers] {
                write!(out, "{}\t", self.plain(field))?;
            }
        }
        let value = line.value.as_deref().or(line.value_base64.as_deref()).unwrap_or_default();
        out.write_all(self.plain(value).as_bytes())
    }

    /// Text that moves no cursor where that matters; line feeds and tabs stay.
    fn plain(self, text: &str) -> Cow<'_, str> {
        let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
        if !self.escape || !text.contains(steers) {
            return Cow::Borrowed(text);
        }
        let escaped = |c: char| if steers(c) { c.escape_default().to_string() } else { c.to_string() };
        Cow::Owned(text.chars().map(escaped).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"time":"2026-01-01T00:00:00.123Z","groupId":"g","streamId":"s","key":"k","headers":{"rt":"1","dt":"2"},"value":"a \"b\"\u001b[2Jé"}"#;
    const TEXT: Form = Form { output: Output::Text, headers: false, escape: false };

    fn shown(form: Form, line: &str) -> String {
        let mut out = Vec::new();
        form.write(&mut out, line.as_bytes()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_is_the_value() {
        assert_eq!(shown(TEXT, LINE), "a \"b\"\u{1b}[2J\u{e9}\n");
        assert_eq!(shown(TEXT, r#"{"valueBase64":"/wA="}"#), "/wA=\n");
    }

    #[test]
    fn on_a_terminal_a_value_moves_no_cursor() {
        let form = Form { escape: true, ..TEXT };
        assert_eq!(shown(form, LINE), "a \"b\"\\u{1b}[2J\u{e9}\n");
        assert_eq!(shown(form, r#"{"value":"a\tb\nc"}"#), "a\tb\nc\n");
    }

    #[test]
    fn time_key_and_headers_stand_before_the_value() {
        let form = Form { headers: true, ..TEXT };
        let value = r#"{"time":"t","key":"k","headers":{"rt":"1","dt":"2"},"value":"v"}"#;
        assert_eq!(shown(form, value), "t\tk\trt=1 dt=2\tv\n");
        assert_eq!(shown(form, r#"{"time":"t","key":null,"headers":{},"value":"v"}"#), "t\t-\t\tv\n");
    }

    #[test]
    fn json_is_the_line_as_it_is() {
        let form = Form { output: Output::Json, ..TEXT };
        assert_eq!(shown(form, LINE), format!("{LINE}\n"));
    }

    #[test]
    fn what_is_no_line_of_a_sink_stays() {
        assert_eq!(shown(TEXT, "not json"), "not json\n");
    }
}
