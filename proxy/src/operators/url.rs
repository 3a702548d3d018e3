//! Where the operators are, as the command line says it. It resolves nothing.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::{HeaderValue, Uri};

/// Operators' port with TLS.
const SECURE_PORT: u16 = 8443;
/// An operator's port without, on its own machine.
const PLAIN_PORT: u16 = 8083;

/// `https://HOST[:PORT]`, or `http://` with a host that is this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorUrl {
    secure: bool,
    host: String,
    port: u16,
    authority: HeaderValue,
}

/// Why it is no such URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// No URL, or one with more than scheme, host and port.
    #[error("wants https://HOST:PORT and nothing behind it")]
    Form,
    /// Plain HTTP to another machine would give the token and the configuration to anyone between.
    #[error("http is for an operator on this machine, like http://127.0.0.1:8083; others want https")]
    Plain,
}

impl OperatorUrl {
    /// Whether it is spoken to by TLS, and told the pod's token.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host, which is also the name that certificates are checked for.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn host_header(&self) -> HeaderValue {
        self.authority.clone()
    }
}

impl FromStr for OperatorUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let uri: Uri = text.parse().map_err(|_| UrlError::Form)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(UrlError::Form),
        };
        let authority = uri.authority().ok_or(UrlError::Form)?;
        let bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if !bare || host.is_empty() || authority.as_str().contains('@') {
            return Err(UrlError::Form);
        }
        if !secure && !is_this_machine(&host) {
            return Err(UrlError::Plain);
        }
        // A port that is none leaves a colon behind.
        let port = match authority.port_u16() {
            Some(port) => port,
            None if authority.as_str().ends_with(authority.host()) => {
                if secure {
                    SECURE_PORT
                } else {
                    PLAIN_PORT
                }
            }
            None => return Err(UrlError::Form),
        };
        let header = format!("{}:{port}", authority.host());
        let authority = HeaderValue::from_str(&header).map_err(|_| UrlError::Form)?;
        Ok(Self { secure, host, port, authority })
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

impl fmt::Display for OperatorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority.to_str().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_scheme_host_and_port() {
        for (text, secure, host, port, shown) in [
            ("https://ops.sluice.svc:8443", true, "ops.sluice.svc", 8443, "https://ops.sluice.svc:8443"),
            ("https://ops.sluice.svc", true, "ops.sluice.svc", 8443, "https://ops.sluice.svc:8443"),
            ("https://[fd00::1]:1/", true, "fd00::1", 1, "https://[fd00::1]:1"),
            ("http://127.0.0.1:8083", false, "127.0.0.1", 8083, "http://127.0.0.1:8083"),
            ("http://[::1]", false, "::1", 8083, "http://[::1]:8083"),
            ("http://localhost:9", false, "localhost", 9, "http://localhost:9"),
        ] {
            let url: OperatorUrl = text.parse().unwrap();
            assert_eq!((url.is_secure(), url.host(), url.port()), (secure, host, port), "{text}");
            assert_eq!(url.to_string(), shown);
        }
    }

    #[test]
    fn what_is_more_or_less_than_that_is_refused() {
        for text in [
            "",
            "ops:8443",
            "ftp://ops",
            "https://",
            "https://ops/path",
            "https://ops?x=1",
            "https://u@ops",
            "https://ops:x",
            "https://ops:70000",
        ] {
            assert_eq!(text.parse::<OperatorUrl>(), Err(UrlError::Form), "{text}");
        }
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        for text in ["http://ops.sluice.svc:8083", "http://10.0.0.1:8083", "http://[fd00::1]:1"] {
            assert_eq!(text.parse::<OperatorUrl>(), Err(UrlError::Plain), "{text}");
        }
    }
}
