//! The pod's token for operators, which the kubelet renews in its file. It is never logged and never shown.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderValue;

use super::OperatorError;

/// How old what was read may be.
const FRESH: Duration = Duration::from_secs(60);
/// The longest token, in bytes.
const LONGEST: u64 = 64 << 10;

/// The token in a file.
pub(super) struct Token {
    path: PathBuf,
    held: Mutex<Option<(Instant, HeaderValue)>>,
}

impl Token {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, held: Mutex::default() }
    }

    /// The value of `Authorization`, not older than a minute.
    pub(super) async fn bearer(&self) -> Result<HeaderValue, OperatorError> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match held {
            Some((read, value)) if read.elapsed() < FRESH => Ok(value),
            _ => self.renew().await,
        }
    }

    /// Reads it anew.
    pub(super) async fn renew(&self) -> Result<HeaderValue, OperatorError> {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || read(&path)).await;
        let value = read.unwrap_or_else(|error| Err(error.to_string())).map_err(OperatorError::Token)?;
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), value.clone()));
        Ok(value)
    }
}

fn read(path: &Path) -> Result<HeaderValue, String> {
    let described = |error: io::Error| format!("{}: {error}", path.display());
    let mut text = String::new();
    File::open(path).map_err(described)?.take(LONGEST).read_to_string(&mut text).map_err(described)?;
    let token = text.trim();
    if token.is_empty() {
        return Err(format!("{}: empty", path.display()));
    }
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut value = value.map_err(|_| format!("{}: not a token", path.display()))?;
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Token").field(&self.path).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_is_read_again_when_it_is_wanted_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, "one\n").unwrap();
        let token = Token::new(path.clone());
        assert_eq!(token.bearer().await.unwrap(), "Bearer one");
        std::fs::write(&path, "two").unwrap();
        assert_eq!(token.bearer().await.unwrap(), "Bearer one", "it is fresh");
        assert_eq!(token.renew().await.unwrap(), "Bearer two");
        *token.held.lock().unwrap() =
            Instant::now().checked_sub(FRESH).map(|old| (old, HeaderValue::from_static("Bearer two")));
        std::fs::write(&path, "three").unwrap();
        assert_eq!(token.bearer().await.unwrap(), "Bearer three");
    }

    #[tokio::test]
    async fn without_a_token_the_file_is_named_and_nothing_shows_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let token = Token::new(path.clone());
        let error = token.bearer().await.unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        for odd in ["", " \n", "hush\u{7f}hush"] {
            std::fs::write(&path, odd).unwrap();
            let error = token.bearer().await.unwrap_err().to_string();
            assert!(error.contains("token") && !error.contains("hush"), "{error}");
        }
        std::fs::write(&path, "hush").unwrap();
        let shown = format!("{:?} {:?}", token.bearer().await.unwrap(), token);
        assert!(!shown.contains("hush"), "{shown}");
    }
}
