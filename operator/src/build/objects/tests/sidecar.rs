//! What a fleet of sidecars comes to: nothing of its own, and a container for others' pods.

use super::*;

fn beside(context: &Context) -> Value {
    let made = sidecar(&with(&json!({"mode": "Sidecar", "listeners": {"http": {"port": 8500}}})), context);
    value(&made.container)
}

#[test]
fn a_fleet_of_sidecars_has_no_object_of_its_own() {
    let made = fleet(&with(&json!({"mode": "Sidecar"})), &operated());
    assert_eq!((made.objects, made.faults), (Vec::new(), Vec::new()));
}

#[test]
fn a_sidecar_takes_reports_of_its_own_pod_alone_and_shows_how_it_is_to_the_kubelet() {
    let container = beside(&operated());
    let args = texts(&container["args"]);
    for arg in [
        "--http=127.0.0.1:8500",
        "--http=[::1]:8500",
        "--admin=0.0.0.0:9102",
        "--fleet=sluice-system/default",
    ] {
        assert!(args.contains(&arg), "{arg}: {args:?}");
    }
    let port = json!([{"containerPort": 9102, "name": "sluice-metrics", "protocol": "TCP"}]);
    assert_eq!(container["ports"], port);
}

#[test]
fn a_sidecar_starts_before_the_application_and_never_takes_it_out_of_its_service() {
    let container = beside(&operated());
    assert_eq!(container["restartPolicy"], "Always");
    assert_eq!(container["startupProbe"]["httpGet"], json!({"path": "/readyz", "port": "sluice-metrics"}));
    assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/healthz");
    assert!(container.get("readinessProbe").is_none() && container.get("lifecycle").is_none());
}

#[test]
fn a_sidecar_leaves_at_once_and_within_what_the_kubelet_grants() {
    let container = beside(&operated());
    let args = texts(&container["args"]);
    for arg in ["--drain-settle=0s", "--drain-notify=0s", "--drain-limit=1500ms", "--heartbeat-interval=30s"]
    {
        assert!(args.contains(&arg), "{arg}: {args:?}");
    }
}

#[test]
fn a_sidecar_may_do_no_more_than_a_fleets_own_proxy() {
    let fleets = container(&with(&json!({})));
    let own = beside(&operated());
    for field in ["image", "resources", "terminationMessagePolicy"] {
        assert_eq!(own[field], fleets[field], "{field}");
    }
    let mut may = fleets["securityContext"].clone();
    for of_its_own in ["runAsUser", "runAsGroup"] {
        may[of_its_own] = 46_802.into();
    }
    assert_eq!(own["securityContext"], may);
}

#[test]
fn a_sidecar_has_no_token_of_the_applications() {
    let mounts = beside(&operated())["volumeMounts"].clone();
    let at = "/var/run/secrets/kubernetes.io/serviceaccount";
    let over: Vec<&Value> =
        mounts.as_array().unwrap().iter().filter(|mount| mount["mountPath"] == at).collect();
    assert_eq!(over, [&json!({"mountPath": at, "name": "sluice-config", "readOnly": true})]);
}

#[test]
fn a_sidecars_disk_is_bounded() {
    let made = sidecar(&with(&json!({"mode": "Sidecar"})), &operated());
    let state = made.volumes.iter().find(|volume| volume.name == "sluice-state").unwrap();
    assert_eq!(value(&state.empty_dir), json!({"sizeLimit": "160Mi"}));
}
