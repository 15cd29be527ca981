//! The certificate of a host: what it says, and where a host shows that.

use std::fmt::Write;

use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use vimsim_types::enums::{
    HostCertificateManagerCertificateInfoCertificateStatus as Status, HostCertificateManagerCertificateKind,
};
use vimsim_types::views::{HostCertificateManager, HostCertificateManagerCertificateInfo, HostConfigInfo, HostSystem};
use vimsim_types::{ArcStr, DateTime, EnumView, Object, Value, View};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use crate::service::Error;

/// A certificate as an installation of ESXi signs one for itself, for hosts of a service that has none. The key to it is
/// thrown away.
const DEFAULT: &str = include_str!("certificate.pem");

/// How vCenter finds a certificate that ends within this time: two months and eight months, which are the defaults of
/// `vpxd.certmgmt.certs.hardThreshold` and `softThreshold`.
const IMMINENT: i64 = 60 * DAY;
const SHORTLY: i64 = 240 * DAY;
const DAY: i64 = 24 * 3600;

/// The label of a certificate in PEM.
const LABEL: &str = "CERTIFICATE";

/// A certificate, read once; the hosts that have it share its values.
pub(crate) struct Certificate {
    pem: Value,
    thumbprint: ArcStr,
    info: HostCertificateManagerCertificateInfo,
    manager: Object,
    /// The certificate, DER.
    der: Vec<u8>,
    /// `SubjectPublicKeyInfo`, DER.
    public_key: Vec<u8>,
    /// In hexadecimal digits, between colons.
    serial_number: String,
}

impl Certificate {
    /// The certificate of the service's hosts: the service's own, if it shows one.
    pub(crate) fn of_service(der: Option<&[u8]>, now: DateTime) -> Result<Self, Error> {
        let pem = der.map(|der| pem::encode(&pem::Pem::new(LABEL, der)));
        let pem = pem.as_deref().unwrap_or(DEFAULT);
        Self::read(pem, now).ok_or_else(|| Error::Config("the service's certificate cannot be read".into()))
    }

    /// Reads the first certificate of a text in PEM; `None` if there is none that can be read.
    pub(crate) fn read(text: &str, now: DateTime) -> Option<Self> {
        let blocks = pem::parse_many(text).ok()?;
        let der = blocks.iter().find(|block| block.tag() == LABEL)?.contents();
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let validity = certificate.validity();
        let time = |time: x509_parser::time::ASN1Time| DateTime::from_micros(time.timestamp() * 1_000_000);
        let (not_before, not_after) = (time(validity.not_before), time(validity.not_after));
        let info = HostCertificateManagerCertificateInfo::with(|info| {
            info.set_kind(HostCertificateManagerCertificateKind::Machine.name());
            info.set_issuer(name(certificate.issuer())).set_subject(name(certificate.subject()));
            info.set_not_before(not_before).set_not_after(not_after).set_status(status(not_after, now).name());
        });
        let config = HostConfigInfo::with(|config| {
            config.set_certificate(text.bytes().map(u8::cast_signed));
        });
        Some(Self {
            pem: config.as_object().get(HostConfigInfo::CERTIFICATE).clone(),
            thumbprint: thumbprint(der),
            manager: HostCertificateManager::with(|manager| _ = manager.set_certificate_info(info.clone())).into(),
            info,
            der: der.to_vec(),
            public_key: certificate.public_key().raw.to_vec(),
            serial_number: certificate.raw_serial_as_string(),
        })
    }

    /// The certificate that a host has.
    pub(crate) fn of(host: &HostSystem, now: DateTime) -> Option<Self> {
        let bytes: Vec<u8> = host.config()?.certificate().iter().map(i8::cast_unsigned).collect();
        Self::read(std::str::from_utf8(&bytes).ok()?, now)
    }

    /// Makes it the certificate of a host.
    pub(crate) fn put(&self, host: &mut HostSystem) {
        host.config_mut().as_object_mut().set(HostConfigInfo::CERTIFICATE, self.pem.clone());
        host.summary_mut().config_mut().set_ssl_thumbprint(self.thumbprint.clone());
    }

    /// What the certificate manager of a host says of it.
    pub(crate) fn info(&self) -> &HostCertificateManagerCertificateInfo {
        &self.info
    }

    /// The properties of the certificate manager of a new host.
    pub(crate) fn manager(&self) -> Object {
        self.manager.clone()
    }

    /// The certificate in binary form.
    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    /// The number that its issuer gave it.
    pub(crate) fn serial_number(&self) -> &str {
        &self.serial_number
    }

    /// The key that it certifies: `SubjectPublicKeyInfo`, DER.
    pub(crate) fn public_key(&self) -> &[u8] {
        &self.public_key
    }
}

/// The subject of a certificate (X.509, DER), as [`HostCertificateManagerCertificateInfo`] has it.
pub(crate) fn subject(der: &[u8]) -> Option<String> {
    X509Certificate::from_der(der).ok().map(|(_, certificate)| name(certificate.subject()))
}

fn status(not_after: DateTime, now: DateTime) -> Status {
    let ends_within = |seconds| not_after < now.plus_seconds(seconds);
    match () {
        () if ends_within(0) => Status::Expired,
        () if ends_within(IMMINENT) => Status::ExpirationImminent,
        () if ends_within(SHORTLY) => Status::ExpiringShortly,
        () => Status::Good,
    }
}

/// The SHA-1 of a certificate, as vSphere writes it.
fn thumbprint(der: &[u8]) -> ArcStr {
    written(&SHA1_FOR_LEGACY_USE_ONLY, der).into()
}

fn written(algorithm: &'static Algorithm, der: &[u8]) -> String {
    let bytes: Vec<String> = digest(algorithm, der).as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(":")
}

/// The SHA-1 and the SHA-256 of a certificate, as vSphere writes them.
pub fn thumbprints(der: &[u8]) -> [String; 2] {
    [written(&SHA1_FOR_LEGACY_USE_ONLY, der), written(&SHA256, der)]
}

/// The names of the attributes that distinguished names usually have; others go by their number.
pub(crate) const ATTRIBUTES: [(&str, &[u64]); 8] = [
    ("CN", &[2, 5, 4, 3]),
    ("C", &[2, 5, 4, 6]),
    ("L", &[2, 5, 4, 7]),
    ("ST", &[2, 5, 4, 8]),
    ("O", &[2, 5, 4, 10]),
    ("OU", &[2, 5, 4, 11]),
    ("DC", &[0, 9, 2342, 19_200_300, 100, 1, 25]),
    ("emailAddress", &[1, 2, 840, 113_549, 1, 9, 1]),
];

/// A distinguished name as ESXi writes it: RFC 4514, the last part first.
fn name(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> =
        name.iter_rdn().map(|part| part.iter().map(attribute).collect::<Vec<_>>().join("+")).collect();
    parts.reverse();
    parts.join(",")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let kind = attribute.attr_type();
    let known = ATTRIBUTES.iter().find(|(_, number)| kind.iter().is_some_and(|parts| parts.eq(number.iter().copied())));
    let mut text = known.map_or_else(|| kind.to_id_string(), |(name, _)| (*name).to_owned());
    text.push('=');
    let Ok(value) = attribute.as_str() else {
        text.push('#');
        for byte in attribute.as_slice() {
            _ = write!(text, "{byte:02x}");
        }
        return text;
    };
    for (at, character) in value.char_indices() {
        let is_last = at + character.len_utf8() == value.len();
        if r#",+"\<>;"#.contains(character)
            || (at == 0 && character == '#')
            || ((at == 0 || is_last) && character == ' ')
        {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Certificate {
        Certificate::of_service(None, DateTime::parse(text).expect("a time")).expect("can be read")
    }

    #[test]
    fn reads_a_certificate() {
        let certificate = at("2025-01-01T00:00:00Z");
        assert_eq!(certificate.thumbprint, "2B:09:DF:6A:B4:CB:5A:B5:92:B2:D8:87:AC:01:20:4F:74:0E:E7:65");
        let info = certificate.info();
        assert_eq!(info.issuer().expect("set"), "O=VMware Installer");
        let subject = "emailAddress=ssl-certificates@vmware.com,CN=localhost.localdomain,\
                       OU=VMware ESX Server Default Certificate,O=VMware\\, Inc,L=Palo Alto,ST=California,C=US";
        assert_eq!(info.subject().expect("set"), subject);
        assert_eq!(info.not_before(), DateTime::parse("2024-06-25T00:00:00Z"));
        assert_eq!(info.not_after(), DateTime::parse("2035-12-26T00:00:00Z"));
    }

    #[test]
    fn a_certificate_that_ends_soon_is_no_longer_good() {
        for (now, status) in [
            ("2025-01-01T00:00:00Z", "good"),
            ("2035-06-01T00:00:00Z", "expiringShortly"),
            ("2035-12-01T00:00:00Z", "expirationImminent"),
            ("2035-12-26T00:00:01Z", "expired"),
        ] {
            assert_eq!(at(now).info().status(), status, "{now}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_not_read() {
        let key = DEFAULT.replace("CERTIFICATE", "PRIVATE KEY");
        let cut = DEFAULT.lines().take(3).chain(["-----END CERTIFICATE-----"]).collect::<Vec<_>>().join("\n");
        for text in ["", "a certificate", &key, &cut] {
            assert!(Certificate::read(text, DateTime::from_micros(0)).is_none(), "{text}");
        }
    }
}
