//! `SsoAdminIdentitySourceManagementService`: where users come from.

use vimsim_types::method::{
    SsoDeleteDomain, SsoGet, SsoGetDefaultDomains, SsoGetSystemDomainName, SsoRegisterLdap, SsoSetDefaultDomains,
    SsoUpdateLdap, SsoUpdateLdapAuthnType,
};
use vimsim_types::views::{
    DuplicateName, NotFound, SsoAdminIdentitySourceManagementService, SsoDomain, SsoIdentitySource, SsoIdentitySources,
    SsoLdapIdentitySource,
};
use vimsim_types::{Fault, View};

use super::sso_principal_management_service::SYSTEM_DOMAIN;
use crate::call::{Call, Look};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<SsoAdminIdentitySourceManagementService> {
    Kind::new()
        .read(get)
        .read(system_domain)
        .read(default_domains)
        .write(set_default_domains)
        .write(register_ldap)
        .write(update_ldap)
        .write(update_authentication)
        .write(delete_domain)
}

const LOCAL_DOMAIN: &str = "localos";

/// The directories that were registered, and the domain of names without one.
#[derive(Clone)]
struct Sources {
    ldap: Vec<SsoLdapIdentitySource>,
    default: String,
}

impl Default for Sources {
    // Fidelity: like vcsim, we begin with one directory, so that there is something to look at.
    fn default() -> Self {
        let example = SsoLdapIdentitySource::with(|source| {
            source.set_name("example.com").set_domains([domain("example.com", Some("examplex"))]);
            source.set_type("ActiveDirectory");
            let details = source.details_mut();
            details.set_friendly_name("foo").set_primary_url("ldap://10.168.194.120:389");
            details.set_user_base_dn("ou=People,dc=example,dc=org").set_group_base_dn("ou=People,dc=example,dc=org");
            let authentication = source.authentication_details_mut();
            authentication.set_authentication_type("PASSWORD").set_username("cn=admin,dc=example,dc=org");
        });
        Self { ldap: vec![example], default: SYSTEM_DOMAIN.into() }
    }
}

fn domain(name: &str, alias: Option<&str>) -> SsoDomain {
    SsoDomain::with(|domain| _ = domain.set_name(name).set_alias(alias))
}

fn source(name: &str, alias: Option<&str>) -> SsoIdentitySource {
    SsoIdentitySource::with(|source| _ = source.set_name(name).set_domains([domain(name, alias)]))
}

type Service<'a> = Look<'a, SsoAdminIdentitySourceManagementService>;
type Change<'a> = Call<'a, SsoAdminIdentitySourceManagementService>;

fn sources(look: &Service<'_>) -> Sources {
    let kept = look.snapshot().object(look.moref()).and_then(|object| object.private::<Sources>());
    kept.cloned().unwrap_or_default()
}

fn change<R>(call: &mut Change<'_>, change: impl FnOnce(&mut Sources) -> Result<R, Fault>) -> Result<R, Fault> {
    let this = call.moref();
    change(call.private::<Sources>(&this)?)
}

fn find<'a>(sources: &'a mut Sources, name: &str) -> Result<&'a mut SsoLdapIdentitySource, Fault> {
    sources.ldap.iter_mut().find(|source| source.name() == name).ok_or_else(|| not_found(name))
}

fn not_found(name: &str) -> Fault {
    Fault::new(NotFound::new(), format!("there is no identity source '{name}'"))
}

/// All identity sources.
fn get(look: &Service<'_>, _: SsoGet) -> Result<SsoIdentitySources, Fault> {
    let kept = sources(look);
    Ok(SsoIdentitySources::with(|sources| {
        let (system, local) = (source(SYSTEM_DOMAIN, Some("vmwarem")), source(LOCAL_DOMAIN, None));
        let all = [system.clone(), local.clone()].into_iter();
        sources.set_all(all.chain(kept.ldap.iter().map(|it| source(it.name(), None))));
        sources.set_system(system).set_local_os(local).set_ldaps(kept.ldap);
    }))
}

/// The domain of the users that are kept here.
fn system_domain(_: &Service<'_>, _: SsoGetSystemDomainName) -> Result<String, Fault> {
    Ok(SYSTEM_DOMAIN.into())
}

/// The domain of names that come without one.
fn default_domains(look: &Service<'_>, _: SsoGetDefaultDomains) -> Result<Vec<String>, Fault> {
    Ok(vec![sources(look).default])
}

/// Sets the domain of names that come without one.
///
/// - `NotFound` if there is no such domain.
fn set_default_domains(call: &mut Change<'_>, request: SsoSetDefaultDomains) -> Result<(), Fault> {
    change(call, |sources| {
        let name = request.domain_names();
        if name != SYSTEM_DOMAIN && name != LOCAL_DOMAIN {
            find(sources, name)?;
        }
        sources.default = name.to_string();
        Ok(())
    })
}

/// Adds a directory.
///
/// - `DuplicateName` if there is one of this name.
fn register_ldap(call: &mut Change<'_>, request: SsoRegisterLdap) -> Result<(), Fault> {
    change(call, |sources| {
        let name = request.domain_name();
        if find(sources, name).is_ok() || [SYSTEM_DOMAIN, LOCAL_DOMAIN].contains(&name.as_str()) {
            let detail = DuplicateName::with(|fault| _ = fault.set_name(name));
            return Err(Fault::new(detail, format!("there is an identity source '{name}' already")));
        }
        sources.ldap.push(SsoLdapIdentitySource::with(|source| {
            source.set_name(name).set_domains([domain(name, request.domain_alias().map(|alias| alias.as_str()))]);
            source.set_type(request.server_type()).set_details(request.details().clone());
            let user = request.authn_credentials().map(|it| it.username().clone()).unwrap_or_default();
            let authentication = source.authentication_details_mut();
            authentication.set_authentication_type(request.authentication_type()).set_username(user);
        }));
        Ok(())
    })
}

/// Changes where a directory is.
///
/// - `NotFound` if there is none of this name.
fn update_ldap(call: &mut Change<'_>, request: SsoUpdateLdap) -> Result<(), Fault> {
    change(call, |sources| {
        find(sources, request.name())?.set_details(request.details().clone());
        Ok(())
    })
}

/// Changes how one logs in to a directory.
///
/// - `NotFound` if there is none of this name.
fn update_authentication(call: &mut Change<'_>, request: SsoUpdateLdapAuthnType) -> Result<(), Fault> {
    change(call, |sources| {
        let authentication = find(sources, request.name())?.authentication_details_mut();
        authentication.set_authentication_type(request.authn_type());
        if let Some(credentials) = request.authn_credentials() {
            authentication.set_username(credentials.username());
        }
        Ok(())
    })
}

/// Removes a directory.
///
/// - `NotFound` if there is none of this name.
fn delete_domain(call: &mut Change<'_>, request: SsoDeleteDomain) -> Result<(), Fault> {
    change(call, |sources| {
        find(sources, request.name())?;
        sources.ldap.retain(|source| source.name() != request.name());
        Ok(())
    })
}
