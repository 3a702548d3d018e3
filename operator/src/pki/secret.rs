//! The Secrets in which authority and leaf stand, read and to be written.
//! Both are of the type kubernetes.io/tls; what else has to be remembered stands in their annotations.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ObjectMeta;

use super::Broken;
use super::authority::Authority;
use super::certificate::Certificate;
use super::decide::{AuthorityFacts, Found, LeafFacts};
use super::leaf::{Leaf, Pair};
use crate::marks::{FORMER, MANAGED_BY, MANAGER, TRUSTED};

/// The key of the certificate.
pub(super) const CERTIFICATE: &str = "tls.crt";
/// The key of the private key.
pub(super) const KEY: &str = "tls.key";
/// The key of the authorities beside a leaf.
pub(super) const AUTHORITIES: &str = "ca.crt";

/// A Secret with what was read of it.
pub(crate) struct Read<T> {
    pub(crate) secret: Secret,
    pub(crate) content: Result<T, Broken>,
}

impl<T> Read<T> {
    fn is_ours(&self) -> bool {
        let labels = self.secret.metadata.labels.as_ref();
        labels.and_then(|labels| labels.get(MANAGED_BY)).is_some_and(|by| by == MANAGER)
    }

    pub(crate) fn good(&self) -> Option<&T> {
        self.content.as_ref().ok()
    }

    fn found<F>(read: Option<&Self>, facts: impl Fn(&Self, &T) -> F) -> Found<F> {
        let Some(read) = read else { return Found::Absent };
        let ours = read.is_ours();
        read.good().map_or(Found::Broken { ours }, |good| Found::Good { ours, facts: facts(read, good) })
    }
}

impl Read<Authority> {
    pub(crate) fn authority(secret: Secret) -> Self {
        let content = Authority::read(secret.data.as_ref().unwrap_or(&BTreeMap::new()));
        Self { secret, content }
    }

    pub(crate) fn facts(read: Option<&Self>) -> Found<AuthorityFacts> {
        Self::found(read, |read, authority| AuthorityFacts {
            id: authority.certificate.id.clone(),
            span: authority.certificate.span,
            trusted: trusted(&read.secret, &authority.certificate.id),
        })
    }
}

impl Read<Leaf> {
    pub(crate) fn leaf(secret: Secret) -> Self {
        let former = annotation(&secret, FORMER).and_then(|text| serde_json::from_str(text).ok());
        let data = secret.data.as_ref();
        let content = Leaf::read(data.unwrap_or(&BTreeMap::new()), &former.unwrap_or_default());
        Self { secret, content }
    }

    pub(crate) fn facts(read: Option<&Self>, names: &[String]) -> Found<LeafFacts> {
        Self::found(read, |_, leaf| LeafFacts {
            authority: leaf.issuer.id.clone(),
            span: leaf.certificate.span,
            named: names.iter().all(|name| leaf.certificate.names.contains(name)),
        })
    }
}

/// When the authority of that id was in every bundle. A note about another one says nothing.
fn trusted(secret: &Secret, id: &str) -> Option<u64> {
    let (of, at) = annotation(secret, TRUSTED)?.split_once(' ')?;
    at.parse().ok().filter(|_| of == id)
}

fn annotation<'a>(secret: &'a Secret, name: &str) -> Option<&'a str> {
    secret.metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

/// The Secret of a new authority, in place of the one that is `there`.
pub(crate) fn new_authority(there: Option<&Secret>, name: &str, pair: Pair) -> Secret {
    let mut secret = frame(there, name);
    annotations(&mut secret).remove(TRUSTED);
    secret.data = Some(data([(CERTIFICATE, pair.certificate), (KEY, pair.key)]));
    secret
}

/// The authority's Secret with the note that it was in every bundle at `now`, in seconds since 1970.
pub(crate) fn noted(there: &Secret, id: &str, now: u64) -> Secret {
    let mut secret = there.clone();
    secret.metadata.managed_fields = None;
    annotations(&mut secret).insert(TRUSTED.to_owned(), format!("{id} {now}"));
    secret
}

/// The Secret of a new leaf by `signer`, in place of the one that is `there`, with the former authorities.
pub(crate) fn new_leaf(
    there: Option<&Secret>,
    name: &str,
    pair: Pair,
    signer: &Certificate,
    former: &[(&Certificate, u64)],
) -> Secret {
    let mut secret = frame(there, name);
    let until: BTreeMap<&str, u64> =
        former.iter().map(|(former, until)| (former.id.as_str(), *until)).collect();
    let until = serde_json::to_string(&until).unwrap_or_default();
    annotations(&mut secret).insert(FORMER.to_owned(), until);
    let authorities: String = std::iter::once(signer)
        .chain(former.iter().map(|(former, _)| *former))
        .map(Certificate::pem)
        .collect();
    let parts = [(CERTIFICATE, pair.certificate), (KEY, pair.key), (AUTHORITIES, authorities)];
    secret.data = Some(data(parts));
    secret
}

/// Its metadata: with the resourceVersion of the one that is there, so that nobody's change is lost.
fn frame(there: Option<&Secret>, name: &str) -> Secret {
    let mut metadata = there.map_or_else(ObjectMeta::default, |there| ObjectMeta {
        annotations: there.metadata.annotations.clone(),
        labels: there.metadata.labels.clone(),
        resource_version: there.metadata.resource_version.clone(),
        uid: there.metadata.uid.clone(),
        ..ObjectMeta::default()
    });
    metadata.name = Some(name.to_owned());
    let labels = metadata.labels.get_or_insert_default();
    for (label, value) in [
        (MANAGED_BY, MANAGER),
        ("app.kubernetes.io/component", "operator"),
        ("app.kubernetes.io/part-of", "sluice"),
    ] {
        labels.insert(label.to_owned(), value.to_owned());
    }
    // A Secret's type can't be changed.
    let type_ = there.and_then(|there| there.type_.clone()).unwrap_or_else(|| "kubernetes.io/tls".to_owned());
    Secret { metadata, type_: Some(type_), ..Secret::default() }
}

fn annotations(secret: &mut Secret) -> &mut BTreeMap<String, String> {
    secret.metadata.annotations.get_or_insert_default()
}

fn data<const N: usize>(parts: [(&str, String); N]) -> BTreeMap<String, ByteString> {
    parts.map(|(key, text)| (key.to_owned(), ByteString(text.into_bytes()))).into()
}
