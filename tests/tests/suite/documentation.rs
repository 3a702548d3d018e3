//! The documentation: its examples are valid, its links lead somewhere, the README stays short.
//! Whether what it says is so is the business of the other suites.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sluice_tests::{markdown, paths};

/// The pages: the README, and what lies in `docs`.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![paths::repository().join("README.md"), paths::repository().join("CONTRIBUTING.md")];
    let docs = fs::read_dir(paths::repository().join("docs")).unwrap();
    pages.extend(docs.map(|entry| entry.unwrap().path()));
    pages
}

fn text(page: &Path) -> String {
    fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

/// What `sluice validate` says of a file: whether all is valid, and everything it told. Files are looked at one by one,
/// because of two that belong together it can't know the labels of a cluster's namespaces.
fn validate(flags: &[&str], file: &Path) -> (bool, Value) {
    let output = Command::new(paths::binary("sluice"))
        .args(["validate", "--output", "json"])
        .args(flags)
        .arg(file)
        .output()
        .unwrap();
    let told = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.success(), told)
}

fn examples() -> Vec<PathBuf> {
    let folder = paths::repository().join("examples/kubernetes");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_example_for_a_cluster_is_valid() {
    let mut kinds = Vec::new();
    for file in examples() {
        let (valid, told) = validate(&["--cluster"], &file);
        assert!(valid, "{}: {told:#}", file.display());
        let found = told["valid"].as_array().unwrap().iter();
        kinds.extend(found.map(|valid| valid["object"]["kind"].as_str().unwrap().to_owned()));
    }
    kinds.sort();
    assert_eq!(kinds, ["DataStream", "DataStream", "DataStream", "ProxyFleet", "ProxyFleet"]);
}

#[test]
fn every_resource_that_a_page_shows_is_valid() {
    let directory = tempfile::tempdir().unwrap();
    for page in pages() {
        for (number, block) in markdown::blocks(&text(&page), "yaml").into_iter().enumerate() {
            if !block.contains("apiVersion: sluice.dev/") {
                continue;
            }
            let file = directory.path().join(format!("{number}.yaml"));
            fs::write(&file, &block).unwrap();
            let (valid, told) = validate(&[], &file);
            assert!(valid, "{}: {told:#}\n{block}", page.display());
        }
    }
}

#[test]
fn every_link_leads_somewhere() {
    for page in pages() {
        let folder = page.parent().unwrap();
        for link in markdown::links(&text(&page)) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page.clone() } else { folder.join(file) };
            assert!(target.exists(), "{}: {link}", page.display());
            if !anchor.is_empty() {
                let known = markdown::anchors(&text(&target));
                assert!(known.contains(anchor), "{}: {link} is none of {known:?}", page.display());
            }
        }
    }
}

#[test]
fn the_readme_is_read_in_a_few_minutes() {
    let readme = text(&paths::repository().join("README.md"));
    assert!(readme.lines().count() <= 150);
}
