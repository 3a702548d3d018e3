//! Books as a table for people. Pure.

use sluice_wire::status::StreamBooks;

/// A column: its name, its count, and whether it is there when it is 0 for all.
type Column = (&'static str, fn(&StreamBooks) -> u64, bool);

const COLUMNS: [Column; 8] = [
    ("ADMITTED", |books| books.admitted, true),
    ("DELIVERED", |books| books.delivered, true),
    ("WAITING", |books| books.waiting, true),
    ("DEAD-LETTERED", |books| books.dead_lettered, false),
    ("SUPPRESSED", |books| books.suppressed, false),
    ("FAILED", |books| books.failed, true),
    ("UNKNOWN", |books| books.unknown, true),
    ("REFUSED", |books| books.refused_reports, true),
];

/// A line for the names and one for each stream; nothing without a stream.
pub(super) fn text(streams: &[StreamBooks]) -> String {
    if streams.is_empty() {
        return String::new();
    }
    let shown = COLUMNS.iter().filter(|(_, count, always)| *always || streams.iter().any(|s| count(s) > 0));
    let mut columns: Vec<Vec<String>> = vec![names(streams)];
    for (name, count, _) in shown {
        let counts = streams.iter().map(|stream| count(stream).to_string());
        columns.push(std::iter::once((*name).to_owned()).chain(counts).collect());
    }
    let widths: Vec<usize> = columns.iter().map(|column| width(column)).collect();
    let mut text = String::new();
    for row in 0..=streams.len() {
        let cells = columns.iter().zip(&widths).enumerate();
        let cells = cells.map(|(index, (column, width))| match index {
            0 => format!("{:<width$}", column[row]),
            _ => format!("{:>width$}", column[row]),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn names(streams: &[StreamBooks]) -> Vec<String> {
    let name = |stream: &StreamBooks| {
        let mark = if stream.removed { " (removed)" } else { "" };
        format!("{}/{}{mark}", stream.group_id, stream.stream_id)
    };
    std::iter::once("STREAM".to_owned()).chain(streams.iter().map(name)).collect()
}

fn width(column: &[String]) -> usize {
    column.iter().map(|cell| cell.chars().count()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_under_their_names() {
        let stream = |id: &str, admitted, removed| StreamBooks {
            group_id: "demo".to_owned(),
            stream_id: id.to_owned(),
            admitted,
            delivered: admitted,
            removed,
            ..StreamBooks::default()
        };
        assert_eq!(
            text(&[stream("orders", 1_234_567_890, false), stream("o", 2, true)]),
            "\
STREAM              ADMITTED   DELIVERED  WAITING  FAILED  UNKNOWN  REFUSED
demo/orders       1234567890  1234567890        0       0        0        0
demo/o (removed)           2           2        0       0        0        0
"
        );
    }

    #[test]
    fn a_rare_column_is_there_when_it_has_a_number() {
        let rare = StreamBooks { suppressed: 1, ..StreamBooks::default() };
        assert!(text(&[rare]).contains("SUPPRESSED"));
        assert!(!text(&[StreamBooks::default()]).contains("SUPPRESSED"));
        assert_eq!(text(&[]), "");
    }
}
