//! How vCenter and the key servers of a provider know each other: certificates, and requests for them.

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PublicKeyData};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use vimsim_types::method::{
    GenerateClientCsr, GenerateSelfSignedClientCert, RetrieveClientCert, RetrieveClientCsr, RetrieveKmipServerCert,
    RetrieveSelfSignedClientCert, UpdateKmsSignedCsrClientCert, UpdateSelfSignedClientCert, UploadClientCert,
    UploadKmipServerCert,
};
use vimsim_types::views::{
    CryptoManagerKmip, CryptoManagerKmipCertSignRequest, CryptoManagerKmipCertificateInfo,
    CryptoManagerKmipServerCertInfo, InvalidState,
};
use vimsim_types::{ArcStr, DateTime, Fault, View};

use super::{Manager, State, moref, provider, state};
use crate::call::Look;
use crate::kind::Kind;
use crate::objects::host_system::Certificate;

pub(super) fn add(kind: Kind<CryptoManagerKmip>) -> Kind<CryptoManagerKmip> {
    kind.write(generate_client_csr)
        .read(retrieve_client_csr)
        .write(update_kms_signed_csr_client_cert)
        .write(generate_self_signed_client_cert)
        .read(retrieve_self_signed_client_cert)
        .write(update_self_signed_client_cert)
        .write(upload_client_cert)
        .read(retrieve_client_cert)
        .write(upload_kmip_server_cert)
        .read(retrieve_kmip_server_cert)
}

/// How a provider and we know each other. All texts are PEM.
#[derive(Clone, Default)]
pub(super) struct Trust {
    /// By what its servers know us.
    pub(super) client: Option<ArcStr>,
    /// The request that was made last, and its public key (`SubjectPublicKeyInfo`, DER).
    request: Option<(ArcStr, Vec<u8>)>,
    /// The certificate that was made last.
    own: Option<ArcStr>,
    /// The certificates of servers that we trust, DER.
    servers: Vec<Vec<u8>>,
}

impl Trust {
    /// Whether we trust a server that shows this certificate.
    pub(super) fn trusts(&self, der: &[u8]) -> bool {
        self.servers.iter().any(|known| known == der)
    }
}

/// What a certificate (DER) says.
pub(super) fn info(der: &[u8], now: DateTime) -> Option<CryptoManagerKmipCertificateInfo> {
    info_of(&pem::encode(&pem::Pem::new("CERTIFICATE", der)), now)
}

/// What a certificate (PEM) says.
pub(super) fn info_of(text: &str, now: DateTime) -> Option<CryptoManagerKmipCertificateInfo> {
    let certificate = Certificate::read(text, now)?;
    let said = certificate.info();
    let (begin, end) = (said.not_before()?, said.not_after()?);
    let seconds = |micros: i64| i32::try_from(micros / 1_000_000).unwrap_or(i32::MAX);
    Some(CryptoManagerKmipCertificateInfo::with(|info| {
        info.set_subject(said.subject().cloned().unwrap_or_default());
        info.set_issuer(said.issuer().cloned().unwrap_or_default());
        info.set_serial_number(certificate.serial_number());
        info.set_not_before(begin).set_not_after(end).set_check_time(now);
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate.der());
        let bytes: Vec<String> = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        info.set_fingerprint(bytes.join(":"));
        info.set_seconds_since_valid(seconds(now.micros() - begin.micros()));
        info.set_seconds_before_expire(seconds(end.micros() - now.micros()));
    }))
}

/// - `InvalidArgument` for what is no certificate.
fn read(text: &str, now: DateTime) -> Result<Certificate, Fault> {
    Certificate::read(text, now).ok_or_else(|| Fault::invalid_argument("certificate", "it is no certificate in PEM"))
}

/// What is known of a provider, to change.
///
/// - `InvalidArgument` if there is no such provider.
fn trust<'a>(call: &'a mut Manager<'_>, id: &ArcStr) -> Result<&'a mut Trust, Fault> {
    provider(call.this()?, id, "cluster")?;
    Ok(call.private::<State>(&moref())?.trust.entry(id.clone()).or_default())
}

/// One of the texts that are known of a provider.
///
/// - `InvalidArgument` if there is no such provider; `InvalidState` if there is no such text.
fn known(
    look: &Look<'_, CryptoManagerKmip>,
    id: &str,
    which: impl FnOnce(&Trust) -> Option<&ArcStr>,
) -> Result<ArcStr, Fault> {
    provider(look.this()?, id, "cluster")?;
    let found = state(look.snapshot()).and_then(|state| which(state.trust.get(id)?)).cloned();
    found.ok_or_else(|| Fault::new(InvalidState::new(), format!("none has been made for the key provider '{id}'")))
}

fn failed(error: &rcgen::Error) -> Fault {
    Fault::invalid_argument("request", error)
}

/// What the subject of a request or certificate is to be: as asked for, or vCenter itself.
fn params(request: Option<&CryptoManagerKmipCertSignRequest>) -> Result<CertificateParams, Fault> {
    let mut params = CertificateParams::new(Vec::new()).map_err(|error| failed(&error))?;
    let mut name = DistinguishedName::new();
    let mut put = |kind: DnType, text: Option<&ArcStr>| {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            name.push(kind, text.as_str());
        }
    };
    if let Some(asked) = request {
        put(DnType::CountryName, asked.country());
        put(DnType::StateOrProvinceName, asked.state());
        put(DnType::LocalityName, asked.locality());
        put(DnType::OrganizationName, asked.organization());
        put(DnType::OrganizationalUnitName, asked.organization_unit());
        put(DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]), asked.email());
    }
    let common = request.and_then(|asked| asked.common_name()).filter(|name| !name.is_empty());
    put(DnType::CommonName, Some(&common.cloned().unwrap_or_else(|| "vpxd kmip client".into())));
    params.distinguished_name = name;
    Ok(params)
}

/// Makes a key, and a request to certify it, in place of the one before. The key stays here.
///
/// - `InvalidArgument` if there is no such provider.
// Fidelity: vCenter makes RSA keys. Ours are on a curve, as those of hosts are.
fn generate_client_csr(call: &mut Manager<'_>, request: GenerateClientCsr) -> Result<ArcStr, Fault> {
    let key = KeyPair::generate().map_err(|error| failed(&error))?;
    let made = params(request.request())?.serialize_request(&key).and_then(|made| made.pem());
    let made: ArcStr = made.map_err(|error| failed(&error))?.into();
    trust(call, request.cluster().id())?.request = Some((made.clone(), key.subject_public_key_info()));
    Ok(made)
}

fn retrieve_client_csr(look: &Look<'_, CryptoManagerKmip>, request: RetrieveClientCsr) -> Result<ArcStr, Fault> {
    known(look, request.cluster().id(), |trust| trust.request.as_ref().map(|(text, _)| text))
}

/// Takes the certificate that was made for the request.
///
/// - `InvalidArgument` if there is no such provider, or this is no certificate, or not for the key of the request.
fn update_kms_signed_csr_client_cert(
    call: &mut Manager<'_>,
    request: UpdateKmsSignedCsrClientCert,
) -> Result<(), Fault> {
    let certificate = read(request.certificate(), call.now())?;
    let trust = trust(call, request.cluster().id())?;
    if trust.request.as_ref().is_none_or(|(_, key)| key != certificate.public_key()) {
        return Err(Fault::invalid_argument("certificate", "it is not for the key of the request"));
    }
    trust.client = Some(request.certificate().clone());
    Ok(())
}

/// Makes a certificate that is signed with its own key, in place of the one before, for ten years.
///
/// - `InvalidArgument` if there is no such provider.
fn generate_self_signed_client_cert(
    call: &mut Manager<'_>,
    request: GenerateSelfSignedClientCert,
) -> Result<ArcStr, Fault> {
    let key = KeyPair::generate().map_err(|error| failed(&error))?;
    let mut params = params(request.request())?;
    let now = u64::try_from(call.now().micros() / 1_000_000).unwrap_or_default();
    let at = |seconds: u64| rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(seconds);
    params.not_before = at(now);
    params.not_after = at(now + 3_650 * 24 * 3_600);
    let made: ArcStr = params.self_signed(&key).map_err(|error| failed(&error))?.pem().into();
    trust(call, request.cluster().id())?.own = Some(made.clone());
    Ok(made)
}

fn retrieve_self_signed_client_cert(
    look: &Look<'_, CryptoManagerKmip>,
    request: RetrieveSelfSignedClientCert,
) -> Result<ArcStr, Fault> {
    known(look, request.cluster().id(), |trust| trust.own.as_ref())
}

/// Uses the certificate that was made last, once the key servers know it.
///
/// - `InvalidArgument` if there is no such provider, or this is another certificate.
fn update_self_signed_client_cert(call: &mut Manager<'_>, request: UpdateSelfSignedClientCert) -> Result<(), Fault> {
    let (now, given) = (call.now(), read(request.certificate(), call.now())?);
    let trust = trust(call, request.cluster().id())?;
    let made = trust.own.as_ref().and_then(|made| Certificate::read(made, now));
    if made.is_none_or(|made| made.der() != given.der()) {
        return Err(Fault::invalid_argument("certificate", "it is not the one that was generated"));
    }
    trust.client = Some(request.certificate().clone());
    Ok(())
}

/// Uses a certificate and a key that the vendor of the key servers made.
///
/// - `InvalidArgument` if there is no such provider, this is no certificate, or the key is not the one it is for.
fn upload_client_cert(call: &mut Manager<'_>, request: UploadClientCert) -> Result<(), Fault> {
    let certificate = read(request.certificate(), call.now())?;
    let key = KeyPair::from_pem(request.private_key());
    let key = key.map_err(|_| Fault::invalid_argument("privateKey", "it is no private key in PEM"))?;
    if key.subject_public_key_info() != certificate.public_key() {
        return Err(Fault::invalid_argument("privateKey", "the certificate is for another key"));
    }
    trust(call, request.cluster().id())?.client = Some(request.certificate().clone());
    Ok(())
}

fn retrieve_client_cert(look: &Look<'_, CryptoManagerKmip>, request: RetrieveClientCert) -> Result<ArcStr, Fault> {
    known(look, request.cluster().id(), |trust| trust.client.as_ref())
}

/// Trusts the servers that show a certificate.
///
/// - `InvalidArgument` if there is no such provider, or this is no certificate.
fn upload_kmip_server_cert(call: &mut Manager<'_>, request: UploadKmipServerCert) -> Result<(), Fault> {
    let certificate = read(request.certificate(), call.now())?;
    let trust = trust(call, request.cluster().id())?;
    if !trust.trusts(certificate.der()) {
        trust.servers.push(certificate.der().to_vec());
    }
    Ok(())
}

/// The certificate that a server shows, registered or not: the service's own, since it is the service that plays it.
///
/// - `InvalidArgument` if the server has no address.
fn retrieve_kmip_server_cert(
    look: &Look<'_, CryptoManagerKmip>,
    request: RetrieveKmipServerCert,
) -> Result<CryptoManagerKmipServerCertInfo, Fault> {
    if request.server().address().is_empty() {
        return Err(Fault::invalid_argument("server.address", "it is empty"));
    }
    let der = look.context().service.certificate().der();
    let trust = state(look.snapshot()).and_then(|state| state.trust.get(request.key_provider().id()));
    Ok(CryptoManagerKmipServerCertInfo::with(|answer| {
        answer.set_certificate(pem::encode(&pem::Pem::new("CERTIFICATE", der)));
        if let Some(info) = info(der, look.context().now) {
            answer.set_cert_info(info);
        }
        answer.set_client_trust_server(trust.is_some_and(|trust| trust.trusts(der)));
    }))
}
