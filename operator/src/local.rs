//! The steps in a row for a directory in place of an API server: what was written to what is in effect.
//! It remembers each object's last good version; it reads no file and starts no proxy.

use std::collections::{BTreeMap, BTreeSet};

use crate::resolve::{self, Place, Resolution, Written};
use crate::validate::{Error, Resource, Validated, Validator};
use crate::watch::{Snapshot, Source};
use crate::{ObjectRef, Problem, Reason};

/// What stands in place of the API server: checks, and keeps the last good version of each object.
#[derive(Debug)]
pub struct Local {
    validator: Validator,
    good: BTreeMap<ObjectRef, Validated>,
    /// Fleets that are good and have no port, so nothing of them is in effect yet.
    idle: BTreeSet<ObjectRef>,
}

impl Local {
    /// Without any object yet.
    ///
    /// # Errors
    /// A mistake in the product.
    pub fn new() -> Result<Self, Error> {
        Ok(Self { validator: Validator::new()?, good: BTreeMap::new(), idle: BTreeSet::new() })
    }

    /// Takes all that is written now. An object that is broken stays in effect as it was last; one that is
    /// no longer written is gone. Problems come in the order of files.
    pub fn apply(&mut self, snapshot: &Snapshot) -> Resolution {
        self.apply_at(snapshot, Place::Host(None))
    }

    /// The same by the rules of another place.
    pub fn check(&mut self, snapshot: &Snapshot, place: Place<'_>) -> Resolution {
        self.apply_at(snapshot, place)
    }

    fn apply_at(&mut self, snapshot: &Snapshot, place: Place<'_>) -> Resolution {
        let mut problems = snapshot.problems.clone();
        let mut first: BTreeMap<&ObjectRef, &str> = BTreeMap::new();
        let mut order: Vec<(&str, &ObjectRef)> = Vec::new();
        for source in &snapshot.objects {
            if let Some(file) = first.get(&source.id) {
                problems.push(duplicate(source, file));
                continue;
            }
            first.insert(&source.id, &source.file);
            problems.extend(self.take(source));
            order.push((&source.file, &source.id));
        }
        let written: BTreeSet<&ObjectRef> = first.into_keys().collect();
        self.good.retain(|id, _| written.contains(id));
        let mut resolution = self.resolve(&order, place);
        let idle = resolution.problems.iter().filter(|problem| problem.reason == Reason::PortTaken);
        self.idle = idle.filter_map(|problem| problem.object.clone()).collect();
        problems.append(&mut resolution.problems);
        Resolution { problems, ..resolution }
    }

    fn take(&mut self, source: &Source) -> Vec<Problem> {
        // Who is told to choose another port must be able to.
        let past = self.good.get(&source.id).filter(|_| !self.idle.contains(&source.id));
        let old = past.map(|good| &good.json);
        match self.validator.check(source.id.kind, &source.id.namespace, &source.value, old) {
            Ok(validated) => {
                self.good.insert(source.id.clone(), validated);
                Vec::new()
            }
            Err(faults) => faults
                .into_iter()
                .map(|fault| problem(source, fault.field, Reason::Invalid, fault.message))
                .collect(),
        }
    }

    fn resolve(&self, order: &[(&str, &ObjectRef)], place: Place<'_>) -> Resolution {
        let mut fleets = Vec::new();
        let mut streams = Vec::new();
        for (file, id) in order {
            match self.good.get(*id).map(|good| &good.resource) {
                Some(Resource::Fleet(fleet)) => fleets.push(Written { file, resource: fleet.as_ref() }),
                Some(Resource::Stream(stream)) => streams.push(Written { file, resource: stream.as_ref() }),
                None => {}
            }
        }
        resolve::resolve(&fleets, &streams, place)
    }
}

fn duplicate(source: &Source, file: &str) -> Problem {
    let message = format!("stands in {file} already; remove one of the two");
    problem(source, String::new(), Reason::Duplicate, message)
}

fn problem(source: &Source, field: String, reason: Reason, message: String) -> Problem {
    Problem { file: source.file.clone(), object: Some(source.id.clone()), field, reason, message }
}

#[cfg(test)]
mod tests;
