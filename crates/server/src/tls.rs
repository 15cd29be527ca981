//! Certificates: our own, and any a client may show.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};

use crate::Error;

/// Our certificate chain and its private key.
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads PEM files.
    pub(crate) fn read(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let in_file = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Pem { path, source }
        };
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
            .map_err(in_file(certificate))?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(in_file(key))?;
        Ok(Self { chain, key })
    }

    /// Makes a certificate for `names` (host names and addresses), signed by itself.
    ///
    /// The key is ECDSA P-256: an RSA key would take longer to make than all the rest of the start.
    pub(crate) fn self_signed(names: Vec<String>) -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::OrganizationName, "vimsim");
        params.distinguished_name.push(DnType::CommonName, "vimsim self-signed");
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Fixed dates: a clock that is wrong, or set by a test, does not make the certificate invalid.
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2049, 12, 31);
        let certificate = params.self_signed(&key)?;
        Ok(Self { chain: vec![certificate.into()], key: PrivatePkcs8KeyDer::from(key.serialize_der()).into() })
    }

    /// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1, with a client certificate if the client has one.
    pub(crate) fn into_server_config(self) -> Result<ServerConfig, Error> {
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(AnyClientCertificate(provider)))
            .with_single_cert(self.chain, self.key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// The names a self-signed certificate is for: where we listen, and what a local client may call us.
pub(crate) fn self_signed_names(listen_host: &str, address: IpAddr) -> Vec<String> {
    let hostname = gethostname::gethostname().into_string().unwrap_or_default();
    let address = address.to_string();
    let mut names: Vec<String> = Vec::new();
    for name in [listen_host, &address, "localhost", "127.0.0.1", "::1", &hostname] {
        let is_name = name.parse::<IpAddr>().is_ok()
            || !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        if is_name && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// Asks for a client certificate, requires none, and takes any whose key the client holds.
///
/// Whether a certificate means anything is for the session manager to say: extensions log in with self-signed ones that
/// they registered before.
#[derive(Debug)]
struct AnyClientCertificate(Arc<CryptoProvider>);

impl ClientCertVerifier for AnyClientCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn self_signed_names_hold_each_way_to_call_us_once() {
        let names = self_signed_names("localhost", [192, 0, 2, 1].into());
        assert_eq!(names[..4], ["localhost", "192.0.2.1", "127.0.0.1", "::1"]);
    }

    #[test]
    fn self_signed_names_leave_out_what_is_no_name() {
        let names = self_signed_names("", [127, 0, 0, 1].into());
        assert_eq!(names[0], "127.0.0.1");
        assert!(!names.contains(&String::new()));
    }

    #[test]
    fn a_self_signed_identity_can_serve() {
        let identity = Identity::self_signed(vec!["localhost".to_owned(), "::1".to_owned()]).unwrap();
        identity.into_server_config().unwrap();
    }

    #[test]
    fn a_missing_file_is_named() {
        let missing = Path::new("no/such.pem");
        let error = Identity::read(missing, missing).err().unwrap();
        assert_eq!(error.to_string(), "cannot read `no/such.pem`");
    }
}
