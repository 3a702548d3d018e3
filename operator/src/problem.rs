//! What is wrong with something a person wrote, as one line.
//! It words and names problems; finding them is the steps'.

use std::fmt;

use sluice_crds::Kind;

use crate::names::Name;

/// A resource by kind, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ObjectRef {
    /// Namespace and name.
    #[must_use]
    pub fn key(&self) -> Name {
        (self.namespace.clone(), self.name.clone())
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// Why something is not in effect as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A file or directory can't be read.
    Unreadable,
    /// A file is no YAML, or holds what is no resource.
    Syntax,
    /// An object breaks its schema or a rule.
    Invalid,
    /// Two documents declare the same object.
    Duplicate,
    /// A stream names no fleet and there is no default one.
    NoDefaultFleet,
    /// A stream names a fleet that is not there.
    FleetNotFound,
    /// A stream names a sink that its fleet does not have.
    SinkNotFound,
    /// Another stream has the same groupId and streamId.
    Conflict,
    /// The other streams of the groupId are on another fleet.
    GroupElsewhere,
    /// Another fleet of the same host listens on the port.
    PortTaken,
    /// A stream takes longer bodies than its fleet can hold.
    LimitTooLarge,
    /// The fleet does not allow what the stream names.
    NotPermitted,
    /// Whether the fleet allows the stream's namespace depends on labels that are not known.
    LabelsUnknown,
    /// A file sink in a cluster: a fleet there has no disk of its own.
    SinkNotDurable,
    /// A stream wants clients with certificates, and its fleet asks for none.
    NoClientCa,
    /// A stream asks for service accounts where there are none.
    NoServiceAccounts,
    /// The fleet's configuration holds no further stream.
    FleetFull,
}

impl Reason {
    /// The reasons for which a stream is refused in a cluster.
    pub const REFUSALS: [Self; 10] = [
        Self::NoDefaultFleet,
        Self::FleetNotFound,
        Self::SinkNotFound,
        Self::SinkNotDurable,
        Self::NotPermitted,
        Self::LimitTooLarge,
        Self::NoClientCa,
        Self::Conflict,
        Self::GroupElsewhere,
        Self::FleetFull,
    ];

    /// Its name, as a condition's reason.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "Unreadable",
            Self::Syntax => "Syntax",
            Self::Invalid => "Invalid",
            Self::Duplicate => "Duplicate",
            Self::NoDefaultFleet => "NoDefaultFleet",
            Self::FleetNotFound => "FleetNotFound",
            Self::SinkNotFound => "SinkNotFound",
            Self::Conflict => "Conflict",
            Self::GroupElsewhere => "GroupElsewhere",
            Self::PortTaken => "PortTaken",
            Self::LimitTooLarge => "LimitTooLarge",
            Self::NotPermitted => "NotPermitted",
            Self::LabelsUnknown => "LabelsUnknown",
            Self::SinkNotDurable => "SinkNotDurable",
            Self::NoClientCa => "NoClientCa",
            Self::NoServiceAccounts => "NoServiceAccounts",
            Self::FleetFull => "FleetFull",
        }
    }

    /// Whether the problem is that something else is missing, which may yet appear.
    #[must_use]
    pub const fn is_missing_part(self) -> bool {
        matches!(self, Self::NoDefaultFleet | Self::FleetNotFound)
    }
}

/// Something that is wrong; its `Display` is one line, whatever the parts hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file it stands in; empty where there are no files.
    pub file: String,
    /// The resource; absent when the file as a whole is meant.
    pub object: Option<ObjectRef>,
    /// The field, such as `spec.sinks[0].name`, or the place in the file; empty for the whole.
    pub field: String,
    /// Which problem it is.
    pub reason: Reason,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = self.object.as_ref().map(ToString::to_string).unwrap_or_default();
        for part in [&self.file, &object, &self.field].into_iter().filter(|part| !part.is_empty()) {
            write!(f, "{}: ", one_line(part))?;
        }
        f.write_str(&one_line(&self.message))
    }
}

/// `text` without line breaks and other control characters.
fn one_line(text: &str) -> String {
    text.split(char::is_control).filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line_with_file_object_and_field() {
        let problem = Problem {
            file: "orders.yaml".to_owned(),
            object: Some(ObjectRef {
                kind: Kind::DataStream,
                namespace: "shop".to_owned(),
                name: "orders".to_owned(),
            }),
            field: "spec.output".to_owned(),
            reason: Reason::Invalid,
            message: "must be\none of Raw".to_owned(),
        };
        assert_eq!(
            problem.to_string(),
            "orders.yaml: DataStream shop/orders: spec.output: must be one of Raw"
        );
    }

    #[test]
    fn empty_parts_are_left_out() {
        let problem = Problem {
            file: String::new(),
            object: None,
            field: String::new(),
            reason: Reason::Syntax,
            message: "odd".to_owned(),
        };
        assert_eq!(problem.to_string(), "odd");
    }
}
