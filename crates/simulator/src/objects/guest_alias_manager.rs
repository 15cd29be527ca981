//! `GuestAliasManager`: which certificates stand for which users of a guest. That is kept by a service of the guest
//! (VGAuth), which no container has: all methods raise `OperationNotSupportedByGuest`, once [`Guest::enter`] has let one in.
//!
//! [`Guest::enter`]: crate::guest::Guest::enter

use vimsim_types::Fault;
use vimsim_types::method::{
    AddGuestAlias, ListGuestAliases, ListGuestMappedAliases, RemoveGuestAlias, RemoveGuestAliasByCert,
};
use vimsim_types::views::GuestAliasManager;

use crate::call::Wait;
use crate::guest::unsupported;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<GuestAliasManager> {
    Kind::new().wait(add_alias).wait(remove_alias).wait(remove_alias_by_cert).wait(list_aliases).wait(list_mapped)
}

async fn add_alias(wait: Wait, request: AddGuestAlias) -> Result<(), Fault> {
    unsupported(&wait, &request.vm(), request.auth())
}

async fn remove_alias(wait: Wait, request: RemoveGuestAlias) -> Result<(), Fault> {
    unsupported(&wait, &request.vm(), request.auth())
}

async fn remove_alias_by_cert(wait: Wait, request: RemoveGuestAliasByCert) -> Result<(), Fault> {
    unsupported(&wait, &request.vm(), request.auth())
}

async fn list_aliases(wait: Wait, request: ListGuestAliases) -> Result<(), Fault> {
    unsupported(&wait, &request.vm(), request.auth())
}

async fn list_mapped(wait: Wait, request: ListGuestMappedAliases) -> Result<(), Fault> {
    unsupported(&wait, &request.vm(), request.auth())
}
