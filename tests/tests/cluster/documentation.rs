//! What the documentation shows, as the API server takes it: every resource of every page and example, unknown fields
//! refused. Nothing of it is kept.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use sluice_tests::cluster::{Cluster, Namespace};
use sluice_tests::{markdown, paths};

/// The files of a folder of the repository.
fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(paths::repository().join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn text(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()
}

/// The objects of a manifest, wherever it puts them.
fn objects(manifest: &str) -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(manifest);
    let objects = documents.map(|document| Value::deserialize(document).unwrap());
    objects.filter(|object| object["kind"].is_string()).collect()
}

/// Has the API server look at an object as if it were applied in `namespace`.
fn check(namespace: &Namespace<'_>, mut object: Value, shown_in: &Path) {
    object["metadata"].as_object_mut().unwrap().remove("namespace");
    let file = tempfile::NamedTempFile::with_suffix(".json").unwrap();
    std::fs::write(file.path(), object.to_string()).unwrap();
    let path = file.path().to_str().unwrap();
    let said = namespace.try_kubectl(&["apply", "--dry-run=server", "--validate=strict", "-f", path]);
    if let Err(error) = said {
        panic!("{}: {error}\n{object:#}", shown_in.display());
    }
}

#[test]
fn every_example_can_be_applied() {
    let cluster = Cluster::shared();
    cluster.install_definitions();
    let namespace = cluster.namespace("examples");
    for file in files("examples/kubernetes") {
        objects(&text(&file)).into_iter().for_each(|object| check(&namespace, object, &file));
    }
}

#[test]
fn every_resource_that_a_page_shows_can_be_applied() {
    let cluster = Cluster::shared();
    cluster.install_definitions();
    let namespace = cluster.namespace("pages");
    let mut shown = 0;
    for page in files("docs").into_iter().chain([paths::repository().join("README.md")]) {
        for block in markdown::blocks(&text(&page), "yaml") {
            let resources =
                objects(&block).into_iter().filter(|object| object["apiVersion"] == "sluice.dev/v1alpha1");
            for object in resources {
                check(&namespace, object, &page);
                shown += 1;
            }
        }
    }
    assert!(shown >= 4, "the README and the pages of both kinds show resources");
}
