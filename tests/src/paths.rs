//! Where things lie: the repository, the binaries under test, what was installed from Maven.
//! It builds no binary: `make test` does that before.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// The repository's root.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies in the repository").to_owned()
}

/// A file or folder of `tests/fixtures`.
#[must_use]
pub fn fixture(name: &str) -> PathBuf {
    repository().join("tests/fixtures").join(name)
}

/// A binary of this workspace, of the profile that the running program was built with.
///
/// # Panics
/// When it isn't built.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let binary = target(name);
    assert!(
        binary.exists(),
        "{} is missing; cargo build -p sluice-proxy -p sluice makes it",
        binary.display()
    );
    binary
}

/// Where a binary of this workspace lies once it is built.
pub(crate) fn target(name: &str) -> PathBuf {
    let program = std::env::current_exe().expect("the running program has a path");
    // A test lies in target/<profile>/deps, a binary in target/<profile>.
    let profile = program.ancestors().skip(1).find(|folder| !folder.ends_with("deps"));
    profile.expect("a program lies in target/<profile>").join(name)
}

/// Runs an `install.sh` of this repository, which caches what it makes, and returns the folder it names.
///
/// # Panics
/// When it fails; it says why on standard error.
#[must_use]
pub fn installed(script: &str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let path = repository().join(script);
    let output = Command::new(&path)
        .stderr(std::process::Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(output.status.success(), "{} failed", path.display());
    PathBuf::from(String::from_utf8(output.stdout).expect("a path in UTF-8").trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The integration tests of a member of the workspace: files, and folders with a `main.rs`.
    fn suites(member: &str) -> Vec<String> {
        let Ok(folder) = std::fs::read_dir(repository().join(member).join("tests")) else {
            return Vec::new();
        };
        let paths = folder.map(|entry| entry.unwrap().path());
        let suites = paths
            .filter(|path| path.extension().is_some_and(|end| end == "rs") || path.join("main.rs").exists());
        suites.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn every_suite_is_run_by_make_test() {
        let read = |name: &str| std::fs::read_to_string(repository().join(name)).unwrap();
        let (manifest, makefile) = (read("Cargo.toml"), read("Makefile"));
        let members = manifest.lines().find_map(|line| line.strip_prefix("members = [")).unwrap();
        let all: Vec<String> = members.split('"').skip(1).step_by(2).flat_map(suites).collect();
        assert!(all.len() >= 4, "{all:?}");
        for suite in all {
            assert!(makefile.contains(&format!("--test {suite}")), "make test does not run {suite}");
        }
    }
}
