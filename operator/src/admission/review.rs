//! An AdmissionReview (admission.k8s.io/v1): read from a request's body, and answered with its uid.
//! Its objects stay text until they are looked at: as values they take a hundred times the room, and anybody may send some.

use kube::Resource;
use kube::core::admission::{AdmissionResponse, META_API_VERSION_V1, META_KIND, Operation};
use kube::core::{GroupVersionKind, Status};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::inject::Injection;
use super::validate::Verdict;

/// The longest object that is looked at, in bytes: the API server keeps up to 1.5 MiB, of which nobody writes as much.
pub(super) const LONGEST_OBJECT: usize = 512 << 10;

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
    /// It is not what it says it is.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
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
    object: Option<&'a RawValue>,
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

    /// The bytes of what of it can be looked at.
    pub(super) fn length(&self) -> usize {
        let objects = [self.object, self.old_object].into_iter().flatten();
        objects.map(|object| object.get().len()).filter(|length| *length <= LONGEST_OBJECT).sum()
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

    /// The object as it is to be, whatever it is.
    pub(super) fn value(&self) -> Option<Result<Value, Unreadable>> {
        self.object.map(parse)
    }

    /// Lets it be as it is.
    pub(super) fn allowed(&self) -> AdmissionResponse {
        let mut response = AdmissionResponse::invalid("");
        response.uid.clone_from(&self.uid);
        response.allowed = true;
        response.result = Status::default();
        response
    }
}

fn parse<T: DeserializeOwned>(object: &RawValue) -> Result<T, Unreadable> {
    if object.get().len() > LONGEST_OBJECT {
        return Err(Unreadable::TooLong);
    }
    Ok(serde_json::from_str(object.get())?)
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
