//! `SsoAdminConfigurationManagementService`: whom single sign-on trusts.

use vimsim_types::Fault;
use vimsim_types::method::SsoGetTrustedCertificates;
use vimsim_types::views::SsoAdminConfigurationManagementService;

use super::lookup_service_registration::base64;
use crate::call::Look;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<SsoAdminConfigurationManagementService> {
    Kind::new().read(trusted_certificates)
}

/// The certificate of the service itself, if it has one.
fn trusted_certificates(
    look: &Look<'_, SsoAdminConfigurationManagementService>,
    _: SsoGetTrustedCertificates,
) -> Result<Vec<String>, Fault> {
    Ok(look.context().service.config().certificate.iter().map(|der| base64(der)).collect())
}
