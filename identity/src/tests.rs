//! Tokens that are signed here, as Kubernetes signs them, and every way in which one is refused.
//! `tests/rsa.der` is a key of these tests and of nothing else.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair as RsaKey;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaPublicKeyComponents,
};
use serde_json::{Value, json};

use sluice_wire::auth::TokenKeys;

use crate::{Accounts, BadKeys, Denied, Keys, LEEWAY, MAX_TOKEN, PodIdentity, Refused, Verifier};

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
const AUDIENCE: &str = "sluice-operator";

fn text(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

enum Signer {
    Rsa(RsaKey),
    P256(EcdsaKeyPair),
}

impl Signer {
    fn rsa() -> Self {
        Self::Rsa(RsaKey::from_der(include_bytes!("tests/rsa.der")).unwrap())
    }

    fn p256() -> Self {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self::P256(
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &random).unwrap(),
        )
    }

    const fn algorithm(&self) -> &str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::P256(_) => "ES256",
        }
    }

    /// As the API server publishes it.
    fn public(&self, id: &str) -> Value {
        match self {
            Self::Rsa(key) => {
                let public: RsaPublicKeyComponents<Vec<u8>> = key.public().into();
                let (n, e) = (text(&public.n), text(&public.e));
                json!({"use": "sig", "kty": "RSA", "kid": id, "alg": "RS256", "n": n, "e": e})
            }
            Self::P256(key) => {
                let point = key.public_key().as_ref();
                let (x, y) = (text(&point[1..33]), text(&point[33..]));
                json!({"use": "sig", "kty": "EC", "kid": id, "crv": "P-256", "alg": "ES256", "x": x, "y": y})
            }
        }
    }

    fn sign(&self, message: &str) -> Vec<u8> {
        let (random, message) = (SystemRandom::new(), message.as_bytes());
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
            Self::P256(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
        }
    }

    /// A token with this header, signed by this key whatever the header says.
    fn token_with(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", text(header.to_string()), text(claims.to_string()));
        let signature = text(self.sign(&signed));
        format!("{signed}.{signature}")
    }

    fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({"alg": self.algorithm(), "kid": "one"}), claims)
    }
}

fn keys(all: &[Value]) -> Result<Keys, BadKeys> {
    Keys::from_jwks(json!({"keys": all}).to_string().as_bytes())
}

/// Knows `signer`'s key under the id `one`.
fn verifier(signer: &Signer) -> Verifier {
    Verifier::new(AUDIENCE, Some(ISSUER.to_owned()), keys(&[signer.public("one")]).unwrap())
}

/// What a projected token holds, as a 1.34 API server makes it.
fn claims() -> Value {
    json!({
        "aud": [AUDIENCE],
        "exp": NOW + 3_600,
        "iat": NOW,
        "iss": ISSUER,
        "jti": "1b2f",
        "kubernetes.io": {
            "namespace": "shop",
            "node": {"name": "n1", "uid": "node-uid"},
            "pod": {"name": "sluice-orders-1", "uid": "pod-uid"},
            "serviceaccount": {"name": "sluice-orders", "uid": "account-uid"}
        },
        "nbf": NOW,
        "sub": "system:serviceaccount:shop:sluice-orders"
    })
}

/// The claims with another value at `place`.
fn with(place: &str, value: Value) -> Value {
    let mut claims = claims();
    *claims.pointer_mut(place).unwrap() = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name).unwrap();
    claims
}

fn refused(signer: &Signer, claims: &Value) -> Option<Refused> {
    verifier(signer).verify(&signer.token(claims), NOW).err()
}

#[test]
fn a_token_of_either_algorithm_names_its_pod_and_how_long_it_holds() {
    for signer in [Signer::rsa(), Signer::p256()] {
        let verified = verifier(&signer).verify(&signer.token(&claims()), NOW).unwrap();
        let pod = PodIdentity {
            namespace: "shop".to_owned(),
            service_account: "sluice-orders".to_owned(),
            pod: "sluice-orders-1".to_owned(),
            uid: "pod-uid".to_owned(),
        };
        assert_eq!((verified.pod, verified.until), (pod, NOW + 3_600 + LEEWAY));
    }
}

#[test]
fn of_several_keys_the_one_that_the_token_names_is_taken() {
    let (old, new) = (Signer::rsa(), Signer::p256());
    let set = keys(&[old.public("old"), new.public("new")]).unwrap();
    let verifier = Verifier::new(AUDIENCE, None, set);
    for (signer, id) in [(&old, "old"), (&new, "new")] {
        let header = |id: &str| json!({"alg": signer.algorithm(), "kid": id});
        assert!(verifier.verify(&signer.token_with(&header(id), &claims()), NOW).is_ok(), "{id}");
        let other = signer.token_with(&header("other"), &claims());
        assert_eq!(verifier.verify(&other, NOW), Err(Refused::UnknownKey));
    }
}

#[test]
fn a_token_without_a_key_s_id_is_nobody_s() {
    let signer = Signer::p256();
    let token = signer.token_with(&json!({"alg": "ES256"}), &claims());
    assert_eq!(verifier(&signer).verify(&token, NOW), Err(Refused::UnknownKey));
}

#[test]
fn an_algorithm_that_kubernetes_does_not_sign_with_is_refused() {
    let odd = ["none", "None", "", "HS256", "HS512", "RS384", "RS512", "PS256", "ES384", "EdDSA", "rs256"];
    for signer in [Signer::rsa(), Signer::p256()] {
        for name in odd {
            // Signed as the key is, so that nothing but the name can be what is wrong.
            let token = signer.token_with(&json!({"alg": name, "kid": "one"}), &claims());
            assert_eq!(verifier(&signer).verify(&token, NOW), Err(Refused::Algorithm), "{name}");
        }
        let header = text(json!({"alg": "none", "kid": "one"}).to_string());
        let unsigned = format!("{header}.{}.", text(claims().to_string()));
        assert_eq!(verifier(&signer).verify(&unsigned, NOW), Err(Refused::Algorithm));
    }
}

#[test]
fn a_public_key_is_never_taken_for_a_secret_one() {
    let signer = Signer::rsa();
    let public = signer.public("one")["n"].as_str().unwrap().to_owned();
    let header = text(json!({"alg": "HS256", "kid": "one"}).to_string());
    let signed = format!("{header}.{}", text(claims().to_string()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, &URL_SAFE_NO_PAD.decode(public).unwrap());
    let token = format!("{signed}.{}", text(hmac::sign(&key, signed.as_bytes())));
    assert_eq!(verifier(&signer).verify(&token, NOW), Err(Refused::Algorithm));
}

#[test]
fn a_key_of_one_kind_verifies_nothing_of_another() {
    let (rsa, p256) = (Signer::rsa(), Signer::p256());
    let token = p256.token_with(&json!({"alg": "ES256", "kid": "one"}), &claims());
    assert_eq!(verifier(&rsa).verify(&token, NOW), Err(Refused::Algorithm));
    let token = rsa.token_with(&json!({"alg": "RS256", "kid": "one"}), &claims());
    assert_eq!(verifier(&p256).verify(&token, NOW), Err(Refused::Algorithm));
}

#[test]
fn a_signature_that_is_not_of_the_key_and_the_claims_is_refused() {
    let (signer, other) = (Signer::p256(), Signer::p256());
    let verifier = verifier(&signer);
    assert_eq!(verifier.verify(&other.token(&claims()), NOW), Err(Refused::Signature), "another key's");
    let token = signer.token(&claims());
    let [header, _, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
    let forged = with("/kubernetes.io/pod/uid", json!("another"));
    let forged = format!("{header}.{}.{signature}", text(forged.to_string()));
    assert_eq!(verifier.verify(&forged, NOW), Err(Refused::Signature), "other claims");
    for cut in ["", "AA", &signature[..signature.len() - 2]] {
        let token = format!("{}.{cut}", token.rsplit_once('.').unwrap().0);
        assert_eq!(verifier.verify(&token, NOW), Err(Refused::Signature), "{cut}");
    }
}

#[test]
fn a_key_in_the_token_s_own_header_is_not_looked_at() {
    let (signer, other) = (Signer::p256(), Signer::p256());
    let header = json!({"alg": "ES256", "kid": "one", "jwk": other.public("one"), "jku": "https://x"});
    let token = other.token_with(&header, &claims());
    assert_eq!(verifier(&signer).verify(&token, NOW), Err(Refused::Signature));
}

#[test]
fn what_has_not_the_form_of_a_token_is_malformed() {
    let signer = Signer::p256();
    let verifier = verifier(&signer);
    let token = signer.token(&claims());
    let critical = json!({"alg": "ES256", "kid": "one", "crit": ["b64"], "b64": false});
    let critical = signer.token_with(&critical, &claims());
    for odd in [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        "é.é.é",
        &token[1..],
        &format!("{token}="),
        &format!("{token}.AA"),
        &format!(" {token}"),
        &critical,
    ] {
        assert_eq!(verifier.verify(odd, NOW), Err(Refused::Malformed), "{odd}");
    }
    for (what, claims) in [
        ("no object", json!([])),
        ("no issuer", without("iss")),
        ("no audience", without("aud")),
        ("no subject", without("sub")),
        ("no end", without("exp")),
        ("an end that is no number", with("/exp", json!("tomorrow"))),
        ("a subject that is another", with("/sub", json!("system:serviceaccount:shop:other"))),
        ("a namespace that is another", with("/kubernetes.io/namespace", json!("other"))),
    ] {
        assert_eq!(refused(&signer, &claims), Some(Refused::Malformed), "{what}");
    }
}

#[test]
fn a_token_longer_than_any_of_kubernetes_is_not_looked_at() {
    let signer = Signer::p256();
    let padded = |length: usize| {
        let mut claims = claims();
        claims["jti"] = "x".repeat(length).into();
        signer.token(&claims)
    };
    let (short, long) = (padded(11_000), padded(13_000));
    assert!(short.len() <= MAX_TOKEN && long.len() > MAX_TOKEN, "{} {}", short.len(), long.len());
    assert!(verifier(&signer).verify(&short, NOW).is_ok());
    assert_eq!(verifier(&signer).verify(&long, NOW), Err(Refused::TooLong));
}

#[test]
fn a_token_holds_from_its_begin_to_its_end_by_clocks_that_are_a_little_apart() {
    let signer = Signer::p256();
    let (verifier, token) = (verifier(&signer), signer.token(&claims()));
    let at = |now: u64| verifier.verify(&token, now).err();
    let end = NOW + 3_600;
    assert_eq!(at(NOW - LEEWAY - 1), Some(Refused::NotYet));
    assert_eq!(at(NOW - LEEWAY), None);
    assert_eq!(at(end + LEEWAY - 1), None);
    assert_eq!(at(end + LEEWAY), Some(Refused::Expired));
    assert_eq!(refused(&signer, &without("nbf")), None, "it may be without a begin");
    assert_eq!(refused(&signer, &with("/exp", json!(u64::MAX))), None);
}

#[test]
fn only_a_token_that_names_our_audience_is_for_us() {
    let signer = Signer::p256();
    for (audience, outcome) in [
        (json!([AUDIENCE]), None),
        (json!(["api", AUDIENCE]), None),
        (json!(AUDIENCE), None),
        (json!(["https://kubernetes.default.svc"]), Some(Refused::Audience)),
        (json!("sluice-operator-2"), Some(Refused::Audience)),
        (json!([]), Some(Refused::Audience)),
        (json!(""), Some(Refused::Audience)),
    ] {
        assert_eq!(refused(&signer, &with("/aud", audience.clone())), outcome, "{audience}");
    }
}

#[test]
fn another_cluster_s_token_is_refused_where_the_issuer_is_known() {
    let signer = Signer::p256();
    let foreign = with("/iss", json!("https://elsewhere"));
    assert_eq!(refused(&signer, &foreign), Some(Refused::Issuer));
    let any = Verifier::new(AUDIENCE, None, keys(&[signer.public("one")]).unwrap());
    assert!(any.verify(&signer.token(&foreign), NOW).is_ok());
}

#[test]
fn a_token_that_is_bound_to_no_pod_names_nobody() {
    let signer = Signer::p256();
    for claims in [
        without("kubernetes.io"),
        with("/kubernetes.io/pod", Value::Null),
        with("/kubernetes.io/pod/uid", json!("")),
        with("/kubernetes.io/pod/name", json!("")),
    ] {
        assert_eq!(refused(&signer, &claims), Some(Refused::NoPod), "{claims}");
    }
}

#[test]
fn an_account_s_token_needs_no_pod_and_holds_for_two_hours_at_most() {
    let signer = Signer::p256();
    let account = |claims: &Value| verifier(&signer).account(&signer.token(claims), 7_200, NOW);
    let named = account(&with("/kubernetes.io/pod", Value::Null)).unwrap();
    assert_eq!((named.account.namespace.as_str(), named.account.name.as_str()), ("shop", "sluice-orders"));
    assert_eq!(named.until, NOW + 3_600 + LEEWAY);
    assert!(account(&with("/exp", json!(NOW + 7_200))).is_ok());
    for long in [with("/exp", json!(NOW + 7_201)), with("/iat", json!(NOW - 3_601)), without("iat")] {
        assert_eq!(account(&long), Err(Refused::LongLived), "{long}");
    }
    // Issued after its end, it has no time at all.
    assert!(account(&with("/iat", json!(NOW + 9_000))).is_ok());
    for odd in [without("kubernetes.io"), with("/sub", json!("system:serviceaccount:shop:other"))] {
        assert_eq!(account(&odd), Err(Refused::Malformed), "{odd}");
    }
    assert_eq!(account(&with("/aud", json!(["api"]))), Err(Refused::Audience));
    let other = verifier(&signer).for_audience("sluice");
    assert!(other.account(&signer.token(&with("/aud", json!(["sluice"]))), 7_200, NOW).is_ok());
}

#[test]
fn keys_are_written_as_they_are_read() {
    let (rsa, p256) = (Signer::rsa(), Signer::p256());
    let set = keys(&[rsa.public("a"), p256.public("b")]).unwrap();
    let again = Keys::from_jwks(set.to_jwks().to_string().as_bytes()).unwrap();
    assert_eq!(again, set);
}

#[test]
fn producers_are_known_by_the_keys_of_a_configuration_until_their_tokens_end() {
    let signer = Signer::p256();
    let set = keys(&[signer.public("one")]).unwrap();
    let text = |issuer: Option<&str>| TokenKeys { issuer: issuer.map(str::to_owned), jwks: set.to_jwks() };
    let accounts = Accounts::from_keys(&text(Some(ISSUER))).unwrap();
    let token = signer.token(&with("/aud", json!(["sluice"])));
    let first = accounts.of(&token, NOW).unwrap();
    assert_eq!((first.namespace.as_str(), first.name.as_str()), ("shop", "sluice-orders"));
    assert!(Arc::ptr_eq(&first, &accounts.of(&token, NOW).unwrap()), "verified again");
    assert_eq!(accounts.of(&token, NOW + 3_600 + LEEWAY).err(), Some(Denied::Refused(Refused::Expired)));
    let operator = signer.token(&claims());
    assert_eq!(accounts.of(&operator, NOW).err(), Some(Denied::Refused(Refused::Audience)));
    assert!(accounts.is_same(&Accounts::from_keys(&text(Some(ISSUER))).unwrap()));
    assert!(!accounts.is_same(&Accounts::from_keys(&text(None)).unwrap()));
}

#[test]
fn keys_that_tokens_are_not_signed_with_are_left_out() {
    let signer = Signer::rsa();
    let change = |name: &str, value: Value| {
        let mut key = signer.public("one");
        key[name] = value;
        key
    };
    let p256 = Signer::p256().public("one");
    let mut other_curve = p256.clone();
    other_curve["crv"] = "P-384".into();
    let mut short = p256;
    short["x"] = text([1; 31]).into();
    for key in [
        change("use", json!("enc")),
        change("kty", json!("oct")),
        change("alg", json!("RS384")),
        change("alg", json!("ES256")),
        change("kid", Value::Null),
        change("kid", json!("")),
        change("n", json!(text([255; 128]))),
        change("n", json!("no number")),
        change("e", Value::Null),
        other_curve,
        short,
        json!({"kty": "oct", "kid": "one", "k": text([7; 32])}),
    ] {
        assert!(matches!(keys(std::slice::from_ref(&key)), Err(BadKeys::Empty)), "{key}");
        let set = keys(&[key.clone(), signer.public("two")]).unwrap();
        let token = signer.token(&claims());
        assert_eq!(Verifier::new(AUDIENCE, None, set).verify(&token, NOW), Err(Refused::UnknownKey), "{key}");
    }
}

#[test]
fn a_key_set_is_bounded_and_has_to_be_one() {
    let signer = Signer::p256();
    for (json, wanted) in [("", "no JSON Web Key Set"), ("[]", "no JSON Web Key Set"), ("{}", "no JSON")] {
        let said = Keys::from_jwks(json.as_bytes()).unwrap_err().to_string();
        assert!(said.contains(wanted), "{json}: {said}");
    }
    assert!(matches!(keys(&[]), Err(BadKeys::Empty)));
    assert!(keys(&vec![signer.public("one"); 64]).is_ok());
    assert!(matches!(keys(&vec![signer.public("one"); 65]), Err(BadKeys::TooMany)));
    assert!(matches!(Keys::from_jwks(&[b' '; (256 << 10) + 1]), Err(BadKeys::TooLong)));
}

#[test]
fn a_refusal_has_a_name_of_its_own_and_tells_nothing_of_the_token() {
    use Refused::{
        Algorithm, Audience, Expired, Issuer, LongLived, Malformed, NoPod, NotYet, Signature, TooLong,
        UnknownKey,
    };
    let all = [
        TooLong, Malformed, Algorithm, UnknownKey, Signature, Issuer, Audience, Expired, NotYet, NoPod,
        LongLived,
    ];
    let names: std::collections::BTreeSet<_> = all.iter().map(|refused| refused.name()).collect();
    let texts: std::collections::BTreeSet<_> = all.iter().map(ToString::to_string).collect();
    assert_eq!((names.len(), texts.len()), (all.len(), all.len()));
}
