//! All that the product shows to whoever may not read Secrets: objects, configurations, logs, and what pods tell on their
//! admin port.

use std::io::Read as _;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use sluice_tests::cluster::Cluster;
use sluice_tests::http;

/// Pods that tell something: proxies and operators, and those with a sidecar.
const TELLERS: [&str; 2] = ["app.kubernetes.io/name in (sluice-proxy,sluice-operator)", "sluice.dev/inject"];

/// What is shown, each text behind a name for where it is.
pub(crate) struct Shown(Vec<(String, String)>);

impl Shown {
    /// What is shown in these namespaces.
    pub(crate) fn of(cluster: &Cluster, namespaces: &[&str]) -> Self {
        let mut all = Vec::new();
        for namespace in namespaces {
            all.push(objects(namespace, cluster));
            all.extend(configurations(namespace, cluster));
            all.extend(told(namespace, cluster));
        }
        Self(all)
    }

    /// Asserts that something is shown by places whose names begin with each of these.
    pub(crate) fn assert_has(&self, places: &[&str]) {
        for place in places {
            let found = self.0.iter().any(|(name, text)| name.starts_with(*place) && !text.is_empty());
            assert!(found, "{place} was not found to be searched");
        }
    }

    /// Asserts that none of these values is shown, in whatever form.
    pub(crate) fn assert_hides(&self, values: &[&str]) {
        for value in values {
            for form in forms(value) {
                let with = self.0.iter().filter(|(_, text)| text.contains(&form));
                let found: Vec<_> = with.map(|(name, _)| name).collect();
                assert!(found.is_empty(), "{form:?}, a form of a Secret's {value}, stands in {found:?}");
            }
        }
    }
}

/// A value as it stands in plain text, and in Base64 of any text around it.
fn forms(value: &str) -> Vec<String> {
    let shifted = (0..3).map(|before| {
        let text = BASE64_STANDARD.encode(format!("{}{value}", " ".repeat(before)));
        // Characters that also hold bits of what stands before or behind are left out.
        text[(before * 8).div_ceil(6)..(before + value.len()) * 8 / 6].to_owned()
    });
    std::iter::once(value.to_owned()).chain(shifted).collect()
}

/// What ConfigMaps hold, decompressed: the configuration of fleets.
fn configurations(namespace: &str, cluster: &Cluster) -> Vec<(String, String)> {
    let maps = cluster.kubectl(&["-n", namespace, "get", "configmaps", "-o", "json"]);
    let maps: Value = serde_json::from_str(&maps).unwrap();
    let parts = maps["items"].as_array().unwrap().iter().filter_map(|map| {
        let part = BASE64_STANDARD.decode(map["binaryData"]["part"].as_str()?).unwrap();
        let body = part.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let mut text = String::new();
        zstd::Decoder::new(&part[body..]).unwrap().read_to_string(&mut text).unwrap();
        Some((format!("configuration {}", map["metadata"]["name"]), text))
    });
    parts.collect()
}

/// Every object of a namespace but Secrets.
fn objects(namespace: &str, cluster: &Cluster) -> (String, String) {
    let kinds = cluster.kubectl(&["api-resources", "--namespaced", "--verbs=list", "-o", "name"]);
    let kinds: Vec<_> = kinds.lines().filter(|kind| *kind != "secrets").collect();
    let kinds = kinds.join(",");
    let all = ["-n", namespace, "get", &kinds, "-o", "json", "--show-managed-fields"];
    (format!("objects of {namespace}"), cluster.kubectl(&all))
}

/// Logs of a namespace's pods, and what they show on port 9102.
fn told(namespace: &str, cluster: &Cluster) -> Vec<(String, String)> {
    let rows = r#"-o=jsonpath={range .items[*]}{.metadata.name} {.status.podIP}{"\n"}{end}"#;
    let pods =
        TELLERS.map(|selector| cluster.kubectl(&["-n", namespace, "get", "pods", "-l", selector, rows]));
    let mut told = Vec::new();
    for row in pods.iter().flat_map(|rows| rows.lines()) {
        let (pod, ip) = row.split_once(' ').unwrap();
        // One that has gone meanwhile shows nothing any more.
        let logs = cluster.try_kubectl(&["-n", namespace, "logs", pod, "--all-containers", "--tail=-1"]);
        told.push((format!("log of {pod}"), logs.unwrap_or_default()));
        for path in ["/metrics", "/status", "/books"] {
            let answer = http::try_exchange(&format!("{ip}:9102"), &http::get(path), Duration::from_secs(5));
            let text = answer.map(|answer| answer.text().to_owned());
            told.push((format!("{path} of {pod}"), text.unwrap_or_default()));
        }
    }
    told
}

#[test]
fn a_value_is_found_in_every_form() {
    let forms = forms("marked-5f0c7e");
    for around in ["", "a", "ab", "abc"] {
        let text = BASE64_STANDARD.encode(format!("{around}marked-5f0c7e and more"));
        assert!(forms.iter().any(|form| text.contains(form)), "{text} {forms:?}");
    }
}
