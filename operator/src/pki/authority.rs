//! The authority: a certificate that signs the leaf, and its key. Its key never leaves the Secret and this process.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::ByteString;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _,
};

use super::certificate::Certificate;
use super::leaf::Pair;
use super::secret::{CERTIFICATE, KEY};
use super::{Broken, MakeError};

/// How long an authority lasts, in seconds: five years.
const LIFE: u64 = 5 * 365 * 24 * 60 * 60;

/// How much earlier than it is made a certificate holds, in seconds, for clocks that are behind.
pub(super) const EARLIER: u64 = 5 * 60;

/// An authority as its Secret holds it.
pub(crate) struct Authority {
    pub(crate) certificate: Certificate,
    pub(super) issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Reads the data of its Secret.
    pub(crate) fn read(data: &BTreeMap<String, ByteString>) -> Result<Self, Broken> {
        let pem = &data.get(CERTIFICATE).ok_or(Broken::Certificate)?.0;
        let certificate = Certificate::all(pem)?.into_iter().next().ok_or(Broken::Certificate)?;
        if !certificate.is_authority {
            return Err(Broken::NoAuthority);
        }
        let key = data.get(KEY).and_then(|key| std::str::from_utf8(&key.0).ok()).ok_or(Broken::Key)?;
        let key = KeyPair::from_pem(key).map_err(|_| Broken::Key)?;
        if key.subject_public_key_info() != certificate.key {
            return Err(Broken::Key);
        }
        let issuer = Issuer::from_ca_cert_der(&certificate.der, key).map_err(|_| Broken::Certificate)?;
        Ok(Self { certificate, issuer })
    }

    /// Makes one for the operator `name`, at `now` in seconds since 1970.
    pub(crate) fn make(name: &str, now: u64) -> Result<Pair, MakeError> {
        let key = KeyPair::generate()?;
        let mut params = params(now, now + LIFE);
        // Two authorities of one operator differ in their names too, as some verifiers look for no more.
        params.distinguished_name.push(DnType::CommonName, format!("{name} authority {now}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?.pem();
        Ok(Pair { certificate, key: key.serialize_pem() })
    }
}

/// Of a certificate that holds from `now` on, and a little before.
pub(super) fn params(now: u64, until: u64) -> CertificateParams {
    let at = |seconds: u64| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
    let mut params = CertificateParams::default();
    params.not_before = at(now.saturating_sub(EARLIER));
    params.not_after = at(until);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
}
