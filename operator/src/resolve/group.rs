//! Streams among themselves: who has a groupId and streamId, on which fleet a group is, and when it has moved.
//! It decides between streams; what a single one may do was said before.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::wish::Wish;
use super::{FleetKey, Place, Refusal, ResolvedStream};
use crate::Reason;

/// What a stream gets. Fleets are named by their place in the list of all.
#[derive(Default)]
pub(super) struct Placing {
    /// The fleet that producers are sent to, and how it serves the stream.
    pub(super) here: Option<(usize, ResolvedStream)>,
    /// The fleet it moves to, and how that serves it.
    pub(super) there: Option<(usize, ResolvedStream)>,
    pub(super) refusal: Option<Refusal>,
}

/// Fleets, by their place in the list of all.
#[derive(Clone, Copy)]
pub(super) struct Fleets<'a> {
    /// Namespaces and names.
    pub(super) keys: &'a [FleetKey],
    /// Whether their proxies are sidecars.
    pub(super) sidecars: &'a [bool],
}

/// Where the streams of a group belong.
#[derive(Clone, Copy)]
struct Home {
    fleet: usize,
    /// Whether those that come from another fleet may leave that.
    arrived: bool,
}

/// Gives each stream what it gets, in the order of `wishes`. Where two contend, the one that comes first wins.
pub(super) fn place(mut wishes: Vec<Wish>, fleets: Fleets<'_>, place: Place<'_>) -> Vec<Placing> {
    let keys = fleets.keys;
    refuse_conflicts(&mut wishes);
    let homes = homes(&wishes, fleets, place);
    wishes.into_iter().zip(homes).map(|(wish, home)| settle(wish, home, keys)).collect()
}

/// Who can be served nowhere claims nothing.
fn refuse_conflicts(wishes: &mut [Wish]) {
    let mut owners: HashMap<(&str, &str), usize> = HashMap::new();
    let mut losers = Vec::new();
    for (index, wish) in wishes.iter().enumerate().filter(|(_, wish)| wish.fleet().is_some()) {
        match owners.entry((&wish.ids.group_id, &wish.ids.stream_id)) {
            Entry::Occupied(owner) => losers.push((index, *owner.get())),
            Entry::Vacant(free) => {
                free.insert(index);
            }
        }
    }
    let refusals: Vec<(usize, Refusal)> =
        losers.into_iter().map(|(loser, owner)| (loser, conflict(&wishes[owner]))).collect();
    for (loser, refusal) in refusals {
        let wish = &mut wishes[loser];
        wish.stay = None;
        if wish.offer.is_ok() {
            wish.offer = Err(refusal);
        }
    }
}

fn conflict(owner: &Wish) -> Refusal {
    let ids = &owner.ids;
    let message = format!(
        "{} has groupId {} and streamId {} already; choose others",
        ids.stream, ids.group_id, ids.stream_id
    );
    Refusal { field: "spec.streamId", reason: Reason::Conflict, message }
}

/// The home of each stream's group; absent for streams that are served nowhere. Nobody is told where sidecars are, so what
/// of a group is on such a fleet is at home there, wherever the rest is.
fn homes(wishes: &[Wish], fleets: Fleets<'_>, place: Place<'_>) -> Vec<Option<Home>> {
    let Fleets { keys, sidecars } = fleets;
    let beside = |fleet: &usize| sidecars.get(*fleet).copied().unwrap_or(false);
    let mut groups: HashMap<(&str, Option<usize>), Vec<usize>> = HashMap::new();
    for (index, wish) in wishes.iter().enumerate() {
        let Some(fleet) = wish.fleet() else { continue };
        let own = Some(fleet).filter(beside);
        groups.entry((&wish.ids.group_id, own)).or_default().push(index);
    }
    let mut homes = vec![None; wishes.len()];
    for members in groups.into_values() {
        let group: Vec<&Wish> = members.iter().map(|member| &wishes[*member]).collect();
        let home = home(&group).map(|fleet| Home { fleet, arrived: arrived(&group, fleet, keys, place) });
        members.into_iter().for_each(|member| homes[member] = home);
    }
    homes
}

/// Producers are told addresses by group alone, so a group is on one fleet. It changes when all want another.
fn home(group: &[&Wish]) -> Option<usize> {
    let mut wanted: Vec<usize> = group.iter().filter_map(|wish| wish.fleet()).collect();
    let first = wanted.first().copied();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.len() == 1 {
        return first;
    }
    let mut now = group.iter().filter_map(|wish| wish.now);
    now.find(|now| wanted.binary_search(now).is_ok()).or(first)
}

/// Whether every stream of the group that comes from elsewhere runs at home: they leave together.
fn arrived(group: &[&Wish], home: usize, keys: &[FleetKey], place: Place<'_>) -> bool {
    let Place::Cluster(cluster) = place else { return true };
    let mut comers =
        group.iter().filter(|wish| wish.offer.is_ok() && wish.wanted == Some(home) && wish.stay.is_some());
    comers.all(|wish| (cluster.runs)(&wish.ids.stream, &keys[home]))
}

fn settle(wish: Wish, home: Option<Home>, keys: &[FleetKey]) -> Placing {
    let is_home = |fleet: Option<usize>| home.is_some_and(|home| fleet == Some(home.fleet));
    let stays = wish.now.zip(wish.stay);
    match (wish.offer, home) {
        (Ok(stream), Some(home)) if wish.wanted == Some(home.fleet) => match stays {
            Some(stays) if !home.arrived => {
                Placing { here: Some(stays), there: Some((home.fleet, stream)), refusal: None }
            }
            _ => Placing { here: Some((home.fleet, stream)), ..Placing::default() },
        },
        (offer, home) => {
            let refusal = match (offer, home) {
                (Err(refusal), _) => Some(refusal),
                (Ok(stream), Some(home)) => Some(elsewhere(&stream.group_id, &keys[home.fleet])),
                (Ok(_), None) => None,
            };
            let here = stays.filter(|_| is_home(wish.now));
            Placing { refusal: refusal.map(|refusal| told(refusal, here.as_ref(), keys)), here, there: None }
        }
    }
}

fn elsewhere(group_id: &str, (namespace, name): &FleetKey) -> Refusal {
    let message = format!(
        "the other streams of groupId {group_id} are on ProxyFleet {namespace}/{name}, and a group is on one \
         fleet; name that one, or name another in all of its streams: then the group moves"
    );
    Refusal { field: "spec.fleet", reason: Reason::GroupElsewhere, message }
}

/// Who is refused where it wants to go and served where it was is told both.
fn told(refusal: Refusal, here: Option<&(usize, ResolvedStream)>, keys: &[FleetKey]) -> Refusal {
    let Some((fleet, _)) = here else { return refusal };
    let (namespace, name) = &keys[*fleet];
    let message = format!("{}. Until then ProxyFleet {namespace}/{name} serves it", refusal.message);
    Refusal { message, ..refusal }
}
