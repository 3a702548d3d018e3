//! ShenYu's login: a name and a password of a Secret, and tokens that every replica accepts.
//!
//! A token is its end in seconds and an HMAC of that, under a key that is derived from the Secret: nothing has to be
//! shared or remembered, and another password ends all tokens of the former.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use ring::{hmac, pbkdf2};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::hex;

/// How long a token lasts; that of the reference server.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// The Secret is read again after this long, and up to a fifth more.
const AGAIN: Duration = Duration::from_secs(15);
/// How long reading it may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Steps of the key's derivation, so that a token does not give a weak password away cheaply.
const STEPS: u32 = 100_000;

/// A name, its password, and the key of its tokens.
pub struct Login {
    /// Under the key of its own, so that what is compared has one length and takes one time.
    user: hmac::Tag,
    password: hmac::Tag,
    key: hmac::Key,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

impl Login {
    /// Of a name and a password; `salt` is the same for all replicas. It takes a while.
    #[must_use]
    pub fn new(user: &str, password: &str, salt: &str) -> Self {
        let mut secret = [0; 32];
        let steps = NonZeroU32::new(STEPS).unwrap_or(NonZeroU32::MIN);
        let both = format!("{}:{user}{password}", user.len());
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, steps, salt.as_bytes(), both.as_bytes(), &mut secret);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let tag = |what: &str, text: &str| hmac::sign(&key, format!("{what}:{text}").as_bytes());
        Self { user: tag("user", user), password: tag("password", password), key }
    }

    /// What a login is answered with, if name and password are right.
    pub(super) fn enter(&self, user: &str, password: &str) -> Option<Value> {
        let is = |what: &str, text: &str, tag: &hmac::Tag| {
            hmac::verify(&self.key, format!("{what}:{text}").as_bytes(), tag.as_ref()).is_ok()
        };
        // Both are compared whatever the first comes to.
        let right = is("user", user, &self.user) & is("password", password, &self.password);
        let millis = u64::try_from(LIFE.as_millis()).unwrap_or(u64::MAX);
        let data = || json!({"id": "1", "userName": user, "token": self.token(now() + LIFE.as_secs()), "expiredTime": millis});
        right.then(data)
    }

    fn token(&self, end: u64) -> String {
        format!("{end}.{}", hex::digits(hmac::sign(&self.key, stamp(end).as_bytes()).as_ref()))
    }

    /// Whether a token is of this login and lasts still.
    pub(super) fn knows(&self, token: &str) -> bool {
        self.knows_at(token, now())
    }

    fn knows_at(&self, token: &str, now: u64) -> bool {
        let Some((end, mac)) = token.split_once('.') else { return false };
        let Ok(end) = end.parse::<u64>() else { return false };
        let is_ours =
            bytes(mac).is_some_and(|mac| hmac::verify(&self.key, stamp(end).as_bytes(), &mac).is_ok());
        is_ours && now < end
    }
}

fn stamp(end: u64) -> String {
    format!("token:{end}")
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The bytes of 64 hexadecimal digits.
fn bytes(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// The login as the Secret has it; none while that is not there or not whole.
#[derive(Clone, Debug)]
pub struct Logins(watch::Receiver<Option<Arc<Login>>>);

impl Logins {
    /// What is sent over `logins`.
    #[must_use]
    pub const fn new(logins: watch::Receiver<Option<Arc<Login>>>) -> Self {
        Self(logins)
    }

    pub(super) fn current(&self) -> Option<Arc<Login>> {
        self.0.borrow().clone()
    }
}

/// Reads a Secret with `username` and `password` again and again until `stop`. While the API server is away, what it
/// said last holds.
pub async fn keep(
    api: Api<Secret>,
    name: String,
    logins: watch::Sender<Option<Arc<Login>>>,
    stop: CancellationToken,
) {
    let mut seen = None;
    loop {
        match timeout(PATIENCE, api.get_opt(&name)).await {
            Ok(Ok(secret)) => {
                let version = secret.as_ref().map(|secret| secret.metadata.resource_version.clone());
                if seen.as_ref() != Some(&version) {
                    let login = spawn_blocking(move || secret.and_then(read)).await.ok().flatten();
                    if login.is_none() {
                        tracing::warn!(
                            secret = name,
                            "nobody can log in: the Secret is missing, or username or password in it"
                        );
                    }
                    logins.send_replace(login.map(Arc::new));
                    seen = Some(version);
                }
            }
            Ok(Err(error)) => tracing::warn!(secret = name, %error, "the login's Secret can't be read"),
            Err(_) => {
                tracing::warn!(secret = name, "the API server does not answer about the login's Secret");
            }
        }
        let jitter = AGAIN.mul_f64(f64::from(jitter()) / 5.0 / 256.0);
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(AGAIN + jitter) => {}
        }
    }
}

/// A number that replicas which started together do not share.
fn jitter() -> u8 {
    use std::hash::BuildHasher;
    std::hash::RandomState::new().hash_one(0).to_le_bytes()[0]
}

fn read(secret: Secret) -> Option<Login> {
    let data = secret.data.unwrap_or_default();
    let text = |key: &str| {
        let bytes = data.get(key).map(|bytes| bytes.0.clone())?;
        String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
    };
    Some(Login::new(&text("username")?, &text("password")?, &secret.metadata.uid.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        Login::new("admin", "123456", "uid")
    }

    #[test]
    fn name_and_password_together_open() {
        let login = login();
        let data = login.enter("admin", "123456").unwrap();
        assert_eq!((&data["id"], &data["userName"]), (&json!("1"), &json!("admin")));
        assert_eq!(data["expiredTime"], 86_400_000);
        for (user, password) in [("admin", ""), ("", "123456"), ("admin1", "23456"), ("123456", "admin")] {
            assert_eq!(login.enter(user, password), None, "{user} {password}");
        }
    }

    #[test]
    fn a_token_is_known_to_every_replica_until_it_ends_or_the_secret_is_another() {
        let token = login().token(100);
        assert!(login().knows_at(&token, 99));
        assert!(!login().knows_at(&token, 100), "it has ended");
        for other in [
            Login::new("admin", "1234567", "uid"),
            Login::new("admin1", "23456", "uid"),
            Login::new("admin", "123456", "other"),
        ] {
            assert!(!other.knows_at(&token, 99));
        }
        assert!(login().knows(login().enter("admin", "123456").unwrap()["token"].as_str().unwrap()));
    }

    #[test]
    fn what_is_no_token_is_not_known() {
        let login = login();
        let (end, mac) = (100, login.token(100)[4..].to_owned());
        assert!(login.knows_at(&format!("{end}.{mac}"), 1));
        let other = mac.replace(&mac[..1], if mac.starts_with('0') { "1" } else { "0" });
        let (long, short) = (format!("{end}.{mac}0"), format!("{end}.{}", &mac[1..]));
        let (later, wrong) = (format!("101.{mac}"), format!("{end}.{other}"));
        let odd = format!("{end}.{}", "é".repeat(32));
        for token in ["", ".", "100", "100.", &mac, &later, &long, &short, &wrong, &odd, "TOKEN-1"] {
            assert!(!login.knows_at(token, 1), "{token}");
        }
    }

    #[test]
    fn nothing_of_a_login_is_shown() {
        assert_eq!(format!("{:?}", login()), "Login");
    }
}
