//! The command line.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use k8s_openapi::api::networking::v1::NetworkPolicyEgressRule;
use serde_json::Value;
use sluice_admin::log::LogForm;
use sluice_admin::seats::Limits;

use crate::build::objects::Network;
use crate::pki;
use crate::poll::Settings;
use crate::reconcile::WRITE_RATE;

/// Makes ProxyFleets and DataStreams run, and tells what became of them.
#[derive(Clone, Debug, Parser)]
#[command(name = "sluice-operator", version)]
pub struct Args {
    /// The namespace it runs in, where its lease and the default fleet are.
    #[arg(long, value_name = "NAMESPACE", env = "POD_NAMESPACE", default_value = "sluice-system")]
    pub namespace: String,
    /// A namespace that fleets and streams are looked for in, besides its own; may be given several times. Without it: all.
    #[arg(long, value_name = "NAMESPACE")]
    pub watch_namespace: Vec<String>,
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
    /// What clients of long polling send as namespaceId, and the namespace whose labelled ConfigMaps they are then
    /// told of; may be given several times. Soul sends nothing: =NAMESPACE. Without it no ConfigMap is shown.
    #[arg(long, value_name = "ID=NAMESPACE", value_parser = mapped)]
    pub poll_namespace: Vec<(String, String)>,
    /// Address of discovery and long polling.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8083")]
    pub poll: SocketAddr,
    /// A Secret of the operator's namespace with username and password, which clients of long polling then have to
    /// log in with.
    #[arg(long, value_name = "SECRET")]
    pub poll_login_secret: Option<String>,
    /// Connections of --poll, in all.
    #[arg(long, value_name = "NUMBER", default_value_t = 16_384)]
    pub poll_connections: usize,
    /// Connections from one address, of --poll and of --tls.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_024)]
    pub poll_connections_per_address: usize,
    /// Writes of endpoint ConfigMaps and of statuses in a second, at most.
    #[arg(long, value_name = "NUMBER", default_value_t = WRITE_RATE, value_parser = clap::value_parser!(u32).range(1..))]
    pub write_rate: u32,
    /// Address that proxies speak to, over TLS and with the token of their pod; without it there is none.
    #[arg(long, value_name = "ADDRESS")]
    pub tls: Option<SocketAddr>,
    /// Connections of --tls, in all: each proxy has up to two with each operator.
    #[arg(long, value_name = "NUMBER", default_value_t = 40_000)]
    pub tls_connections: usize,
    /// Where proxies find every replica of the operator, such as https://HOST:8443; without it they are told of none.
    #[arg(long, value_name = "URL")]
    pub operator_url: Option<String>,
    /// The name of the operator's Service. Its certificate is for it and for NAME-replicas; its Secrets are NAME-ca and
    /// NAME-tls.
    #[arg(long, value_name = "NAME", default_value = "sluice-operator")]
    pub service: String,
    /// A folder with the certificate to serve with (tls.crt), its key (tls.key) and its authorities (ca.crt), each as PEM, as
    /// a mounted Secret has them; it is looked at again and again. Without it the operator makes its own.
    #[arg(long, value_name = "FOLDER")]
    pub tls_files: Option<PathBuf>,
    /// Address that the API server speaks to, over TLS; without it nothing is checked on its way in.
    #[arg(long, value_name = "ADDRESS")]
    pub webhooks: Option<SocketAddr>,
    /// The name of the ValidatingWebhookConfiguration and of the MutatingWebhookConfiguration that the API server is told in
    /// whom to trust.
    #[arg(long, value_name = "NAME", default_value = "sluice-operator")]
    pub webhook_configuration: String,
    /// Makes a network policy for each fleet: reports from anywhere, metrics for the operator and --monitoring-namespace.
    #[arg(long)]
    pub network_policies: bool,
    /// A namespace whose pods may read the metrics of proxies; may be given several times.
    #[arg(long, value_name = "NAMESPACE")]
    pub monitoring_namespace: Vec<String>,
    /// Where proxies may connect to: a list of egress rules, as JSON, as a NetworkPolicy has them. Empty: anywhere.
    #[arg(long, value_name = "JSON", value_parser = egress)]
    pub proxy_egress: Option<Egress>,
    /// How long a new authority is in every trust bundle before it signs, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub ca_grace: u64,
    /// Form of the log, on standard error [default: human on a terminal, else json].
    #[arg(long, value_enum, value_name = "FORM")]
    pub log: Option<LogForm>,
}

impl Args {
    /// What is polled.
    #[must_use]
    pub fn polling(&self) -> Settings {
        let login = self.poll_login_secret.as_ref().map(|name| (self.namespace.clone(), name.clone()));
        let limits =
            Limits { connections: self.poll_connections, per_address: self.poll_connections_per_address };
        let namespaces = self.poll_namespace.iter().cloned().collect();
        Settings { namespaces, watched: self.watched(), login, limits, identity: self.identity.clone() }
    }

    /// Namespaces that fleets and streams are looked for in, its own among them; empty: all.
    #[must_use]
    pub fn watched(&self) -> Vec<String> {
        let own = (!self.watch_namespace.is_empty()).then_some(&self.namespace);
        let all: BTreeSet<&String> = self.watch_namespace.iter().chain(own).collect();
        all.into_iter().cloned().collect()
    }

    /// How many connections proxies may have.
    #[must_use]
    pub const fn proxies(&self) -> Limits {
        Limits { connections: self.tls_connections, per_address: self.poll_connections_per_address }
    }

    /// What network policies are made with, where they are.
    #[must_use]
    pub fn network(&self) -> Option<Network> {
        let egress = self.proxy_egress.clone().map(|Egress(rules)| rules).unwrap_or_default();
        self.network_policies.then(|| Network { monitoring: self.monitoring_namespace.clone(), egress })
    }

    /// Where certificates are kept.
    #[must_use]
    pub fn pki(&self) -> pki::Settings {
        pki::Settings {
            namespace: self.namespace.clone(),
            service: self.service.clone(),
            grace: Duration::from_secs(self.ca_grace),
        }
    }
}

/// Egress rules of a network policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Egress(pub Vec<NetworkPolicyEgressRule>);

/// What the API would drop, as a field that is written wrong, is refused: the rule would allow more than was meant.
fn egress(text: &str) -> Result<Egress, String> {
    let given: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let rules: Vec<NetworkPolicyEgressRule> =
        serde_json::from_value(given.clone()).map_err(|error| error.to_string())?;
    let kept = serde_json::to_value(&rules).map_err(|error| error.to_string())?;
    if kept == given { Ok(Egress(rules)) } else { Err(format!("only this of it is an egress rule: {kept}")) }
}

/// A namespace has no "=" in its name.
fn mapped(text: &str) -> Result<(String, String), &'static str> {
    match text.rsplit_once('=') {
        Some((id, namespace)) if !namespace.is_empty() => Ok((id.to_owned(), namespace.to_owned())),
        _ => Err("not ID=NAMESPACE"),
    }
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

    #[test]
    fn what_is_polled_is_named_by_what_clients_send() {
        let args =
            |more: &[&str]| Args::try_parse_from([&["sluice-operator", "--proxy-image", "x"], more].concat());
        let nothing = args(&[]).unwrap().polling();
        assert!(nothing.namespaces.is_empty() && nothing.login.is_none());
        let given = ["--poll-namespace", "=demo", "--poll-namespace", "a=b=c", "--poll-login-secret", "s"];
        let settings = args(&given).unwrap().polling();
        let named = |id: &str, namespace: &str| (id.to_owned(), namespace.to_owned());
        assert_eq!(settings.namespaces, [named("", "demo"), named("a=b", "c")].into());
        assert_eq!(settings.login, Some(named("sluice-system", "s")));
        for wrong in ["demo", "a=", ""] {
            assert!(args(&["--poll-namespace", wrong]).is_err(), "{wrong}");
        }
        assert!(args(&["--write-rate", "0"]).is_err());
    }
}
