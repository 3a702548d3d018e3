//! Who may connect to a fleet's pods.

use super::*;

fn policy(fleet: &ResolvedFleet, network: Network) -> Value {
    let made = super::fleet(fleet, &Context { network: Some(network), ..context() });
    one(&made.objects, ObjectKind::NetworkPolicy).clone()
}

#[test]
fn reports_come_from_anywhere_and_metrics_are_for_the_operator_and_who_watches() {
    let fleet = with(&json!({"listeners": {"http": {"port": 8080}, "https": {"secret": "own"}}}));
    let network = Network { monitoring: vec!["watch".to_owned()], egress: Vec::new() };
    let policy = policy(&fleet, network);
    let namespace =
        |name: &str| json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}});
    let mut operator = namespace("sluice-system");
    operator["podSelector"] = json!({"matchLabels": {"app.kubernetes.io/name": "sluice-operator"}});
    assert_eq!(
        policy["spec"],
        json!({
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": "sluice-proxy", "sluice.dev/fleet": "default"}},
            "policyTypes": ["Ingress"],
            "ingress": [
                {"ports": [{"port": 8080, "protocol": "TCP"}, {"port": 46803, "protocol": "TCP"}]},
                {"ports": [{"port": 9102, "protocol": "TCP"}], "from": [operator, namespace("watch")]}
            ]
        })
    );
}

#[test]
fn where_proxies_connect_to_is_restricted_where_rules_say_so() {
    let rules = json!([{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]);
    let egress = serde_json::from_value(rules.clone()).unwrap();
    let policy = policy(&with(&json!({})), Network { egress, ..Network::default() });
    assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(policy["spec"]["egress"], rules);
}

#[test]
fn without_a_word_of_it_there_is_none() {
    assert!(!kinds(&objects(&with(&json!({})))).contains(&"NetworkPolicy"));
}
