//! The Secrets mounted into the node: `<directory>/<secret>/<key>`, read whole and kept in memory.
//! Nothing here is ever logged; only names are shown.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The longest value read.
const MAX_VALUE: u64 = 1 << 20;
/// How many files are read at most.
const MAX_FILES: usize = 1024;
/// How often a Secret is read again that was swapped meanwhile.
const ATTEMPTS: usize = 3;

/// What was found in the directory of Secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    values: BTreeMap<(String, String), Vec<u8>>,
}

/// A Secret or one of its keys is not there or can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Not found.
    #[error("secret {secret:?} has no key {key:?}, or is not mounted")]
    Missing {
        /// Its name.
        secret: String,
        /// The key wanted.
        key: &'static str,
    },
    /// Not UTF-8.
    #[error("key {key:?} of secret {secret:?} is not text")]
    NotText {
        /// Its name.
        secret: String,
        /// The key wanted.
        key: &'static str,
    },
}

impl Secrets {
    /// Reads every Secret below `directory`. What can't be read is left out, and so is found missing
    /// when it is wanted.
    #[must_use]
    pub fn read(directory: &Path) -> Self {
        let mut values = BTreeMap::new();
        for (secret, path) in entries(directory) {
            let room = MAX_FILES.saturating_sub(values.len());
            let keys = read_secret(&path, room);
            values.extend(keys.into_iter().map(|(key, value)| ((secret.clone(), key), value)));
        }
        Self { values }
    }

    /// The text of a key, without a line end after it.
    ///
    /// # Errors
    /// [`SecretError`] names the Secret and the key.
    pub fn text(&self, secret: &str, key: &'static str) -> Result<&str, SecretError> {
        let bytes = self
            .values
            .get(&(secret.to_owned(), key.to_owned()))
            .ok_or_else(|| SecretError::Missing { secret: secret.to_owned(), key })?;
        let text = std::str::from_utf8(bytes)
            .map_err(|_| SecretError::NotText { secret: secret.to_owned(), key })?;
        Ok(text.trim_end_matches(['\r', '\n']))
    }

    /// The named Secrets alone.
    #[must_use]
    pub fn only(&self, names: &[&str]) -> Self {
        let named = self.values.iter().filter(|((secret, _), _)| names.contains(&secret.as_str()));
        Self { values: named.map(|(key, value)| (key.clone(), value.clone())).collect() }
    }

    /// A digest of the named Secrets' contents, to tell a change.
    #[must_use]
    pub fn digest(&self, names: &[&str]) -> [u8; 32] {
        let mut hash = Sha256::new();
        for ((secret, key), value) in &self.values {
            if names.contains(&secret.as_str()) {
                for part in [secret.as_bytes(), key.as_bytes(), value] {
                    hash.update((part.len() as u64).to_be_bytes());
                    hash.update(part);
                }
            }
        }
        hash.finalize().into()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// The keys of one Secret, all of one version: a name and the password of the next would be a login that never was.
fn read_secret(path: &Path, room: usize) -> Vec<(String, Vec<u8>)> {
    let mut keys = Vec::new();
    for _ in 0..ATTEMPTS {
        let Some(version) = version(path) else { return Vec::new() };
        let files = entries(&version).into_iter().take(room);
        keys = files.filter_map(|(key, path)| Some((key, read_value(&path)?))).collect();
        if self::version(path).as_ref() == Some(&version) {
            break;
        }
    }
    keys
}

/// The directory that holds a Secret's files now. Kubernetes mounts each key as a link through `..data`, a link that
/// it swaps; a directory without it is itself the version.
fn version(path: &Path) -> Option<PathBuf> {
    path.join("..data").canonicalize().or_else(|_| path.canonicalize()).ok()
}

/// Names and paths below a directory, sorted; Kubernetes' own `..data` links are passed over.
fn entries(directory: &Path) -> Vec<(String, PathBuf)> {
    let Ok(listing) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut found: Vec<_> = listing
        .flatten()
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .filter(|(name, _)| !name.starts_with('.'))
        .collect();
    found.sort();
    found
}

fn read_value(path: &Path) -> Option<Vec<u8>> {
    let mut value = Vec::new();
    let file = File::open(path).ok()?;
    file.take(MAX_VALUE + 1).read_to_end(&mut value).ok()?;
    (value.len() as u64 <= MAX_VALUE).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("login")).unwrap();
        std::fs::write(directory.path().join("login/password"), "hush-hush\n").unwrap();
        directory
    }

    #[test]
    fn a_key_is_read_without_its_line_end() {
        let secrets = Secrets::read(directory().path());
        assert_eq!(secrets.text("login", "password"), Ok("hush-hush"));
    }

    /// Mounts a version of a Secret as the kubelet does, and takes the one before away.
    fn mount(secret: &Path, version: &str, values: &[(&str, &str)]) {
        let before = std::fs::read_link(secret.join("..data"));
        std::fs::create_dir_all(secret.join(version)).unwrap();
        for (key, value) in values {
            std::fs::write(secret.join(version).join(key), value).unwrap();
            let _ = std::os::unix::fs::symlink(Path::new("..data").join(key), secret.join(key));
        }
        std::os::unix::fs::symlink(version, secret.join("..data_tmp")).unwrap();
        std::fs::rename(secret.join("..data_tmp"), secret.join("..data")).unwrap();
        if let Ok(before) = before {
            std::fs::remove_dir_all(secret.join(before)).unwrap();
        }
    }

    #[test]
    fn a_secret_mounted_by_links_is_read_and_a_swap_shows() {
        let directory = tempfile::tempdir().unwrap();
        let secret = directory.path().join("login");
        mount(&secret, "..1", &[("username", "u1"), ("password", "p1")]);
        let first = Secrets::read(directory.path());
        assert_eq!((first.text("login", "username"), first.text("login", "password")), (Ok("u1"), Ok("p1")));
        mount(&secret, "..2", &[("username", "u2"), ("password", "p2")]);
        let second = Secrets::read(directory.path());
        assert_eq!(second.text("login", "password"), Ok("p2"));
        assert_eq!(second.values.len(), 2, "links and versions are no keys");
        assert_ne!(first.digest(&["login"]), second.digest(&["login"]));
        mount(&secret, "..3", &[("username", "u3")]);
        assert!(Secrets::read(directory.path()).text("login", "password").is_err(), "a link to nothing");
    }

    #[test]
    fn a_secret_that_is_swapped_while_it_is_read_is_of_one_version() {
        let directory = tempfile::tempdir().unwrap();
        let secret = directory.path().join("login");
        let values = |number: usize| (format!("u{number}"), format!("p{number}"));
        let swap = |number| {
            let (username, password) = values(number);
            mount(&secret, &format!("..{number}"), &[("username", &username), ("password", &password)]);
        };
        swap(0);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (1..300).for_each(swap));
            while !writer.is_finished() {
                let secrets = Secrets::read(directory.path());
                if let (Ok(user), Ok(password)) =
                    (secrets.text("login", "username"), secrets.text("login", "password"))
                {
                    assert_eq!(user[1..], password[1..]);
                }
            }
        });
    }

    #[test]
    fn an_optional_mount_without_its_secret_is_told_as_missing() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("login")).unwrap();
        let error = Secrets::read(directory.path()).text("login", "password").unwrap_err();
        assert!(matches!(error, SecretError::Missing { .. }), "{error}");
    }

    #[test]
    fn a_missing_key_is_named() {
        let error = Secrets::read(directory().path()).text("login", "username").unwrap_err();
        assert_eq!(error.to_string(), r#"secret "login" has no key "username", or is not mounted"#);
    }

    #[test]
    fn the_digest_changes_with_the_content_of_the_named_secrets_only() {
        let directory = directory();
        let before = Secrets::read(directory.path());
        std::fs::write(directory.path().join("login/password"), "other").unwrap();
        let after = Secrets::read(directory.path());
        assert_ne!(before.digest(&["login"]), after.digest(&["login"]));
        assert_eq!(before.digest(&["else"]), after.digest(&["else"]));
    }

    #[test]
    fn a_selection_holds_the_named_secrets_alone() {
        let secrets = Secrets::read(directory().path());
        assert_eq!(secrets.only(&["login", "else"]), secrets);
        assert_eq!(secrets.only(&["else"]), Secrets::default());
    }

    #[test]
    fn debug_shows_no_value() {
        let shown = format!("{:?}", Secrets::read(directory().path()));
        assert!(shown.contains("password") && !shown.contains("hush"), "{shown}");
    }
}
