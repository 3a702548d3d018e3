//! The proxy's container: its command line, ports, probes and what it may do, which is next to nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, HTTPGetAction, ObjectFieldSelector, Probe,
    ResourceRequirements, SecurityContext, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use sluice_crds::pods::Resources;

use super::context::Context;
use super::volumes::{
    CONFIG_DIRECTORY, SECRETS_DIRECTORY, STATE_DIRECTORY, TOKEN_DIRECTORY, TOKEN_FILE, TRUST_DIRECTORY,
    TRUST_FILE,
};
use super::{PROXY_CONTAINER, SIDECAR_CONTAINER};
use crate::resolve::ResolvedFleet;

/// The port of metrics, probes and status.
pub const ADMIN_PORT: u16 = 9102;

/// The name of the port for metrics, probes and status.
pub(super) const METRICS: &str = "metrics";

/// The same in a pod whose other ports are not the operator's to name.
const SIDECAR_METRICS: &str = "sluice-metrics";

/// What a proxy asks for where the fleet says nothing.
const REQUESTS: [(&str, &str); 2] = [("cpu", "25m"), ("memory", "64Mi")];

/// How often a sidecar says how it does: of those there may be as many as pods.
const SIDECAR_HEARTBEAT: &str = "30s";

/// What a sidecar has to leave in. It is told to when its application has ended; where that took the whole grace period,
/// the kubelet grants 2 s.
const SIDECAR_DRAIN: &str = "1500ms";

/// The user and group of a sidecar: one that no application is likely to have. Where a pod shares its processes, who has the
/// same reads what it mounts.
const SIDECAR_USER: i64 = 46_802;

/// The proxy's container of `fleet`'s pods.
pub(super) fn proxy(fleet: &ResolvedFleet, mounts: Vec<VolumeMount>, context: &Context) -> Container {
    Container {
        name: PROXY_CONTAINER.to_owned(),
        args: Some(node_args(fleet, context)),
        ports: Some(ports(fleet)),
        // A proxy listens before it is configured; a minute is for nodes on which everything waits.
        startup_probe: Some(probe("/healthz", METRICS, 1, 60)),
        liveness_probe: Some(probe("/healthz", METRICS, 10, 3)),
        // One lost answer on a busy node is no reason to leave; two are 4 s, before a drain's first phase is over.
        readiness_probe: Some(probe("/readyz", METRICS, 2, 2)),
        ..common(fleet, mounts, context)
    }
}

/// The proxy's container of a pod that asks for a sidecar of `fleet`.
pub(super) fn sidecar(fleet: &ResolvedFleet, mounts: Vec<VolumeMount>, context: &Context) -> Container {
    Container {
        name: SIDECAR_CONTAINER.to_owned(),
        // So an init container starts before the application, goes on beside it, and keeps no Job from ending.
        restart_policy: Some("Always".to_owned()),
        args: Some(sidecar_args(fleet, context)),
        // Reports come over loopback, which needs no port to be declared.
        ports: Some(vec![container_port(SIDECAR_METRICS, ADMIN_PORT)]),
        // The application starts when reports can be taken: the listeners are there, and any configuration. Kafka does
        // not count. A configuration that is not mounted yet takes up to two minutes to be, and to begin anew brings it
        // no sooner.
        security_context: Some(security_context(SIDECAR_USER)),
        startup_probe: Some(probe("/readyz", SIDECAR_METRICS, 1, 300)),
        liveness_probe: Some(probe("/healthz", SIDECAR_METRICS, 10, 3)),
        // No readiness probe: it would take the application out of its Service.
        ..common(fleet, mounts, context)
    }
}

/// The image of `fleet`'s proxies.
pub(super) fn image<'a>(own: Option<&'a String>, context: &'a Context) -> &'a str {
    own.unwrap_or(&context.image)
}

/// What every proxy has.
fn common(fleet: &ResolvedFleet, mounts: Vec<VolumeMount>, context: &Context) -> Container {
    Container {
        image: Some(image(fleet.spec.image.as_ref(), context).to_owned()),
        image_pull_policy: context.pull_policy.clone(),
        env: Some(env(context)),
        resources: Some(resources(fleet.spec.resources.as_ref())),
        security_context: Some(security_context(super::pod::USER)),
        // What a proxy says last is what the fleet's status tells.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

type Arg = (&'static str, String);

/// It listens at every address of its pod.
fn node_args(fleet: &ResolvedFleet, context: &Context) -> Vec<String> {
    let http = ("--http", address(context.listen_on, fleet.spec.listeners.http.port));
    let https = fleet.spec.listeners.https.as_ref();
    let https = https.map(|https| ("--https", address(context.listen_on, https.port)));
    args(fleet, context, [http], https)
}

/// It listens for its own pod alone.
fn sidecar_args(fleet: &ResolvedFleet, context: &Context) -> Vec<String> {
    let port = fleet.spec.listeners.http.port;
    let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let own = [
        ("--drain-settle", "0s".to_owned()),
        ("--drain-notify", "0s".to_owned()),
        ("--drain-limit", SIDECAR_DRAIN.to_owned()),
        ("--heartbeat-interval", SIDECAR_HEARTBEAT.to_owned()),
    ];
    args(fleet, context, loopback.map(|ip| ("--http", address(ip, port))), own)
}

fn address(ip: IpAddr, port: u16) -> String {
    SocketAddr::new(ip, port).to_string()
}

/// The command line of a proxy with these listeners and further arguments.
fn args(
    fleet: &ResolvedFleet,
    context: &Context,
    http: impl IntoIterator<Item = Arg>,
    own: impl IntoIterator<Item = Arg>,
) -> Vec<String> {
    let mut args =
        vec![("--config", CONFIG_DIRECTORY.to_owned()), ("--secrets", SECRETS_DIRECTORY.to_owned())];
    args.extend(http);
    args.extend([("--admin", address(context.listen_on, ADMIN_PORT)), ("--log", "json".to_owned())]);
    args.extend(own);
    args.extend(context.otlp_endpoint.clone().map(|endpoint| ("--otlp-endpoint", endpoint)));
    if let Some(url) = &context.operator_url {
        args.extend([
            ("--operator", url.clone()),
            ("--operator-token", format!("{TOKEN_DIRECTORY}/{TOKEN_FILE}")),
            ("--operator-ca", format!("{TRUST_DIRECTORY}/{TRUST_FILE}")),
            ("--fleet", format!("{}/{}", fleet.namespace, fleet.name)),
            ("--state", STATE_DIRECTORY.to_owned()),
        ]);
    }
    args.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

/// Only what the proxy reads: a variable more would restart every pod when it changes.
fn env(context: &Context) -> Vec<EnvVar> {
    let mut env = vec![field("POD_IP", "status.podIP")];
    if context.operator_url.is_some() {
        env.push(field("POD_UID", "metadata.uid"));
    }
    if let Some(filter) = &context.log {
        env.push(variable("SLUICE_LOG", filter.clone()));
    }
    if context.otlp_endpoint.is_some() {
        env.push(field("POD_NAME", "metadata.name"));
        env.push(field("POD_NAMESPACE", "metadata.namespace"));
        let resource = "k8s.namespace.name=$(POD_NAMESPACE),k8s.pod.name=$(POD_NAME)".to_owned();
        env.push(variable("OTEL_RESOURCE_ATTRIBUTES", resource));
    }
    env
}

fn variable(name: &str, value: String) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value), value_from: None }
}

fn field(name: &str, path: &str) -> EnvVar {
    let source = ObjectFieldSelector { field_path: path.to_owned(), api_version: None };
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource { field_ref: Some(source), ..EnvVarSource::default() }),
    }
}

fn ports(fleet: &ResolvedFleet) -> Vec<ContainerPort> {
    let reports = fleet.spec.listeners.ports();
    reports.chain([(METRICS, ADMIN_PORT)]).map(|(name, number)| container_port(name, number)).collect()
}

fn container_port(name: &str, port: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: port.into(),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

fn probe(path: &str, port: &str, period_seconds: i32, failure_threshold: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(port.to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(2),
        failure_threshold: Some(failure_threshold),
        ..Probe::default()
    }
}

/// What the fleet says, whole: a default beside a smaller limit of the fleet's own would be refused.
fn resources(declared: Option<&Resources>) -> ResourceRequirements {
    let amounts = |map: &std::collections::BTreeMap<String, sluice_crds::pods::Quantity>| {
        let amounts = map.iter().map(|(name, amount)| (name.clone(), Quantity(amount.to_string())));
        (!map.is_empty()).then(|| amounts.collect())
    };
    let defaults = || REQUESTS.map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned()))).into();
    match declared {
        Some(declared) => ResourceRequirements {
            requests: amounts(&declared.requests),
            limits: amounts(&declared.limits),
            claims: None,
        },
        None => ResourceRequirements { requests: Some(defaults()), ..ResourceRequirements::default() },
    }
}

/// All that the restricted Pod Security Standard asks for, here too, so that it holds whatever a fleet's pod
/// template says of the pod.
fn security_context(user: i64) -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
        privileged: Some(false),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        run_as_user: Some(user),
        run_as_group: Some(user),
        seccomp_profile: Some(super::pod::seccomp()),
        ..SecurityContext::default()
    }
}
