//! Who may connect to the operator, and what it is told about proxies. No network here holds to it: that it is written as
//! it should be is all that is proved.

use super::*;

const WATCHED: [&str; 2] = ["--set", "networkPolicy.monitoringNamespace=watch"];

/// From where each port of the operator may be reached.
fn ingress(args: &[&str]) -> Vec<(u64, Value)> {
    let objects = template(args).unwrap();
    let spec = &object(&objects, "NetworkPolicy", "sluice-operator")["spec"];
    assert_eq!(spec["podSelector"], object(&objects, "Deployment", "sluice-operator")["spec"]["selector"]);
    let rules = spec["ingress"].as_array().unwrap().iter();
    rules.map(|rule| (rule["ports"][0]["port"].as_u64().unwrap(), rule["from"].clone())).collect()
}

#[test]
fn producers_reach_it_from_anywhere_proxies_by_their_label_and_metrics_nobody_but_who_watches() {
    let labelled = |key: &str| {
        json!({
            "namespaceSelector": {}, "podSelector": {"matchExpressions": [{"key": key, "operator": "Exists"}]},
        })
    };
    let proxies = json!([labelled("sluice.dev/fleet"), labelled("sluice.dev/inject")]);
    let open = [(8_083, Value::Null), (8_443, proxies), (9_443, Value::Null)];
    assert_eq!(ingress(&[]), open);
    let watching = json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "watch"}}}]);
    assert_eq!(ingress(&WATCHED), [&open[..], &[(9_102, watching)]].concat());
    let args = deployment(&WATCHED)["spec"]["template"]["spec"]["containers"][0]["args"].clone();
    assert!(args.to_string().contains(r#""--monitoring-namespace","watch""#), "{args}");
}

#[test]
fn where_both_connect_to_is_restricted_where_values_say_so() {
    let rule = r#"[{"ports":[{"port":9092}]}]"#;
    let (operator, proxies) =
        (format!("networkPolicy.egress={rule}"), format!("networkPolicy.proxyEgress={rule}"));
    let objects = template(&["--set-json", &operator, "--set-json", &proxies]).unwrap();
    let spec = &object(&objects, "NetworkPolicy", "sluice-operator")["spec"];
    assert_eq!(spec["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(spec["egress"], json!([{"ports": [{"port": 9_092}]}]));
    let pod = &object(&objects, "Deployment", "sluice-operator")["spec"]["template"]["spec"];
    let args: Vec<&str> =
        pod["containers"][0]["args"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let place = args.iter().position(|arg| *arg == "--proxy-egress").unwrap();
    assert_eq!(serde_json::from_str::<Value>(args[place + 1]).unwrap(), spec["egress"]);
}

#[test]
fn switched_off_there_is_none_and_the_operator_makes_none() {
    let off = ["--set", "networkPolicy.enabled=false"];
    assert!(!kinds(&template(&off).unwrap()).contains("NetworkPolicy"));
    let args = deployment(&off)["spec"]["template"]["spec"]["containers"][0]["args"].to_string();
    assert!(!args.contains("--network-policies"), "{args}");
}
