//! However pods and sidecars end, what was acknowledged is in Kafka.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use sluice_tests::cluster::product::PATIENCE;
use sluice_tests::cluster::{Cluster, Namespace, eventually};
use sluice_tests::history::History;
use sluice_tests::load::{Codes, Load, Progress};
use sluice_tests::wait;

use super::pods::{Beside, application, sidecars, until_running};
use super::{space, stored};

/// Reports from within a pod, as its application would, until `progress` is stopped.
fn report(
    (cluster, space): (&Cluster, &Namespace<'_>),
    pod: &Beside,
    history: &Arc<History>,
    progress: &Progress,
) -> JoinHandle<Codes> {
    let load = Load {
        group_id: space.name().to_owned(),
        stream_id: "orders".to_owned(),
        ..Load::steady("127.0.0.1:46802", 4, Duration::from_millis(5))
    };
    let (history, progress) = (Arc::clone(history), progress.clone());
    cluster.network_of(space.name(), &pod.name).inside(move || load.run(&history, &progress))
}

#[test]
fn a_deployment_that_is_rolled_five_times_under_load_loses_nothing() {
    let cluster = Cluster::shared();
    let space = space(&cluster, "rolled");
    space.apply(&application("app", "Deployment", 2, "beside"));
    let (history, mut loads) = (Arc::new(History::new()), Vec::new());
    for round in 0..5 {
        space.kubectl(&["rollout", "status", "deployment/app", "--timeout=120s"]);
        let progress = Progress::new();
        let pods = until_running(&space, 2);
        let reporting: Vec<_> =
            pods.iter().map(|pod| report((&cluster, &space), pod, &history, &progress)).collect();
        let before = history.stored();
        wait::until("reports in every round", PATIENCE, || history.stored() > before + 100);
        space.kubectl(&["rollout", "restart", "deployment/app"]);
        eventually("both pods to be gone", PATIENCE, || {
            let now = sidecars(&space);
            if now.iter().any(|pod| pods.contains(pod)) {
                Err(format!("round {round}: {now:?}"))
            } else {
                Ok(())
            }
        });
        progress.stop();
        loads.extend(reporting);
    }
    loads.into_iter().for_each(|load| drop(load.join().expect("a load")));
    println!("rolled five times: {:?}", history.assert_holds(stored(&space)));
}

#[test]
fn a_sidecar_that_is_killed_comes_back_and_nothing_acknowledged_is_missing() {
    let cluster = Cluster::shared();
    let space = space(&cluster, "killed");
    space.apply(&application("app", "Deployment", 1, "beside"));
    let pod = until_running(&space, 1).remove(0);
    let (history, progress) = (Arc::new(History::new()), Progress::new());
    let load = report((&cluster, &space), &pod, &history, &progress);
    wait::until("reports", PATIENCE, || history.stored() > 200);
    let kill = format!(
        "for p in /proc/[0-9]*; do grep -qs 'pod{}' $p/cgroup && [ \"$(cat $p/comm)\" = sluice-proxy ] && kill -9 ${{p#/proc/}}; done; true",
        pod.uid
    );
    let status = cluster.command("sh").args(["-c", &kill]).status();
    assert!(status.expect("sh runs").success());
    let after = eventually("the sidecar to be back", PATIENCE, || match sidecars(&space).as_slice() {
        [back] if back.restarts > pod.restarts => Ok(back.clone()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(after.uid, pod.uid, "the pod is the same");
    let before = history.stored();
    wait::until("reports to the one that came back", PATIENCE, || history.stored() > before + 200);
    progress.stop();
    drop(load.join().expect("a load"));
    println!("killed under load: {:?}", history.assert_holds(stored(&space)));
}
