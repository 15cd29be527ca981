//! `HostCertificateManager`: with which certificate a host shows who it is.

use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, PublicKeyData};
use vimsim_types::enums::HostCertificateManagerCertificateKind;
use vimsim_types::method::{
    GenerateCertificateSigningRequest, GenerateCertificateSigningRequestByDn, InstallServerCertificate,
    NotifyAffectedServices, RetrieveCertificateInfoList,
};
use vimsim_types::views::{
    HostCertificateManager, HostCertificateManagerCertificateInfo, HostCertificateManagerCertificateSpec,
    HostConfigFault, HostSystem, NotSupported,
};
use vimsim_types::{ArcStr, EnumView, Fault, Moref, View};

use super::host_managers::{expect_connected, host_of, look_host, refreshed, requested_key, set_requested_key};
use super::host_system::{Certificate, DN_ATTRIBUTES};
use crate::call::{Call, Look, not_found};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostCertificateManager> {
    Kind::new()
        .read(retrieve_certificate_info_list)
        .write(generate_certificate_signing_request)
        .write(generate_certificate_signing_request_by_dn)
        .write(install_server_certificate)
        // Whoever asks is shown the new certificate at once.
        .read(refreshed::<HostCertificateManager, NotifyAffectedServices>)
}

/// What a host puts into its requests beside its name: the defaults of `vpxd.certmgmt.certs.cn`.
const SUBJECT: &str = "C=US,ST=California,L=Palo Alto,O=VMware,OU=VMware Engineering,emailAddress=vmca@vmware.com";

fn config_fault(why: impl Into<ArcStr>) -> Fault {
    Fault::new(HostConfigFault::new(), why)
}

/// The certificates of the host: the one that it shows.
fn retrieve_certificate_info_list(
    look: &Look<'_, HostCertificateManager>,
    _: RetrieveCertificateInfoList,
) -> Result<Vec<HostCertificateManagerCertificateInfo>, Fault> {
    look_host(look)?;
    Ok(vec![look.this()?.certificate_info().clone()])
}

/// Asks for a certificate for the host's name, or its address.
///
/// - `HostConfigFault` if the host has no address, or a name that cannot be in a certificate;
/// - `NotSupported` for a certificate of another kind than the host's own.
fn generate_certificate_signing_request(
    call: &mut Call<'_, HostCertificateManager>,
    request: GenerateCertificateSigningRequest,
) -> Result<ArcStr, Fault> {
    check_kind(request.spec())?;
    let (_, host) = connected_host(call)?;
    let name = match request.use_ip_address_as_common_name() {
        true => address(host).ok_or_else(|| config_fault("the host has no address"))?,
        false => host.name().clone(),
    };
    let mut subject = parse_name(SUBJECT)?;
    subject.push(DnType::CommonName, name.as_str());
    signing_request(call, subject, &name)
}

/// Asks for a certificate for a distinguished name.
///
/// - `HostConfigFault` if it is not one, as `CN=esx-1,O=Example`;
/// - `NotSupported` for a certificate of another kind than the host's own.
fn generate_certificate_signing_request_by_dn(
    call: &mut Call<'_, HostCertificateManager>,
    request: GenerateCertificateSigningRequestByDn,
) -> Result<ArcStr, Fault> {
    check_kind(request.spec())?;
    let name = connected_host(call)?.1.name().clone();
    let subject = parse_name(request.distinguished_name())?;
    signing_request(call, subject, &name)
}

fn check_kind(spec: Option<&HostCertificateManagerCertificateSpec>) -> Result<(), Fault> {
    match spec {
        Some(spec) if spec.kind() != HostCertificateManagerCertificateKind::Machine.name() => {
            Err(Fault::new(NotSupported::new(), format!("the host has no certificate of the kind '{}'", spec.kind())))
        }
        _ => Ok(()),
    }
}

/// The host that the manager belongs to; `HostNotConnected` if vCenter cannot reach it.
fn connected_host<'a>(call: &'a Call<'_, HostCertificateManager>) -> Result<(Moref, &'a HostSystem), Fault> {
    let manager = call.moref();
    let moref = host_of(call, &manager).ok_or_else(|| not_found(&manager))?;
    let host = call.get::<HostSystem>(&moref)?;
    expect_connected(host)?;
    Ok((moref, host))
}

/// The address of the host's first network interface.
fn address(host: &HostSystem) -> Option<ArcStr> {
    host.config()?.network()?.vnic().first()?.spec().ip()?.ip_address().cloned()
}

/// Makes a key and a request, in PEM, to certify it.
// Fidelity: ESXi makes RSA keys. Ours are on a curve: an RSA key takes a second to make, in which all others would wait,
// and no client looks.
fn signing_request(
    call: &mut Call<'_, HostCertificateManager>,
    subject: DistinguishedName,
    name: &str,
) -> Result<ArcStr, Fault> {
    let failed = |error: rcgen::Error| config_fault(format!("cannot make a signing request for '{name}': {error}"));
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::new([name.to_owned()]).map_err(failed)?;
    params.distinguished_name = subject;
    let request = params.serialize_request(&key).and_then(|request| request.pem()).map_err(failed)?;
    // The private key is thrown away: hosts are reached through the service, so none of them ever has to use it.
    set_requested_key(call, key.subject_public_key_info())?;
    Ok(request.into())
}

/// Reads a distinguished name, its parts between commas; `\` takes the next character as it is.
///
/// - `HostConfigFault` if it is not one.
fn parse_name(text: &str) -> Result<DistinguishedName, Fault> {
    let mut parts = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let (character, is_end) = match character {
            '\\' => (characters.next(), false),
            ',' => (None, true),
            other => (Some(other), false),
        };
        if is_end {
            parts.push(String::new());
        }
        if let (Some(part), Some(character)) = (parts.last_mut(), character) {
            part.push(character);
        }
    }
    let mut name = DistinguishedName::new();
    for part in parts {
        let wrong = || config_fault(format!("'{part}' is not part of a distinguished name, such as CN=esx-1"));
        let (kind, value) = part.trim().split_once('=').ok_or_else(wrong)?;
        let known = DN_ATTRIBUTES.iter().find(|(name, _)| name.eq_ignore_ascii_case(kind.trim()));
        let (_, number) = known.filter(|_| !value.is_empty()).ok_or_else(wrong)?;
        let value = match value.try_into() {
            Ok(ascii) if kind.eq_ignore_ascii_case("emailAddress") => DnValue::Ia5String(ascii),
            _ => DnValue::Utf8String(value.to_owned()),
        };
        name.push(DnType::from_oid(number), value);
    }
    Ok(name)
}

/// Makes a certificate, in PEM, that of the host.
///
/// - `HostConfigFault` if it is none, or is for a key that the host does not have: neither the one that it last asked to
///   have certified nor the one of its present certificate.
fn install_server_certificate(
    call: &mut Call<'_, HostCertificateManager>,
    request: InstallServerCertificate,
) -> Result<(), Fault> {
    let (moref, host) = connected_host(call)?;
    let certificate = Certificate::read(request.cert(), call.now())
        .ok_or_else(|| config_fault("what is to be installed is not a certificate in PEM"))?;
    let known = Certificate::of(host, call.now());
    let requested = requested_key(call, &call.moref());
    let is_ours = known.is_some_and(|known| known.public_key() == certificate.public_key())
        || requested.is_some_and(|key| *key == *certificate.public_key());
    if !is_ours {
        return Err(config_fault(format!("the certificate is not for a key of the host '{}'", host.name())));
    }
    certificate.put(call.edit::<HostSystem>(&moref)?);
    call.this_mut()?.set_certificate_info(certificate.info().clone());
    Ok(())
}
