//! The rules of a `DataStream`'s ids, topic and limits.
//! Each stands here whole: where, in CEL, in words and in Rust.

use serde_json::Value;
use sluice_wire::bounds::{MAX_BYTES_PER_SECOND, MIN_BYTES_PER_SECOND};

use super::{Rule, Twin, size_within};
use crate::{Kind, Size};

pub(super) const RULES: &[Rule] = &[
    Rule {
        kind: Kind::DataStream,
        path: "",
        field: "",
        cel: "has(self.spec.streamId) || size(self.metadata.name) <= 100",
        message: "the resource's name is its streamId and longer than 100 characters; set spec.streamId or shorten the name",
        twin: Twin::State(|object| {
            object.pointer("/spec/streamId").is_some()
                || object
                    .pointer("/metadata/name")
                    .and_then(Value::as_str)
                    .is_some_and(|name| name.len() <= 100)
        }),
    },
    Rule {
        kind: Kind::DataStream,
        path: "spec",
        field: "groupId",
        cel: "has(self.groupId) == has(oldSelf.groupId) && (!has(self.groupId) || self.groupId == oldSelf.groupId)",
        message: "groupId can't be changed; delete the stream and make a new one",
        twin: Twin::Change(|spec, old| spec.get("groupId") == old.get("groupId")),
    },
    Rule {
        kind: Kind::DataStream,
        path: "spec",
        field: "streamId",
        cel: "has(self.streamId) == has(oldSelf.streamId) && (!has(self.streamId) || self.streamId == oldSelf.streamId)",
        message: "streamId can't be changed; delete the stream and make a new one",
        twin: Twin::Change(|spec, old| spec.get("streamId") == old.get("streamId")),
    },
    Rule {
        kind: Kind::DataStream,
        path: "spec.sink.topic",
        field: "",
        cel: "self != '.' && self != '..'",
        message: "a topic can't be called . or ..; choose another name",
        twin: Twin::State(|topic| topic != "." && topic != ".."),
    },
    Rule {
        kind: Kind::DataStream,
        path: "spec.sink.topic",
        field: "",
        cel: "!self.startsWith('__')",
        message: "topics that start with __ are Kafka's own; choose another name",
        twin: Twin::State(|topic| topic.as_str().is_none_or(|topic| !topic.starts_with("__"))),
    },
    Rule {
        kind: Kind::DataStream,
        path: "spec.limits.maxBodyBytes",
        field: "",
        cel: "quantity(string(self)).compareTo(quantity('1')) >= 0 && quantity(string(self)).compareTo(quantity('20Mi')) <= 0",
        message: "must be from 1 to 20Mi",
        twin: Twin::State(|value| size_within(value, Size(1), Size::mebi(20))),
    },
    Rule {
        kind: Kind::DataStream,
        path: "spec.limits.bytesPerSecond",
        field: "",
        cel: "quantity(string(self)).compareTo(quantity('1Ki')) >= 0 && quantity(string(self)).compareTo(quantity('16Ti')) <= 0",
        message: "must be from 1Ki to 16Ti",
        twin: Twin::State(|value| size_within(value, Size(MIN_BYTES_PER_SECOND), Size(MAX_BYTES_PER_SECOND))),
    },
];
