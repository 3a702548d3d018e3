//! Waiters of the hub without any socket, as a process of their own. Its commands and answers:
//!
//! | command | answer |
//! |---|---|
//! | `wait` | `waiting`, once every waiter waits |
//! | `wake` | microseconds from a change until every waiter had its answer |

use std::time::{Duration, Instant};

use sluice_operator::poll::board::{Change, Claim, Content, Space};
use sluice_operator::poll::hub::Hub;
use sluice_operator::poll::wait::Poll;
use tokio::task::JoinSet;

use crate::part;

const HOLD: Duration = Duration::from_secs(60);

/// How many.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    waiters: usize,
}

fn change(text: &'static str, at: u64) -> Change {
    let content = Some(Content::new(text.as_bytes()));
    Change::One { space: Space::namespace("bench"), group: "STREAM".to_owned(), content, at }
}

/// Runs until standard input ends.
pub(crate) fn run(args: &Args) {
    let mut commands = part::commands();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (hub, space) = (Hub::default(), Space::namespace("bench"));
        hub.take(vec![Change::Whole { space: space.clone(), groups: [].into(), at: 1 }, change("[1]", 2)]);
        let (_, served) = hub.served(&space, &["STREAM".to_owned()]).expect("a space that was looked at");
        let md5 = served[0].content.md5.to_string();
        let mut waiters = JoinSet::new();
        while let Some(command) = commands.recv().await {
            if command == "wait" {
                for _ in 0..args.waiters {
                    let claim = Claim { group: "STREAM".to_owned(), md5: md5.clone(), last_modify_time: 2 };
                    let poll = Poll::new(hub.clone(), space.clone(), vec![claim]);
                    waiters.spawn(poll.answer(HOLD, std::future::pending()));
                }
                // Each has been looked at once when the runtime had time for this.
                tokio::time::sleep(Duration::from_secs(2)).await;
                println!("waiting");
            } else {
                let began = Instant::now();
                hub.take(vec![change("[2]", 3)]);
                let told = std::mem::take(&mut waiters).join_all().await;
                let took = began.elapsed();
                assert!(told.iter().all(|due| due.len() == 1), "a waiter that was told nothing");
                println!("{}", took.as_micros());
            }
        }
    });
}
