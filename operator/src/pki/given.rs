//! A certificate that somebody else keeps, and when another one that is given takes its place. It is pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::ByteString;
use rustls::ServerConfig;
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;
use super::leaf::{pair, served};
use super::secret::{AUTHORITIES, CERTIFICATE, KEY};
use super::{Broken, Bundle};

/// A certificate, its key and its authorities.
#[derive(Clone)]
pub(crate) struct Given {
    pub(crate) certificate: Certificate,
    authorities: Vec<Certificate>,
    /// The authority that signed it, or a certificate between both.
    issuer: Certificate,
    key: Arc<CertifiedKey>,
}

impl Given {
    /// Reads the data of a Secret of the type kubernetes.io/tls with ca.crt.
    pub(crate) fn read(data: &BTreeMap<String, ByteString>) -> Result<Self, Broken> {
        let part = |name: &str| data.get(name).map(|part| part.0.as_slice());
        let chain = Certificate::all(part(CERTIFICATE).ok_or(Broken::Certificate)?)?;
        let certificate = chain.first().cloned().ok_or(Broken::Certificate)?;
        let authorities = Certificate::all(part(AUTHORITIES).ok_or(Broken::Unsigned)?)?;
        let signers = || authorities.iter().filter(|authority| authority.is_authority);
        let issuer = chain.iter().find_map(|one| signers().find(|authority| one.is_signed_by(authority)));
        let issuer = issuer.cloned().ok_or(Broken::Unsigned)?;
        let key = pair(chain, part(KEY).ok_or(Broken::Key)?)?;
        Ok(Self { certificate, authorities, issuer, key })
    }

    /// What connections are served with.
    ///
    /// # Errors
    /// A mistake in the product.
    pub(crate) fn config(&self) -> Result<ServerConfig, rustls::Error> {
        served(&self.key)
    }

    fn is(&self, other: &Self) -> bool {
        self.certificate.id == other.certificate.id
    }

    /// Whether who trusts the authorities of `other` trusts it.
    fn is_trusted_with(&self, other: &Self) -> bool {
        other.authorities.iter().any(|authority| authority.id == self.issuer.id)
    }
}

/// What is served, what is to be, and what was.
#[derive(Default)]
pub(crate) struct Course {
    served: Option<Given>,
    /// What takes its place, and when, in seconds since 1970.
    next: Option<(Given, u64)>,
    /// What other replicas may still serve, and until when.
    former: Option<(Given, u64)>,
}

impl Course {
    /// Takes in what is given at `now`, in seconds since 1970. One of an authority that nobody has been told of yet takes
    /// its place after `grace` seconds, or when what is served ends; any other at once.
    pub(crate) fn take(&mut self, given: Given, grace: u64, now: u64) {
        let Some(served) = &mut self.served else {
            self.served = Some(given);
            return;
        };
        if served.is(&given) {
            self.next = None;
            *served = given;
        } else if given.is_trusted_with(served) {
            self.serve(given, grace, now);
        } else {
            let at = match &self.next {
                Some((next, at)) if next.is(&given) => *at,
                _ => now.saturating_add(grace).min(served.certificate.span.until),
            };
            self.next = Some((given, at));
            self.pass(grace, now);
        }
    }

    /// Goes on with time.
    pub(crate) fn pass(&mut self, grace: u64, now: u64) {
        self.former.take_if(|(_, until)| *until <= now);
        if let Some((next, _)) = self.next.take_if(|(_, at)| *at <= now) {
            self.serve(next, grace, now);
        }
    }

    fn serve(&mut self, given: Given, grace: u64, now: u64) {
        self.next = None;
        self.former = self.served.replace(given).map(|former| (former, now.saturating_add(grace)));
    }

    /// What is to be served.
    pub(crate) const fn served(&self) -> Option<&Given> {
        self.served.as_ref()
    }

    /// Whom others are to trust.
    pub(crate) fn bundle(&self) -> Option<Bundle> {
        let others = self.next.iter().chain(&self.former).map(|(given, _)| given);
        let mut trusted: Vec<&Certificate> = Vec::new();
        for authority in self.served.iter().chain(others).flat_map(|given| &given.authorities) {
            if trusted.iter().all(|known| known.id != authority.id) {
                trusted.push(authority);
            }
        }
        let text: String = trusted.into_iter().map(Certificate::pem).collect();
        (!text.is_empty()).then(|| text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::authority::Authority;
    use crate::pki::secret;

    const NOW: u64 = 1_800_000_000;
    const GRACE: u64 = 600;
    const DAY: u64 = 24 * 60 * 60;

    fn authority() -> Authority {
        let made = secret::new_authority(None, "ca", Authority::make("test", NOW).unwrap());
        Authority::read(&made.data.unwrap()).unwrap()
    }

    fn given(by: &Authority) -> Given {
        let pair = by.sign(&["op.here.svc".to_owned()], NOW).unwrap();
        Given::read(&secret::new_leaf(None, "tls", pair, &by.certificate, &[]).data.unwrap()).unwrap()
    }

    fn id(course: &Course) -> &str {
        &course.served().unwrap().certificate.id
    }

    #[test]
    fn the_first_one_and_a_renewed_one_are_served_at_once() {
        let authority = authority();
        let (first, second) = (given(&authority), given(&authority));
        let mut course = Course::default();
        assert_eq!(course.bundle(), None);
        course.take(first, GRACE, NOW);
        let bundle = course.bundle().unwrap();
        course.take(second.clone(), GRACE, NOW + DAY);
        assert_eq!(id(&course), second.certificate.id);
        assert_eq!(course.bundle().unwrap(), bundle);
    }

    #[test]
    fn one_of_another_authority_is_served_once_that_was_told_for_long_enough() {
        let (old, new) = (given(&authority()), given(&authority()));
        let mut course = Course::default();
        course.take(old.clone(), GRACE, NOW);
        for late in [0, GRACE / 2, GRACE - 1] {
            course.take(new.clone(), GRACE, NOW + late);
            assert_eq!(id(&course), old.certificate.id, "{late}");
            assert_eq!(course.bundle().unwrap().matches("BEGIN").count(), 2);
        }
        course.take(new.clone(), GRACE, NOW + GRACE);
        assert_eq!(id(&course), new.certificate.id);
        assert_eq!(course.bundle().unwrap().matches("BEGIN").count(), 2, "another replica may be slower");
        course.pass(GRACE, NOW + 2 * GRACE);
        assert_eq!(course.bundle().unwrap().matches("BEGIN").count(), 1);
    }

    #[test]
    fn nothing_is_waited_for_once_what_is_served_has_ended() {
        let (old, new) = (given(&authority()), given(&authority()));
        let mut course = Course::default();
        let end = old.certificate.span.until;
        course.take(old, GRACE, NOW);
        course.take(new.clone(), GRACE, end - 1);
        course.pass(GRACE, end);
        assert_eq!(id(&course), new.certificate.id);
    }

    #[test]
    fn what_is_given_back_is_served_on() {
        let (old, new) = (given(&authority()), given(&authority()));
        let mut course = Course::default();
        course.take(old.clone(), GRACE, NOW);
        course.take(new, GRACE, NOW);
        course.take(old.clone(), GRACE, NOW + 1);
        course.pass(GRACE, NOW + GRACE);
        assert_eq!(id(&course), old.certificate.id);
        assert_eq!(course.bundle().unwrap().matches("BEGIN").count(), 1);
    }

    #[test]
    fn one_that_none_of_its_authorities_signed_is_of_no_use() {
        let (one, other) = (authority(), authority());
        let pair = one.sign(&["op.here.svc".to_owned()], NOW).unwrap();
        let data = secret::new_leaf(None, "tls", pair, &other.certificate, &[]).data.unwrap();
        assert_eq!(Given::read(&data).err(), Some(Broken::Unsigned));
    }
}
