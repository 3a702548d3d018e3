//! The rules of placement one by one, and what holds of any nodes and clients.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

fn nodes(loads: &[u8]) -> Vec<Candidate> {
    let node = |(at, load): (usize, &u8)| {
        let ip = Ipv4Addr::from(0x0a00_0000 + u32::try_from(at).unwrap());
        let name: Arc<str> = format!("n{at}").into();
        Candidate { load: *load, ..Candidate::new(Arc::clone(&name), name, ip.into()) }
    };
    loads.iter().enumerate().map(node).collect()
}

fn client(number: u32) -> Client<'static> {
    Client { ip: Ipv4Addr::from(0xac10_0000 + number).into(), machine: None, zone: None }
}

fn names(list: &[&Candidate]) -> Vec<String> {
    list.iter().map(|node| node.name.to_string()).collect()
}

fn sorted(list: &[&Candidate]) -> Vec<String> {
    let mut names = names(list);
    names.sort();
    names
}

/// Of so many clients, how many have each node first.
fn firsts(nodes: &[Candidate], clients: u32) -> BTreeMap<String, u32> {
    let mut count = BTreeMap::new();
    for number in 0..clients {
        *count.entry(place(nodes, &client(number))[0].name.to_string()).or_default() += 1;
    }
    count
}

#[test]
fn a_list_holds_two_thirds_of_the_nodes_and_at_most_sixteen() {
    for (all, listed) in [(1, 1), (2, 2), (3, 2), (4, 3), (6, 4), (7, 5), (23, 16), (24, 16), (1_000, 16)] {
        assert_eq!(place(&nodes(&vec![0; all]), &client(1)).len(), listed, "{all}");
    }
}

#[test]
fn of_two_nodes_the_fuller_is_left_out_only_while_the_other_has_room() {
    for (loads, listed) in [
        ([0, 0], vec!["n0", "n1"]),
        ([80, 50], vec!["n1"]),
        ([50, 80], vec!["n0"]),
        ([80, 60], vec!["n0", "n1"]),
        ([70, 0], vec!["n0", "n1"]),
        ([90, 90], vec!["n0", "n1"]),
    ] {
        assert_eq!(sorted(&place(&nodes(&loads), &client(7))), listed, "{loads:?}");
    }
}

#[test]
fn a_full_node_is_listed_only_when_there_is_none_with_room() {
    assert_eq!(sorted(&place(&nodes(&[100, 90, 150]), &client(1))), ["n1"]);
    assert_eq!(place(&nodes(&[100, 120, 150]), &client(1)).len(), 2);
    assert_eq!(sorted(&place(&nodes(&[100]), &client(1))), ["n0"]);
    // That rule comes first: of the two that are left the other is told apart.
    assert_eq!(sorted(&place(&nodes(&[80, 200, 50]), &client(1))), ["n2"]);
    assert_eq!(sorted(&place(&nodes(&[130, 120]), &client(1))), ["n0", "n1"]);
}

#[test]
fn clients_come_in_proportion_to_the_room_that_nodes_have() {
    let count = firsts(&nodes(&[0, 50, 90, 75]), 20_000);
    let share = |name: &str| f64::from(count[name]) / 20_000.0;
    for (name, weight) in [("n0", 100.0), ("n1", 50.0), ("n2", 10.0), ("n3", 25.0)] {
        let wanted = weight / 185.0;
        assert!((share(name) - wanted).abs() < 0.015, "{name}: {} instead of {wanted}", share(name));
    }
}

#[test]
fn a_node_of_the_clients_zone_comes_first_while_it_has_room() {
    let mut all = nodes(&[0, 0, 70, 0, 0, 0]);
    all[2].zone = Some("east".into());
    all[3].zone = Some("west".into());
    let there = |all: &[Candidate], number| {
        let client = Client { zone: Some("east"), ..client(number) };
        place(all, &client)[0].name.to_string()
    };
    assert!((0..100).all(|number| there(&all, number) == "n2"));
    all[2].load = HEAVY;
    assert!((0..100).filter(|number| there(&all, *number) == "n2").count() < 30);
    // The rest of the list is of other zones.
    all[2].load = 0;
    assert_eq!(place(&all, &Client { zone: Some("east"), ..client(1) }).len(), 4);
}

#[test]
fn the_node_of_the_clients_machine_comes_before_its_zone() {
    let mut all = nodes(&[0; 6]);
    for (at, node) in all.iter_mut().enumerate() {
        node.zone = Some(if at < 3 { "east".into() } else { "west".into() });
        node.machine = Some(format!("m{at}").into());
    }
    for number in 0..50 {
        let client = Client { zone: Some("east"), machine: Some("m1"), ..client(number) };
        let list = names(&place(&all, &client));
        assert_eq!(list[0], "n1");
        assert!(list[1..3].iter().all(|name| ["n0", "n2"].contains(&name.as_str())), "{list:?}");
    }
}

#[test]
fn anybody_is_shown_all_that_are_worth_it_with_the_emptiest_first() {
    assert_eq!(names(&anybody(&nodes(&[30, 110, 10, 10]))), ["n2", "n3", "n0"]);
    assert_eq!(names(&anybody(&nodes(&[110, 100]))), ["n1", "n0"]);
    assert!(anybody(&[]).is_empty());
}

#[test]
fn an_address_is_the_same_client_in_either_of_its_forms() {
    let all = nodes(&[0; 9]);
    let [plain, mapped] = ["10.1.2.3", "::ffff:10.1.2.3"].map(|ip| {
        let client = Client { ip: ip.parse().unwrap(), machine: None, zone: None };
        names(&place(&all, &client))
    });
    assert_eq!(plain, mapped);
}

proptest! {
    #[test]
    fn while_there_is_a_node_a_list_is_never_empty(loads in prop::collection::vec(0..=200_u8, 1..40), number: u32) {
        let all = nodes(&loads);
        prop_assert!(!place(&all, &client(number % 65_536)).is_empty());
        prop_assert!(!anybody(&all).is_empty());
    }

    #[test]
    fn a_node_that_leaves_moves_its_own_clients_alone(
        loads in prop::collection::vec((0..10_u8).prop_map(|band| band * 10), 4..40),
        gone: prop::sample::Index,
        number in 0..65_536_u32,
    ) {
        let all = nodes(&loads);
        let gone = gone.index(all.len());
        let mut rest = all.clone();
        let left = rest.remove(gone);
        let before = names(&place(&all, &client(number)));
        let after = names(&place(&rest, &client(number)));
        if before[0] == *left.name {
            prop_assert_eq!(&before[1], &after[0]);
        } else {
            prop_assert_eq!(&before[0], &after[0]);
        }
        // All others stand as they stood, as far as both lists go.
        let stayed: Vec<_> = before.into_iter().filter(|name| **name != *left.name).collect();
        let common = stayed.len().min(after.len());
        prop_assert_eq!(&stayed[..common], &after[..common]);
    }

    #[test]
    fn a_node_that_moves_to_another_band_changes_the_order_of_no_others(
        loads in prop::collection::vec((0..9_u8).prop_map(|band| band * 10), 3..16),
        moved: prop::sample::Index,
        to in (0..9_u8).prop_map(|band| band * 10),
        number in 0..65_536_u32,
    ) {
        let mut all = nodes(&loads);
        let moved = moved.index(all.len());
        let others = |list: Vec<&Candidate>| -> Vec<String> {
            names(&list).into_iter().filter(|name| *name != format!("n{moved}")).collect()
        };
        let before = others(place(&all, &client(number)));
        all[moved].load = to;
        let after = others(place(&all, &client(number)));
        let common = before.len().min(after.len());
        prop_assert_eq!(&before[..common], &after[..common]);
    }

    #[test]
    fn the_order_in_which_nodes_are_known_counts_for_nothing(
        loads in prop::collection::vec(0..=200_u8, 1..30),
        number in 0..65_536_u32,
    ) {
        let all = nodes(&loads);
        let mut turned = all.clone();
        turned.reverse();
        prop_assert_eq!(names(&place(&all, &client(number))), names(&place(&turned, &client(number))));
        prop_assert_eq!(names(&anybody(&all)), names(&anybody(&turned)));
    }
}
