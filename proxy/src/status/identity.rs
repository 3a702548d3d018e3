//! Who a node is.

use std::sync::Arc;
use std::time::SystemTime;

use uuid::Uuid;

/// Who a node is; the same for as long as the process runs.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The pod's uid; without one a number that the process made for itself.
    pub uid: Arc<str>,
    /// When the process started, in milliseconds since 1970.
    pub started: u64,
}

impl Identity {
    /// That of a process which starts now, in the pod of this uid, if in any.
    #[must_use]
    pub fn new(uid: Option<&str>) -> Self {
        let uid = uid.filter(|uid| !uid.is_empty()).map(Arc::from);
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            uid: uid.unwrap_or_else(|| Uuid::now_v7().to_string().into()),
            started: u64::try_from(started.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_without_a_pod_makes_a_number_of_its_own() {
        assert_eq!(&*Identity::new(Some("u-1")).uid, "u-1");
        let (one, other) = (Identity::new(None), Identity::new(Some("")));
        assert!(!one.uid.is_empty() && one.uid != other.uid);
    }
}
