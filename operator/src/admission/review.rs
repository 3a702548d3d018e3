//! An AdmissionReview (admission.k8s.io/v1): read from a request's body, and answered with its uid.

use kube::Resource;
use kube::api::DynamicObject;
use kube::core::Status;
use kube::core::admission::{
    AdmissionRequest, AdmissionResponse, AdmissionReview, META_API_VERSION_V1, META_KIND, Operation,
};
use kube::core::dynamic::ParseDynamicObjectError;
use serde::de::DeserializeOwned;

use super::inject::Injection;
use super::validate::Verdict;

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

/// What is asked.
pub(super) type Request = AdmissionRequest<DynamicObject>;

pub(super) fn read(body: &[u8]) -> Result<Request, Malformed> {
    let review: AdmissionReview<DynamicObject> = serde_json::from_slice(body)?;
    if review.types.kind != META_KIND || review.types.api_version != META_API_VERSION_V1 {
        return Err(Malformed::Version);
    }
    review.try_into().map_err(|_| Malformed::NoRequest)
}

/// Whether it is about an object as it is to be from now on, and not only about its status.
pub(super) fn is_written(request: &Request) -> bool {
    let whole = request.sub_resource.as_deref().unwrap_or_default().is_empty();
    whole && matches!(request.operation, Operation::Create | Operation::Update)
}

/// The object as it is to be, and as it was.
pub(super) fn objects<K: Resource + DeserializeOwned>(
    request: &Request,
) -> Result<(Option<K>, Option<K>), ParseDynamicObjectError> {
    let parse = |object: &Option<DynamicObject>| {
        let object = object.clone().map(|mut object| {
            let namespace = &mut object.metadata.namespace;
            *namespace = namespace.take().or_else(|| request.namespace.clone());
            object.try_parse()
        });
        object.transpose()
    };
    Ok((parse(&request.object)?, parse(&request.old_object)?))
}

/// The answer with a verdict. A refusal is a 403 with the words of the condition; its reason stands in the audit log, since
/// clients take a reason `Conflict` for something to try again.
pub(super) fn judged(request: &Request, verdict: Verdict) -> AdmissionResponse {
    let mut response = warned(request, verdict.warnings);
    if let Some(refusal) = verdict.refusal {
        response = refused(response, &refusal.to_string());
        response.audit_annotations.insert("reason".to_owned(), refusal.reason.name().to_owned());
    }
    response
}

/// The answer with what is done to a pod, or why it can't be made.
pub(super) fn injected(request: &Request, injected: Result<Injection, String>) -> AdmissionResponse {
    match injected {
        Ok(Injection { patch, warnings }) => {
            let response = warned(request, warnings);
            if patch.0.is_empty() {
                return response;
            }
            let whole = response.clone();
            response.with_patch(patch).unwrap_or_else(|error| refused(whole, &error.to_string()))
        }
        Err(message) => refused(AdmissionResponse::from(request), &message),
    }
}

fn warned(request: &Request, warnings: Vec<String>) -> AdmissionResponse {
    let mut response = AdmissionResponse::from(request);
    response.warnings = (!warnings.is_empty()).then_some(warnings);
    response
}

fn refused(mut response: AdmissionResponse, message: &str) -> AdmissionResponse {
    response.allowed = false;
    response.result = Status::failure(message, "Forbidden").with_code(403);
    response
}
