//! From publishing one changed stream to what waiting proxies have of it: how long, and how many bytes.

use std::ffi::OsStr;

use tempfile::TempDir;

use super::pollers::Round;
use super::{fleet, ms, percentile, server, shares, tls};
use crate::part::Part;
use crate::rounds::median;

/// All told within this many milliseconds of publishing.
const TARGET: f64 = 250.0;

/// How proxies poll.
pub(crate) enum Way {
    /// Over plain HTTP, given the change itself.
    Plain,
    /// Over plain HTTP, as any client of the contract: told of names alone, they then fetch what changed.
    Names,
    /// As `Plain`, but over TLS with the certificate of this folder.
    Tls(TempDir),
}

impl Way {
    /// Over TLS.
    pub(crate) fn tls() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        tls::make(folder.path());
        Self::Tls(folder)
    }

    /// Starts a server that can be polled so.
    pub(crate) fn server(&self, streams: usize) -> server::Server {
        let folder = if let Self::Tls(folder) = self { Some(folder.path()) } else { None };
        server::start(streams, folder)
    }
}

/// Simulated proxies in as many processes as they need.
pub(crate) struct Pollers(Vec<Part>);

impl Pollers {
    pub(crate) fn start(server: &str, count: usize, way: &Way) -> Self {
        let start = |(first, count): (usize, usize)| {
            let (first, count) = (first.to_string(), count.to_string());
            let arguments = ["pollers", "--server", server, "--first", &first, "--count", &count];
            let mut arguments = arguments.map(OsStr::new).to_vec();
            match way {
                Way::Plain => {}
                Way::Names => arguments.push("--names".as_ref()),
                Way::Tls(folder) => arguments.extend(["--tls".as_ref(), folder.path().as_os_str()]),
            }
            Part::start(arguments)
        };
        Self(shares(count).map(start).collect())
    }

    /// Lets all of them poll, and returns when each poll was sent.
    pub(crate) fn wait(&mut self) {
        self.0.iter_mut().for_each(|part| part.tell("wait"));
        for part in &self.0 {
            assert_eq!(part.line(), "waiting");
        }
    }

    /// Waits until all were told.
    pub(crate) fn told(&mut self) -> Round {
        self.0.iter_mut().for_each(|part| part.tell("told"));
        let mut all = Round::default();
        for part in &self.0 {
            let round: Round = serde_json::from_str(&part.line()).expect("a round");
            all.told.extend(round.told);
            all.complete.extend(round.complete);
            all.bytes = all.bytes.max(round.bytes);
            all.wrong += round.wrong;
        }
        all.told.sort_unstable();
        all.complete.sort_unstable();
        all
    }
}

/// Measures and prints.
pub(crate) fn run(pollers: usize, streams: usize, rounds: usize) {
    println!("\nlong polling: {pollers} proxies wait, one of {streams} streams is changed, {rounds} rounds");
    for way in [Way::Plain, Way::tls(), Way::Names] {
        measure(pollers, streams, rounds, &way);
    }
}

fn measure(pollers: usize, streams: usize, rounds: usize, way: &Way) {
    let mut server = way.server(streams);
    let mut clients = Pollers::start(&server.address, pollers, way);
    let (mut p50, mut p99, mut worst, mut bytes, mut wrong) = (Vec::new(), Vec::new(), Vec::new(), 0, 0);
    let names = matches!(way, Way::Names);
    let who = if names { "fetch complete" } else { "told" };
    for number in 1..=rounds {
        clients.wait();
        server.until_waiting(pollers);
        let published = server.change();
        let round = clients.told();
        let moments = if names { &round.complete } else { &round.told };
        let took: Vec<u64> = moments.iter().map(|moment| moment.saturating_sub(published)).collect();
        let at = |share| ms(percentile(&took, share));
        println!(
            "round {number}  {who}  p50 {:.0} ms  p99 {:.0} ms  all {:.0} ms  failed or other than the first {}",
            at(0.5),
            at(0.99),
            at(1.0),
            round.wrong
        );
        p50.push(at(0.5));
        p99.push(at(0.99));
        worst.push(at(1.0));
        bytes = bytes.max(round.bytes);
        wrong += round.wrong;
    }
    let [p50, p99, worst] = [&p50, &p99, &worst].map(|values| median(values));
    let one = fleet::stream_length();
    let times = format!("p50 {p50:.0} ms, p99 {p99:.0} ms, all {worst:.0} ms");
    match way {
        Way::Plain => println!(
            "medians, from publishing to the answer with the change, plain HTTP: {times} (target: p99 within \
             {TARGET:.0} ms)\n\
             bytes a proxy over the wire: {bytes}, of which the stream itself {one} (target: those of one stream); in \
             {wrong} cases not as it should"
        ),
        Way::Tls(_) => {
            println!("medians, the same over TLS: {times} (no target), in {wrong} cases not as it should");
        }
        Way::Names => println!(
            "medians, told names alone and then fetching what changed: {times} (no target); {bytes} bytes a proxy over \
             the wire, in {wrong} cases not as it should"
        ),
    }
}
