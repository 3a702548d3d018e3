//! What nodes said of themselves last, by uid. It takes of a heartbeat only what a node may say of itself: never who it
//! is or where.

use std::collections::HashMap;
use std::sync::Arc;

use sluice_wire::heartbeat::{Heartbeat, MAX_LOAD, ServiceStatus, cut_error};
use sluice_wire::status::NodeState;

/// What a node said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Lower edge of its load's band, 0 to 200.
    pub load: u8,
    /// When its process started, in milliseconds since 1970.
    pub started: u64,
    /// Where it is in its life.
    pub state: NodeState,
    /// Revision of the configuration in effect.
    pub revision: u64,
    /// Why the newest is not.
    pub config_error: Option<String>,
    /// Changes when its status says something new of sinks or streams.
    pub changes: u64,
}

impl Said {
    /// What a heartbeat says; of one in InLong's words alone, what these say.
    #[must_use]
    pub fn of(heartbeat: Heartbeat) -> Self {
        let takes = match heartbeat.node_srv_status {
            ServiceStatus::Ok => NodeState::Ready,
            ServiceStatus::Unready => NodeState::Draining,
        };
        match heartbeat.sluice {
            Some(beat) => Self {
                load: beat.band.min(MAX_LOAD),
                started: beat.started,
                state: beat.state,
                revision: beat.revision,
                config_error: beat.config_error.as_deref().map(|text| cut_error(text).to_owned()),
                changes: beat.changes,
            },
            None => Self {
                load: heartbeat.load.min(MAX_LOAD) / 10 * 10,
                started: 0,
                state: takes,
                revision: 0,
                config_error: None,
                changes: 0,
            },
        }
    }

    /// Whether its whole status is to be asked for, as against what it said before.
    fn is_news(&self, before: &Self) -> bool {
        let of = |said: &Self| (said.started, said.state, said.revision, said.changes);
        of(self) != of(before) || self.config_error != before.config_error
    }
}

/// What changed with a heartbeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Where the node is to be listed, or whether.
    pub listing: bool,
    /// What its whole status says.
    pub status: bool,
}

/// What nodes said last.
#[derive(Debug, Default)]
pub struct Beats(HashMap<Arc<str>, Said>);

impl Beats {
    /// Takes in what a node says.
    pub fn take(&mut self, uid: &Arc<str>, said: Said) -> Changed {
        let changed = match self.0.get(uid) {
            None => Changed { listing: true, status: true },
            Some(before) => Changed {
                listing: (before.load, before.state) != (said.load, said.state),
                status: said.is_news(before),
            },
        };
        self.0.insert(Arc::clone(uid), said);
        changed
    }

    /// Takes in the load that a node shows when it is asked, having been silent for a while: one that said that it leaves
    /// has begun anew. Whether it changes where the node is listed.
    pub fn shown(&mut self, uid: &Arc<str>, load: u8) -> bool {
        let load = load.min(MAX_LOAD);
        let said = self.0.entry(Arc::clone(uid)).or_insert(Said {
            load: 0,
            started: 0,
            state: NodeState::Ready,
            revision: 0,
            config_error: None,
            changes: 0,
        });
        let before = (said.load, said.state);
        (said.load, said.state) = (load, NodeState::Ready);
        before != (said.load, said.state)
    }

    /// Its load; 0 while nothing is known.
    #[must_use]
    pub fn load(&self, uid: &str) -> u8 {
        self.0.get(uid).map_or(0, |said| said.load)
    }

    /// Whether it says that it leaves, which the cluster may not show yet.
    #[must_use]
    pub fn leaves(&self, uid: &str) -> bool {
        self.0.get(uid).is_some_and(|said| said.state == NodeState::Draining)
    }

    /// Forgets all but these.
    pub fn retain(&mut self, known: impl Fn(&str) -> bool) {
        self.0.retain(|uid, _| known(uid));
    }
}

#[cfg(test)]
mod tests {
    use sluice_wire::heartbeat::{Beat, MAX_ERROR};

    use super::*;

    pub(crate) fn heartbeat(band: u8, changes: u64) -> Heartbeat {
        let beat = Beat {
            uid: "forged".to_owned(),
            band,
            started: 1,
            state: NodeState::Ready,
            revision: 7,
            config_error: None,
            changes,
        };
        Heartbeat {
            node_srv_status: ServiceStatus::Ok,
            ip: "192.0.2.66".to_owned(),
            port: "1".to_owned(),
            protocol_type: "HTTP".to_owned(),
            component_type: "DATAPROXY".to_owned(),
            report_time: 5,
            cluster_name: "other.fleet".to_owned(),
            load: 12,
            sluice: Some(beat),
        }
    }

    #[test]
    fn a_status_is_asked_for_when_it_says_something_new_and_a_list_made_when_the_band_is_another() {
        let (mut beats, uid) = (Beats::default(), Arc::from("a"));
        let mut take = |band, changes| beats.take(&uid, Said::of(heartbeat(band, changes)));
        assert_eq!(take(10, 1), Changed { listing: true, status: true });
        assert_eq!(take(10, 1), Changed::default());
        assert_eq!(take(20, 1), Changed { listing: true, status: false });
        assert_eq!(take(20, 2), Changed { listing: false, status: true });
        assert_eq!(beats.load("a"), 20);
        assert_eq!(beats.load("b"), 0);
    }

    #[test]
    fn a_load_or_an_error_beyond_what_there_can_be_is_cut() {
        let mut odd = heartbeat(255, 1);
        odd.sluice.as_mut().unwrap().config_error = Some("ä".repeat(MAX_ERROR));
        let said = Said::of(odd);
        assert_eq!((said.load, said.config_error.unwrap().len()), (MAX_LOAD, MAX_ERROR));
        let plain = Said::of(Heartbeat { sluice: None, load: 57, ..heartbeat(0, 0) });
        assert_eq!((plain.load, plain.state), (50, NodeState::Ready));
    }

    #[test]
    fn a_node_that_says_so_leaves() {
        let (mut beats, uid) = (Beats::default(), Arc::from("a"));
        let mut last = heartbeat(10, 1);
        last.sluice.as_mut().unwrap().state = NodeState::Draining;
        beats.take(&uid, Said::of(heartbeat(10, 1)));
        assert!(!beats.leaves("a"));
        assert_eq!(beats.take(&uid, Said::of(last)), Changed { listing: true, status: true });
        assert!(beats.leaves("a"));
        assert!(beats.shown(&uid, 10) && !beats.leaves("a"), "it is there again, and can't be heard");
        assert!(!beats.shown(&uid, 10));
        beats.retain(|uid| uid != "a");
        assert_eq!(beats.load("a"), 0);
    }
}
