//! What a token says once its signature is known to be good, and the pod that it names.
//! The form is that of Kubernetes' bound service account tokens.

use serde::Deserialize;

use crate::verifier::Refused;
use crate::{PodIdentity, ServiceAccount};

/// What is read of a token. Times are seconds since 1970.
#[derive(Deserialize)]
pub(crate) struct Claims {
    iss: String,
    sub: String,
    aud: Audiences,
    exp: u64,
    iat: Option<u64>,
    nbf: Option<u64>,
    #[serde(rename = "kubernetes.io")]
    kubernetes: Option<Kubernetes>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct Kubernetes {
    namespace: String,
    serviceaccount: Account,
    pod: Option<Pod>,
}

#[derive(Deserialize)]
struct Account {
    name: String,
}

#[derive(Deserialize)]
struct Pod {
    name: String,
    uid: String,
}

impl Claims {
    /// Reads the claims of a token whose signature is good.
    pub(crate) fn read(json: &[u8]) -> Result<Self, Refused> {
        serde_json::from_slice(json).map_err(|_| Refused::Malformed)
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.iss
    }

    pub(crate) fn is_for(&self, audience: &str) -> bool {
        match &self.aud {
            Audiences::One(one) => one == audience,
            Audiences::Many(many) => many.iter().any(|one| one == audience),
        }
    }

    /// From when and until when it holds.
    pub(crate) fn span(&self) -> (u64, u64) {
        (self.nbf.unwrap_or(0), self.exp)
    }

    /// For how long it was issued, in seconds; without end where it does not say since when.
    pub(crate) fn lifetime(&self) -> u64 {
        self.iat.map_or(u64::MAX, |begin| self.exp.saturating_sub(begin))
    }

    /// The pod that the token is bound to.
    pub(crate) fn pod(mut self) -> Result<PodIdentity, Refused> {
        let pod = self.kubernetes.as_mut().and_then(|kubernetes| kubernetes.pod.take());
        let pod = pod.filter(|pod| !pod.name.is_empty() && !pod.uid.is_empty()).ok_or(Refused::NoPod)?;
        let ServiceAccount { namespace, name } = self.account()?;
        Ok(PodIdentity { namespace, service_account: name, pod: pod.name, uid: pod.uid })
    }

    /// The service account whose token it is.
    pub(crate) fn account(self) -> Result<ServiceAccount, Refused> {
        let kubernetes = self.kubernetes.ok_or(Refused::Malformed)?;
        let (namespace, name) = (kubernetes.namespace, kubernetes.serviceaccount.name);
        // The subject says the same in other words; a token in which it does not is none of Kubernetes'.
        if self.sub != format!("system:serviceaccount:{namespace}:{name}") {
            return Err(Refused::Malformed);
        }
        Ok(ServiceAccount { namespace, name })
    }
}
