//! The certificate of a new host, as an installation of ESXi signs one for itself.

use vimsim_types::views::HostCertificateManagerCertificateInfo;
use vimsim_types::{DateTime, View};

/// The certificate. The key to it is thrown away: hosts are reached through the service, which has a certificate of its
/// own.
pub(super) const PEM: &[u8] = include_bytes!("certificate.pem");

/// What [`PEM`] says, for those who do not read certificates.
pub(super) const THUMBPRINT: &str = "2B:09:DF:6A:B4:CB:5A:B5:92:B2:D8:87:AC:01:20:4F:74:0E:E7:65";
const ISSUER: &str = "O=VMware Installer";
const SUBJECT: &str = "OU=VMware ESX Server Default Certificate,emailAddress=ssl-certificates@vmware.com,\
                                  CN=localhost.localdomain,O=VMware\\, Inc,L=Palo Alto,ST=California,C=US";
const NOT_BEFORE: &str = "2024-06-25T00:00:00Z";
const NOT_AFTER: &str = "2035-12-26T00:00:00Z";

/// What the certificate manager of a new host says of [`PEM`].
pub(crate) fn certificate_info() -> HostCertificateManagerCertificateInfo {
    HostCertificateManagerCertificateInfo::with(|info| {
        info.set_kind("Machine").set_issuer(ISSUER).set_subject(SUBJECT).set_status("good");
        info.set_not_before(DateTime::parse(NOT_BEFORE)).set_not_after(DateTime::parse(NOT_AFTER));
    })
}
