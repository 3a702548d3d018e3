//! What the registry answers, and what of a heartbeat it believes.

use std::collections::BTreeMap;
use std::time::Duration;

use sluice_wire::heartbeat::{Beat, ServiceStatus};
use sluice_wire::status::NodeState;
use tokio_util::sync::CancellationToken;

use super::directory::{Fleet, Group};
use super::*;
use crate::telemetry::Metrics;

/// A registry of fleet `data/big`, which serves `g_test`, and of fleet `data/other`; the task that keeps it runs.
pub(super) struct World {
    pub(super) registry: Registry,
    directory: watch::Sender<Option<Arc<Directory>>>,
    pub(super) news: mpsc::Receiver<String>,
    pub(super) stop: CancellationToken,
}

pub(super) fn big() -> FleetKey {
    ("data".to_owned(), "big".to_owned())
}

pub(super) fn node_of(fleet: &str, number: u8) -> Node {
    Node {
        uid: format!("uid-{fleet}-{number}").into(),
        name: format!("sluice-{fleet}-{number}").into(),
        ip: Some(IpAddr::from([10, 0, u8::from(fleet != "big"), number])),
        // Nothing listens there.
        admin: Some(([127, 0, 0, 1], 1).into()),
        ready: true,
        machine: None,
    }
}

/// The fleets, `big` with nodes of these numbers.
pub(super) fn fleets(numbers: &[u8]) -> BTreeMap<FleetKey, Arc<Fleet>> {
    let fleet = |name: &str, numbers: &[u8]| {
        let nodes = numbers.iter().map(|number| node_of(name, *number)).collect();
        let fleet = Fleet { port: 46_802, longest: 1 << 20, nodes, ..Fleet::default() };
        (("data".to_owned(), name.to_owned()), Arc::new(fleet))
    };
    [fleet("big", numbers), fleet("other", &[1])].into()
}

pub(super) fn directory(fleets: BTreeMap<FleetKey, Arc<Fleet>>) -> Arc<Directory> {
    let guarded = fleets.get(&big()).is_some_and(|fleet| fleet.guarded);
    let group = Group { fleet: big(), longest: 524_288, guarded };
    let groups = [("g_test".to_owned(), group)].into();
    Arc::new(Directory::new(Arc::new(groups), fleets, Arc::default()))
}

impl World {
    pub(super) fn empty() -> Self {
        let (directory, directories) = watch::channel(None);
        let ((told, news), stop) = (mpsc::channel(8), CancellationToken::new());
        let metrics = Metrics::new().unwrap();
        let ends = Ends { directory: directories, news: told, warm: watch::Sender::new(false), metrics };
        let (registry, keeper) = start(ends, stop.clone());
        tokio::spawn(keeper);
        Self { registry, directory, news, stop }
    }

    /// With nodes of these numbers in `data/big`.
    pub(super) async fn of(numbers: &[u8]) -> Self {
        let world = Self::empty();
        world.has(numbers).await;
        world
    }

    /// The same, where every stream of `data/big` asks producers for something.
    pub(super) async fn guarded(numbers: &[u8]) -> Self {
        let world = Self::empty();
        let mut fleets = fleets(numbers);
        let open = Fleet::clone(&fleets[&big()]);
        fleets.insert(big(), Arc::new(Fleet { guarded: true, ..open }));
        world.shows(fleets, numbers.len()).await;
        world
    }

    pub(super) async fn has(&self, numbers: &[u8]) {
        self.shows(fleets(numbers), numbers.len()).await;
    }

    /// Waits until `data/big` has so many nodes.
    async fn shows(&self, fleets: BTreeMap<FleetKey, Arc<Fleet>>, nodes: usize) {
        self.directory.send_replace(Some(directory(fleets)));
        self.until(|roll| roll.listing(&big()).is_some_and(|listing| listing.nodes.len() == nodes)).await;
    }

    pub(super) async fn until(&self, holds: impl FnMut(&Roll) -> bool) {
        let mut holds = holds;
        let mut roll = self.registry.roll();
        let waited = roll.wait_for(|roll| holds(roll));
        tokio::time::timeout(Duration::from_secs(10), waited).await.unwrap().unwrap();
    }

    /// The load that is known of a node of `data/big`.
    pub(super) fn load(&self, uid: &str) -> Option<u8> {
        let roll = self.registry.roll().borrow().clone();
        roll.listing(&big())?.nodes.iter().find(|node| &*node.uid == uid).map(|node| node.load)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(super) fn pod(fleet: &str, number: u8) -> PodIdentity {
    let node = node_of(fleet, number);
    PodIdentity {
        namespace: "data".to_owned(),
        service_account: format!("sluice-{fleet}"),
        pod: node.name.to_string(),
        uid: node.uid.to_string(),
    }
}

pub(super) fn heartbeat(band: u8) -> Heartbeat {
    Heartbeat {
        node_srv_status: ServiceStatus::Ok,
        ip: "192.0.2.66".to_owned(),
        port: "1".to_owned(),
        protocol_type: "HTTP".to_owned(),
        component_type: "DATAPROXY".to_owned(),
        report_time: 5,
        cluster_name: "data.other".to_owned(),
        load: band,
        sluice: Some(Beat {
            uid: "uid-big-2".to_owned(),
            band,
            started: 1,
            state: NodeState::Ready,
            revision: 7,
            config_error: None,
            changes: 1,
        }),
    }
}

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

fn ips(list: IpList) -> Vec<String> {
    let mut ips: Vec<String> = list.data.unwrap().node_list.iter().map(|node| node.ip.to_string()).collect();
    ips.sort();
    ips
}

#[tokio::test]
async fn a_heartbeat_counts_for_the_pod_whose_token_came_with_it_whatever_it_says() {
    let mut world = World::of(&[1, 2]).await;
    world.registry.hear(Claim::Pod(&pod("big", 1)), heartbeat(70)).unwrap();
    world.until(|roll| roll.listing(&big()).unwrap().nodes[0].load == 70).await;
    assert_eq!((world.load("uid-big-1"), world.load("uid-big-2")), (Some(70), Some(0)));
    assert_eq!(ips(world.registry.of_group("g_test", CLIENT).unwrap()), ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(world.news.recv().await.as_deref(), Some("uid-big-1"), "its status is asked for");
}

#[tokio::test]
async fn who_is_no_node_is_not_heard() {
    let world = World::of(&[1]).await;
    let right = pod("big", 1);
    for (what, forged) in [
        ("an unknown uid", PodIdentity { uid: "uid-big-9".to_owned(), ..right.clone() }),
        (
            "another fleet's account",
            PodIdentity { service_account: "sluice-other".to_owned(), ..right.clone() },
        ),
        ("another account", PodIdentity { service_account: "default".to_owned(), ..right.clone() }),
        ("another namespace", PodIdentity { namespace: "shop".to_owned(), ..right.clone() }),
        ("another pod's uid", PodIdentity { uid: "uid-other-1".to_owned(), ..right.clone() }),
    ] {
        assert_eq!(world.registry.hear(Claim::Pod(&forged), heartbeat(90)), Err(Unheard::Unknown), "{what}");
    }
    assert_eq!(world.registry.hear(Claim::Process("nobody"), heartbeat(90)), Err(Unheard::Unknown));
    assert_eq!(world.registry.hear(Claim::Process("uid-big-1"), heartbeat(10)), Ok(()));
    world.until(|roll| roll.listing(&big()).unwrap().nodes[0].load == 10).await;
    assert_eq!(world.registry.fleet_of(Claim::Pod(&right)), Some(big()));
}

#[tokio::test]
async fn lists_are_by_group_and_by_cluster_and_say_why_there_is_none() {
    let world = World::empty();
    assert_eq!(world.registry.of_group("g_test", CLIENT), None);
    world.has(&[1, 2]).await;
    let by_group = world.registry.of_group("g_test", CLIENT).unwrap();
    let by_cluster = world.registry.of_cluster("data.big", CLIENT).unwrap();
    let longest = |list: &IpList| list.data.as_ref().unwrap().max_packet_length;
    assert_eq!((longest(&by_group), longest(&by_cluster)), (524_288, 1 << 20));
    assert_eq!(ips(by_group), ips(by_cluster));
    for (list, words) in [
        (world.registry.of_group("g_none", CLIENT), "no stream with groupId \"g_none\" is accepted"),
        (
            world.registry.of_cluster("big", CLIENT),
            "there is no cluster \"big\": they are called <namespace>.<ProxyFleet>",
        ),
    ] {
        let list = list.unwrap();
        assert_eq!((list.success, list.data, list.err_msg.as_deref()), (false, None, Some(words)));
    }
    world.has(&[]).await;
    let list = world.registry.of_group("g_test", CLIENT).unwrap();
    assert_eq!(list.err_msg.as_deref(), Some("no node of ProxyFleet data/big is ready"));
}

#[tokio::test]
async fn what_a_client_sends_is_told_back_only_so_far() {
    let world = World::of(&[1]).await;
    let list = world.registry.of_group(&"g".repeat(10_000), CLIENT).unwrap();
    assert!(list.err_msg.unwrap().len() < 200);
}

/// The token's pod of an application beside which a sidecar of `data/beside` runs.
fn application() -> PodIdentity {
    PodIdentity {
        namespace: "data".to_owned(),
        service_account: "sluice-big".to_owned(),
        pod: "app-1".to_owned(),
        uid: "uid-app-1".to_owned(),
    }
}

#[tokio::test]
async fn a_sidecar_is_heard_and_never_listed() {
    let mut world = World::of(&[1]).await;
    let fleet = ("data".to_owned(), "beside".to_owned());
    let beside = Beside { fleet: fleet.clone(), name: "app-1".into() };
    let directory = Arc::into_inner(directory(fleets(&[1, 2]))).unwrap();
    world
        .directory
        .send_replace(Some(Arc::new(directory.with_sidecars([("uid-app-1".into(), beside)].into()))));
    world.until(|roll| roll.listing(&big()).is_some_and(|listing| listing.nodes.len() == 2)).await;
    world.registry.hear(Claim::Pod(&application()), heartbeat(10)).unwrap();
    assert_eq!(world.news.recv().await.as_deref(), Some("uid-app-1"), "its status is asked for");
    assert_eq!(world.registry.sidecar_of(&application()), Some(fleet.clone()));
    assert_eq!(world.registry.fleet_of(Claim::Pod(&application())), Some(fleet));
    assert_eq!(ips(world.registry.of_group("g_test", CLIENT).unwrap()), ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(world.load("uid-app-1"), None);
    for forged in [
        PodIdentity { namespace: "shop".to_owned(), ..application() },
        PodIdentity { pod: "app-2".to_owned(), ..application() },
        PodIdentity { uid: "uid-app-2".to_owned(), ..application() },
    ] {
        assert_eq!(world.registry.hear(Claim::Pod(&forged), heartbeat(10)), Err(Unheard::Unknown));
        assert_eq!(world.registry.sidecar_of(&forged), None);
    }
    assert_eq!(world.registry.hear(Claim::Process("uid-app-1"), heartbeat(10)), Err(Unheard::Unknown));
}
