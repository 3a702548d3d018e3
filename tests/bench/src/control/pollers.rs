//! Simulated proxies that poll a fleet's configuration, as a process of their own. Its commands and answers:
//!
//! | command | answer |
//! |---|---|
//! | `wait` | `waiting`, once every proxy has sent its poll |
//! | `told` | `{"told": [..], "complete": [..], ..}`: when each was told, and had all of it, in microseconds since 1970 |
//!
//! Between the two, the configuration changes. All proxies have the same configuration, which they learn from one answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sluice_tests::process::raise_open_files;
use sluice_wire::document::Group;
use sluice_wire::polling::{Changed, Fetched, GROUPS, REVISION};
use tokio::sync::{Barrier, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::client::{Answer, Connection};
use super::{fleet, now_us, tls};
use crate::part;

/// The longest that a poll may take.
const LONGEST: Duration = Duration::from_secs(70);
/// Connections that are opened at a time.
const OPENING: usize = 64;

/// What to simulate.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    pub(crate) server: SocketAddr,
    #[arg(long)]
    pub(crate) count: usize,
    /// Number of the first proxy.
    #[arg(long)]
    pub(crate) first: usize,
    /// As any client of the contract: told of names alone, they then fetch what changed.
    #[arg(long)]
    pub(crate) names: bool,
    /// Over TLS, with the certificate of this folder.
    #[arg(long)]
    pub(crate) tls: Option<PathBuf>,
}

impl Args {
    /// A connection as they have them.
    async fn connect(&self, number: usize) -> std::io::Result<Connection> {
        let connection = Connection::open(self.server, number).await?;
        match &self.tls {
            Some(folder) => connection.secured(&tls::connector(folder)).await,
            None => Ok(connection),
        }
    }
}

/// What a round came to.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Round {
    /// When each was told, sorted.
    pub(crate) told: Vec<u64>,
    /// When each had all that changed, sorted.
    pub(crate) complete: Vec<u64>,
    /// Bytes that each read, head and body, the most of all.
    pub(crate) bytes: usize,
    /// How many failed, were told nothing or something else than the first.
    pub(crate) wrong: usize,
}

/// The configuration that all of them have.
#[derive(Clone, Debug)]
struct Having {
    revision: u64,
    groups: BTreeMap<String, Group>,
}

impl Having {
    async fn fetched(args: &Args) -> Self {
        let mut connection = args.connect(0).await.expect("a connection");
        let keys: Vec<_> = GROUPS.iter().map(|group| format!("groupKeys={group}&")).collect();
        let request = format!(
            "GET /configs/fetch?{}namespaceId={} HTTP/1.1\r\nHost: a\r\n\r\n",
            keys.concat(),
            fleet::NAMESPACE_ID
        );
        let answer = connection.ask(request.as_bytes()).await.expect("an answer");
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(answer.body()));
        let fetched: Fetched = serde_json::from_slice(answer.body()).expect("the contract's JSON");
        let group = |(name, group): (String, sluice_wire::polling::FetchedGroup)| {
            (name, Group { md5: group.md5, last_modify_time: group.last_modify_time })
        };
        Self {
            revision: fetched.revision.unwrap_or(1),
            groups: fetched.data.into_iter().map(group).collect(),
        }
    }

    fn poll(&self, names: bool) -> String {
        let groups = self.groups.iter();
        let form: Vec<_> = groups
            .map(|(name, group)| format!("&{name}={}%2C{}", group.md5, group.last_modify_time))
            .collect();
        let body = format!("namespaceId={}{}", fleet::NAMESPACE_ID, form.concat());
        let revision = if names { String::new() } else { format!("{REVISION}: {}\r\n", self.revision) };
        format!(
            "POST /configs/listener HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             {revision}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// What a client that is told names fetches: the one group that changes here, by what it has of it.
    fn fetch(&self) -> String {
        let (name, group) = (fleet::CHANGES, &self.groups[fleet::CHANGES]);
        format!(
            "GET /configs/fetch?groupKeys={name}&since={}&namespaceId={} HTTP/1.1\r\nHost: a\r\n\r\n",
            group.md5,
            fleet::NAMESPACE_ID
        )
    }

    /// Takes over what one of them was given.
    fn follow(&mut self, body: &[u8], names: bool) {
        if names {
            let fetched: Fetched = serde_json::from_slice(body).expect("the contract's JSON");
            self.revision = fetched.revision.unwrap_or(self.revision);
            for (name, group) in fetched.data {
                let group = Group { md5: group.md5, last_modify_time: group.last_modify_time };
                self.groups.insert(name, group);
            }
        } else {
            let changed: Changed = serde_json::from_slice(body).expect("the contract's JSON");
            let update = changed.update.expect("an update for who sends a revision");
            (self.revision, self.groups) = (update.revision, update.groups);
        }
    }
}

/// One proxy's part of a round.
struct Told {
    told: u64,
    complete: u64,
    last: Answer,
    bytes: usize,
}

/// Simulates until standard input ends.
pub(crate) fn run(args: &Args) {
    raise_open_files();
    let mut commands = part::commands();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut having = Having::fetched(args).await;
        let mut connections = open(args).await;
        let mut round = None;
        while let Some(command) = commands.recv().await {
            match (&*command, round.take()) {
                ("wait", None) => {
                    let polls = begin(args, &having, std::mem::take(&mut connections)).await;
                    println!("waiting");
                    round = Some(polls);
                }
                ("told", Some(polls)) => {
                    let (came, ended) = end(polls, &mut having, args.names).await;
                    connections = ended;
                    println!("{}", serde_json::to_string(&came).expect("JSON"));
                }
                (other, _) => panic!("{other:?} out of turn"),
            }
        }
    });
}

async fn open(args: &Args) -> Vec<Connection> {
    let opening = Arc::new(Semaphore::new(OPENING));
    let mut tasks = JoinSet::new();
    for number in args.first..args.first + args.count {
        let (opening, args) = (Arc::clone(&opening), args.clone());
        tasks.spawn(async move {
            let _turn = opening.acquire().await;
            args.connect(number).await.expect("a connection")
        });
    }
    tasks.join_all().await
}

type Polls = JoinSet<(Connection, std::io::Result<Told>)>;

/// Lets every proxy send its poll.
async fn begin(args: &Args, having: &Having, connections: Vec<Connection>) -> Polls {
    let poll: Arc<str> = having.poll(args.names).into();
    let fetch: Option<Arc<str>> = args.names.then(|| having.fetch().into());
    let sent = Arc::new(Barrier::new(connections.len() + 1));
    let mut polls = JoinSet::new();
    for mut connection in connections {
        let (poll, fetch, sent) = (Arc::clone(&poll), fetch.clone(), Arc::clone(&sent));
        polls.spawn(async move {
            let begun = connection.send(poll.as_bytes()).await;
            sent.wait().await;
            let round = async {
                begun?;
                let answer = connection.answer().await?;
                let (told, bytes) = (now_us(), answer.bytes.len());
                let Some(fetch) = fetch else {
                    return Ok(Told { told, complete: told, last: answer, bytes });
                };
                let answer = connection.ask(fetch.as_bytes()).await?;
                let bytes = bytes + answer.bytes.len();
                Ok(Told { told, complete: now_us(), last: answer, bytes })
            };
            let round = timeout(LONGEST, round).await.unwrap_or_else(|late| Err(late.into()));
            (connection, round)
        });
    }
    sent.wait().await;
    polls
}

/// Waits until every proxy was told.
async fn end(mut polls: Polls, having: &mut Having, names: bool) -> (Round, Vec<Connection>) {
    let (mut round, mut connections, mut first) = (Round::default(), Vec::new(), None::<Answer>);
    while let Some(ended) = polls.join_next().await {
        let (connection, told) = ended.expect("a proxy that doesn't panic");
        connections.push(connection);
        let Ok(told) = told else {
            round.wrong += 1;
            continue;
        };
        round.told.push(told.told);
        round.complete.push(told.complete);
        round.bytes = round.bytes.max(told.bytes);
        let same = first.get_or_insert_with(|| Answer::clone(&told.last)).body() == told.last.body();
        round.wrong += usize::from(!same || told.last.status != 200);
    }
    if let Some(first) = first {
        having.follow(first.body(), names);
    }
    round.told.sort_unstable();
    round.complete.sort_unstable();
    (round, connections)
}
