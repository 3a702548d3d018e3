//! The command line.

use std::net::SocketAddr;

use clap::{Parser, ValueEnum};
use sluice_admin::log::LogForm;

/// Makes ProxyFleets and DataStreams run, and tells what became of them.
#[derive(Clone, Debug, Parser)]
#[command(name = "sluice-operator", version)]
pub struct Args {
    /// The namespace it runs in, where its lease and the default fleet are.
    #[arg(long, value_name = "NAMESPACE", env = "POD_NAMESPACE", default_value = "sluice-system")]
    pub namespace: String,
    /// What it calls itself in the lease; no two operators share it.
    #[arg(long, value_name = "NAME", env = "POD_NAME", default_value = "sluice-operator")]
    pub identity: String,
    /// Name of the lease that the one operator holds that writes.
    #[arg(long, value_name = "NAME", default_value = "sluice-operator")]
    pub lease: String,
    /// Name of the ConfigMap with the default fleet's settings.
    #[arg(long, value_name = "NAME", default_value = "sluice-default-fleet")]
    pub default_fleet_config: String,
    /// The image of proxies whose fleet names none.
    #[arg(long, value_name = "IMAGE")]
    pub proxy_image: String,
    /// When nodes fetch that image.
    #[arg(long, value_name = "POLICY", value_enum, default_value = "IfNotPresent")]
    pub proxy_pull_policy: PullPolicy,
    /// A Secret to fetch it with, in the fleet's namespace; may be given several times.
    #[arg(long, value_name = "SECRET")]
    pub proxy_pull_secret: Vec<String>,
    /// Address of metrics and probes.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:9102")]
    pub admin: SocketAddr,
    /// Form of the log, on standard error [default: human on a terminal, else json].
    #[arg(long, value_enum, value_name = "FORM")]
    pub log: Option<LogForm>,
}

/// When an image is fetched, in Kubernetes' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum PullPolicy {
    /// Every time.
    Always,
    /// When the node does not have it.
    IfNotPresent,
    /// Never: it is there.
    Never,
}

impl PullPolicy {
    /// As Kubernetes writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }
}
