//! The keys that the seeds are signed with: the examples of RFC 7515 §A.2 and §A.3 and RFC 8037 §A.1, which are no secret of anybody.

use std::sync::LazyLock;

use countersign_jose::{Algorithm, DecryptionKey, KeyManagement, PrivateKey};
use serde_json::{Value, json};

/// A secret that is shared with a client.
pub(crate) const SECRET: [u8; 32] = [7; 32];

/// Of the provider.
pub(crate) static PROVIDER: LazyLock<PrivateKey> = LazyLock::new(|| private(rsa(), Algorithm::RS256));
/// Of a client: its signatures are the same each time, so that seeds are, too.
pub(crate) static CLIENT: LazyLock<PrivateKey> = LazyLock::new(|| private(ed25519(), Algorithm::EdDSA));
pub(crate) static PS256: LazyLock<PrivateKey> = LazyLock::new(|| private(rsa(), Algorithm::PS256));
pub(crate) static ES256: LazyLock<PrivateKey> = LazyLock::new(|| private(p256(), Algorithm::ES256));

/// One for each way in which a content encryption key is given.
pub(crate) static DECRYPTION: LazyLock<Vec<DecryptionKey>> = LazyLock::new(|| {
    let own = |algorithm, jwk: Value| DecryptionKey::from_jwk_bytes(algorithm, jwk.to_string().as_bytes()).unwrap();
    let shared = |algorithm| DecryptionKey::symmetric(algorithm, &SECRET).unwrap();
    vec![
        own(KeyManagement::RsaOaep256, rsa()),
        own(KeyManagement::EcdhEs, p256()),
        own(KeyManagement::EcdhEsA256Kw, p256()),
        shared(KeyManagement::Dir),
        shared(KeyManagement::A256GcmKw),
    ]
});

fn private(mut jwk: Value, algorithm: Algorithm) -> PrivateKey {
    jwk["alg"] = algorithm.name().into();
    PrivateKey::from_jwk_bytes(jwk.to_string().as_bytes()).unwrap()
}

fn p256() -> Value {
    json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    })
}

fn ed25519() -> Value {
    json!({
        "kty": "OKP",
        "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    })
}

#[rustfmt::skip]
fn rsa() -> Value {
    json!({
        "kty": "RSA",
        "n": concat!(
            "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-",
            "pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2Ca",
            "pHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb5",
            "4h4FRWyuXpoQ",
        ),
        "e": "AQAB",
        "d": concat!(
            "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-",
            "pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjud",
            "U2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1",
            "DhOVRuOopznQ",
        ),
        "p": concat!(
            "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KK",
            "DcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc",
        ),
        "q": concat!(
            "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_Hl",
            "B-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc",
        ),
        "dp": concat!(
            "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAk",
            "tV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0",
        ),
        "dq": concat!(
            "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz",
            "3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU",
        ),
        "qi": concat!(
            "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJt",
            "oOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U",
        ),
    })
}
