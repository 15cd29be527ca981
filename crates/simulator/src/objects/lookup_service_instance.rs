//! `LookupServiceInstance`: what the lookup service, `/lookupservice/sdk`, begins with.

use vimsim_types::method::LookupRetrieveServiceContent;
use vimsim_types::views::{
    LookupDeploymentInformationService, LookupL10n, LookupLookupService, LookupServiceContent, LookupServiceInstance,
};
use vimsim_types::{Fault, Moref, Object, View};

use super::lookup_service_registration;
use crate::call::Look;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<LookupServiceInstance> {
    Kind::new().read(retrieve_service_content)
}

/// The identifier by which it is kept. Clients call it `ServiceInstance`, as they do that of vSphere itself.
pub(crate) fn moref() -> Moref {
    Moref::of::<LookupServiceInstance>("LookupServiceInstance")
}

/// The service instance and what it refers to.
pub(crate) fn objects() -> Vec<(Moref, Object)> {
    let content = content();
    let named =
        [content.lookup_service(), content.deployment_information_service(), content.l10n(), moref()].into_iter();
    named.chain(content.service_registration()).map(|it| (it.clone(), Object::new(it.kind()))).collect()
}

fn content() -> LookupServiceContent {
    LookupServiceContent::with(|content| {
        content.set_lookup_service(Moref::of::<LookupLookupService>("lookupService"));
        content.set_service_registration(lookup_service_registration::moref());
        let information = Moref::of::<LookupDeploymentInformationService>("deploymentInformationService");
        content.set_deployment_information_service(information);
        content.set_l10n(Moref::of::<LookupL10n>("l10n"));
    })
}

/// Where the parts of the lookup service are.
fn retrieve_service_content(
    _: &Look<'_, LookupServiceInstance>,
    _: LookupRetrieveServiceContent,
) -> Result<LookupServiceContent, Fault> {
    Ok(content())
}
