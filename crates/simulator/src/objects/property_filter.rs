//! `PropertyFilter`: what a property collector watches.

use vimsim_types::Fault;
use vimsim_types::method::DestroyPropertyFilter;
use vimsim_types::views::PropertyFilter;

use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<PropertyFilter> {
    Kind::new().write(destroy)
}

/// Ends the filter.
fn destroy(call: &mut Call<'_, PropertyFilter>, _: DestroyPropertyFilter) -> Result<(), Fault> {
    let this = call.moref();
    let context = call.context();
    context.service.collectors().remove_filter(context.session()?.key(), &this);
    call.remove(&this);
    Ok(())
}
