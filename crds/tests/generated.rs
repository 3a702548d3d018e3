//! What lies in `crds/yaml`, in the chart and in `docs/` is what the types and rules say.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panicking, as the test would")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const DEFINITIONS: &str = "crds/yaml";
const TEMPLATES: &str = "charts/sluice/templates/crds";
const PAGES: [&str; 2] = ["docs/datastream.md", "docs/proxyfleet.md"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files(directory: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .collect()
}

/// A folder with the pages as they are, without their references, and with everything generated anew.
fn generated() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("docs")).unwrap();
    for page in PAGES {
        let text = fs::read_to_string(repository().join(page)).unwrap();
        let (before, rest) = text.split_once(sluice_crds::reference::BEGIN).unwrap();
        let (_, after) = rest.split_once(sluice_crds::reference::END).unwrap();
        let (begin, end) = (sluice_crds::reference::BEGIN, sluice_crds::reference::END);
        fs::write(root.path().join(page), format!("{before}{begin}{end}{after}")).unwrap();
    }
    for directory in [DEFINITIONS, TEMPLATES] {
        let directory = root.path().join(directory);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("gone.sluice.dev.yaml"), "of a kind that is no more").unwrap();
    }
    let status = Command::new(env!("CARGO_BIN_EXE_crdgen")).arg(root.path()).status().unwrap();
    assert!(status.success());
    root
}

#[test]
fn the_generated_files_are_current() {
    let fresh = generated();
    for directory in [DEFINITIONS, TEMPLATES] {
        let current = files(&repository().join(directory));
        let fresh = files(&fresh.path().join(directory));
        assert_eq!(current.keys().collect::<Vec<_>>(), fresh.keys().collect::<Vec<_>>(), "{directory}");
        for (name, content) in &fresh {
            assert!(current[name] == *content, "{directory}/{name} is stale; run `make generate`");
        }
    }
    for page in PAGES {
        let current = fs::read_to_string(repository().join(page)).unwrap();
        assert!(
            current == fs::read_to_string(fresh.path().join(page)).unwrap(),
            "the reference in {page} is stale; run `make generate`"
        );
    }
}

#[test]
fn a_file_fits_the_annotation_of_client_side_apply() {
    for (name, content) in files(&repository().join(DEFINITIONS)) {
        assert!(content.len() < 200 * 1024, "{name} has {} bytes", content.len());
    }
}
