//! `SsoAdminServiceInstance`: what the administration of single sign-on, `/sso-adminserver/sdk`, begins with.

use vimsim_types::method::CallSsoAdminServiceInstance;
use vimsim_types::views::{
    SsoAdminConfigurationManagementService, SsoAdminDeploymentInformationService, SsoAdminDomainManagementService,
    SsoAdminIdentitySourceManagementService, SsoAdminLockoutPolicyService, SsoAdminPasswordPolicyService,
    SsoAdminPrincipalDiscoveryService, SsoAdminReplicationService, SsoAdminRoleManagementService,
    SsoAdminServiceContent, SsoAdminServiceInstance, SsoAdminSmtpManagementService, SsoAdminSystemManagementService,
    SsoGroupcheckGroupCheckService, SsoSessionManager,
};
use vimsim_types::{Fault, Moref, Object, View};

use super::{sso_groupcheck_service_instance, sso_principal_management_service};
use crate::call::Look;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<SsoAdminServiceInstance> {
    Kind::new().read(content_of)
}

/// The service instances and what they refer to.
pub(crate) fn objects() -> Vec<(Moref, Object)> {
    let content = content();
    let all = [
        Moref::of::<SsoAdminServiceInstance>("SsoAdminServiceInstance"),
        sso_groupcheck_service_instance::moref(),
        group_check(),
        content.session_manager(),
        content.configuration_management_service(),
        content.smtp_management_service(),
        content.principal_discovery_service(),
        content.principal_management_service(),
        content.role_management_service(),
        content.password_policy_service(),
        content.lockout_policy_service(),
        content.domain_management_service(),
        content.identity_source_management_service(),
        content.system_management_service(),
        content.deployment_information_service(),
        content.replication_service(),
    ];
    all.into_iter().map(|moref| (moref.clone(), Object::new(moref.kind()))).collect()
}

/// The session manager of single sign-on.
pub(crate) fn session_manager() -> Moref {
    Moref::of::<SsoSessionManager>("ssoSessionManager")
}

/// Who knows what groups somebody is in.
pub(crate) fn group_check() -> Moref {
    Moref::of::<SsoGroupcheckGroupCheckService>("groupCheckService")
}

// Fidelity: the identifier of the deployment service is not vCenter's, which the lookup service has already.
fn content() -> SsoAdminServiceContent {
    SsoAdminServiceContent::with(|content| {
        let configuration = Moref::of::<SsoAdminConfigurationManagementService>("configurationManagementService");
        let identity = Moref::of::<SsoAdminIdentitySourceManagementService>("identitySourceManagementService");
        let deployment = Moref::of::<SsoAdminDeploymentInformationService>("ssoDeploymentInformationService");
        let discovery = Moref::of::<SsoAdminPrincipalDiscoveryService>("principalDiscoveryService");
        content.set_session_manager(session_manager());
        content.set_configuration_management_service(configuration);
        content.set_smtp_management_service(Moref::of::<SsoAdminSmtpManagementService>("smtpManagementService"));
        content.set_principal_discovery_service(discovery);
        content.set_principal_management_service(sso_principal_management_service::moref());
        content.set_role_management_service(Moref::of::<SsoAdminRoleManagementService>("roleManagementService"));
        content.set_password_policy_service(Moref::of::<SsoAdminPasswordPolicyService>("passwordPolicyService"));
        content.set_lockout_policy_service(Moref::of::<SsoAdminLockoutPolicyService>("lockoutPolicyService"));
        content.set_domain_management_service(Moref::of::<SsoAdminDomainManagementService>("domainManagementService"));
        content.set_identity_source_management_service(identity);
        content.set_system_management_service(Moref::of::<SsoAdminSystemManagementService>("systemManagementService"));
        content.set_deployment_information_service(deployment);
        content.set_replication_service(Moref::of::<SsoAdminReplicationService>("replicationService"));
    })
}

/// Where the parts of the service are.
fn content_of(
    _: &Look<'_, SsoAdminServiceInstance>,
    _: CallSsoAdminServiceInstance,
) -> Result<SsoAdminServiceContent, Fault> {
    Ok(content())
}
