//! What Markdown pages show: blocks of code, tables, links, headings.
//! It reads just the Markdown that this repository writes.

use std::collections::BTreeSet;

/// The blocks of code marked as `language`, in order.
#[must_use]
pub fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}");
    let mut lines = page.lines();
    let mut blocks = Vec::new();
    while let Some(line) = lines.next() {
        if line.trim() == fence {
            let block = lines.by_ref().take_while(|line| line.trim() != "```");
            blocks.push(block.fold(String::new(), |text, line| text + line + "\n"));
        }
    }
    blocks
}

/// The cells of each row of the table below a heading, without its first two lines.
#[must_use]
pub fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
    let below = page.lines().skip_while(|line| *line != heading);
    let rows = below.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.skip(2)
        .map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// The targets of links, but for those to other sites.
#[must_use]
pub fn links(page: &str) -> Vec<String> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    targets.filter(|target| !target.contains("://")).map(str::to_owned).collect()
}

/// What a link's `#` may name in a page: each heading in lower case, spaces as `-`, without punctuation.
#[must_use]
pub fn anchors(page: &str) -> BTreeSet<String> {
    let mut code = false;
    let headings = page.lines().filter(|line| {
        code ^= line.trim_start().starts_with("```");
        !code && line.starts_with('#')
    });
    headings.map(|heading| anchor(heading.trim_start_matches('#').trim())).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A `b` page\n\n```yaml\na: 1\n# no heading\n```\n\n## Values\n\n| a | b |\n| --- | --- |\n| `x` | 1 |\n\n[one](other.md#part) [two](https://example.com)\n";

    #[test]
    fn a_page_is_taken_apart() {
        assert_eq!(blocks(PAGE, "yaml"), ["a: 1\n# no heading\n"]);
        assert_eq!(table(PAGE, "## Values"), [["`x`", "1"]]);
        assert_eq!(links(PAGE), ["other.md#part"]);
        assert_eq!(anchors(PAGE), BTreeSet::from(["a-b-page".to_owned(), "values".to_owned()]));
    }
}
