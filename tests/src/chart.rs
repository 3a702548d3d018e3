//! The Helm chart as the real `helm` renders it, and an older one made of it for upgrades.
//! It needs no cluster, and leaves the chart itself alone.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::{env, fs};

use serde_json::Value;

use crate::paths;

/// The namespace that [`template`] renders for.
pub const NAMESPACE: &str = "sluice-system";

/// The version of the chart that [`old`] makes.
pub const OLD_VERSION: &str = "0.0.1";

/// The field of a `DataStream` that the definition of [`old`] does not have.
pub const NEW_FIELD: &str = "paused";

/// The chart's folder.
#[must_use]
pub fn folder() -> PathBuf {
    paths::repository().join("charts/sluice")
}

/// A command of `helm`, with nothing of the user's own configuration.
#[must_use]
pub fn helm() -> Command {
    static HELM: OnceLock<PathBuf> = OnceLock::new();
    let helm = HELM.get_or_init(|| paths::installed("tests/cluster/install.sh").join("helm"));
    let mut command = Command::new(helm);
    let nowhere = env::temp_dir().join("sluice-tests-helm");
    for of in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(of, &nowhere);
    }
    command
}

/// The objects that the chart makes with these further arguments, or what helm says is wrong.
///
/// # Errors
/// Standard error of helm, where it refuses.
pub fn template(args: &[&str]) -> Result<Vec<Value>, String> {
    render(&folder(), args)
}

/// The notes that a user reads after an install with these further arguments.
///
/// # Panics
/// When helm refuses.
#[must_use]
pub fn notes(args: &[&str]) -> String {
    // Helm shows notes only to whom it reaches a cluster for; as part of an object they are rendered all the same.
    const OBJECT: &str =
        r#"{"kind": "Notes", "text": {{ include (print $.Template.BasePath "/NOTES.txt") . | toJson }}}"#;
    let copy = copied();
    fs::write(copy.path().join("sluice/templates/notes.yaml"), OBJECT).unwrap();
    let objects = render(&copy.path().join("sluice"), args).unwrap();
    let notes = objects.iter().find(|object| object["kind"] == "Notes").unwrap();
    notes["text"].as_str().unwrap().to_owned()
}

/// Makes an older chart in `directory`: version 0.0.1, packed, and its `DataStream` lacks one field.
///
/// # Panics
/// When the chart is not as this expects, or helm can't pack it.
#[must_use]
pub fn old(directory: &Path) -> PathBuf {
    let copy = copied();
    let chart = copy.path().join("sluice");
    edit(&chart.join("Chart.yaml"), |text| {
        let current = env!("CARGO_PKG_VERSION");
        let old = text.replace(&format!("\nversion: {current}\n"), &format!("\nversion: {OLD_VERSION}\n"));
        assert_ne!(old, text, "Chart.yaml has no version {current}");
        old
    });
    edit(&chart.join("templates/crds/datastreams.sluice.dev.yaml"), |text| without(text, NEW_FIELD));
    let output = helm().arg("package").arg(&chart).arg("--destination").arg(directory).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    directory.join(format!("sluice-{OLD_VERSION}.tgz"))
}

/// A definition without the schema of a field: its line, and those below that stand further right.
fn without(definition: &str, field: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let name = format!("{field}:");
    let mut lines = definition.lines().peekable();
    let mut kept = String::with_capacity(definition.len());
    while let Some(line) = lines.next() {
        if line.trim_start() == name {
            while lines.next_if(|below| indent(below) > indent(line)).is_some() {}
        } else {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    assert_ne!(kept, definition, "the definition has no field {field}");
    kept
}

fn copied() -> tempfile::TempDir {
    let target = tempfile::tempdir().unwrap();
    let status = Command::new("cp").arg("-r").arg(folder()).arg(target.path()).status().unwrap();
    assert!(status.success());
    target
}

fn edit(file: &Path, change: impl FnOnce(&str) -> String) {
    let text = fs::read_to_string(file).unwrap();
    fs::write(file, change(&text)).unwrap();
}

fn render(chart: &Path, args: &[&str]) -> Result<Vec<Value>, String> {
    let output = helm()
        .args(["template", "sluice"])
        .arg(chart)
        .args(["--namespace", NAMESPACE])
        .args(args)
        .output()
        .unwrap();
    if !output.status.success() {
        return Err(said(&output));
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let documents = serde_yaml::Deserializer::from_str(&text);
    let objects = documents.map(|document| serde::Deserialize::deserialize(document).unwrap());
    Ok(objects.filter(|object: &Value| !object.is_null()).collect())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_goes_with_all_that_is_below_it() {
        let definition = "properties:\n  a:\n    type: string\n  paused:\n    type: boolean\n    x:\n      y: 1\n  z: {}\n";
        assert_eq!(without(definition, "paused"), "properties:\n  a:\n    type: string\n  z: {}\n");
    }
}
