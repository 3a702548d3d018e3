//! What the operator's own command line, and the cluster it runs in, give to everything that is made.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::network_policy::Network;
use crate::args::Args;
use crate::resolve::{DEFAULT_FLEET, FleetKey};

/// The oldest minor version of Kubernetes that the product runs on.
pub const OLDEST_MINOR: u32 = 33;

/// What objects are made with.
#[derive(Clone, Debug, PartialEq)]
pub struct Context {
    /// The proxy's image where a fleet names none.
    pub image: String,
    /// When the image is pulled: `Always`, `IfNotPresent` or `Never`; absent: as Kubernetes does by itself.
    pub pull_policy: Option<String>,
    /// Names of Secrets to pull the image with; each is the fleet's namespace's.
    pub pull_secrets: Vec<String>,
    /// The API server's minor version, such as 34.
    pub kubernetes_minor: u32,
    /// The unspecified address that proxies listen on: `0.0.0.0`, or `::` where pods have IPv6 addresses.
    pub listen_on: IpAddr,
    /// The filter of the proxies' logs, as `SLUICE_LOG` takes it; absent: their own default.
    pub log: Option<String>,
    /// Where proxies send traces, such as `http://collector.observability:4318`; absent: nowhere.
    pub otlp_endpoint: Option<String>,
    /// Where proxies find every replica of the operator, such as `https://HOST:8443`; absent: they are told of none.
    pub operator_url: Option<String>,
    /// Whom proxies are to trust, as PEM; absent: not known yet, or nobody.
    pub trust: Option<Arc<str>>,
    /// Who may connect to proxies; absent: no network policy says so.
    pub network: Option<Network>,
    /// The fleet for streams that name none.
    pub default_fleet: FleetKey,
    /// Namespace and name of the ConfigMap that says what that fleet is.
    pub settings: (String, String),
}

impl Context {
    /// What the command line says. Proxies listen on the kind of address that the operator itself listens on;
    /// of Kubernetes only what every supported version has is used until the API server has told its own.
    #[must_use]
    pub fn new(args: &Args) -> Self {
        let listen_on: IpAddr = match args.admin.ip() {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        Self {
            image: args.proxy_image.clone(),
            pull_policy: Some(args.proxy_pull_policy.name().to_owned()),
            pull_secrets: args.proxy_pull_secret.clone(),
            kubernetes_minor: OLDEST_MINOR,
            listen_on,
            log: None,
            otlp_endpoint: None,
            operator_url: args.operator_url.clone(),
            trust: None,
            network: args.network(),
            default_fleet: (args.namespace.clone(), DEFAULT_FLEET.to_owned()),
            settings: (args.namespace.clone(), args.default_fleet_config.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn context(args: &[&str]) -> Context {
        let usual = ["sluice-operator", "--proxy-image", "proxy:1", "--namespace", "here"];
        Context::new(&Args::parse_from([&usual[..], args].concat()))
    }

    #[test]
    fn the_default_fleet_is_in_the_operators_namespace() {
        let context = context(&["--default-fleet-config", "settings"]);
        assert_eq!(context.default_fleet, ("here".to_owned(), "default".to_owned()));
        assert_eq!(context.settings, ("here".to_owned(), "settings".to_owned()));
    }

    #[test]
    fn network_policies_are_made_as_the_command_line_says() {
        assert_eq!(context(&["--monitoring-namespace", "watch"]).network, None);
        let egress = r#"[{"ports":[{"port":9092}]}]"#;
        let args = ["--network-policies", "--monitoring-namespace", "watch", "--proxy-egress", egress];
        let network = context(&args).network.unwrap();
        assert_eq!((network.monitoring, network.egress.len()), (vec!["watch".to_owned()], 1));
        for wrong in ["{}", "[{\"prots\":[]}]", "ports"] {
            let args = ["sluice-operator", "--proxy-image", "proxy:1", "--proxy-egress", wrong];
            assert!(Args::try_parse_from(args).is_err(), "{wrong}");
        }
    }

    #[test]
    fn proxies_listen_on_the_kind_of_address_that_the_operator_does() {
        assert_eq!(context(&[]).listen_on, Ipv4Addr::UNSPECIFIED);
        assert_eq!(context(&["--admin", "[::]:9102"]).listen_on, Ipv6Addr::UNSPECIFIED);
    }
}
