//! What is allowed and yet unwise.

use sluice_crds::attach::From;
use sluice_crds::auth::AuthType;
use sluice_crds::{DataStream, ProxyFleet};

use crate::names::name_of;

/// What whoever wrote a stream of `fleet` should know.
pub(super) fn stream(stream: &DataStream, fleet: &ProxyFleet) -> Option<String> {
    if asks_who(stream) || !is_open(fleet) {
        return None;
    }
    let (namespace, name) = name_of(&fleet.metadata);
    Some(format!(
        "spec.auth: nobody is asked who they are, and ProxyFleet {namespace}/{name} is open to other \
         namespaces: whoever reaches it can report to this stream"
    ))
}

/// Whether producers have to show who they are.
fn asks_who(stream: &DataStream) -> bool {
    let (auth, sources) = (stream.spec.auth.as_ref(), stream.spec.sources.as_ref());
    auth.is_some_and(|auth| auth.kind != AuthType::None)
        || sources.is_some_and(|sources| !sources.client_names.is_empty())
}

/// Whether producers of several namespaces are to reach a fleet.
fn is_open(fleet: &ProxyFleet) -> bool {
    fleet.spec.allowed_streams.as_ref().is_some_and(|allowed| allowed.namespaces.from != From::Same)
}
