//! The operator's registry behind the routes of InLong's manager, told of made-up nodes, as a process of its own. It says
//! its address first, and serves until standard input ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use sluice_operator::poll::http::Routes;
use sluice_operator::poll::hub::Hub;
use sluice_operator::registry::directory::{Directory, Fleet, Group, Node};
use sluice_operator::registry::http::Manager;
use sluice_operator::registry::{self, Ends};
use sluice_operator::telemetry::Metrics;
use sluice_tests::process::raise_open_files;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{fleet, nodes, server};
use crate::part;

/// Nodes of a fleet.
pub(crate) const PER_FLEET: usize = 100;

/// What it knows.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    nodes: usize,
}

/// Serves until standard input ends.
pub(crate) fn run(args: &Args) {
    raise_open_files();
    let mut commands = part::commands();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let metrics = Metrics::new().expect("metrics of different names");
        let (_directory, known) = watch::channel(Some(Arc::new(directory(args.nodes))));
        let (news, mut told) = mpsc::channel(1_024);
        let (warm, _warm) = watch::channel(false);
        let ends = Ends { directory: known, news, warm, metrics: metrics.clone() };
        let (registry, keeper) = registry::start(ends, stop.clone());
        tokio::spawn(keeper);
        tokio::spawn(async move { while told.recv().await.is_some() {} });
        let manager = Manager::new(registry, metrics.clone());
        let routes = Routes::new(Hub::default(), BTreeMap::new(), None, metrics).with_manager(manager);
        server::listen(Arc::new(routes), stop).await;
        while commands.recv().await.is_some() {}
    });
}

/// Fleets of [`PER_FLEET`] nodes each, all ready, each fleet with a group.
fn directory(nodes: usize) -> Directory {
    let (mut groups, mut fleets) = (std::collections::HashMap::new(), BTreeMap::new());
    for first in (0..nodes).step_by(PER_FLEET) {
        let name = fleet_of(first);
        let key = (fleet::NAMESPACE.to_owned(), name.clone());
        groups.insert(name, Group { fleet: key.clone(), longest: 65_536, guarded: false });
        let node = |number: usize| Node {
            uid: nodes::uid(number).into(),
            name: format!("node-{number}").into(),
            ip: nodes::ip(number).parse().ok(),
            admin: None,
            ready: true,
            machine: Some(format!("machine-{}", number % 1_000).into()),
        };
        let of_fleet = (first..nodes.min(first + PER_FLEET)).map(node).collect();
        let fleet =
            Fleet { port: 46_802, same_machine: false, longest: 65_536, guarded: false, nodes: of_fleet };
        fleets.insert(key, Arc::new(fleet));
    }
    Directory::new(Arc::new(groups), fleets, Arc::default())
}

/// Name of the fleet of the node of this number.
pub(crate) fn fleet_of(number: usize) -> String {
    format!("{}{:03}", fleet::NAME, number / PER_FLEET)
}
