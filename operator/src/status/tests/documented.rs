//! `docs/conditions.md` against the declared reasons, and its examples against what is really told.

use super::scenarios;
use super::*;

const PAGE: &str = include_str!("../../../../docs/conditions.md");

/// A row of the page: kind, condition, reason, status, example.
type Line = (String, String, String, String, String);

fn lines() -> Vec<Line> {
    let (mut kind, mut condition) = (String::new(), String::new());
    let mut lines = Vec::new();
    for line in PAGE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            kind = heading.to_owned();
        } else if let Some(heading) = line.strip_prefix("### ") {
            condition = heading.to_owned();
        } else if line.starts_with("| `") {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [reason, status, _, _, example] = cells.as_slice() else { panic!("{line}") };
            let plain = |cell: &str| cell.trim_matches('`').to_owned();
            lines.push((kind.clone(), condition.clone(), plain(reason), plain(status), plain(example)));
        }
    }
    lines
}

#[test]
fn every_reason_is_explained_and_nothing_else_is() {
    let told: Vec<_> = lines().into_iter().map(|line| (line.0, line.1, line.2, line.3)).collect();
    let text = |text: &str| text.to_owned();
    let wanted: Vec<_> = table()
        .into_iter()
        .map(|row| (text(row.kind.name()), text(row.condition), text(row.reason), text(row.status.name())))
        .collect();
    assert_eq!(told, wanted);
}

#[test]
fn every_example_is_what_is_really_told() {
    let scenarios = scenarios::all();
    for (kind, condition, reason, _, example) in lines() {
        let told = scenarios
            .iter()
            .find(|scenario| {
                scenario.kind.name() == kind
                    && scenario.condition.type_ == condition
                    && scenario.condition.reason == reason
            })
            .map(|scenario| scenario.condition.message.as_str());
        assert_eq!(Some(example.as_str()), told, "{kind} {condition} {reason}");
    }
}
