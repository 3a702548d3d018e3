//! What a fleet lets a stream of some namespace be called, use and have made.
//! It judges names; whether the fleet has what they name is not its business.

use sluice_crds::ProxyFleet;
use sluice_crds::attach::{AllowedNamespaces, AllowedStreams, From};
use sluice_crds::pods::Mode;

use super::{Place, Refusal, glob};
use crate::Reason;

/// The label that every namespace has: its own name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The longest name of a topic that Kafka takes.
const TOPIC_MAX: usize = 249;

/// How much of a list of globs is repeated, in bytes.
const LISTED_MAX: usize = 200;

/// What a stream of one namespace may do on one fleet.
pub(super) struct Permit<'a> {
    fleet: &'a ProxyFleet,
    namespace: &'a str,
    /// What binds it; absent: nothing but what binds everyone.
    bound_by: Option<&'a AllowedStreams>,
}

impl<'a> Permit<'a> {
    /// Lets streams of `namespace` in, or says why not.
    pub(super) fn of(fleet: &'a ProxyFleet, namespace: &'a str, place: Place<'_>) -> Result<Self, Refusal> {
        if fleet.spec.mode == Mode::Sidecar && !is_own(fleet, namespace) {
            return Err(beside(fleet, namespace));
        }
        if answer(fleet, namespace, place) != Answer::No {
            let bound_by = fleet.spec.allowed_streams.as_ref().filter(|_| !is_own(fleet, namespace));
            return Ok(Self { fleet, namespace, bound_by });
        }
        let message = format!(
            "ProxyFleet {} takes no streams of namespace {namespace} (allowedStreams.namespaces: {}); \
             attach to one that does, or ask the fleet's owner to allow the namespace",
            named(fleet),
            rule(fleet)
        );
        Err(Refusal { field: "spec.fleet", reason: Reason::NotPermitted, message })
    }

    pub(super) fn group_id(&self, group_id: &str) -> Result<(), Refusal> {
        let globs = self.bound_by.map(|allowed| &allowed.group_ids);
        self.among("spec.groupId", "groupId", group_id, globs)
    }

    pub(super) fn sink(&self, sink: &str) -> Result<(), Refusal> {
        let globs = self.bound_by.map(|allowed| &allowed.sinks);
        self.among("spec.sink.name", "sink", sink, globs)
    }

    pub(super) fn topic(&self, topic: &str) -> Result<(), Refusal> {
        let field = "spec.sink.topic";
        let refused = |message: String| Err(Refusal { field, reason: Reason::NotPermitted, message });
        if topic.starts_with("__") {
            return refused(format!(
                "topic {topic}: topics that start with __ are Kafka's own; choose another name"
            ));
        }
        if topic.len() > TOPIC_MAX {
            return refused(format!(
                "the topic's name has {} characters, and Kafka takes at most {TOPIC_MAX}; set a shorter one",
                topic.len()
            ));
        }
        self.among(field, "topic", topic, self.bound_by.map(|allowed| &allowed.topics))
    }

    pub(super) fn create_topic(&self, topic: &str) -> Result<(), Refusal> {
        if self.bound_by.is_none_or(|allowed| allowed.create_topics) {
            return Ok(());
        }
        let message = format!(
            "ProxyFleet {} creates no topics for namespace {} (allowedStreams.createTopics: false); take \
             sink.create out and have topic {topic} made, or ask the fleet's owner to allow it",
            named(self.fleet),
            self.namespace
        );
        Err(Refusal { field: "spec.sink.create", reason: Reason::NotPermitted, message })
    }

    fn among(
        &self,
        field: &'static str,
        what: &str,
        name: &str,
        globs: Option<&Vec<String>>,
    ) -> Result<(), Refusal> {
        let Some(globs) = globs else { return Ok(()) };
        if globs.iter().any(|glob| glob::matches(glob, self.namespace, name)) {
            return Ok(());
        }
        let message = format!(
            "{what} {name} is not among the {what}s that ProxyFleet {} allows for namespace {} \
             (allowedStreams.{what}s: {}); choose one that is, or ask the fleet's owner to allow it",
            named(self.fleet),
            self.namespace,
            listed(globs)
        );
        Err(Refusal { field, reason: Reason::NotPermitted, message })
    }
}

/// Sidecars are reached from their own pods alone, and these are in the fleet's namespace.
fn beside(fleet: &ProxyFleet, namespace: &str) -> Refusal {
    let message = format!(
        "ProxyFleet {} is of mode Sidecar, whose proxies run in pods of its own namespace alone; attach to one of that mode \
         in namespace {namespace}, or to one of another mode",
        named(fleet)
    );
    Refusal { field: "spec.fleet", reason: Reason::NotPermitted, message }
}

/// Why it can't be told here whether `fleet` lets streams of `namespace` in; `None` where it can.
pub(super) fn doubt(fleet: &ProxyFleet, namespace: &str, place: Place<'_>) -> Option<Refusal> {
    let message = || {
        format!(
            "whether ProxyFleet {} takes streams of namespace {namespace} depends on the namespace's labels \
             (allowedStreams.namespaces: {}), which are not known here; give its Namespace too",
            named(fleet),
            rule(fleet)
        )
    };
    (answer(fleet, namespace, place) == Answer::Unknown).then(|| Refusal {
        field: "spec.fleet",
        reason: Reason::LabelsUnknown,
        message: message(),
    })
}

fn named(fleet: &ProxyFleet) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    format!("{}/{}", part(&fleet.metadata.namespace), part(&fleet.metadata.name))
}

/// Whether a namespace is let in. Where several must agree, the least counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    No,
    Unknown,
    Yes,
}

impl Answer {
    const fn of(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

fn answer(fleet: &ProxyFleet, namespace: &str, place: Place<'_>) -> Answer {
    match &fleet.spec.allowed_streams {
        _ if is_own(fleet, namespace) => Answer::Yes,
        None => Answer::of(matches!(place, Place::Host(_))),
        Some(allowed) => admits(&allowed.namespaces, namespace, place),
    }
}

fn is_own(fleet: &ProxyFleet, namespace: &str) -> bool {
    fleet.metadata.namespace.as_deref() == Some(namespace)
}

fn admits(allowed: &AllowedNamespaces, namespace: &str, place: Place<'_>) -> Answer {
    match (allowed.from, &allowed.selector) {
        (From::Same, _) => Answer::No,
        (From::All, _) => Answer::Yes,
        (From::Selector, selector) => {
            let wanted = selector.iter().flat_map(|selector| &selector.match_labels);
            // Whoever writes no label has not said whom to let in.
            wanted.map(|label| has_label(namespace, label, place)).min().unwrap_or(Answer::No)
        }
    }
}

fn has_label(namespace: &str, (name, value): (&String, &String), place: Place<'_>) -> Answer {
    let labels = match place {
        Place::Host(_) | Place::Files(_) if name == NAME_LABEL => return Answer::of(value == namespace),
        Place::Host(None) => return Answer::No,
        Place::Host(Some(known)) | Place::Files(known) => match known.get(namespace) {
            Some(labels) => Some(labels),
            None => return Answer::Unknown,
        },
        Place::Cluster(cluster) => cluster.namespaces.get(namespace),
    };
    Answer::of(labels.and_then(|labels| labels.get(name)) == Some(value))
}

/// Which namespaces are let in, as people wrote it.
fn rule(fleet: &ProxyFleet) -> String {
    let allowed = fleet.spec.allowed_streams.as_ref().map(|allowed| &allowed.namespaces);
    let selector = allowed.and_then(|allowed| allowed.selector.as_ref());
    match (allowed.map(|allowed| allowed.from), selector) {
        (Some(From::Selector), Some(selector)) => {
            let labels: Vec<String> =
                selector.match_labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("only those with {}", listed(&labels))
        }
        _ => "from Same".to_owned(),
    }
}

/// `all` with commas, cut where it gets long.
fn listed(all: &[String]) -> String {
    let mut shown = String::new();
    for (index, one) in all.iter().enumerate() {
        if shown.len() + one.len() > LISTED_MAX {
            let more = all.len() - index;
            return if index == 0 {
                format!("{more} that are too long to show")
            } else {
                format!("{shown} and {more} more")
            };
        }
        if index > 0 {
            shown.push_str(", ");
        }
        shown.push_str(one);
    }
    if all.is_empty() { "none".to_owned() } else { shown }
}
