//! An AdmissionReview (admission.k8s.io/v1): read from a request's body, and answered with its uid.
//! Its objects stay text until they are looked at: as values they take far more room, and anybody may send some.

use std::collections::BTreeMap;

use kube::Resource;
use kube::core::admission::{AdmissionResponse, META_API_VERSION_V1, META_KIND, Operation};
use kube::core::{GroupVersionKind, Status};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::inject::Injection;
use super::validate::Verdict;

/// The longest object that is looked at, in bytes: the API server keeps up to 1.5 MiB, of which nobody writes as much.
pub(super) const LONGEST_OBJECT: usize = 512 << 10;
/// The most values in it, counted with those in others: what a value takes, once read, has nothing to do with its length.
pub(super) const MOST_VALUES: usize = 16 << 10;

/// Why a body is no review.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    /// It is none.
    #[error("no AdmissionReview: {0}")]
    Json(#[from] serde_json::Error),
    /// It is of another kind or version.
    #[error("not {META_KIND} of {META_API_VERSION_V1}")]
    Version,
    /// It asks nothing.
    #[error("the AdmissionReview has no request")]
    NoRequest,
}

/// Why an object can't be looked at.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// It is too long.
    #[error("it is longer than {LONGEST_OBJECT} bytes")]
    TooLong,
    /// It has too many parts.
    #[error("it has more than {MOST_VALUES} values")]
    TooMany,
    /// It is not what it says it is.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// Of a pod what says what it asks for.
#[derive(Deserialize)]
struct Head {
    metadata: HeadMetadata,
}

#[derive(Deserialize)]
struct HeadMetadata {
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    kind: String,
    api_version: String,
    #[serde(borrow)]
    request: Option<Request<'a>>,
}

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    uid: String,
    pub(super) kind: GroupVersionKind,
    sub_resource: Option<String>,
    pub(super) namespace: Option<String>,
    operation: Operation,
    #[serde(default)]
    pub(super) dry_run: bool,
    #[serde(borrow)]
    pub(super) object: Option<&'a RawValue>,
    #[serde(borrow)]
    old_object: Option<&'a RawValue>,
}

pub(super) fn read(body: &[u8]) -> Result<Request<'_>, Malformed> {
    let review: Review<'_> = serde_json::from_slice(body)?;
    if review.kind != META_KIND || review.api_version != META_API_VERSION_V1 {
        return Err(Malformed::Version);
    }
    review.request.ok_or(Malformed::NoRequest)
}

impl Request<'_> {
    /// Whether it is about an object as it is to be from now on, and not only about its status.
    pub(super) fn is_written(&self) -> bool {
        let whole = self.sub_resource.as_deref().unwrap_or_default().is_empty();
        whole && matches!(self.operation, Operation::Create | Operation::Update)
    }

    /// How many values it takes to look at its objects; none for those that are not looked at.
    pub(super) fn values(&self) -> usize {
        let objects = [self.object, self.old_object].into_iter().flatten();
        objects.filter_map(|object| fits(object).ok()).sum()
    }

    /// The object as it is to be, and as it was.
    pub(super) fn objects<K: Resource + DeserializeOwned>(
        &self,
    ) -> Result<(Option<K>, Option<K>), Unreadable> {
        let typed = |object: Option<&RawValue>| -> Result<Option<K>, Unreadable> {
            let mut object: Option<K> = object.map(parse).transpose()?;
            if let Some(metadata) = object.as_mut().map(K::meta_mut) {
                metadata.namespace = metadata.namespace.take().or_else(|| self.namespace.clone());
            }
            Ok(object)
        };
        Ok((typed(self.object)?, typed(self.old_object)?))
    }

    /// Lets it be as it is.
    pub(super) fn allowed(&self) -> AdmissionResponse {
        // The one answer that can be made without a request of kube's, which holds its objects as values.
        let mut response = AdmissionResponse::invalid("");
        response.uid.clone_from(&self.uid);
        response.allowed = true;
        response.result = Status::default();
        response
    }
}

/// The labels and annotations of an object, each a text, and nothing else of it.
pub(super) fn head(object: &RawValue) -> Result<Value, Unreadable> {
    let Head { metadata: HeadMetadata { labels, annotations } } = parse(object)?;
    Ok(json!({"metadata": {"labels": labels, "annotations": annotations}}))
}

/// An object as what it is, if it may be looked at.
pub(super) fn parse<T: DeserializeOwned>(object: &RawValue) -> Result<T, Unreadable> {
    fits(object)?;
    Ok(serde_json::from_str(object.get())?)
}

/// How many values an object has, if it may be looked at.
fn fits(object: &RawValue) -> Result<usize, Unreadable> {
    if object.get().len() > LONGEST_OBJECT {
        return Err(Unreadable::TooLong);
    }
    let count = values(object.get());
    if count > MOST_VALUES { Err(Unreadable::TooMany) } else { Ok(count) }
}

/// How many values are in a JSON text, those that hold others too, or at most so many more as are empty.
fn values(json: &str) -> usize {
    let (mut count, mut in_text, mut escaped) = (1, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b',' | b'{' | b'[' if !in_text => count += 1,
            _ => {}
        }
    }
    count
}

/// The answer with a verdict. A refusal is a 403 with the words of the condition; its reason stands in the audit log, since
/// clients take a reason `Conflict` for something to try again.
pub(super) fn judged(request: &Request<'_>, verdict: Verdict) -> AdmissionResponse {
    let mut response = warned(request, verdict.warnings);
    if let Some(refusal) = verdict.refusal {
        response = refused(response, &refusal.to_string());
        response.audit_annotations.insert("reason".to_owned(), refusal.reason.name().to_owned());
    }
    response
}

/// The answer with what is done to a pod, or why it can't be made.
pub(super) fn injected(request: &Request<'_>, injected: Result<Injection, String>) -> AdmissionResponse {
    match injected {
        Ok(Injection { patch, warnings }) => {
            let response = warned(request, warnings);
            if patch.0.is_empty() {
                return response;
            }
            let whole = response.clone();
            response.with_patch(patch).unwrap_or_else(|error| refused(whole, &error.to_string()))
        }
        Err(message) => refused(request.allowed(), &message),
    }
}

fn warned(request: &Request<'_>, warnings: Vec<String>) -> AdmissionResponse {
    let mut response = request.allowed();
    response.warnings = (!warnings.is_empty()).then_some(warnings);
    response
}

fn refused(mut response: AdmissionResponse, message: &str) -> AdmissionResponse {
    response.allowed = false;
    response.result = Status::failure(message, "Forbidden").with_code(403);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_texts() {
        for (json, count) in [
            ("0", 1),
            ("[0,0,0]", 4),
            (r#"{"a,b": "[{,", "c": {}}"#, 4),
            (r#"["\\", "\"", "\",", 1]"#, 5),
            ("[{},{}]", 5),
        ] {
            assert_eq!(values(json), count, "{json}");
        }
    }
}
