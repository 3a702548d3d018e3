//! `sluice check`: asks nodes for their books, adds them up and tells which do not balance.
//! It changes nothing; the arithmetic is [`sums`]'s.

mod sums;
mod table;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use sluice_wire::status::Books;
use tokio::task::JoinSet;

use crate::args::{CheckArgs, Output};
use crate::exit::Exit;
use crate::{http, nodes};
use sums::Imbalance;

/// The usual port of a node on this machine.
const USUAL: &str = "127.0.0.1:9102";

/// How long a node may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A node, and its books or why there are none.
type Asked = (String, Result<Books, String>);

/// What was found.
#[derive(Debug)]
struct Findings {
    asked: Vec<Asked>,
    /// What does not balance, by node.
    imbalances: Vec<(String, Imbalance)>,
}

pub(crate) fn main(args: &CheckArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("sluice: can't start: {error}");
            return Exit::Failed.into();
        }
    };
    let findings = Findings::of(runtime.block_on(ask_all(wanted(&args.nodes))));
    // Whoever closed the other end does not want the lines; the exit code still tells.
    let _ = match args.output {
        Output::Text => findings.write_text(&mut io::stdout().lock(), &mut io::stderr().lock()),
        Output::Json => writeln!(io::stdout(), "{}", findings.json()),
    };
    findings.exit().into()
}

/// The nodes named, else those of local modes that run, else the usual one.
fn wanted(named: &[String]) -> Vec<String> {
    let mut all = if named.is_empty() { nodes::running() } else { named.to_vec() };
    if all.is_empty() {
        all.push(USUAL.to_owned());
    }
    // One that is named twice would be counted twice.
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|node| seen.insert(node.clone()));
    all
}

/// Asks all at the same time; answers are in the order of the nodes.
async fn ask_all(nodes: Vec<String>) -> Vec<Asked> {
    let mut asking = JoinSet::new();
    for (index, node) in nodes.into_iter().enumerate() {
        asking.spawn(async move {
            let books = ask(&node).await;
            (index, (node, books))
        });
    }
    let mut answers = asking.join_all().await;
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, asked)| asked).collect()
}

async fn ask(node: &str) -> Result<Books, String> {
    let body = http::get(node, "/books", ANSWER_WITHIN).await.map_err(|error| error.to_string())?;
    serde_json::from_slice(&body).map_err(|error| format!("its books can't be read: {error}"))
}

impl Findings {
    fn of(asked: Vec<Asked>) -> Self {
        let known = asked.iter().filter_map(|(node, books)| Some((node, books.as_ref().ok()?)));
        let imbalances = known
            .flat_map(|(node, books)| sums::imbalances(books).into_iter().map(|one| (node.clone(), one)))
            .collect();
        Self { asked, imbalances }
    }

    fn exit(&self) -> Exit {
        if !self.imbalances.is_empty() {
            Exit::Failed
        } else if self.asked.iter().any(|(_, books)| books.is_err()) {
            Exit::Unreachable
        } else {
            Exit::Done
        }
    }

    fn books(&self) -> impl Iterator<Item = &Books> {
        self.asked.iter().filter_map(|(_, books)| books.as_ref().ok())
    }

    /// The table on `out`, what is wrong on `errors`.
    fn write_text(&self, out: &mut impl Write, errors: &mut impl Write) -> io::Result<()> {
        let streams = sums::by_stream(self.books());
        out.write_all(table::text(&streams).as_bytes())?;
        let (asked, known) = (self.asked.len(), self.books().count());
        if self.imbalances.is_empty() && known > 0 {
            writeln!(out, "{known} of {asked} node(s) asked, {} stream(s), all balance", streams.len())?;
        }
        out.flush()?;
        for (node, imbalance) in &self.imbalances {
            writeln!(errors, "sluice: {node}: {imbalance}")?;
        }
        for (node, books) in &self.asked {
            if let Err(error) = books {
                writeln!(errors, "sluice: {node}: {error}")?;
            }
        }
        errors.flush()
    }

    fn json(&self) -> Value {
        let nodes = self.asked.iter().map(|(node, books)| match books {
            Ok(books) => json!({"node": node, "books": books}),
            Err(error) => json!({"node": node, "error": error}),
        });
        let imbalances = self.imbalances.iter().map(|(node, one)| {
            json!({"node": node, "groupId": one.group_id, "streamId": one.stream_id,
                "admitted": one.admitted, "accounted": one.accounted.to_string()})
        });
        json!({
            "balanced": self.imbalances.is_empty() && self.books().count() == self.asked.len(),
            "streams": sums::by_stream(self.books()),
            "imbalances": imbalances.collect::<Vec<_>>(),
            "nodes": nodes.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests;
