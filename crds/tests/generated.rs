//! The files under `crds/yaml` are what the types and rules say.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panicking, as the test would")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

fn files(directory: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .collect()
}

#[test]
fn the_generated_files_are_current() {
    let fresh = tempfile::tempdir().unwrap();
    fs::write(fresh.path().join("gone.sluice.dev.yaml"), "of a kind that is no more").unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_crdgen")).arg(fresh.path()).status().unwrap();
    assert!(status.success());
    let current = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("yaml"));
    let fresh = files(fresh.path());
    assert_eq!(current.keys().collect::<Vec<_>>(), fresh.keys().collect::<Vec<_>>());
    for (name, content) in &fresh {
        assert!(current[name] == *content, "{name} is stale; run `cargo run -p sluice-crds --bin crdgen`");
    }
}

#[test]
fn a_file_fits_the_annotation_of_client_side_apply() {
    for (name, content) in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("yaml")) {
        assert!(content.len() < 200 * 1024, "{name} has {} bytes", content.len());
    }
}
