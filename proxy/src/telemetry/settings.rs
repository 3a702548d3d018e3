//! Where spans go, from the command line and the standard `OTEL_*` variables. Pure.
//! What the SDK reads by itself (headers, service name, resource, sampler, batches) it reads by itself.

use std::time::Duration;

use http::Uri;
use http::uri::Scheme;

/// How many spans wait at most, and at the very most.
const QUEUE: (usize, usize) = (2_048, 65_536);
/// How long a batch may take, and at the very most.
const TIMEOUT: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(60));
/// The path of traces below an endpoint for all signals.
const PATH: &str = "/v1/traces";

/// A setting that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The endpoint is no URL of a host.
    #[error("traces: the endpoint must be like http://collector:4318")]
    Endpoint,
    /// TLS is wanted.
    #[error("traces: https is not supported; send to a collector nearby, and let it speak TLS")]
    Tls,
    /// The endpoint holds a password, which would be logged.
    #[error("traces: the endpoint must not hold credentials; use OTEL_EXPORTER_OTLP_HEADERS")]
    Credentials,
    /// Another protocol is wanted.
    #[error("traces: {0} must be http/protobuf")]
    Protocol(&'static str),
    /// A number is none.
    #[error("traces: {0} must be a number, at least 1")]
    Number(&'static str),
}

/// Where spans go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The URL that batches are posted to.
    pub endpoint: Uri,
    /// How many spans wait at most; more are dropped.
    pub queue: usize,
    /// How long a batch may take.
    pub timeout: Duration,
    /// Whether a sampler is configured by name.
    pub sampler: bool,
}

impl Settings {
    /// The settings, or `None` where nothing asks for spans: `flag` wins over the traces' own variable, and
    /// that over the one of all signals. `env` gives the variables that are set and not empty.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn read(
        flag: Option<&str>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, SettingsError> {
        let below = |base: &str| format!("{}{PATH}", base.trim_end_matches('/'));
        let endpoint = flag
            .map(below)
            .or_else(|| env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))
            .or_else(|| env("OTEL_EXPORTER_OTLP_ENDPOINT").map(|base| below(&base)));
        let disabled = env("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || env("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
        let Some(endpoint) = endpoint.filter(|_| !disabled) else { return Ok(None) };
        let endpoint = checked(&endpoint)?;
        for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
            match env(name).as_deref() {
                Some("http/protobuf") => break,
                Some(_) => return Err(SettingsError::Protocol(name)),
                None => {}
            }
        }
        let timeout = match number("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", &env)? {
            None => number("OTEL_EXPORTER_OTLP_TIMEOUT", &env)?,
            some => some,
        };
        let queue = number("OTEL_BSP_MAX_QUEUE_SIZE", &env)?;
        Ok(Some(Self {
            endpoint,
            queue: queue.map_or(QUEUE.0, |queue| usize::try_from(queue).unwrap_or(QUEUE.1).min(QUEUE.1)),
            timeout: timeout.map_or(TIMEOUT.0, |ms| Duration::from_millis(ms).min(TIMEOUT.1)),
            sampler: env("OTEL_TRACES_SAMPLER").is_some(),
        }))
    }
}

fn checked(endpoint: &str) -> Result<Uri, SettingsError> {
    let uri: Uri = endpoint.parse().map_err(|_| SettingsError::Endpoint)?;
    match (uri.scheme(), uri.authority()) {
        (_, Some(authority)) if authority.as_str().contains('@') => Err(SettingsError::Credentials),
        (Some(scheme), _) if *scheme == Scheme::HTTPS => Err(SettingsError::Tls),
        (Some(scheme), Some(authority)) if *scheme == Scheme::HTTP && !authority.host().is_empty() => Ok(uri),
        _ => Err(SettingsError::Endpoint),
    }
}

fn number(name: &'static str, env: &impl Fn(&str) -> Option<String>) -> Result<Option<u64>, SettingsError> {
    let number = env(name).map(|value| value.trim().parse().ok().filter(|number| *number > 0));
    number.map(|number| number.ok_or(SettingsError::Number(name))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(flag: Option<&str>, env: &[(&str, &str)]) -> Result<Option<Settings>, SettingsError> {
        Settings::read(flag, |name| {
            env.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn endpoint(flag: Option<&str>, env: &[(&str, &str)]) -> Option<String> {
        read(flag, env).unwrap().map(|settings| settings.endpoint.to_string())
    }

    const ALL: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4318/");
    const OWN: (&str, &str) = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://own:4318/here");

    #[test]
    fn nothing_is_exported_unless_asked_for() {
        assert_eq!(read(None, &[]), Ok(None));
        assert_eq!(read(None, &[ALL, ("OTEL_SDK_DISABLED", "True")]), Ok(None));
        assert_eq!(read(None, &[ALL, ("OTEL_TRACES_EXPORTER", "none")]), Ok(None));
        assert_eq!(read(None, &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]), Ok(None));
    }

    #[test]
    fn the_closest_endpoint_wins() {
        assert_eq!(endpoint(Some("http://f"), &[OWN, ALL]).as_deref(), Some("http://f/v1/traces"));
        assert_eq!(endpoint(None, &[OWN, ALL]).as_deref(), Some("http://own:4318/here"));
        assert_eq!(endpoint(None, &[ALL]).as_deref(), Some("http://all:4318/v1/traces"));
    }

    #[test]
    fn an_endpoint_that_cannot_work_says_why() {
        for (flag, error) in [
            ("https://c:4318", SettingsError::Tls),
            ("http://user:pass@c:4318", SettingsError::Credentials),
            ("collector:4318", SettingsError::Endpoint),
            ("unix:///socket", SettingsError::Endpoint),
            ("http://", SettingsError::Endpoint),
        ] {
            assert_eq!(read(Some(flag), &[]), Err(error), "{flag}");
        }
    }

    #[test]
    fn only_protobuf_over_http_is_spoken() {
        let protocol = |own: &str, all: &str| {
            let own = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", own);
            read(None, &[ALL, own, ("OTEL_EXPORTER_OTLP_PROTOCOL", all)]).map(|_| ())
        };
        assert_eq!(protocol("http/protobuf", "grpc"), Ok(()));
        let refused = SettingsError::Protocol("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL");
        assert_eq!(protocol("http/json", "http/protobuf"), Err(refused));
    }

    #[test]
    fn queue_and_timeout_have_limits() {
        let of = |queue: &str, timeout: &str| {
            let queue = ("OTEL_BSP_MAX_QUEUE_SIZE", queue);
            let settings = read(None, &[ALL, queue, ("OTEL_EXPORTER_OTLP_TIMEOUT", timeout)]);
            settings.map(|settings| settings.map(|s| (s.queue, s.timeout)).unwrap())
        };
        assert_eq!(of("16", "500"), Ok((16, Duration::from_millis(500))));
        assert_eq!(of("9000000000", "9000000000"), Ok((QUEUE.1, TIMEOUT.1)));
        assert_eq!(of("0", "1"), Err(SettingsError::Number("OTEL_BSP_MAX_QUEUE_SIZE")));
        assert_eq!(of("1", "1s"), Err(SettingsError::Number("OTEL_EXPORTER_OTLP_TIMEOUT")));
    }
}
