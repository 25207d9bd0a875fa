//! The signed claim of the JWT bearer grant (RFC 7523).

use std::time::SystemTime;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Map, Value, json};

use crate::options::{Claims, OAuth2, SignatureAlgorithm};

/// The parameter that asks for this grant.
pub(super) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// How long a claim is good.
const LIFETIME_SECONDS: u64 = 3600;

/// Makes a claim about the client, signed with the RSA key `pem`.
///
/// # Errors
/// What is wrong with the key.
pub(super) fn sign(options: &OAuth2, claims: &Claims, pem: &str) -> Result<String, String> {
    let key = key(pem)?;
    let (name, padding): (_, &'static dyn RsaEncoding) = match claims.algorithm {
        SignatureAlgorithm::Rs256 => ("RS256", &RSA_PKCS1_SHA256),
        SignatureAlgorithm::Rs384 => ("RS384", &RSA_PKCS1_SHA384),
        SignatureAlgorithm::Rs512 => ("RS512", &RSA_PKCS1_SHA512),
    };
    let mut head = json!({ "alg": name, "typ": "JWT" });
    if !claims.key_id.is_empty() {
        head["kid"] = json!(claims.key_id);
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let payload = payload(options, claims, now.unwrap_or_default().as_secs());
    let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let mut jwt = format!("{}.{}", encode(&head), encode(&Value::Object(payload)));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(padding, &SystemRandom::new(), jwt.as_bytes(), &mut signature)
        .map_err(|_| "oauth2: the assertion could not be signed")?;
    jwt.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut jwt);
    Ok(jwt)
}

fn key(pem: &str) -> Result<KeyPair, String> {
    let unusable = |why: String| {
        format!("oauth2: private key should be a PEM or plain PKCS1 or PKCS8; parse error: {why}")
    };
    let der =
        PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|it| unusable(it.to_string()))?;
    let key = match &der {
        PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
        _ => return Err("oauth2: private key is invalid".into()),
    };
    key.map_err(|it| unusable(it.to_string()))
}

fn payload(options: &OAuth2, claims: &Claims, now: u64) -> Map<String, Value> {
    let or = |text: &str, other: &str| json!(if text.is_empty() { other } else { text });
    let mut payload = Map::new();
    payload.insert("iss".into(), or(&claims.issuer, &options.client_id));
    payload.insert("sub".into(), json!(options.client_id));
    payload.insert("aud".into(), or(&claims.audience, &options.token_url));
    payload.insert("iat".into(), json!(now));
    payload.insert("exp".into(), json!(now + LIFETIME_SECONDS));
    if !options.scopes.is_empty() {
        payload.insert("scope".into(), json!(options.scopes.join(" ")));
    }
    payload.extend(claims.more.iter().map(|(name, value)| (name.clone(), value.clone())));
    payload
}
