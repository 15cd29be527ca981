//! `GuestWindowsRegistryManager`: the registry of a Windows guest. Containers are Linux: all methods raise
//! `OperationNotSupportedByGuest`, once [`Guest::enter`] has let one in.
//!
//! [`Guest::enter`]: crate::guest::Guest::enter

use vimsim_types::Fault;
use vimsim_types::method::{
    CreateRegistryKeyInGuest, DeleteRegistryKeyInGuest, DeleteRegistryValueInGuest, ListRegistryKeysInGuest,
    ListRegistryValuesInGuest, SetRegistryValueInGuest,
};
use vimsim_types::views::GuestWindowsRegistryManager;

use crate::call::Wait;
use crate::guest::unsupported;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<GuestWindowsRegistryManager> {
    Kind::new().wait(create_key).wait(list_keys).wait(delete_key).wait(set_value).wait(list_values).wait(delete_value)
}

async fn create_key(wait: Wait, request: CreateRegistryKeyInGuest) -> Result<(), Fault> {
    unsupported(&wait, &request.vm(), request.auth())
}

async fn list_keys(wait: Wait, request: ListRegistryKeysInGuest) -> Result<(), Fault> {
    unsupported(&wait, &request.vm(), request.auth())
}

async fn delete_key(wait: Wait, request: DeleteRegistryKeyInGuest) -> Result<(), Fault> {
    unsupported(&wait, &request.vm(), request.auth())
}

async fn set_value(wait: Wait, request: SetRegistryValueInGuest) -> Result<(), Fault> {
    unsupported(&wait, &request.vm(), request.auth())
}

async fn list_values(wait: Wait, request: ListRegistryValuesInGuest) -> Result<(), Fault> {
    unsupported(&wait, &request.vm(), request.auth())
}

async fn delete_value(wait: Wait, request: DeleteRegistryValueInGuest) -> Result<(), Fault> {
    unsupported(&wait, &request.vm(), request.auth())
}
