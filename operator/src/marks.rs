//! The labels and annotations by which the operator knows its own objects again.
//! They are part of what stands in clusters: changing one leaves the objects of an older operator behind.

/// Who writes: the API server's field manager, the controller of Events, and the label of every object made.
pub const MANAGER: &str = "sluice-operator";

/// The label with who made an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The label with the name of the fleet.
pub const FLEET: &str = "sluice.dev/fleet";

/// The label by which a pod asks for a proxy beside it: the name of a fleet of its namespace.
pub const INJECT: &str = "sluice.dev/inject";

/// The annotation with the digest of an object as it was wanted last.
pub const HASH: &str = "sluice.dev/hash";

/// The annotation of a workload with the operator's own image it was made with.
pub const DEFAULT_IMAGE: &str = "sluice.dev/default-image";

/// The annotation by which a person pauses a fleet: with the value `true` its objects are left as they are.
pub const PAUSED: &str = "sluice.dev/paused";

/// Annotation of a configuration's part with the revision of its document.
pub const REVISION: &str = "sluice.dev/revision";

/// Annotation of a configuration's part with the document's groups: their md5 and the revision that last
/// changed them.
pub const GROUPS: &str = "sluice.dev/groups";

/// Annotation of a configuration's part with its digest, so that a change by somebody else shows.
pub const PART: &str = "sluice.dev/part";

/// Annotation of a configuration's part with how many parts there are.
pub const PARTS: &str = "sluice.dev/parts";

/// Annotation of an endpoint ConfigMap with the digest of what is listed there but for loads and their order.
pub const MEMBERS: &str = "sluice.dev/members";

/// Annotation of an endpoint ConfigMap with the digest of its data.
pub const LISTED: &str = "sluice.dev/listed";

/// Annotation of an endpoint ConfigMap with when that was written, in milliseconds since 1970.
pub const LISTED_AT: &str = "sluice.dev/listed-at";

/// Annotation of the authority's Secret: the digest of its certificate, and since when every bundle has it.
pub const TRUSTED: &str = "sluice.dev/trusted";

/// Annotation of the leaf's Secret: former authorities by digest, and until when each is needed.
pub const FORMER: &str = "sluice.dev/former";

/// The annotation of such a pod with the name of the stream, of its own namespace, that it reports to.
pub const STREAM: &str = "sluice.dev/stream";

/// The annotation of a pod that got its sidecar, with the image of that.
pub const INJECTED: &str = "sluice.dev/injected";
