//! Pairs that are made, written into Secrets, and read again; and clients that trust a bundle.

use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::ring;
use rustls::pki_types::{ServerName, UnixTime};

use super::authority::{Authority, EARLIER};
use super::bundle::{bundle, former};
use super::certificate::Certificate;
use super::decide::{Found, LeafFacts};
use super::leaf::Leaf;
use super::secret::{self, Read};
use super::{Broken, Bundle};
use crate::names;

const DAY: u64 = 24 * 60 * 60;
const NOW: u64 = 1_800_000_000;

fn hosts() -> Vec<String> {
    names::operator_hosts("sluice-system", "sluice-operator")
}

fn authority(now: u64) -> Read<Authority> {
    let made = Authority::make("sluice-operator", now).unwrap();
    Read::authority(stored(secret::new_authority(None, "ca", made), 1))
}

/// As the API server gives it back.
fn stored(mut secret: Secret, version: u32) -> Secret {
    secret.metadata.resource_version = Some(version.to_string());
    secret
}

/// The leaf that `signer` signs in place of `before`.
fn signed(signer: &Read<Authority>, before: Option<&Read<Leaf>>, now: u64) -> Read<Leaf> {
    let signer = signer.good().unwrap();
    let pair = signer.sign(&hosts(), now).unwrap();
    let former = former(&signer.certificate, before.and_then(Read::good), now);
    let there = before.map(|read| &read.secret);
    Read::leaf(stored(secret::new_leaf(there, "tls", pair, &signer.certificate, &former), 2))
}

fn bundled(authority: Option<&Read<Authority>>, leaf: &Read<Leaf>, now: u64) -> Bundle {
    bundle(authority.and_then(Read::good).map(|good| &good.certificate), leaf.good(), now).unwrap()
}

/// What a client that trusts `bundle` says of a server with this leaf at `now`.
fn trusts(bundle: &str, leaf: &Read<Leaf>, host: &str, now: u64) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    for certificate in Certificate::all(bundle.as_bytes()).unwrap() {
        roots.add(certificate.der).unwrap();
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let server = ServerName::try_from(host.to_owned()).unwrap();
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now));
    let certificate = &leaf.good().unwrap().certificate.der;
    verifier.verify_server_cert(certificate, &[], &server, &[], at).map(|_| ())
}

/// How many certificates a bundle has.
fn count(bundle: &str) -> usize {
    bundle.matches("BEGIN CERTIFICATE").count()
}

#[test]
fn an_authority_lasts_five_years_and_a_leaf_ninety_days() {
    let authority = authority(NOW);
    let leaf = signed(&authority, None, NOW);
    let certificate = &authority.good().unwrap().certificate;
    assert!(certificate.is_authority && certificate.names.is_empty());
    assert_eq!((certificate.span.from, certificate.span.until), (NOW - EARLIER, NOW + 1_825 * DAY));
    let certificate = &leaf.good().unwrap().certificate;
    assert!(!certificate.is_authority);
    assert_eq!((certificate.span.from, certificate.span.until), (NOW - EARLIER, NOW + 90 * DAY));
    assert_eq!(certificate.names, hosts());
}

#[test]
fn a_leaf_never_outlasts_the_authority() {
    let authority = authority(NOW);
    let end = authority.good().unwrap().certificate.span.until;
    assert_eq!(signed(&authority, None, end - DAY).good().unwrap().certificate.span.until, end);
}

#[test]
fn a_client_that_trusts_the_bundle_knows_the_operator_by_each_of_its_names() {
    let authority = authority(NOW);
    let leaf = signed(&authority, None, NOW);
    let bundle = bundled(Some(&authority), &leaf, NOW);
    for host in hosts() {
        assert_eq!(trusts(&bundle, &leaf, &host, NOW), Ok(()), "{host}");
    }
    for host in ["sluice-operator.elsewhere.svc", "x.sluice-operator.sluice-system.svc", "sluice-operator"] {
        assert!(trusts(&bundle, &leaf, host, NOW).is_err(), "{host}");
    }
    assert!(trusts(&bundle, &leaf, &hosts()[0], NOW + 91 * DAY).is_err(), "it has expired");
    let other = bundled(Some(&self::authority(NOW)), &signed(&self::authority(NOW), None, NOW), NOW);
    assert!(trusts(&other, &leaf, &hosts()[0], NOW).is_err(), "another authority's");
}

#[test]
fn the_authority_is_in_the_bundle_once_though_the_leaf_names_it_too() {
    let authority = authority(NOW);
    let leaf = signed(&authority, None, NOW);
    let bundle = bundled(Some(&authority), &leaf, NOW);
    assert_eq!((count(&bundle), &*bundle), (1, authority.good().unwrap().certificate.pem().as_str()));
}

#[test]
fn nobody_is_to_be_trusted_where_there_is_nothing() {
    assert_eq!(bundle(None, None, NOW), None);
}

#[test]
fn whom_the_authority_s_secret_was_taken_from_stays_trusted_until_the_last_of_its_leaves_expires() {
    let (old, new) = (authority(NOW), authority(NOW + DAY));
    let first = signed(&old, None, NOW);
    let hosts = hosts();
    // The Secret is gone; then there is another authority, which signs after the grace.
    let mut now = NOW + DAY;
    for authority in [None, Some(&new)] {
        assert_eq!(trusts(&bundled(authority, &first, now), &first, &hosts[0], now), Ok(()));
    }
    let second = signed(&new, Some(&first), now);
    let both = bundled(Some(&new), &second, now);
    assert_eq!(trusts(&both, &first, &hosts[0], now), Ok(()), "a replica may serve the former leaf still");
    assert_eq!(trusts(&both, &second, &hosts[0], now), Ok(()));
    // Renewals by the new authority forget nothing that is still needed, and keep nothing that is not.
    now += 60 * DAY;
    let third = signed(&new, Some(&second), now);
    assert_eq!(count(&bundled(Some(&new), &third, NOW + 90 * DAY - 1)), 2);
    assert_eq!(count(&bundled(Some(&new), &third, NOW + 90 * DAY)), 1, "dropped without a write of the leaf");
    let fourth = signed(&new, Some(&third), NOW + 120 * DAY);
    assert_eq!(fourth.good().unwrap().former.len(), 0);
}

#[test]
fn many_former_authorities_are_remembered_up_to_a_bound() {
    let mut leaf = signed(&authority(NOW), None, NOW);
    for day in 1..30 {
        leaf = signed(&authority(NOW + day * DAY), Some(&leaf), NOW + day * DAY);
    }
    let former = &leaf.good().unwrap().former;
    let longest = former.iter().map(|(_, until)| *until).max();
    assert_eq!((former.len(), longest), (16, Some(NOW + (28 + 90) * DAY)));
}

#[test]
fn a_secret_that_is_replaced_keeps_its_version_type_and_what_others_wrote_on_it() {
    let authority = authority(NOW);
    let mut leaf = signed(&authority, None, NOW);
    let metadata = &mut leaf.secret.metadata;
    metadata.annotations.get_or_insert_default().insert("team".to_owned(), "data".to_owned());
    metadata.resource_version = Some("7".to_owned());
    leaf.secret.type_ = Some("Opaque".to_owned());
    let next = signed(&authority, Some(&leaf), NOW).secret;
    assert_eq!(next.metadata.annotations.unwrap()["team"], "data");
    assert_eq!(next.type_.as_deref(), Some("Opaque"));
    let pair = authority.good().unwrap().sign(&hosts(), NOW).unwrap();
    let certificate = &authority.good().unwrap().certificate;
    let sent = secret::new_leaf(Some(&leaf.secret), "tls", pair, certificate, &[]);
    assert_eq!(sent.metadata.resource_version.as_deref(), Some("7"));
    assert_eq!(
        secret::new_authority(None, "ca", Authority::make("op", NOW).unwrap()).type_.as_deref(),
        Some("kubernetes.io/tls")
    );
}

#[test]
fn when_an_authority_was_trusted_is_noted_of_itself_alone() {
    let one = authority(NOW);
    let id = one.good().unwrap().certificate.id.clone();
    let trusted = |read: &Read<Authority>| match Read::<Authority>::facts(Some(read)) {
        Found::Good { ours: true, facts } => facts.trusted,
        other => panic!("{other:?}"),
    };
    assert_eq!(trusted(&one), None);
    let noted = Read::authority(secret::noted(&one.secret, &id, NOW + 5));
    assert_eq!(trusted(&noted), Some(NOW + 5));
    // A person puts another authority's certificate and key there, and leaves the annotation.
    let mut swapped = noted.secret.clone();
    swapped.data = authority(NOW).secret.data;
    assert_eq!(trusted(&Read::authority(swapped)), None);
    let next = secret::new_authority(Some(&noted.secret), "ca", Authority::make("op", NOW).unwrap());
    assert_eq!(trusted(&Read::authority(next)), None);
}

#[test]
fn garbage_is_told_from_what_can_be_used() {
    let (one, other) = (authority(NOW), authority(NOW));
    let leaf = signed(&one, None, NOW);
    let with = |secret: &Secret, key: &str, text: Option<&[u8]>| {
        let mut secret = secret.clone();
        let data = secret.data.as_mut().unwrap();
        match text {
            Some(text) => drop(data.insert(key.to_owned(), ByteString(text.to_vec()))),
            None => drop(data.remove(key)),
        }
        secret
    };
    let part = |secret: &Secret, key: &str| secret.data.as_ref().unwrap()[key].0.clone();
    let key_of_other = part(&other.secret, "tls.key");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".as_bytes();
    for (key, text, wanted) in [
        ("tls.crt", None, Broken::Certificate),
        ("tls.crt", Some(&b"garbage"[..]), Broken::Certificate),
        ("tls.crt", Some(broken), Broken::Certificate),
        ("tls.crt", Some(&part(&leaf.secret, "tls.crt")[..]), Broken::NoAuthority),
        ("tls.key", None, Broken::Key),
        ("tls.key", Some(b"garbage"), Broken::Key),
        ("tls.key", Some(b"\xff\xfe"), Broken::Key),
        ("tls.key", Some(&key_of_other), Broken::Key),
    ] {
        let read = Read::authority(with(&one.secret, key, text));
        assert_eq!(read.content.err(), Some(wanted), "{key} {text:?}");
    }
    for (key, text, wanted) in [
        ("tls.crt", None, Broken::Certificate),
        ("tls.crt", Some(&b"garbage"[..]), Broken::Certificate),
        ("tls.key", None, Broken::Key),
        ("tls.key", Some(b"garbage"), Broken::Key),
        ("tls.key", Some(&key_of_other), Broken::Key),
        ("ca.crt", None, Broken::Unsigned),
        ("ca.crt", Some(b"garbage"), Broken::Unsigned),
        ("ca.crt", Some(&part(&other.secret, "tls.crt")[..]), Broken::Unsigned),
        ("ca.crt", Some(&part(&leaf.secret, "tls.crt")[..]), Broken::Unsigned),
    ] {
        let read = Read::leaf(with(&leaf.secret, key, text));
        assert_eq!(read.content.err(), Some(wanted), "{key} {text:?}");
    }
    assert_eq!(Read::authority(Secret::default()).content.err(), Some(Broken::Certificate));
}

#[test]
fn what_a_person_made_is_told_from_what_the_operator_made() {
    let one = authority(NOW);
    let mut given = one.secret;
    given.metadata.labels = None;
    assert!(matches!(
        Read::<Authority>::facts(Some(&Read::authority(given))),
        Found::Good { ours: false, .. }
    ));
    assert_eq!(Read::<Authority>::facts(None), Found::Absent);
    let garbage = Read::authority(Secret::default());
    assert_eq!(Read::<Authority>::facts(Some(&garbage)), Found::Broken { ours: false });
}

#[test]
fn a_leaf_says_who_signed_it_and_whether_it_is_for_all_names() {
    let one = authority(NOW);
    let leaf = signed(&one, None, NOW);
    let facts = |names: &[String]| match Read::<Leaf>::facts(Some(&leaf), names) {
        Found::Good { facts, .. } => facts,
        other => panic!("{other:?}"),
    };
    let certificate = &leaf.good().unwrap().certificate;
    let authority = one.good().unwrap().certificate.id.clone();
    assert_eq!(facts(&hosts()), LeafFacts { authority, span: certificate.span, named: true });
    assert!(!facts(&names::operator_hosts("other", "sluice-operator")).named);
}
