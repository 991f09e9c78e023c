//! Public keys of others, as JWK (RFC 7517, RFC 7518 §6, RFC 8037 §2).
//!
//! JWK is the only format in which keys are accepted: a malformed DER or PEM key can abort the process
//! inside josekit.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwk::Jwk;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::key::KeyError;
use crate::verify::Verifier;
use crate::{Algorithm, bounded};

/// The longest JWK that is read, in bytes of JSON.
pub const MAX_JWK_BYTES: usize = 8 * 1024;

/// The longest `kid`, `alg`, `use` or `key_ops` value that is read, in bytes.
const MAX_TEXT_BYTES: usize = 256;

/// The RSA modulus sizes that are accepted, in bits. Below, a key is weak (RFC 7518 §3.3); above, a
/// stranger's key would make us compute too long.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A public key with public members only, checked and in canonical form.
///
/// Members that Countersign does not use (`x5c`, `x5t`, …) are dropped: a certificate beside a key must
/// never be mistaken for the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct PublicJwk {
    pub(crate) material: Material,
    kid: Option<String>,
    // Kept as text: a key for an algorithm we do not know must not serve one that we do.
    alg: Option<String>,
    key_use: Option<String>,
    key_ops: Option<Vec<String>>,
}

/// The numbers of a public key, as canonical base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Material {
    Rsa { n: String, e: String },
    P256 { x: String, y: String },
    Ed25519 { x: String },
}

impl PublicJwk {
    /// Reads an untrusted JWK of at most [`MAX_JWK_BYTES`].
    ///
    /// # Errors
    ///
    /// [`KeyError::PrivateMember`] when a secret is in it (whoever sent it has leaked the key),
    /// [`KeyError::UnknownType`] for other key types and curves, [`KeyError::RsaSize`] for RSA below 2048
    /// or above 8192 bits, [`KeyError::NotOnCurve`], [`KeyError::Member`], [`KeyError::TooLarge`].
    pub fn parse(jwk: &Value) -> Result<Self, KeyError> {
        bounded::check(jwk, MAX_JWK_BYTES)?;
        let members = Members(jwk.as_object().ok_or(KeyError::NotAnObject)?);
        let material = members.material()?;
        Ok(Self {
            material,
            kid: members.optional("kid")?,
            alg: members.optional("alg")?,
            key_use: members.optional("use")?,
            key_ops: members.key_ops()?,
        })
    }

    /// A key of ours, made for `algorithm` alone; its `kid` is the thumbprint.
    pub(crate) fn own(material: Material, algorithm: Algorithm) -> Self {
        let kid = Some(material.thumbprint());
        Self { material, kid, alg: Some(algorithm.name().to_owned()), key_use: Some("sig".to_owned()), key_ops: None }
    }

    /// A key of ours that others encrypt with, by `alg` alone; its `kid` is the thumbprint.
    pub(crate) fn own_for_encryption(material: Material, alg: &str) -> Self {
        let kid = Some(material.thumbprint());
        Self { material, kid, alg: Some(alg.to_owned()), key_use: Some("enc".to_owned()), key_ops: None }
    }

    /// The key id, as its owner named it.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The signature algorithm this key is bound to; `None` also when `alg` names another kind, so ask
    /// [`Self::supports`] before using the key.
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.alg.as_deref()?.parse().ok()
    }

    /// The `use` member: `sig`, `enc` or absent (RFC 7517 §4.2).
    pub fn key_use(&self) -> Option<&str> {
        self.key_use.as_deref()
    }

    /// The SHA-256 thumbprint, as base64url (RFC 7638 §3).
    pub fn thumbprint(&self) -> String {
        self.material.thumbprint()
    }

    /// The key as a JSON object.
    pub fn to_value(&self) -> Value {
        let mut members = self.material.members();
        for (name, text) in [("kid", &self.kid), ("alg", &self.alg), ("use", &self.key_use)] {
            if let Some(text) = text {
                members.insert(name.to_owned(), text.as_str().into());
            }
        }
        if let Some(operations) = &self.key_ops {
            members.insert("key_ops".to_owned(), operations.as_slice().into());
        }
        Value::Object(members)
    }

    /// Whether signatures of `algorithm` may be verified with this key: type and curve fit, and neither
    /// `alg`, `use` nor `key_ops` says otherwise.
    pub fn supports(&self, algorithm: Algorithm) -> bool {
        let fits = match (&self.material, algorithm) {
            (Material::Rsa { .. }, Algorithm::RS256 | Algorithm::PS256)
            | (Material::P256 { .. }, Algorithm::ES256)
            | (Material::Ed25519 { .. }, Algorithm::EdDSA) => true,
            (Material::Rsa { .. } | Material::P256 { .. } | Material::Ed25519 { .. }, _) => false,
        };
        fits && self.permits("sig", algorithm.name(), &["verify"])
    }

    /// Whether `use`, `alg` and `key_ops`, where present, allow one of `operations`.
    pub(crate) fn permits(&self, key_use: &str, alg: &str, operations: &[&str]) -> bool {
        self.key_use.as_deref().is_none_or(|own| own == key_use)
            && self.alg.as_deref().is_none_or(|own| own == alg)
            && self.key_ops.as_ref().is_none_or(|own| own.iter().any(|own| operations.contains(&own.as_str())))
    }

    /// A verifier for `algorithm`. Building one costs several verifications: keep it.
    ///
    /// # Errors
    ///
    /// [`KeyError::Unfit`] unless the key [`supports`](Self::supports) the algorithm.
    pub fn verifier(&self, algorithm: Algorithm) -> Result<Verifier, KeyError> {
        if !self.supports(algorithm) {
            return Err(KeyError::Unfit(algorithm.name()));
        }
        Verifier::public(algorithm, self.kid.clone(), &self.material.josekit()?)
    }
}

impl TryFrom<Value> for PublicJwk {
    type Error = KeyError;

    fn try_from(jwk: Value) -> Result<Self, KeyError> {
        Self::parse(&jwk)
    }
}

impl From<PublicJwk> for Value {
    fn from(jwk: PublicJwk) -> Self {
        jwk.to_value()
    }
}

impl Material {
    /// The required members in the order of RFC 7638 §3.2, which is that of their names.
    fn pairs(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Rsa { n, e } => vec![("e", e), ("kty", "RSA"), ("n", n)],
            Self::P256 { x, y } => vec![("crv", "P-256"), ("kty", "EC"), ("x", x), ("y", y)],
            Self::Ed25519 { x } => vec![("crv", "Ed25519"), ("kty", "OKP"), ("x", x)],
        }
    }

    pub(crate) fn members(&self) -> Map<String, Value> {
        let pairs = self.pairs().into_iter();
        pairs.map(|(k, v)| (k.to_owned(), v.into())).collect()
    }

    fn thumbprint(&self) -> String {
        // Written by hand: a `Map` keeps the order of insertion or of names depending on features that
        // other crates switch on. All values are base64url or fixed names, so nothing needs escaping.
        let members: Vec<String> = self.pairs().iter().map(|(name, value)| format!(r#""{name}":"{value}""#)).collect();
        let canonical = format!("{{{}}}", members.join(","));
        URL_SAFE_NO_PAD.encode(openssl::sha::sha256(canonical.as_bytes()))
    }

    /// The length of the RSA modulus in bytes.
    pub(crate) fn modulus_len(&self) -> Option<usize> {
        match self {
            // Unpadded base64: four characters carry three bytes.
            Self::Rsa { n, .. } => Some(n.len() * 3 / 4),
            Self::P256 { .. } | Self::Ed25519 { .. } => None,
        }
    }

    /// The bare key for josekit, without `alg`, `use` and `kid`, which are judged here.
    pub(crate) fn josekit(&self) -> Result<Jwk, KeyError> {
        Jwk::from_map(self.members()).map_err(|_| KeyError::Refused)
    }
}

/// The members of a JWK that was not judged yet.
struct Members<'j>(&'j Map<String, Value>);

impl Members<'_> {
    fn material(&self) -> Result<Material, KeyError> {
        let kty = self.required("kty")?;
        let private: &[&str] = match kty {
            "RSA" => &["d", "p", "q", "dp", "dq", "qi", "oth"],
            "EC" | "OKP" => &["d"],
            "oct" => &["k"],
            _ => return Err(KeyError::UnknownType),
        };
        if private.iter().any(|name| self.0.contains_key(*name)) {
            return Err(KeyError::PrivateMember);
        }
        match kty {
            "RSA" => self.rsa(),
            "EC" if self.required("crv")? == "P-256" => self.p256(),
            "OKP" if self.required("crv")? == "Ed25519" => Ok(Material::Ed25519 { x: encode(&self.fixed("x")?) }),
            _ => Err(KeyError::UnknownType),
        }
    }

    fn rsa(&self) -> Result<Material, KeyError> {
        let n = self.number("n")?;
        let bits = n.first().map_or(0, |first| n.len() * 8 - usize::try_from(first.leading_zeros()).unwrap_or(0));
        if !RSA_BITS.contains(&bits) {
            return Err(KeyError::RsaSize);
        }
        if n.last().is_none_or(|last| last % 2 == 0) {
            return Err(KeyError::Member("n"));
        }
        // Odd and from 3 to 2^31 - 1: what every library accepts, and cheap to verify with.
        let e = self.number("e")?;
        let exponent = e
            .iter()
            .try_fold(0_u32, |sum, byte| Some(sum.checked_mul(256)? | u32::from(*byte)))
            .filter(|exponent| (3..=u32::MAX / 2).contains(exponent) && exponent % 2 == 1);
        if exponent.is_none() {
            return Err(KeyError::Member("e"));
        }
        Ok(Material::Rsa { n: encode(&n), e: encode(&e) })
    }

    fn p256(&self) -> Result<Material, KeyError> {
        let (x, y) = (self.fixed("x")?, self.fixed("y")?);
        // An off-curve point would turn key agreement into a leak of our private key.
        let on_curve = || {
            let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
            let (x, y) = (BigNum::from_slice(&x)?, BigNum::from_slice(&y)?);
            EcKey::from_public_key_affine_coordinates(&group, &x, &y)?.check_key()
        };
        on_curve().map_err(|_| KeyError::NotOnCurve)?;
        Ok(Material::P256 { x: encode(&x), y: encode(&y) })
    }

    fn required(&self, name: &'static str) -> Result<&str, KeyError> {
        self.text(name)?.ok_or(KeyError::Member(name))
    }

    fn text(&self, name: &'static str) -> Result<Option<&str>, KeyError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(KeyError::Member(name)),
        }
    }

    fn optional(&self, name: &'static str) -> Result<Option<String>, KeyError> {
        match self.text(name)? {
            Some(text) if text.is_empty() || text.len() > MAX_TEXT_BYTES || text.contains(char::is_control) => {
                Err(KeyError::Member(name))
            }
            text => Ok(text.map(str::to_owned)),
        }
    }

    fn key_ops(&self) -> Result<Option<Vec<String>>, KeyError> {
        let wrong = KeyError::Member("key_ops");
        let Some(operations) = self.0.get("key_ops") else {
            return Ok(None);
        };
        let operations: Option<Vec<String>> =
            operations.as_array().filter(|operations| operations.len() <= 16).and_then(|operations| {
                let texts = operations.iter().map(|text| text.as_str());
                texts.map(|text| text.filter(|text| !text.contains(char::is_control)).map(str::to_owned)).collect()
            });
        operations.map(Some).ok_or(wrong)
    }

    /// A number without the leading zero bytes that some libraries add (RFC 7518 §6.3.1.1).
    fn number(&self, name: &'static str) -> Result<Vec<u8>, KeyError> {
        let bytes = self.bytes(name)?;
        Ok(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
    }

    /// Exactly 32 bytes: a coordinate of P-256 (RFC 7518 §6.2.1.2) or an Ed25519 key.
    fn fixed(&self, name: &'static str) -> Result<Vec<u8>, KeyError> {
        let bytes = self.bytes(name)?;
        if bytes.len() == 32 { Ok(bytes) } else { Err(KeyError::Member(name)) }
    }

    fn bytes(&self, name: &'static str) -> Result<Vec<u8>, KeyError> {
        URL_SAFE_NO_PAD.decode(self.required(name)?).map_err(|_| KeyError::Member(name))
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
