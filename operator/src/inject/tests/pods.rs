//! Any pod: it keeps all that it had, is a pod still, and gets nothing a second time.

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// A list, one of nothing, null, or none.
fn list(
    item: impl Strategy<Value = Value> + 'static,
    key: &'static str,
) -> impl Strategy<Value = Option<Value>> {
    let full = proptest::collection::vec(item, 0..4).prop_map(move |mut items| {
        let mut known = std::collections::BTreeSet::new();
        items.retain(|item| known.insert(item[key].to_string()));
        Value::Array(items)
    });
    option::of(prop_oneof![8 => full, 1 => Just(Value::Null)])
}

fn named(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    select(names).prop_map(|name| json!({"name": name}))
}

fn variable() -> impl Strategy<Value = Value> {
    (select(&["SLUICE_URL", "SLUICE_GROUP_ID", "SLUICE_STREAM_ID", "A", "B"][..]), "[a-z]{0,3}")
        .prop_map(|(name, value)| json!({"name": name, "value": value}))
}

fn container(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    (select(names), list(variable(), "name"), option::of(1..9_000_u16)).prop_map(|(name, env, port)| {
        let mut container = json!({"name": name, "image": "app:1"});
        set(&mut container, "env", env);
        set(&mut container, "ports", port.map(|port| json!([{"containerPort": port}])));
        container
    })
}

fn set(object: &mut Value, field: &str, value: Option<Value>) {
    if let Some(value) = value {
        object[field] = value;
    }
}

fn any_pod() -> impl Strategy<Value = Value> {
    let lists = (
        list(container(&["a", "b", "c"]), "name"),
        list(container(&["d", "e", "f"]), "name"),
        list(named(&["own", "data", "cache"]), "name"),
        list(named(&["pull", "other"]), "name"),
    );
    (lists, any::<bool>(), option::of(Just(json!({"x/y": "1"})))).prop_map(|(lists, reports, annotations)| {
        let (containers, init, volumes, secrets) = lists;
        let mut pod = pod(
            &json!({"containers": containers.filter(Value::is_array).unwrap_or(json!([])), "nodeName": "n"}),
        );
        set(&mut pod["spec"], "initContainers", init);
        set(&mut pod["spec"], "volumes", volumes);
        set(&mut pod["spec"], "imagePullSecrets", secrets);
        set(&mut pod["metadata"], "annotations", annotations);
        if reports {
            pod["metadata"]["annotations"]["sluice.dev/stream"] = json!("orders");
        }
        pod
    })
}

/// Whether everything of `before` is in `after`, lists in their order.
fn keeps(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Null, _) => true,
        (Value::Object(before), Value::Object(after)) => {
            before.iter().all(|(key, value)| after.get(key).is_some_and(|after| keeps(value, after)))
        }
        (Value::Array(before), Value::Array(after)) => {
            let mut rest = after.iter();
            before.iter().all(|item| rest.any(|after| keeps(item, after)))
        }
        (before, after) => before == after,
    }
}

proptest! {
    #[test]
    fn a_pod_keeps_all_that_it_had_and_gets_nothing_twice(pod in any_pod()) {
        let stream = stream(&json!({"fleet": {"name": "beside"}}));
        let once = injected(&pod, Some(&stream));
        prop_assert!(keeps(&pod, &once), "{pod} {once}");
        let typed: Pod = serde_json::from_value(once.clone()).unwrap();
        prop_assert!(seen::given(&typed).is_some());
        let spec = typed.spec.unwrap();
        let first = &spec.init_containers.as_deref().unwrap()[0];
        prop_assert_eq!(&first.name, "sluice-proxy");
        for mount in first.volume_mounts.iter().flatten() {
            prop_assert_eq!(spec.volumes.iter().flatten().filter(|volume| volume.name == mount.name).count(), 1);
        }
        let others = spec.containers.iter().chain(&spec.init_containers.as_deref().unwrap()[1..]);
        for container in others {
            let urls = container.env.iter().flatten().filter(|variable| variable.name == "SLUICE_URL");
            prop_assert_eq!(urls.count(), 1);
        }
        prop_assert!(tried(&once, Some(&fleet("Sidecar")), Some(&stream)).unwrap().is_empty());
    }
}
