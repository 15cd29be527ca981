//! `LookupServiceRegistration`: which services a vCenter has, and where. Everybody may ask.

use vimsim_types::method::{LookupCreate, LookupDelete, LookupGet, LookupGetSiteId, LookupList, LookupSet};
use vimsim_types::views::{
    LookupFaultEntryNotFoundFault, LookupFaultServiceFault, LookupServiceRegistration,
    LookupServiceRegistrationEndpoint, LookupServiceRegistrationEndpointType, LookupServiceRegistrationFilter,
    LookupServiceRegistrationInfo, LookupServiceRegistrationServiceType, OptionManager, ServiceInstance,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::service_instance;
use crate::call::{Call, Look};
use crate::kind::Kind;

type Registration = LookupServiceRegistration;

pub(crate) fn kind() -> Kind<Registration> {
    Kind::new().read(list).read(get).read(get_site_id).write(create).write(set).write(delete)
}

/// The identifier of the one there is.
pub(crate) fn moref() -> Moref {
    Moref::of::<Registration>("ServiceRegistration")
}

/// The name of the site.
// Fidelity: vcsim's, which clients' tests look for.
const SITE: &str = "vcsim";
/// The product that all services are of.
const PRODUCT: &str = "com.vmware.cis";

/// A service that is registered.
struct Registered<'a> {
    /// The types by which clients look for it: today's, and an older one that PowerCLI knows.
    types: &'a [&'a str],
    version: &'a str,
    protocol: &'a str,
    endpoint: &'a str,
    url: ArcStr,
}

/// The services, those that there are.
fn services(look: &Look<'_, Registration>) -> Result<Vec<LookupServiceRegistrationInfo>, Fault> {
    let content = look.get::<ServiceInstance>(&service_instance::moref())?.content();
    let settings = content.setting().and_then(|moref| look.snapshot().view::<OptionManager>(&moref));
    let setting = |key: &str| {
        let option = settings?.setting().iter().find(|option| option.key() == key)?;
        option.value().text().map(ArcStr::from)
    };
    let tokens = setting("config.vpxd.sso.sts.uri").unwrap_or_default();
    let base = tokens.split("/sts/").next().unwrap_or_default();
    let own = [
        Registered {
            types: &["cs.identity", "sso:sts"],
            version: "2.0",
            protocol: "wsTrust",
            endpoint: "com.vmware.cis.cs.identity.sso",
            url: tokens.clone(),
        },
        Registered {
            types: &["vcenterserver"],
            version: content.about().api_version(),
            protocol: "vmomi",
            endpoint: "com.vmware.vim",
            url: format!("{base}/sdk").into(),
        },
    ];
    let owner = setting("config.vpxd.sso.default.admin").unwrap_or_default();
    let trust = look.context().service.config().certificate.as_ref().map(|der| base64(der));
    let entries = own.iter().flat_map(|service| service.types.iter().map(move |kind| (service, *kind)));
    let entries = entries.map(|(service, kind)| info(service, kind, &owner, trust.as_deref()));
    let kept = look.snapshot().object(look.moref()).and_then(|object| object.private::<Registrations>());
    let Some(kept) = kept else { return Ok(entries.collect()) };
    let is_kept = |info: &LookupServiceRegistrationInfo| kept.0.iter().any(|(id, _)| id == info.service_id());
    let others = kept.0.iter().filter_map(|(_, info)| info.clone());
    Ok(entries.filter(|info| !is_kept(info)).chain(others).collect())
}

/// What clients registered, by the identifier; nothing for what they removed.
#[derive(Clone, Default)]
struct Registrations(Vec<(ArcStr, Option<LookupServiceRegistrationInfo>)>);

impl Registrations {
    fn set(&mut self, id: &ArcStr, info: Option<LookupServiceRegistrationInfo>) {
        self.0.retain(|(known, _)| known != id);
        self.0.push((id.clone(), info));
    }
}

/// Registers a service, or registers it anew.
///
/// - `LookupFaultServiceFault` without an identifier.
fn create(call: &mut Call<'_, Registration>, request: LookupCreate) -> Result<(), Fault> {
    let id = request.service_id();
    if id.is_empty() {
        let message = "a service needs an identifier";
        let detail = LookupFaultServiceFault::with(|fault| _ = fault.set_error_message(message));
        return Err(Fault::new(detail, message));
    }
    let mut info = LookupServiceRegistrationInfo::new();
    take_over(&mut info, request.create_spec().as_object());
    info.set_service_id(id).set_site_id(SITE);
    let this = call.moref();
    call.private::<Registrations>(&this)?.set(id, Some(info));
    Ok(())
}

/// Sets what the specification says: its fields are among those of what is registered.
fn take_over(info: &mut LookupServiceRegistrationInfo, spec: &vimsim_types::Object) {
    for (slot, value) in spec.slots().iter().enumerate() {
        info.as_object_mut().set(slot, value.clone());
    }
}

/// What is registered under this identifier.
///
/// - `LookupFaultEntryNotFoundFault` if nothing is.
fn registered(call: &Call<'_, Registration>, id: &ArcStr) -> Result<LookupServiceRegistrationInfo, Fault> {
    let snapshot = call.before();
    let all = services(&Look::new(&snapshot, call.context(), call.moref()))?;
    all.into_iter().find(|info| info.service_id() == id).ok_or_else(|| no_entry(id))
}

/// Changes what is registered of a service.
///
/// - `LookupFaultEntryNotFoundFault` for a service that there is not.
fn set(call: &mut Call<'_, Registration>, request: LookupSet) -> Result<(), Fault> {
    let mut info = registered(call, request.service_id())?;
    take_over(&mut info, request.service_spec().as_object());
    let this = call.moref();
    call.private::<Registrations>(&this)?.set(request.service_id(), Some(info));
    Ok(())
}

/// Takes a service out of the register.
///
/// - `LookupFaultEntryNotFoundFault` for a service that there is not.
fn delete(call: &mut Call<'_, Registration>, request: LookupDelete) -> Result<(), Fault> {
    registered(call, request.service_id())?;
    let this = call.moref();
    call.private::<Registrations>(&this)?.set(request.service_id(), None);
    Ok(())
}

fn no_entry(id: &ArcStr) -> Fault {
    let detail = LookupFaultEntryNotFoundFault::with(|fault| _ = fault.set_name(id));
    Fault::new(detail, format!("no service has the identifier '{id}'"))
}

fn info(service: &Registered<'_>, kind: &str, owner: &str, trust: Option<&str>) -> LookupServiceRegistrationInfo {
    let id = crate::uuid::named(&format!("{SITE}:{kind}"));
    LookupServiceRegistrationInfo::with(|info| {
        info.set_owner_id(owner);
        info.set_service_version(service.version);
        info.set_service_id(format!("{SITE}:{id}")).set_site_id(SITE);
        info.set_node_id(crate::uuid::named(SITE));
        info.set_service_type(LookupServiceRegistrationServiceType::with(|it| {
            it.set_product(PRODUCT).set_type(kind);
        }));
        info.set_service_endpoints([LookupServiceRegistrationEndpoint::with(|endpoint| {
            endpoint.set_url(&service.url).set_ssl_trust(trust);
            endpoint.set_endpoint_type(LookupServiceRegistrationEndpointType::with(|it| {
                it.set_protocol(service.protocol).set_type(service.endpoint);
            }));
        })]);
    })
}

/// A certificate as clients are told to trust it: PEM without its first and last line.
pub(crate) fn base64(der: &[u8]) -> String {
    let text = pem::encode(&pem::Pem::new("CERTIFICATE", der));
    text.lines().filter(|line| !line.starts_with("-----")).collect()
}

/// Whether what is wanted, if anything, is what there is.
fn fits(wanted: Option<&ArcStr>, known: Option<&ArcStr>) -> bool {
    wanted.is_none_or(|wanted| wanted.is_empty() || Some(wanted) == known)
}

/// The service as far as the filter lets it through: with those of its endpoints that it asks for.
fn filtered(
    mut info: LookupServiceRegistrationInfo,
    filter: &LookupServiceRegistrationFilter,
) -> Option<LookupServiceRegistrationInfo> {
    let is_there = fits(filter.site_id(), Some(info.site_id())) && fits(filter.node_id(), info.node_id());
    let is_of_type = filter.service_type().is_none_or(|wanted| {
        let known = info.service_type();
        fits(Some(wanted.product()), Some(known.product())) && fits(Some(wanted.type_()), Some(known.type_()))
    });
    if !is_there || !is_of_type {
        return None;
    }
    if let Some(wanted) = filter.endpoint_type() {
        info.service_endpoints_mut().retain(|endpoint| {
            let known = endpoint.endpoint_type();
            fits(wanted.protocol(), known.protocol()) && fits(wanted.type_(), known.type_())
        });
        if info.service_endpoints().is_empty() {
            return None;
        }
    }
    Some(info)
}

/// The services that the filter lets through.
///
/// - `LookupFaultServiceFault` without a filter, as a real lookup service.
fn list(look: &Look<'_, Registration>, request: LookupList) -> Result<Vec<LookupServiceRegistrationInfo>, Fault> {
    let Some(filter) = request.filter_criteria() else {
        let message = "a filter is needed";
        let detail = LookupFaultServiceFault::with(|fault| _ = fault.set_error_message(message));
        return Err(Fault::new(detail, message));
    };
    Ok(services(look)?.into_iter().filter_map(|info| filtered(info, filter)).collect())
}

/// The service of this identifier.
///
/// - `LookupFaultEntryNotFoundFault` if there is none.
fn get(look: &Look<'_, Registration>, request: LookupGet) -> Result<LookupServiceRegistrationInfo, Fault> {
    let id = request.service_id();
    let found = services(look)?.into_iter().find(|info| info.service_id() == id);
    found.ok_or_else(|| no_entry(id))
}

/// The name of the site that the services are at.
fn get_site_id(_: &Look<'_, Registration>, _: LookupGetSiteId) -> Result<ArcStr, Fault> {
    Ok(SITE.into())
}
