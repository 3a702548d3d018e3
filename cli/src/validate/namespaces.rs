//! Namespaces among the files: a fleet may let streams in by the labels of theirs.
//! It takes what it can read of them, and checks nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;
use sluice_operator::resolve::Namespaces;

/// How a Namespace is told among the documents that are not Sluice's.
pub(super) const TOLD: &str = "Namespace ";

/// What counts of a document.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    api_version: String,
    kind: String,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    labels: Option<BTreeMap<String, Value>>,
}

impl Metadata {
    /// Name and labels; `None` where a label is no text, which the API server would refuse.
    fn labels(self) -> Option<(String, BTreeMap<String, String>)> {
        let labels = self.labels.unwrap_or_default().into_iter();
        let texts = labels.map(|(name, value)| Some((name, value.as_str()?.to_owned())));
        Some((self.name, texts.collect::<Option<_>>()?))
    }
}

/// Labels of the Namespaces in those of `files` that were read before and, by `foreign`, hold one.
pub(super) fn read(files: &[PathBuf], foreign: &[(String, String)]) -> Namespaces {
    let holds_one = |file: &&PathBuf| {
        let shown = file.display().to_string();
        foreign.iter().any(|(of, what)| *of == shown && what.starts_with(TOLD))
    };
    let texts = files.iter().filter(holds_one).filter_map(|file| fs::read_to_string(file).ok());
    texts.flat_map(|text| labels(&text)).collect()
}

fn labels(text: &str) -> Namespaces {
    let documents =
        serde_yaml::Deserializer::from_str(text).filter_map(|document| Document::deserialize(document).ok());
    documents
        .filter(|document| document.api_version == "v1" && document.kind == "Namespace")
        .filter_map(|document| document.metadata.labels())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_of_namespaces_alone() {
        let text = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: sales}}, spec: {}}\n---\n\
            {apiVersion: v1, kind: Secret, metadata: {name: bank, labels: {team: money}}}\n---\n---\n[odd]\n---\n\
            {apiVersion: v1, kind: Namespace, metadata: {name: bare}}\n---\n\
            {apiVersion: v1, kind: Namespace, metadata: {name: wrong, labels: {team: 1}}}\n";
        let sales = BTreeMap::from([("team".to_owned(), "sales".to_owned())]);
        let wanted = [("shop".to_owned(), sales), ("bare".to_owned(), BTreeMap::new())];
        assert_eq!(labels(text), Namespaces::from(wanted));
    }
}
