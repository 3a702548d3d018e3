use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use super::*;
use crate::admit::ClientName;

/// A certificate and its key, in PEM.
type Pair = (String, String);

fn authority() -> (String, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (params.self_signed(&key).unwrap().pem(), Issuer::new(params, key))
}

fn issue(issuer: &Issuer<'_, KeyPair>, names: Vec<SanType>) -> Pair {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "common.name");
    params.subject_alt_names = names;
    (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

fn secrets(values: &[(&str, &str, &str)]) -> Secrets {
    let directory = tempfile::tempdir().unwrap();
    for (secret, key, value) in values {
        std::fs::create_dir_all(directory.path().join(secret)).unwrap();
        std::fs::write(directory.path().join(secret).join(key), value).unwrap();
    }
    Secrets::read(directory.path())
}

fn asked(client_ca: Option<&str>) -> Spec {
    Spec { secret: "own".to_owned(), client_ca_secret: client_ca.map(str::to_owned) }
}

fn with((certificate, key): &Pair) -> Secrets {
    secrets(&[("own", "tls.crt", certificate), ("own", "tls.key", key)])
}

fn served(https: &Https) -> Option<usize> {
    https.serving.load_full().map(|config| std::sync::Arc::as_ptr(&config) as usize)
}

#[test]
fn a_certificate_is_put_into_effect_and_its_end_is_told() {
    let (_, issuer) = authority();
    let https = Https::default();
    assert_eq!((https.status(), served(&https)), (None, None), "nothing is asked for");
    https.update(Some(&asked(None)), &with(&issue(&issuer, vec![dns("a")])));
    let status = https.status().unwrap();
    assert!(status.ready && status.serving && status.message.is_empty(), "{status:?}");
    assert!(status.not_after.unwrap() > 1_700_000_000_000, "{status:?}");
    https.update(None, &Secrets::default());
    assert_eq!((https.status(), served(&https)), (None, None));
}

#[test]
fn what_is_the_same_is_not_put_into_effect_again() {
    let (_, issuer) = authority();
    let (https, own) = (Https::default(), with(&issue(&issuer, vec![dns("a")])));
    https.update(Some(&asked(None)), &own);
    let first = served(&https);
    https.update(Some(&asked(None)), &own);
    assert_eq!((served(&https), https.counts.renewed.get()), (first, 1));
    https.update(Some(&asked(None)), &with(&issue(&issuer, vec![dns("a")])));
    assert_ne!(served(&https), first);
}

#[test]
fn a_secret_that_can_not_be_used_leaves_the_certificate_as_it_was_and_is_told() {
    let (_, issuer) = authority();
    let (good, other) = (issue(&issuer, vec![dns("a")]), issue(&issuer, vec![dns("a")]));
    let https = Https::default();
    https.update(Some(&asked(None)), &Secrets::default());
    let status = https.status().unwrap();
    assert!(!status.ready && !status.serving && status.message.contains("\"tls.crt\""), "{status:?}");
    assert!(status.message.ends_with("no connection is taken"), "{status:?}");
    https.update(Some(&asked(None)), &with(&good));
    let before = served(&https);
    let (certificate, key) = (good.0.as_str(), "hush-hush");
    let cut = &certificate[..certificate.len() / 2];
    for (broken, words) in [
        (secrets(&[("own", "tls.crt", certificate)]), "no key \"tls.key\""),
        (with(&(String::new(), good.1.clone())), "\"tls.crt\" of secret \"own\" holds no certificate"),
        (with(&(cut.to_owned(), good.1.clone())), "\"tls.crt\" of secret \"own\" holds no certificate"),
        (with(&(certificate.to_owned(), key.to_owned())), "holds no private key"),
        (with(&(certificate.to_owned(), format!("-----BEGIN {key}\nx"))), "holds no private key"),
        (with(&(certificate.to_owned(), other.1)), "is not the key of the certificate"),
    ] {
        https.update(Some(&asked(None)), &broken);
        let status = https.status().unwrap();
        assert!(status.message.contains(words) && !status.message.contains(key), "{words}: {status:?}");
        assert!(!status.ready && status.serving && status.reason == Some(NotReady::SecretUnusable));
        assert_eq!(served(&https), before, "{words}");
    }
    assert_eq!((https.counts.renewed.get(), https.counts.refused.get()), (1, 7));
    https.update(Some(&asked(None)), &with(&good));
    assert!(https.status().unwrap().ready);
}

#[test]
fn only_an_authority_s_certificate_makes_an_authority() {
    let (certificate, issuer) = authority();
    let own = issue(&issuer, vec![dns("a")]);
    let (leaf, _) = issue(&issuer, vec![dns("client")]);
    let chain = format!("{leaf}{certificate}");
    for (authorities, serves) in [(&certificate, true), (&leaf, false), (&chain, false)] {
        let secrets = secrets(&[
            ("own", "tls.crt", &own.0),
            ("own", "tls.key", &own.1),
            ("clients", "ca.crt", authorities),
        ]);
        let https = Https::default();
        https.update(Some(&asked(Some("clients"))), &secrets);
        let status = https.status().unwrap();
        assert_eq!((status.ready, served(&https).is_some()), (serves, serves), "{status:?}");
        assert!(serves || status.message.contains("ca.crt"), "{status:?}");
    }
}

#[test]
fn nobody_is_let_in_by_a_rule_that_was_replaced() {
    let (ca, issuer) = authority();
    let own = issue(&issuer, vec![dns("a")]);
    let https = Https::default();
    https.update(Some(&asked(None)), &with(&own));
    assert!(served(&https).is_some());
    https.update(Some(&asked(Some("clients"))), &with(&own));
    let status = https.status().unwrap();
    assert!(
        !status.serving && status.message.contains("secret \"clients\" has no key \"ca.crt\""),
        "{status:?}"
    );
    assert_eq!(served(&https), None, "clients without a certificate are not let in");
    let both = |ca: &str| {
        secrets(&[("own", "tls.crt", &own.0), ("own", "tls.key", &own.1), ("clients", "ca.crt", ca)])
    };
    https.update(Some(&asked(Some("clients"))), &both(&ca));
    let before = served(&https);
    assert!(before.is_some());
    https.update(Some(&asked(Some("clients"))), &both("garbled"));
    assert_eq!(served(&https), before, "the authorities that were asked for go on");
    assert!(!https.status().unwrap().ready);
}

#[test]
fn a_client_is_called_by_its_alternative_names_and_by_nothing_else() {
    let (_, issuer) = authority();
    let names = |alternatives: Vec<SanType>| {
        let (certificate, _) = issue(&issuer, alternatives);
        super::names::of(&CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap())
    };
    let uri = "spiffe://cluster.local/ns/shop/sa/orders";
    let alternatives = vec![
        dns("a.shop.svc"),
        SanType::URI(uri.try_into().unwrap()),
        SanType::IpAddress([10, 0, 0, 1].into()),
    ];
    let known = vec![ClientName::Dns("a.shop.svc".to_owned()), ClientName::Uri(uri.to_owned())];
    assert_eq!(names(alternatives), ClientNames::Some(known));
    assert_eq!(names(Vec::new()), ClientNames::Some(Vec::new()), "a common name is none");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_says_nothing_ends_after_ten_seconds() {
    let (_, issuer) = authority();
    let https = Https::default();
    let pair = || async {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(socket.local_addr().unwrap()).await.unwrap();
        (client, socket.accept().await.unwrap().0)
    };
    let (_silent, served) = pair().await;
    assert!(https.handshake(served).await.is_none());
    assert_eq!(https.counts.without_certificate.get(), 1);
    https.update(Some(&asked(None)), &with(&issue(&issuer, vec![dns("a")])));
    let (_silent, served) = pair().await;
    let begin = tokio::time::Instant::now();
    assert!(https.handshake(served).await.is_none());
    assert_eq!((begin.elapsed().as_secs(), https.counts.timed_out.get()), (10, 1));
}
