//! The API server's audit log: who did what, in the order in which it was answered.
//! It reads what is there; entries are written before their answers are sent.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use jiff::Timestamp;
use serde_json::Value;

use super::Cluster;

/// A place in the log.
#[derive(Clone, Copy, Debug)]
pub struct Mark(u64);

/// A request, at one stage of its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `ResponseComplete`, or of a watch that goes on `ResponseStarted`; a watch that ended has both.
    pub stage: String,
    /// Who asked, such as `system:serviceaccount:<namespace>:<name>`.
    pub user: String,
    /// Name of the pod that asked, where a pod's token says so.
    pub pod: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: String,
    /// The resource's group; empty for the core.
    pub group: String,
    /// In the plural; empty where it was about no object.
    pub resource: String,
    /// Such as `status`; mostly empty.
    pub subresource: String,
    /// Empty for what has none.
    pub namespace: String,
    /// Empty for lists and for names that the server makes.
    pub name: String,
    /// The answer's status.
    pub code: u16,
    /// When it came.
    pub received: Timestamp,
    /// When this stage was reached.
    pub reached: Timestamp,
}

impl Entry {
    /// Whether it was meant to change something.
    #[must_use]
    pub fn is_write(&self) -> bool {
        matches!(&*self.verb, "create" | "update" | "patch" | "delete" | "deletecollection")
    }

    fn parse(line: &str) -> Self {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let text = |pointer| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let time = |pointer| text(pointer).parse().unwrap_or_else(|error| panic!("{error}: {line}"));
        let code = event.pointer("/responseStatus/code").and_then(Value::as_u64).unwrap_or_default();
        Self {
            stage: text("/stage"),
            user: text("/user/username"),
            pod: text("/user/extra/authentication.kubernetes.io~1pod-name/0"),
            verb: text("/verb"),
            group: text("/objectRef/apiGroup"),
            resource: text("/objectRef/resource"),
            subresource: text("/objectRef/subresource"),
            namespace: text("/objectRef/namespace"),
            name: text("/objectRef/name"),
            code: u16::try_from(code).expect("a status"),
            received: time("/requestReceivedTimestamp"),
            reached: time("/stageTimestamp"),
        }
    }
}

impl Cluster {
    /// Where the log ends now.
    ///
    /// # Panics
    /// When the tests run against another cluster.
    #[must_use]
    pub fn audit_mark(&self) -> Mark {
        Mark(self.audit_log().metadata().expect("a file").len())
    }

    /// What was answered since then.
    ///
    /// # Panics
    /// When the log can't be read.
    #[must_use]
    pub fn audit_since(&self, mark: Mark) -> Vec<Entry> {
        let (mut log, mut text) = (self.audit_log(), String::new());
        log.seek(SeekFrom::Start(mark.0)).expect("a file");
        log.read_to_string(&mut text).expect("a log in UTF-8");
        // What stands after the last end of a line is being written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(Entry::parse).collect()
    }

    fn audit_log(&self) -> File {
        File::open(self.home().directory("the audit log").join("audit.log")).expect("an audit log")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_who_did_what() {
        let entry = Entry::parse(
            r#"{"kind":"Event","level":"Metadata","stage":"ResponseComplete","verb":"patch",
            "user":{"username":"system:serviceaccount:a:b"},"objectRef":{"resource":"services","namespace":"n",
            "name":"s","apiVersion":"v1","subresource":"status"},"responseStatus":{"metadata":{},"code":200},
            "requestReceivedTimestamp":"2026-01-02T03:04:05.000001Z","stageTimestamp":"2026-01-02T03:04:05.000002Z"}"#,
        );
        assert_eq!((&*entry.user, &*entry.verb, entry.code), ("system:serviceaccount:a:b", "patch", 200));
        assert_eq!((&*entry.group, &*entry.resource, &*entry.subresource), ("", "services", "status"));
        assert_eq!((&*entry.namespace, &*entry.name), ("n", "s"));
        assert!(entry.is_write() && entry.received < entry.reached);
    }
}
