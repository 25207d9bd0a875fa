//! From the file's TLS section to the server's side of TLS.

use std::sync::Arc;

use config::{ClientAuth, TlsVersion, WebTls};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
};

use super::names;

/// Reads certificates and keys.
///
/// # Errors
/// What is wrong with them.
pub(super) fn server_config(options: &WebTls, http2: bool) -> Result<ServerConfig, String> {
    let (chain, key) = identity(options)?;
    let provider = Arc::new(provider(options)?);
    let wrong = |error: Error| error.to_string();
    let verifier = verifier(options, &provider)?;
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(options))
        .map_err(wrong)?;
    let builder = match verifier {
        None => builder.with_no_client_auth(),
        Some(verifier) => builder.with_client_cert_verifier(verifier),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| format!("failed to load X509KeyPair: {error}"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if http2 {
        config.alpn_protocols.insert(0, b"h2".to_vec());
    }
    Ok(config)
}

fn identity(
    options: &WebTls,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let cert = read(&options.cert, &options.cert_file, "cert_file")?;
    let key = read(options.key.expose(), &options.key_file, "key_file")?;
    let none = |what| {
        format!("failed to load X509KeyPair: tls: failed to find any PEM data in {what} input")
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&cert).collect();
    let chain = chain.ok().filter(|it| !it.is_empty()).ok_or_else(|| none("certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| none("key"))?;
    Ok((chain, key))
}

fn read(text: &str, file: &str, what: &str) -> Result<Vec<u8>, String> {
    if !text.is_empty() {
        return Ok(text.as_bytes().to_vec());
    }
    std::fs::read(file).map_err(|error| {
        let why = error.to_string().to_lowercase();
        let why = why.split(" (os error").next().unwrap_or_default();
        format!("failed to read {what} ({file}): open {file}: {why}")
    })
}

fn versions(options: &WebTls) -> Vec<&'static SupportedProtocolVersion> {
    // What is older than 1.2 is not spoken.
    let min = options.min_version.unwrap_or(TlsVersion::Tls12);
    let max = options.max_version.unwrap_or(TlsVersion::Tls13).max(TlsVersion::Tls12);
    let all = [
        (TlsVersion::Tls13, &rustls::version::TLS13),
        (TlsVersion::Tls12, &rustls::version::TLS12),
    ];
    all.into_iter().filter(|(version, _)| (min..=max).contains(version)).map(|(_, it)| it).collect()
}

/// The usual suites and curves, or those that are named and spoken here.
fn provider(options: &WebTls) -> Result<CryptoProvider, String> {
    let mut provider = aws_lc_rs::default_provider();
    if !options.cipher_suites.is_empty() {
        // The suites of TLS 1.3 cannot be chosen.
        provider.cipher_suites.retain(|it| {
            let name = format!("{:?}", it.suite());
            let is_named = |given: &String| {
                name == *given || name.strip_suffix("_SHA256") == Some(given.as_str())
            };
            name.starts_with("TLS13_") || options.cipher_suites.iter().any(is_named)
        });
    }
    if !options.curves.is_empty() {
        let groups: Vec<_> = options.curves.iter().filter_map(|it| group(it)).collect();
        if groups.is_empty() {
            return Err(format!("none of the curves {:?} is spoken here", options.curves));
        }
        provider.kx_groups = groups;
    }
    Ok(provider)
}

fn group(name: &str) -> Option<&'static dyn SupportedKxGroup> {
    match name {
        "X25519" => Some(aws_lc_rs::kx_group::X25519),
        "CurveP256" => Some(aws_lc_rs::kx_group::SECP256R1),
        "CurveP384" => Some(aws_lc_rs::kx_group::SECP384R1),
        _ => None,
    }
}

/// Who looks at clients' certificates; `None`: nobody.
fn verifier(
    options: &WebTls,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
    let inner: Arc<dyn ClientCertVerifier> = match options.client_auth {
        ClientAuth::None => return Ok(None),
        ClientAuth::Request => {
            Arc::new(TakesAny { provider: Arc::clone(provider), required: false })
        }
        ClientAuth::RequireAny => {
            Arc::new(TakesAny { provider: Arc::clone(provider), required: true })
        }
        ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify => {
            let roots = Arc::new(roots(options)?);
            let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
            let builder = if options.client_auth == ClientAuth::VerifyIfGiven {
                builder.allow_unauthenticated()
            } else {
                builder
            };
            builder.build().map_err(|error| error.to_string())?
        }
    };
    if options.client_allowed_sans.is_empty() {
        return Ok(Some(inner));
    }
    Ok(Some(Arc::new(ChecksNames { inner, allowed: options.client_allowed_sans.clone() })))
}

fn roots(options: &WebTls) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    if options.client_ca.is_empty() && options.client_ca_file.is_empty() {
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(store);
    }
    let pem = read(&options.client_ca, &options.client_ca_file, "client_ca_file")?;
    let certs = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
    if store.add_parsable_certificates(certs).0 == 0 {
        return Err("failed to find any PEM data in client CA input".into());
    }
    Ok(store)
}

/// Takes any certificate: the user asked for that.
#[derive(Debug)]
struct TakesAny {
    provider: Arc<CryptoProvider>,
    required: bool,
}

impl ClientCertVerifier for TakesAny {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Takes what another takes if it has one of these names.
#[derive(Debug)]
struct ChecksNames {
    inner: Arc<dyn ClientCertVerifier>,
    allowed: Vec<String>,
}

impl ClientCertVerifier for ChecksNames {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(end_entity, intermediates, now)?;
        let names = names::alternative_names(end_entity);
        if names.iter().any(|it| self.allowed.contains(it)) {
            return Ok(verified);
        }
        Err(Error::General(format!("could not find allowed SANs in client cert, found: {names:?}")))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
