//! A fleet that takes reports over TLS.

use super::*;

#[test]
fn with_https_the_pods_and_services_have_its_port_and_the_pods_its_secrets() {
    let fleet = with(&json!({"listeners": {"https": {"secret": "own", "clientCa": {"secret": "clients"}}}}));
    let container = container(&fleet);
    assert!(texts(&container["args"]).contains(&"--https=0.0.0.0:46803"), "{}", container["args"]);
    let ports: Vec<&Value> =
        container["ports"].as_array().unwrap().iter().map(|port| &port["name"]).collect();
    assert_eq!(ports, ["http", "https", "metrics"]);
    let objects = objects(&fleet);
    for service in objects.iter().filter(|object| object["kind"] == "Service") {
        let port = json!({
            "appProtocol": "https", "name": "https", "port": 46803, "protocol": "TCP", "targetPort": "https"
        });
        assert_eq!(service["spec"]["ports"][1], port, "{}", service["metadata"]["name"]);
    }
    let spec = pod(&fleet)["spec"].clone();
    let secrets = spec["volumes"].as_array().unwrap().iter().filter_map(|volume| volume.get("secret"));
    let secrets: Vec<_> = secrets.map(|secret| (&secret["secretName"], &secret["optional"])).collect();
    assert_eq!(secrets, [(&json!("clients"), &json!(true)), (&json!("own"), &json!(true))]);
}
