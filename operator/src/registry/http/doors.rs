//! Who is told which nodes to report to: whoever could report to one of a group's streams, by the configuration that
//! nodes have. A group with a stream that asks for nothing is anybody's.
//! It keeps what it read of a configuration until there is another, and never asks the API server.
//! Each stream costs a digest of what is shown, so where streams are many one request is checked at a time.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http::HeaderMap;
use sluice_admin::seats::{Limits, Seat, Seats};
use sluice_identity::{Accounts, Credential, Denied, Guard, ServiceAccount};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::yield_now;

use super::answer::Refusal;
use super::{Configuration, Configurations};
use crate::clock;
use crate::credentials::{Asked, AskedBy};
use crate::resolve::FleetKey;

/// Fleets of which it is kept what their streams ask for, at most.
const KEPT: usize = 256;

/// Streams that a request is checked against at once, which takes well below a millisecond.
const AT_ONCE: usize = 64;

/// Requests that are checked against more than that or wait for it, in all and from one address.
const WAITING: Limits = Limits { connections: 256, per_address: 16 };

/// What a fleet's streams ask for.
#[derive(Debug)]
struct Door {
    /// Of which configuration.
    md5: String,
    /// What each stream asks for, by group.
    guards: Vec<Guard>,
    /// Where in it each group is.
    groups: BTreeMap<String, Range<usize>>,
    accounts: Option<Accounts>,
}

impl Door {
    /// Of a configuration that can't be read nothing is known, and nobody is let in.
    fn read(configuration: &Configuration) -> Self {
        let asked = Asked::by(configuration);
        let accounts = asked.keys().and_then(|keys| Accounts::from_keys(keys).ok());
        let mut by_group: BTreeMap<String, Vec<Guard>> = BTreeMap::new();
        for AskedBy { namespace, name, group_id, auth, .. } in asked.streams {
            by_group.entry(group_id).or_default().push(Guard::new(&auth, &namespace, &name));
        }
        let (mut guards, mut groups) = (Vec::new(), BTreeMap::new());
        for (group, of_it) in by_group {
            let begin = guards.len();
            guards.extend(of_it);
            groups.insert(group, begin..guards.len());
        }
        Self { md5: configuration.md5.clone(), guards, groups, accounts }
    }

    /// What each stream of the group asks for, or of the fleet where there is no group.
    fn guards(&self, group: Option<&str>) -> &[Guard] {
        let Some(group) = group else { return &self.guards };
        self.groups.get(group).and_then(|of_it| self.guards.get(of_it.clone())).unwrap_or_default()
    }

    /// Whether what is shown is asked for by a stream of the group, or of the fleet where there is no group.
    /// Whoever else has something to do comes in between.
    async fn check(&self, group: Option<&str>, shown: &Credential<'_>, now: u64) -> Result<(), Denied> {
        let mut refused = None;
        // Verified once, however many streams ask for it.
        let known: OnceLock<Result<Arc<ServiceAccount>, Denied>> = OnceLock::new();
        for (at, few) in self.guards(group).chunks(AT_ONCE).enumerate() {
            if at > 0 {
                yield_now().await;
            }
            for guard in few {
                let account = |token: &str| known.get_or_init(|| self.account(token, now)).clone();
                match guard.check(shown, account) {
                    Ok(()) => return Ok(()),
                    Err(denied) => refused = refused.max(Some(denied)),
                }
            }
        }
        Err(refused.unwrap_or(Denied::NoKeys))
    }

    fn account(&self, token: &str, now: u64) -> Result<Arc<ServiceAccount>, Denied> {
        self.accounts.as_ref().ok_or(Denied::NoKeys)?.of(token, now)
    }
}

/// What fleets' streams ask for.
#[derive(Clone, Debug)]
pub(super) struct Doors {
    configurations: Option<Arc<dyn Configurations>>,
    kept: Arc<Mutex<HashMap<FleetKey, Arc<Door>>>>,
    /// Whoever is checked against many streams has it; others wait in the order in which they came.
    turn: Arc<Semaphore>,
    waiting: Seats,
}

impl Doors {
    pub(super) fn new(configurations: Option<Arc<dyn Configurations>>) -> Self {
        let (turn, waiting) = (Arc::new(Semaphore::new(1)), Seats::new(WAITING));
        Self { configurations, kept: Arc::default(), turn, waiting }
    }

    /// Whether a request with these headers, from `ip`, may be told nodes of the group, or of the fleet where there is no
    /// group.
    pub(super) async fn admit(
        &self,
        fleet: &FleetKey,
        group: Option<&str>,
        headers: &HeaderMap,
        ip: IpAddr,
    ) -> Result<(), Refusal> {
        let shown = Credential::of(headers);
        let digests = match shown {
            Credential::None | Credential::Unreadable => 0,
            _ => self.door(fleet)?.guards(group).len(),
        };
        let _turn = self.turn(digests, ip).await?;
        // It may have changed while others were looked at.
        Ok(self.door(fleet)?.check(group, &shown, clock::seconds()).await?)
    }

    /// Waits until so many digests may be made; few always may.
    async fn turn(&self, digests: usize, ip: IpAddr) -> Result<Option<(SemaphorePermit<'_>, Seat)>, Refusal> {
        if digests <= AT_ONCE {
            return Ok(None);
        }
        let seat = self.waiting.take(ip).ok_or(Refusal::Busy)?;
        let turn = self.turn.acquire().await.map_err(|_| Refusal::Busy)?;
        Ok(Some((turn, seat)))
    }

    fn door(&self, fleet: &FleetKey) -> Result<Arc<Door>, Denied> {
        let configuration =
            self.configurations.as_ref().and_then(|all| all.of(fleet)).ok_or(Denied::NoKeys)?;
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(door) = kept().get(fleet).filter(|door| door.md5 == configuration.md5) {
            return Ok(Arc::clone(door));
        }
        let door = Arc::new(Door::read(&configuration));
        let mut kept = kept();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(fleet.clone(), Arc::clone(&door));
        Ok(door)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::net::Ipv4Addr;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use http::header::AUTHORIZATION;
    use serde_json::{Value, json};
    use sluice_identity::digest;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[derive(Debug)]
    struct One(Mutex<Value>);

    impl Configurations for One {
        fn of(&self, fleet: &FleetKey) -> Option<Configuration> {
            let document = self.0.lock().unwrap().clone();
            (fleet.1 == "edge").then(|| Configuration::new(document.to_string()))
        }
    }

    fn stream(group: &str, name: &str, token: Option<&str>) -> Value {
        let mut stream = json!({"namespace": "shop", "name": name, "groupId": group});
        if let Some(token) = token {
            let sha256 = digest(&format!("shop/{name}"), token);
            stream["auth"] = json!({"tokens": [{"id": "a", "sha256": sha256}]});
        }
        stream
    }

    fn doors(streams: &[Value]) -> (Doors, Arc<One>) {
        let one = Arc::new(One(Mutex::new(json!({"streams": streams}))));
        (Doors::new(Some(Arc::clone(&one) as Arc<dyn Configurations>)), one)
    }

    /// Streams that ask for tokens, one more than are looked at in four goes.
    fn many() -> Vec<Value> {
        (0..=4 * AT_ONCE).map(|number| stream("g", &format!("s{number}"), Some("first"))).collect()
    }

    async fn admit_from(doors: &Doors, group: Option<&str>, shown: &str, ip: IpAddr) -> Result<(), Refusal> {
        let mut headers = HeaderMap::new();
        if !shown.is_empty() {
            headers.insert(AUTHORIZATION, shown.parse().unwrap());
        }
        doors.admit(&("shop".to_owned(), "edge".to_owned()), group, &headers, ip).await
    }

    async fn admit(doors: &Doors, group: Option<&str>, shown: &str) -> Result<(), Denied> {
        admit_from(doors, group, shown, HERE).await.map_err(|refusal| match refusal {
            Refusal::Denied(denied) => denied,
            other => panic!("{other}"),
        })
    }

    #[tokio::test]
    async fn a_credential_of_any_stream_of_the_group_opens_it() {
        let streams = [
            stream("g", "one", Some("first")),
            stream("g", "two", Some("second")),
            stream("h", "three", Some("third")),
        ];
        let (doors, _) = doors(&streams);
        for shown in ["Bearer first", "Bearer second", "Basic YTpmaXJzdA=="] {
            assert_eq!(admit(&doors, Some("g"), shown).await, Ok(()), "{shown}");
        }
        assert_eq!(admit(&doors, Some("g"), "Bearer third").await, Err(Denied::Token));
        assert_eq!(admit(&doors, Some("g"), "").await, Err(Denied::Missing));
        assert_eq!(admit(&doors, Some("other"), "Bearer first").await, Err(Denied::NoKeys));
        assert_eq!(admit(&doors, None, "Bearer third").await, Ok(()), "of the fleet, any stream's");
        assert_eq!(admit(&doors, None, "Bearer fourth").await, Err(Denied::Token));
    }

    #[tokio::test]
    async fn a_group_with_an_open_stream_is_anybodys() {
        let (doors, _) = doors(&[stream("g", "one", Some("first")), stream("g", "two", None)]);
        for shown in ["", "Bearer x", "nonsense"] {
            assert_eq!(admit(&doors, Some("g"), shown).await, Ok(()), "{shown}");
        }
    }

    #[tokio::test]
    async fn what_is_asked_for_is_that_of_the_configuration_there_is() {
        let (doors, one) = doors(&[stream("g", "one", Some("first"))]);
        assert_eq!(admit(&doors, Some("g"), "Bearer first").await, Ok(()));
        *one.0.lock().unwrap() = json!({"streams": [stream("g", "one", Some("second"))]});
        assert_eq!(admit(&doors, Some("g"), "Bearer first").await, Err(Denied::Token));
        assert_eq!(admit(&doors, Some("g"), "Bearer second").await, Ok(()));
    }

    #[tokio::test]
    async fn without_a_configuration_that_can_be_read_nobody_is_let_in() {
        let (doors, one) = doors(&[]);
        *one.0.lock().unwrap() = json!({"streams": [{"auth": {"oidc": {}}}]});
        assert_eq!(admit(&doors, Some("g"), "Bearer first").await, Err(Denied::NoKeys));
        assert_eq!(admit(&Doors::new(None), Some("g"), "Bearer first").await, Err(Denied::NoKeys));
    }

    #[tokio::test]
    async fn while_many_streams_are_looked_at_others_come_in_between() {
        let (doors, _) = doors(&many());
        let mut check = pin!(admit(&doors, None, "Bearer wrong"));
        let mut polls = 0;
        let polled = poll_fn(|context| {
            polls += 1;
            check.as_mut().poll(context)
        });
        assert_eq!(polled.await, Err(Denied::Token));
        assert!(polls >= 5, "{polls}");
    }

    #[tokio::test]
    async fn one_request_at_a_time_is_checked_against_many_streams() {
        let (doors, _) = doors(&[many(), vec![stream("small", "one", Some("little"))]].concat());
        let turn = doors.turn.acquire().await.unwrap();
        for group in [None, Some("g")] {
            let mut waits = pin!(admit(&doors, group, "Bearer first"));
            assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        let mut waits = pin!(admit(&doors, None, "Bearer first"));
        assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(admit(&doors, Some("small"), "Bearer little").await, Ok(()), "few need no turn");
        drop(turn);
        assert_eq!(waits.await, Ok(()));
    }

    #[tokio::test]
    async fn one_address_does_not_fill_the_queue() {
        let (doors, _) = doors(&[many(), vec![stream("small", "one", Some("little"))]].concat());
        let seats: Vec<Seat> = (0..WAITING.per_address).map(|_| doors.waiting.take(HERE).unwrap()).collect();
        let refusal = admit_from(&doors, None, "Bearer first", HERE).await.unwrap_err();
        assert_eq!((refusal.kind(), refusal.answer().status().as_u16()), ("busy", 503));
        assert_eq!(admit(&doors, Some("small"), "Bearer little").await, Ok(()));
        let other = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
        assert!(admit_from(&doors, None, "Bearer first", other).await.is_ok());
        drop(seats);
        assert_eq!(admit(&doors, None, "Bearer first").await, Ok(()));
    }
}
