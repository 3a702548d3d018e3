//! The command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use sluice_admin::log::LogForm;

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
    /// Address of the report listener.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:46802")]
    pub http: SocketAddr,
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
    fn the_command_line_is_sound() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }
}
