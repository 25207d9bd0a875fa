//! The TLS side: options into a `rustls` configuration, and again when a file changes.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion,
};

use crate::Error;
use crate::error::io_text;
use crate::options::{Source, TlsOptions, TlsVersion};

/// The configuration of a client, rebuilt when one of its files has another size or time.
#[derive(Debug)]
pub(crate) struct Tls {
    options: TlsOptions,
    http2: bool,
    /// Held for a look at the files, and to rebuild.
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    stamps: Stamps,
    config: Arc<ClientConfig>,
}

/// What tells a CA, certificate or key file from the one before: inode, size and time.
type Stamps = [Option<(u64, u64, SystemTime)>; 3];

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`Error::Options`] if one is missing or not what it should be.
    pub(crate) fn new(options: TlsOptions, http2: bool) -> Result<Self, Error> {
        let stamps = stamps(&options);
        let config = Arc::new(build(&options, http2)?);
        Ok(Self { options, http2, current: Mutex::new(Current { stamps, config }) })
    }

    /// The configuration as the files are now. Looks at the files each time.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, Error> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = stamps(&self.options);
        if stamps != current.stamps {
            current.config = Arc::new(build(&self.options, self.http2)?);
            current.stamps = stamps;
        }
        Ok(Arc::clone(&current.config))
    }

    /// The name to expect in the certificate of `host`.
    pub(crate) fn server_name(&self, host: &str) -> Result<ServerName<'static>, Error> {
        let name =
            if self.options.server_name.is_empty() { host } else { &self.options.server_name };
        let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        ServerName::try_from(name).map_err(|error| Error::Transport(format!("tls: {error}")))
    }
}

fn stamps(options: &TlsOptions) -> Stamps {
    [&options.ca, &options.cert, &options.key].map(|source| match source {
        Some(Source::File(path)) => {
            let meta = std::fs::metadata(path).ok()?;
            Some((meta.ino(), meta.len(), meta.modified().ok()?))
        }
        _ => None,
    })
}

const VERSIONS_CROSSED: &str = "tls_config.max_version must be greater than or equal to tls_config.min_version if both are specified";

fn build(options: &TlsOptions, http2: bool) -> Result<ClientConfig, Error> {
    if options.max_version.is_some_and(|max| options.min_version.is_some_and(|min| max < min)) {
        return Err(Error::Options(VERSIONS_CROSSED.into()));
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let wrong = |error: rustls::Error| Error::Options(error.to_string());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions(options))
        .map_err(wrong)?;
    let builder = if options.insecure_skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(TrustsAll(provider)))
    } else {
        builder.with_root_certificates(roots(options.ca.as_ref())?)
    };
    let mut config = match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => {
            let (chain, key) = identity(cert, key)?;
            builder.with_client_auth_cert(chain, key).map_err(wrong)?
        }
        _ => builder.with_no_client_auth(),
    };
    if http2 {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    Ok(config)
}

fn versions(options: &TlsOptions) -> Vec<&'static SupportedProtocolVersion> {
    let (min, max) = (
        options.min_version.unwrap_or(TlsVersion::Tls12),
        options.max_version.unwrap_or(TlsVersion::Tls13),
    );
    let all = [
        (TlsVersion::Tls13, &rustls::version::TLS13),
        (TlsVersion::Tls12, &rustls::version::TLS12),
    ];
    all.into_iter().filter(|(version, _)| (min..=max).contains(version)).map(|(_, it)| it).collect()
}

fn roots(ca: Option<&Source>) -> Result<Arc<RootCertStore>, Error> {
    // The system's certificates are large and the same for every client.
    static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let Some(ca) = ca else {
        let system = SYSTEM.get_or_init(|| {
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            Arc::new(store)
        });
        return Ok(Arc::clone(system));
    };
    let pem = read(ca, "CA cert")?;
    let mut store = RootCertStore::empty();
    let certs = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
    if store.add_parsable_certificates(certs).0 == 0 {
        return Err(Error::Options(format!("unable to use specified CA cert {}", name(ca))));
    }
    Ok(Arc::new(store))
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(cert: &Source, key: &Source) -> Result<Identity, Error> {
    let (cert_pem, key_pem) = (read(cert, "client cert")?, read(key, "client key")?);
    let unusable = |why: &str| {
        Error::Options(format!(
            "unable to use specified client cert ({}) & key ({}): {why}",
            name(cert),
            name(key)
        ))
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&cert_pem).collect();
    let chain = chain.ok().filter(|it| !it.is_empty());
    let chain =
        chain.ok_or_else(|| unusable("tls: failed to find any PEM data in certificate input"))?;
    let key = PrivateKeyDer::from_pem_slice(&key_pem);
    Ok((chain, key.map_err(|_| unusable("tls: failed to find any PEM data in key input"))?))
}

/// Names a source without showing it.
fn name(source: &Source) -> String {
    match source {
        Source::File(path) => format!("file {}", path.display()),
        Source::Inline(_) => "inline".into(),
    }
}

fn read(source: &Source, what: &str) -> Result<Vec<u8>, Error> {
    match source {
        Source::Inline(text) => Ok(text.clone().into_bytes()),
        Source::File(path) => read_file(path).map_err(|why| {
            let file = path.display();
            Error::Options(format!("unable to read {what}: unable to read file {file}: {why}"))
        }),
    }
}

/// Reads a file; the error is Go's `open PATH: no such file or directory`.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("open {}: {}", path.display(), io_text(&error)))
}

/// Accepts any certificate: the user asked for it with `insecure_skip_verify`.
#[derive(Debug)]
struct TrustsAll(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustsAll {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
