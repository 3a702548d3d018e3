//! The chart's values: each has an effect, is described once in the same words, and is checked.
//! The table in docs/install.md is made of what values.yaml and its schema say.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use sluice_tests::chart::{folder, template};
use sluice_tests::{markdown, paths};
use sluice_wire::document::{PROPERTIES, PROPERTY_PREFIXES};

/// Makes the chart render its monitors.
const MONITORS: &str = "serviceMonitor.enabled=true";

/// Another value for each, with the arguments without which it would not matter.
const OTHERS: &[(&str, &str, &[&str])] = &[
    ("image.registry", r#""r.example""#, &[]),
    ("image.tag", r#""x""#, &[]),
    ("image.pullPolicy", r#""Never""#, &[]),
    ("image.pullSecrets", r#"[{"name":"a"}]"#, &[]),
    ("operator.image", r#""x""#, &[]),
    ("operator.replicas", "3", &[]),
    ("operator.logLevel", r#""debug""#, &[]),
    ("operator.writeRate", "200", &[]),
    ("operator.env", r#"[{"name":"A","value":"b"}]"#, &[]),
    ("operator.resources", r#"{"limits":{"memory":"1Gi"}}"#, &[]),
    ("operator.nodeSelector", r#"{"a":"b"}"#, &[]),
    ("operator.tolerations", r#"[{"operator":"Exists"}]"#, &[]),
    ("operator.affinity", r#"{"nodeAffinity":{}}"#, &[]),
    ("operator.priorityClassName", r#""high""#, &[]),
    ("operator.podAnnotations", r#"{"a":"b"}"#, &[]),
    ("operator.podLabels", r#"{"a":"b"}"#, &[]),
    ("proxy.image", r#""x""#, &[]),
    ("crds.enabled", "false", &[]),
    ("defaultFleet.createTopics", "false", &[]),
    ("defaultFleet.replicas", "3", &[]),
    ("defaultFleet.resources", r#"{"limits":{"memory":"1Gi"}}"#, &[]),
    ("defaultFleet.kafka.bootstrapServers", r#""a:9092""#, &[]),
    ("defaultFleet.kafka.tls", "{}", &[]),
    ("defaultFleet.kafka.sasl", r#"{"mechanism":"PLAIN","secret":"a"}"#, &[]),
    ("defaultFleet.kafka.deliveryTimeout", r#""9s""#, &[]),
    ("defaultFleet.kafka.properties", r#"{"linger.ms":"5"}"#, &[]),
    ("watchNamespaces", r#"["a"]"#, &[]),
    ("longPolling.namespaces", r#"{"":"a"}"#, &[]),
    ("longPolling.loginSecret", r#""a""#, &[]),
    ("webhooks.enabled", "false", &[]),
    ("webhooks.failurePolicy", r#""Ignore""#, &[]),
    ("webhooks.namespaceSelector", r#"{"matchLabels":{"a":"b"}}"#, &[]),
    ("tls.existingSecret", r#""a""#, &[]),
    ("podDisruptionBudget.enabled", "false", &[]),
    ("networkPolicy.enabled", "false", &[]),
    ("networkPolicy.monitoringNamespace", r#""watch""#, &[]),
    ("networkPolicy.egress", r#"[{"ports":[{"port":443}]}]"#, &[]),
    ("networkPolicy.proxyEgress", r#"[{"ports":[{"port":9092}]}]"#, &[]),
    ("serviceMonitor.enabled", "true", &[]),
    ("serviceMonitor.labels", r#"{"a":"b"}"#, &["--set", MONITORS]),
    ("serviceMonitor.interval", r#""5s""#, &["--set", MONITORS]),
    ("rbac.create", "false", &[]),
    ("rbac.tokensSecrets", "false", &[]),
    ("serviceAccount.create", "false", &[]),
    ("serviceAccount.name", r#""x""#, &[]),
    ("serviceAccount.annotations", r#"{"a":"b"}"#, &[]),
];

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

fn schema() -> Value {
    serde_json::from_str(&read("values.schema.json")).unwrap()
}

/// The schema of the value at a path.
fn described<'a>(schema: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(schema, |schema, name| &schema["properties"][name])
}

/// The paths of values and their defaults, in the order of values.yaml: what the schema describes no further.
fn defaults() -> Vec<(String, Value)> {
    let values: Value = serde_yaml::from_str(&read("values.yaml")).unwrap();
    let mut found = Vec::new();
    leaves(&schema(), &values, "", &mut found);
    found
}

fn leaves(schema: &Value, values: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    for (name, value) in values.as_object().unwrap() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let below = &schema["properties"][name];
        assert!(below["description"].is_string(), "the schema does not describe {path}");
        if value.is_object() && below["properties"].is_object() {
            leaves(below, value, &path, found);
        } else {
            found.push((path, value.clone()));
        }
    }
}

/// The comment above each value: what follows `# --`.
fn comments() -> BTreeMap<String, String> {
    let (mut above, mut path, mut comments) = (None, Vec::new(), BTreeMap::new());
    for line in read("values.yaml").lines() {
        let text = line.trim_start();
        if let Some(comment) = text.strip_prefix("# -- ") {
            above = Some(comment.to_owned());
        } else if let Some((name, _)) = text.split_once(':').filter(|_| !text.starts_with('#')) {
            path.truncate((line.len() - text.len()) / 2);
            path.push(name);
            if let Some(comment) = above.take() {
                comments.insert(path.join("."), comment);
            }
        }
    }
    comments
}

#[test]
fn every_value_has_an_effect() {
    let known: Vec<&str> = OTHERS.iter().map(|(path, ..)| *path).collect();
    let paths: Vec<String> = defaults().into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, known, "each value has a row in the table of this test");
    let [plain, with_monitors] = [&[][..], &["--set", MONITORS]].map(|args| template(args).unwrap());
    for (path, other, besides) in OTHERS {
        let before = if besides.is_empty() { &plain } else { &with_monitors };
        let given = format!("{path}={other}");
        let args = [*besides, &["--set-json", &given]].concat();
        assert_ne!(template(&args).unwrap(), *before, "{path} changes nothing");
    }
}

#[test]
fn every_value_is_described_in_the_same_words_everywhere() {
    let (schema, comments) = (schema(), comments());
    let page = fs::read_to_string(paths::repository().join("docs/install.md")).unwrap();
    let table = markdown::table(&page, "## Values");
    let mut wanted = Vec::new();
    for (path, default) in defaults() {
        let description = described(&schema, &path)["description"].as_str().unwrap();
        let comment = comments.get(&path).map(String::as_str);
        assert_eq!(comment, Some(description), "the comment above {path} in values.yaml");
        wanted.push(vec![format!("`{path}`"), format!("`{default}`"), description.replace('<', "\\<")]);
    }
    let text = wanted.iter().fold(String::new(), |text, row| text + "| " + &row.join(" | ") + " |\n");
    assert!(table == wanted, "the table of values in docs/install.md should be:\n{text}");
}

#[test]
fn a_wrong_value_is_refused_by_name() {
    for (given, named) in [
        ("operator.replica=3", "replica"),
        ("proxie.image=x", "proxie"),
        ("defaultFleet.kafka.tls.ca=x", "ca"),
        ("defaultFleet.kafka.bootstrapServers=kafka", "bootstrapServers"),
        ("defaultFleet.kafka.sasl.mechanism=SCRAM", "mechanism"),
        ("defaultFleet.kafka.deliveryTimeout=61s", "deliveryTimeout"),
        ("defaultFleet.kafka.properties.acks=0", "acks"),
        ("defaultFleet.resources.request.cpu=1", "request"),
        ("defaultFleet.replicas=two", "replicas"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("image.pullSecrets[0]=name", "pullSecrets"),
        ("crds.enabled=yes please", "enabled"),
        ("watchNamespaces={Demo}", "watchNamespaces"),
        ("longPolling.namespaces.id=Demo", "namespaces"),
        ("longPolling.loginSecret=a/b", "loginSecret"),
        ("networkPolicy.monitoringNamespace=A", "monitoringNamespace"),
        ("networkPolicy.egress[0]=any", "egress"),
    ] {
        let said = template(&["--set", given]).expect_err(given);
        assert!(said.contains("schema") && said.contains(named), "{given}: {said}");
    }
}

#[test]
fn the_properties_that_may_be_set_are_the_same_in_the_schema() {
    let escaped = |names: &[&str]| names.join("|").replace('.', r"\.");
    let wanted = format!("^({}|({}).*)$", escaped(&PROPERTIES), escaped(&PROPERTY_PREFIXES));
    let schema = schema();
    let properties = described(&schema, "defaultFleet.kafka.properties");
    assert_eq!(properties["propertyNames"]["pattern"], json!(wanted));
}

#[test]
fn the_schema_is_closed_everywhere_and_lets_a_parent_chart_hand_globals() {
    fn check(schema: &Value, path: &str) {
        if let Some(properties) = schema["properties"].as_object() {
            assert_eq!(schema["additionalProperties"], json!(false), "{path}");
            properties.iter().for_each(|(name, below)| check(below, &format!("{path}.{name}")));
        }
    }
    let schema = schema();
    check(&schema, "");
    schema["$defs"].as_object().unwrap().iter().for_each(|(name, of)| check(of, name));
    assert!(template(&["--set", "global.any=thing"]).is_ok());
}
