//! Both Secrets as they were seen last, what follows of them, and how they are to be. It is pure but for random keys.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;

use super::authority::Authority;
use super::bundle::{bundle, former};
use super::decide::{Action, Decision, Seen, decide};
use super::leaf::Leaf;
use super::secret::{self, Read};
use super::{Bundle, MakeError};
use crate::names;
use crate::watch::cluster::version;

/// What is kept, and where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The operator's namespace.
    pub namespace: String,
    /// The name of its Service, with which those of its Secrets begin.
    pub service: String,
    /// How long an authority is in every bundle before it signs.
    pub grace: Duration,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Authority,
    Leaf,
}

/// What follows of what was seen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Whom proxies are to trust.
    pub(crate) trusted: Option<Bundle>,
    pub(crate) decision: Decision,
}

/// What was seen last.
pub(crate) struct State {
    settings: Settings,
    /// DNS names that the leaf has to be for.
    names: Vec<String>,
    /// None until it was looked for; then what was found.
    authority: Option<Option<Read<Authority>>>,
    leaf: Option<Option<Read<Leaf>>>,
}

impl State {
    pub(crate) fn new(settings: Settings) -> Self {
        let names = names::operator_hosts(&settings.namespace, &settings.service);
        Self { settings, names, authority: None, leaf: None }
    }

    /// The name of a Secret.
    pub(crate) fn name(&self, which: Which) -> String {
        match which {
            Which::Authority => names::authority_secret(&self.settings.service),
            Which::Leaf => names::leaf_secret(&self.settings.service),
        }
    }

    /// Takes in what there is; none: nothing. What is older than what is known, as a watch tells it after the answer
    /// to a write, changes nothing.
    pub(crate) fn put(&mut self, which: Which, secret: Option<Secret>) {
        let known = match which {
            Which::Authority => self.authority().map(|read| &read.secret),
            Which::Leaf => self.leaf_read().map(|read| &read.secret),
        };
        let number = |secret: &Secret| version(secret.metadata.resource_version.as_deref());
        if let (Some(known), Some(secret)) = (known, &secret)
            && number(known) >= number(secret)
        {
            return;
        }
        match which {
            Which::Authority => self.authority = Some(secret.map(Read::authority)),
            Which::Leaf => self.leaf = Some(secret.map(Read::leaf)),
        }
    }

    /// What follows at `now`, in seconds since 1970, when every namespace with a fleet has the bundle `out`; nothing
    /// until both Secrets were looked for.
    pub(crate) fn look(&self, out: Option<&Bundle>, now: u64) -> Option<Look> {
        let (authority, leaf) = (self.authority.as_ref()?.as_ref(), self.leaf.as_ref()?.as_ref());
        let good = authority.and_then(Read::good).map(|good| &good.certificate);
        let trusted = bundle(good, leaf.and_then(Read::good), now);
        let seen = Seen {
            authority: Read::<Authority>::facts(authority),
            leaf: Read::<Leaf>::facts(leaf, &self.names),
            out: trusted.is_some() && out == trusted.as_ref(),
        };
        Some(Look { trusted, decision: decide(&seen, self.settings.grace.as_secs(), now) })
    }

    /// The Secret as an action is to make it; none where there is nothing to be made.
    pub(crate) fn wanted(&self, action: Action, now: u64) -> Result<Option<(Which, Secret)>, MakeError> {
        let which = match action {
            Action::MakeAuthority | Action::NoteTrusted => Which::Authority,
            Action::Sign => Which::Leaf,
            Action::ComplainOfAuthority | Action::ComplainOfLeaf => return Ok(None),
        };
        let name = self.name(which);
        let (authority, leaf) = (self.authority(), self.leaf_read());
        let good = authority.and_then(Read::good);
        Ok(match action {
            Action::MakeAuthority => {
                let made = Authority::make(&self.settings.service, now)?;
                Some(secret::new_authority(authority.map(|read| &read.secret), &name, made))
            }
            Action::Sign => match good {
                Some(signer) => {
                    let pair = signer.sign(&self.names, now)?;
                    let there = leaf.map(|read| &read.secret);
                    let former = former(&signer.certificate, leaf.and_then(Read::good), now);
                    Some(secret::new_leaf(there, &name, pair, &signer.certificate, &former))
                }
                None => None,
            },
            _ => {
                authority.zip(good).map(|(read, good)| secret::noted(&read.secret, &good.certificate.id, now))
            }
        }
        .map(|secret| (which, secret)))
    }

    /// The leaf, if there is one that can be served.
    pub(crate) fn leaf(&self) -> Option<&Leaf> {
        self.leaf_read().and_then(Read::good)
    }

    fn authority(&self) -> Option<&Read<Authority>> {
        self.authority.as_ref()?.as_ref()
    }

    fn leaf_read(&self) -> Option<&Read<Leaf>> {
        self.leaf.as_ref()?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const GRACE: u64 = 600;

    /// The Secrets of a cluster, and an operator that looks at them.
    struct World {
        state: State,
        stored: [Option<Secret>; 2],
        version: u64,
        writes: Vec<Action>,
        /// The bundle that all namespaces have.
        out: Option<Bundle>,
        now: u64,
    }

    impl World {
        fn new() -> Self {
            let (state, stored) = (Self::state(), [None, None]);
            let mut world = Self { state, stored, version: 0, writes: Vec::new(), out: None, now: NOW };
            world.restart();
            world
        }

        fn state() -> State {
            let grace = Duration::from_secs(GRACE);
            State::new(Settings { namespace: "here".to_owned(), service: "op".to_owned(), grace })
        }

        /// Another operator leads, which knows nothing but what stands in the Secrets.
        fn restart(&mut self) {
            self.state = Self::state();
            for which in [Which::Authority, Which::Leaf] {
                self.state.put(which, self.stored[which as usize].clone());
            }
        }

        fn set(&mut self, which: Which, secret: Option<Secret>) {
            self.version += 1;
            let mut secret = secret;
            if let Some(secret) = &mut secret {
                secret.metadata.resource_version = Some(self.version.to_string());
            }
            self.stored[which as usize].clone_from(&secret);
            self.state.put(which, secret);
        }

        fn look(&self) -> Look {
            self.state.look(self.out.as_ref(), self.now).unwrap()
        }

        /// Writes until there is nothing to write; gives what was.
        fn settle(&mut self) -> Vec<Action> {
            let mut done = Vec::new();
            while let Some(action) = self.look().decision.action {
                let (which, secret) = self.state.wanted(action, self.now).unwrap().unwrap();
                let there = self.stored[which as usize].as_ref();
                let known = there.and_then(|there| there.metadata.resource_version.clone());
                assert_eq!(secret.metadata.resource_version, known, "a write of what was seen");
                self.set(which, Some(secret));
                done.push(action);
                assert!(done.len() < 10, "{done:?}");
            }
            self.writes.extend(&done);
            done
        }

        /// All namespaces get the bundle as it is now.
        fn roll_out(&mut self) {
            self.out = self.look().trusted;
        }

        fn leaf(&self) -> &Leaf {
            self.state.leaf().unwrap()
        }
    }

    #[test]
    fn nothing_follows_until_both_were_looked_for() {
        let mut state = World::state();
        assert_eq!(state.look(None, NOW), None);
        state.put(Which::Authority, None);
        assert_eq!(state.look(None, NOW), None);
        state.put(Which::Leaf, None);
        assert_eq!(state.look(None, NOW).unwrap().decision.action, Some(Action::MakeAuthority));
    }

    #[test]
    fn an_operator_that_starts_where_all_is_there_writes_nothing() {
        let mut world = World::new();
        assert_eq!(world.settle(), [Action::MakeAuthority, Action::Sign]);
        world.roll_out();
        assert_eq!(world.settle(), [Action::NoteTrusted]);
        for _ in 0..3 {
            world.restart();
            assert_eq!(world.settle(), []);
        }
    }

    #[test]
    fn a_leader_that_takes_over_in_the_middle_goes_on_where_the_last_one_was() {
        let mut world = World::new();
        world.settle();
        world.roll_out();
        world.settle();
        world.set(Which::Authority, None);
        world.restart();
        assert_eq!(world.settle(), [Action::MakeAuthority]);
        world.restart();
        world.roll_out();
        assert_eq!(world.settle(), [Action::NoteTrusted]);
        let former = world.leaf().issuer.id.clone();
        world.now += GRACE - 1;
        world.restart();
        assert_eq!(world.settle(), []);
        world.now += 1;
        world.restart();
        assert_eq!(world.settle(), [Action::Sign]);
        assert_ne!(world.leaf().issuer.id, former);
        let trusted = world.look().trusted.unwrap();
        assert_eq!(trusted.matches("BEGIN").count(), 2, "the former one's leaf has not expired");
        assert_eq!(Some(&trusted), world.out.as_ref(), "and the bundle is the same as before");
    }

    #[test]
    fn what_is_older_than_what_is_known_changes_nothing() {
        let mut world = World::new();
        world.settle();
        let old = world.stored[1].clone();
        world.now += 70 * 24 * 60 * 60;
        world.roll_out();
        assert!(world.settle().contains(&Action::NoteTrusted));
        world.now += GRACE;
        assert_eq!(world.settle(), [Action::Sign]);
        let id = world.leaf().certificate.id.clone();
        world.state.put(Which::Leaf, old);
        assert_eq!(world.leaf().certificate.id, id);
    }

    #[test]
    fn over_seven_years_a_proxy_that_learns_of_a_bundle_late_is_never_cut_off() {
        const HOUR: u64 = 60 * 60;
        let mut world = World::new();
        world.settle();
        world.roll_out();
        let mut mounted = world.look().trusted.unwrap();
        for hour in 0..7 * 365 * 24 {
            world.now = NOW + hour * HOUR;
            if hour % (200 * 24) == 199 * 24 {
                world.set(Which::Authority, None);
            }
            world.settle();
            assert!(world.leaf().certificate.span.until > world.now, "the leaf has ended in hour {hour}");
            let served = world.leaf().issuer.pem();
            // What the kubelet mounted by the hour before.
            assert!(mounted.contains(&served), "cut off in hour {hour}");
            mounted = world.look().trusted.unwrap();
            assert!(mounted.matches("BEGIN").count() <= 3, "hour {hour}");
            world.roll_out();
        }
        let made = world.writes.iter().filter(|write| **write == Action::MakeAuthority).count();
        assert_eq!(made, 1 + 12, "once, and each time that it was deleted");
    }
}
