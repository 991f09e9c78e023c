//! Where the fuzzer begins. `cargo run --example seeds` writes these files; what a name that begins with `good` holds is accepted.

use countersign_jose::{
    Algorithm, ContentEncryption, EncryptionKey, JwkSet, KeyManagement, PrivateKey, PublicJwk, Signer,
    access_token_hash, encrypt,
};
use serde_json::{Value, json};

use crate::{
    NOW,
    keys::{CLIENT, ES256, PROVIDER, PS256, SECRET},
    segments::open,
};

pub(crate) const ISSUER: &str = "https://id.example";
pub(crate) const AUDIENCE: &str = "https://api.example";
/// What the encrypted tokens have in them.
pub(crate) const CONTENT: &[u8] = b"what nobody else may read";

/// A file: of which target, its name, and what is in it.
pub type Seed = (&'static str, String, Vec<u8>);

/// All of them.
pub fn all() -> Vec<Seed> {
    [requests(), tokens(), proofs(), encrypted(), key_sets()].concat()
}

pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "ada", "aud": [AUDIENCE, ISSUER], "exp": NOW + 600, "iat": NOW, "auth_time": NOW - 30,
        "acr": "urn:countersign:acr:pwd", "amr": ["pwd"], "jti": "t1", "client_id": "app", "scope": "journal.read",
        "gid": "g1", "sid": "s1", "roles": ["reader"],
    })
}

pub(crate) fn token(key: &PrivateKey, claims: &Value) -> String {
    key.signer().unwrap().sign("at+jwt", claims).unwrap()
}

pub(crate) fn bearer_token() -> String {
    token(&PROVIDER, &claims())
}

pub(crate) fn bound_token() -> String {
    token(&PROVIDER, &changed("cnf", json!({ "jkt": CLIENT.kid() })))
}

fn changed(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn seed(target: &'static str, name: &str, content: impl Into<Vec<u8>>) -> Seed {
    (target, name.to_owned(), content.into())
}

fn proof_claims(method: &str, path: &str, ath: &str) -> Value {
    json!({ "jti": "p1", "htm": method, "htu": format!("{AUDIENCE}{path}"), "iat": NOW, "ath": ath })
}

fn requests() -> Vec<Seed> {
    let (bearer, bound) = (bearer_token(), bound_token());
    let proof = proof_claims("GET", "/entries", &access_token_hash(&bound));
    let proof = CLIENT.sign_embedded("dpop+jwt", &proof).unwrap();
    let expired = token(&PROVIDER, &changed("exp", json!(NOW - 60)));
    let filled_in = format!(r#"{{"jti":"p1","htm":"GET","htu":"{{htu}}","iat":{NOW},"ath":"{{ath}}"}}"#);
    let bodiless = "content-digest: md5=:AAAA:, sha-256=:{}:";
    let requests = [
        ("good_bearer", format!("GET /entries\nauthorization: Bearer {bearer}\n\n")),
        ("good_bearer_filled_in", "GET /entries?limit=2\nauthorization: bearer  {bearer}\naccept: */*\n\n".to_owned()),
        ("good_proof", format!("GET /entries\nauthorization: DPoP {bound}\ndpop: {proof}\n\n")),
        ("good_proof_filled_in", format!("GET /entries?a=b\nauthorization: DPoP {{bound}}\ndpop: {filled_in}\n\n")),
        ("good_signed", signed("content-digest: sha-256=:{}:", r#"{"erase":"everything"}"#, "")),
        ("good_signed_nothing", signed(bodiless, "", "")),
        ("good_signed_more", signed(&format!("x-more:  a  \n{bodiless}"), "body", " \"x-more\"")),
        ("signed_twice", signed(bodiless, "body", " \"@method\"")),
        ("signed_with_parameter", signed(bodiless, "body", " \"content-digest\";bs")),
        ("signed_something_else", signed(bodiless, "body", " \"@query-param\";name=\"a\"")),
        ("signed_too_little", signed(bodiless, "body", "").replace(" \"dpop\"", "")),
        ("dots_in_path", format!("GET /a/../entries\nauthorization: DPoP {{bound}}\ndpop: {filled_in}\n\n")),
        ("no_token", "GET /entries\n\n".to_owned()),
        ("another_scheme", "GET /entries\nauthorization: Basic YTpi\n\n".to_owned()),
        ("two_tokens", "GET /entries\nauthorization: Bearer {bearer}\nauthorization: Bearer {bearer}\n\n".to_owned()),
        ("token_in_query", "GET /?access_token=a\nauthorization: Bearer {bearer}\n\n".to_owned()),
        ("expired", format!("GET /entries\nauthorization: Bearer {expired}\n\n")),
        ("bound_as_bearer", "GET /entries\nauthorization: Bearer {bound}\n\n".to_owned()),
        ("bearer_as_bound", format!("GET /entries\nauthorization: DPoP {{bearer}}\ndpop: {filled_in}\n\n")),
        ("not_signed", "POST /signed\nauthorization: Bearer {bearer}\n\nbody".to_owned()),
        ("whole_address", "GET https://api.example/entries\nauthorization: Bearer {bound}\n\n".to_owned()),
        ("no_path", format!("CONNECT api.example:443\nauthorization: DPoP {{bound}}\ndpop: {filled_in}\n\n")),
    ];
    requests.into_iter().map(|(name, request)| seed("bearer_request", name, request)).collect()
}

/// A signed request with these header lines and this body. Its signature covers what it must, and then more.
fn signed(headers: &str, body: &str, more: &str) -> String {
    let parameters = format!("created={NOW};keyid=\"{}\";alg=\"ed25519\"", CLIENT.kid());
    let names = r#""@method" "@target-uri" "content-digest" "authorization" "dpop""#;
    format!(
        "POST /signed?really=yes\nauthorization: DPoP {{bound}}\n\
         dpop: {{\"jti\":\"p2\",\"htm\":\"POST\",\"htu\":\"{{htu}}\",\"iat\":{NOW},\"ath\":\"{{ath}}\"}}\n\
         {headers}\nsignature-input: sig=({names}{more});{parameters}\nsignature: sig=:{{}}:\n\n{body}"
    )
}

fn tokens() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (name, key) in [("rs256", &*PROVIDER), ("ps256", &*PS256), ("es256", &*ES256), ("eddsa", &*CLIENT)] {
        let token = token(key, &claims());
        seeds.push(seed("jwt", &format!("good_{name}_opened"), open(&token)));
        seeds.push(seed("jwt", &format!("good_{name}"), token));
    }
    let shared = Signer::hmac(Algorithm::HS256, &SECRET).unwrap();
    seeds.push(seed("jwt", "good_hs256", shared.sign("JWT", &claims()).unwrap()));
    seeds.push(seed("jwt", "good_unsigned_hs256", format!("{{\"typ\":\"JWT\",\"alg\":\"HS256\"}}\n{}", claims())));
    seeds.push(seed("jwt", "none", format!("{{\"alg\":\"none\"}}\n{}\n", claims())));
    seeds.push(seed("jwt", "crit", format!("{{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}}\n{}", claims())));
    seeds
}

fn proofs() -> Vec<Seed> {
    let claims = proof_claims("POST", "/entries", "hash");
    let proof = CLIENT.sign_embedded("dpop+jwt", &claims).unwrap();
    let opened = open(&proof);
    let (unsigned, _signature) = opened.rsplit_once('\n').unwrap();
    vec![
        seed("proof", "good", proof),
        seed("proof", "good_opened", opened.as_str()),
        seed("proof", "good_unsigned", unsigned),
        seed(
            "proof",
            "another_address",
            CLIENT.sign_embedded("dpop+jwt", &proof_claims("POST", "/%2e/a", "hash")).unwrap(),
        ),
        seed("proof", "no_proof", CLIENT.sign_embedded("JWT", &claims).unwrap()),
    ]
}

fn encrypted() -> Vec<Seed> {
    let public = |algorithm, key: &PrivateKey| {
        let mut jwk = key.public_jwk().to_value();
        for name in ["alg", "use"] {
            jwk.as_object_mut().unwrap().remove(name);
        }
        EncryptionKey::public(algorithm, &PublicJwk::parse(&jwk).unwrap()).unwrap()
    };
    let shared = |algorithm| EncryptionKey::symmetric(algorithm, &SECRET).unwrap();
    let keys = [
        ("rsa_oaep", public(KeyManagement::RsaOaep256, &PROVIDER)),
        ("ecdh_es", public(KeyManagement::EcdhEs, &ES256)),
        ("ecdh_es_a256kw", public(KeyManagement::EcdhEsA256Kw, &ES256)),
        ("dir", shared(KeyManagement::Dir)),
        ("a256gcmkw", shared(KeyManagement::A256GcmKw)),
    ];
    let mut seeds = Vec::new();
    for (name, key) in &keys {
        for (enc_name, enc) in [("gcm", ContentEncryption::A256Gcm), ("cbc", ContentEncryption::A128CbcHs256)] {
            let token = encrypt(CONTENT, key, enc, Some("JWT")).unwrap();
            seeds.push(seed("jwe", &format!("good_{name}_{enc_name}_opened"), open(&token)));
            seeds.push(seed("jwe", &format!("good_{name}_{enc_name}"), token));
        }
    }
    seeds
}

fn key_sets() -> Vec<Seed> {
    let keys = [&*PROVIDER, &*ES256, &*CLIENT].map(PrivateKey::public_jwk);
    let [rsa, p256, ed25519] = keys.clone().map(|key| key.to_value());
    let private: Value = serde_json::from_slice(&ES256.to_jwk_bytes()).unwrap();
    let encrypts =
        json!({ "kty": "EC", "crv": "P-256", "x": p256["x"], "y": p256["y"], "use": "enc", "key_ops": ["deriveKey"] });
    let set = |keys: &[&Value]| json!({ "keys": keys });
    let seeds = [
        ("good_set", JwkSet::from_iter(keys).to_value()),
        ("good_rsa", rsa.clone()),
        ("good_p256", p256.clone()),
        ("good_ed25519", ed25519.clone()),
        ("good_for_encryption", encrypts.clone()),
        ("good_with_others", set(&[&rsa, &encrypts, &json!({ "kty": "OKP", "crv": "X25519", "x": "AA" })])),
        ("same_kid", set(&[&p256, &p256])),
        ("private", private),
        ("shared", json!({ "kty": "oct", "k": "AA" })),
        ("off_the_curve", json!({ "kty": "EC", "crv": "P-256", "x": p256["y"], "y": p256["x"] })),
        ("small_rsa", json!({ "kty": "RSA", "n": "AQAB", "e": "Aw", "alg": "RS256", "kid": "small" })),
    ];
    seeds.into_iter().map(|(name, value)| seed("jwk_set", name, value.to_string())).collect()
}
