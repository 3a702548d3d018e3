//! The proxy's container: its command line, ports, probes and what it may do, which is next to nothing.

use std::net::SocketAddr;

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, HTTPGetAction, ObjectFieldSelector, Probe,
    ResourceRequirements, SecurityContext, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use sluice_crds::pods::Resources;

use super::PROXY_CONTAINER;
use super::context::Context;
use super::volumes::{
    CONFIG_DIRECTORY, SECRETS_DIRECTORY, STATE_DIRECTORY, TOKEN_DIRECTORY, TOKEN_FILE, TRUST_DIRECTORY,
    TRUST_FILE,
};
use crate::resolve::ResolvedFleet;

/// The port of metrics, probes and status.
pub(super) const ADMIN_PORT: u16 = 9102;

/// The name of the port for metrics, probes and status.
pub(super) const METRICS: &str = "metrics";

/// What a proxy asks for where the fleet says nothing.
const REQUESTS: [(&str, &str); 2] = [("cpu", "25m"), ("memory", "64Mi")];

/// The proxy's container of `fleet`'s pods.
pub(super) fn proxy(fleet: &ResolvedFleet, mounts: Vec<VolumeMount>, context: &Context) -> Container {
    Container {
        name: PROXY_CONTAINER.to_owned(),
        image: Some(fleet.spec.image.as_ref().unwrap_or(&context.image).clone()),
        image_pull_policy: context.pull_policy.clone(),
        args: Some(args(fleet, context)),
        env: Some(env(context)),
        ports: Some(ports(fleet)),
        resources: Some(resources(fleet.spec.resources.as_ref())),
        security_context: Some(security_context()),
        // A proxy listens before it is configured; a minute is for nodes on which everything waits.
        startup_probe: Some(probe("/healthz", 1, 60)),
        liveness_probe: Some(probe("/healthz", 10, 3)),
        // One lost answer on a busy node is no reason to leave; two are 4 s, before a drain's first phase is over.
        readiness_probe: Some(probe("/readyz", 2, 2)),
        // What a proxy says last is what the fleet's status tells.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

fn args(fleet: &ResolvedFleet, context: &Context) -> Vec<String> {
    let address = |port| SocketAddr::new(context.listen_on, port).to_string();
    let mut args = vec![
        ("--config", CONFIG_DIRECTORY.to_owned()),
        ("--secrets", SECRETS_DIRECTORY.to_owned()),
        ("--http", address(fleet.spec.listeners.http.port)),
        ("--admin", address(ADMIN_PORT)),
        ("--log", "json".to_owned()),
    ];
    args.extend(fleet.spec.listeners.https.as_ref().map(|https| ("--https", address(https.port))));
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

fn probe(path: &str, period_seconds: i32, failure_threshold: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(METRICS.to_owned()),
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
fn security_context() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
        privileged: Some(false),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        run_as_user: Some(super::pod::USER),
        run_as_group: Some(super::pod::USER),
        seccomp_profile: Some(super::pod::seccomp()),
        ..SecurityContext::default()
    }
}
