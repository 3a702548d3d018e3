//! The command line.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use sluice_admin::log::LogForm;

use crate::operators::OperatorUrl;

/// Takes reports over HTTP and puts them safely into Kafka.
#[derive(Clone, Debug, Parser)]
#[command(name = "sluice-proxy", version)]
pub struct Args {
    /// The configuration, read again whenever its content changes: a document (JSON), or a directory of its parts
    /// as a fleet's pods have them mounted.
    #[arg(long, value_name = "PATH", default_value = "/etc/sluice/config")]
    pub config: PathBuf,
    /// Directory with one directory a Secret, holding one file a key.
    #[arg(long, value_name = "DIR", default_value = "/etc/sluice/secrets")]
    pub secrets: PathBuf,
    /// The operators that tell of other configurations and hear how the node does, as https://HOST:8443: each
    /// address of HOST is one [default: none].
    #[arg(long, value_name = "URL", requires = "fleet")]
    pub operator: Option<OperatorUrl>,
    /// File with the pod's token for operators.
    #[arg(long, value_name = "FILE", default_value = "/var/run/secrets/sluice.dev/operator/token")]
    pub operator_token: PathBuf,
    /// File with the authorities that operators' certificates are checked against, in PEM.
    #[arg(long, value_name = "FILE", default_value = "/etc/sluice/trust/ca.crt")]
    pub operator_ca: PathBuf,
    /// The fleet that the node belongs to.
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = fleet)]
    pub fleet: Option<FleetName>,
    /// Uid of the pod that the node is.
    #[arg(long, value_name = "UID", env = "POD_UID")]
    pub node_uid: Option<String>,
    /// Between two heartbeats to each operator.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub heartbeat_interval: Duration,
    /// Directory for the last good configuration, so that a restart goes on with it [default: none is kept].
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Address of the report listener; may be given several times. Of several, those of a kind of address that the
    /// machine does not have are left out.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:46802")]
    pub http: Vec<SocketAddr>,
    /// Address of the report listener over TLS, which serves with the certificate that the configuration names
    /// [default: none].
    #[arg(long, value_name = "ADDRESS")]
    pub https: Option<SocketAddr>,
    /// Address of metrics, probes and status.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:9102")]
    pub admin: SocketAddr,
    /// The node's own address as records name it (dpIp) [default: the address a producer came to].
    #[arg(long, value_name = "IP", env = "POD_IP")]
    pub node_ip: Option<IpAddr>,
    /// How long the node, told to leave, serves on while others learn that it is not ready.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub drain_settle: Duration,
    /// How long it then tells producers to go elsewhere [default: as configured].
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub drain_notify: Option<Duration>,
    /// How long the node, told to leave, has in all; what is not settled then stays unacknowledged [default: as long as
    /// its phases and the deliveries on their way take].
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub drain_limit: Option<Duration>,
    /// Print the bound addresses as one line of JSON, and leave when standard input ends.
    #[arg(long)]
    pub supervised: bool,
    /// Where traces go: an OTLP/HTTP collector, like http://collector:4318
    /// [default: OTEL_EXPORTER_OTLP_ENDPOINT, else nowhere].
    #[arg(long, value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// Form of the log, on standard error [default: human on a terminal, else json].
    #[arg(long, value_enum, value_name = "FORM")]
    pub log: Option<LogForm>,
}

/// A fleet, as operators are asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for FleetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

fn fleet(text: &str) -> Result<FleetName, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok(FleetName { namespace: namespace.to_owned(), name: name.to_owned() })
        }
        _ => Err("wants a namespace and a name, like shop/main".to_owned()),
    }
}

/// A duration as the resources write it: a whole number and `ms`, `s` or `m`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| "wants a number and a unit, like 15s".to_owned())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => Err("wants one of the units ms, s and m".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for odd in ["", "5", "s", "-1s", "1.5s", "1h"] {
            assert!(duration(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_fleet_is_a_namespace_and_a_name() {
        assert_eq!(fleet("shop/main").unwrap().to_string(), "shop/main");
        for odd in ["", "main", "/main", "shop/", "a/b/c"] {
            assert!(fleet(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn operators_are_asked_for_a_fleet() {
        let parse = |more: &[&str]| Args::try_parse_from([&["sluice-proxy"], more].concat());
        assert!(parse(&["--operator", "https://ops"]).is_err());
        assert!(parse(&["--operator", "https://ops", "--fleet", "shop/main"]).is_ok());
        assert!(parse(&["--operator", "http://ops", "--fleet", "shop/main"]).is_err(), "plain");
    }

    #[test]
    fn reports_are_listened_for_at_one_address_or_at_several() {
        let http = |more: &[&str]| Args::try_parse_from([&["sluice-proxy"], more].concat()).unwrap().http;
        assert_eq!(http(&[]), ["0.0.0.0:46802".parse().unwrap()]);
        let both = ["--http=127.0.0.1:1", "--http=[::1]:1"];
        assert_eq!(http(&both), ["127.0.0.1:1".parse().unwrap(), "[::1]:1".parse().unwrap()]);
    }

    #[test]
    fn the_command_line_is_sound() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }
}
