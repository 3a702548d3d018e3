//! Long polling: its port and the Service's, always; by values, the arguments for labelled ConfigMaps and the right to one
//! Secret.

use serde_json::{Value, json};
use sluice_tests::chart::{self, template};

use super::trust::about_secrets;
use super::{deployment, object};

const ON: &[&str] =
    &["--set-json", r#"longPolling={"namespaces":{"":"demo","a=b":"other"},"loginSecret":"login"}"#];

#[test]
fn its_port_is_always_there() {
    let port = json!({"name": "polling", "port": 8083, "targetPort": "polling", "appProtocol": "http"});
    for args in [&[][..], ON] {
        let objects = template(args).unwrap();
        assert_eq!(object(&objects, "Service", "sluice-operator")["spec"]["ports"][1], port);
        let container = &deployment(args)["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["ports"][2], json!({"name": "polling", "containerPort": 8083}));
    }
}

#[test]
fn no_config_map_is_shown_until_a_namespace_is_named() {
    assert!(!deployment(&[]).to_string().contains("--poll-"));
    assert!(!chart::notes(&[]).contains("long polling"));
}

#[test]
fn switched_on_it_knows_what_clients_send() {
    let container = &deployment(ON)["spec"]["template"]["spec"]["containers"][0];
    let args: Vec<_> =
        container["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
    let given = "--poll-namespace =demo --poll-namespace a=b=other --poll-login-secret login";
    assert!(args.join(" ").contains(given), "{args:?}");
}

#[test]
fn the_login_s_secret_may_be_read_and_no_other() {
    let wanted =
        json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["login"], "verbs": ["get"]});
    let without: Vec<Value> = about_secrets(&template(&[]).unwrap());
    assert_eq!(about_secrets(&template(ON).unwrap()), [without, vec![wanted]].concat());
}

#[test]
fn the_notes_say_that_the_content_is_public() {
    let notes = chart::notes(ON);
    assert!(notes.contains("is public in the cluster, to who knows the login in Secret login"), "{notes}");
    assert!(
        notes.contains("demo    as namespaceId \"\"") && notes.contains("sluice-operator.sluice-system:8083"),
        "{notes}"
    );
}
