//! Encryption of hosts: whether a host may have keys, and the key to its core dumps.

use vimsim_registry::Transaction;
use vimsim_types::enums::HostCryptoState as State;
use vimsim_types::method::{ConfigureCryptoKey, EnableCrypto, PrepareCrypto};
use vimsim_types::views::{CryptoKeyId, HostSystem};
use vimsim_types::{EnumView, Fault, Moref, View};

use super::connection::invalid_state;
use crate::call::Call;
use crate::kind::Kind;
use crate::objects::crypto_manager_kmip;

pub(super) fn add(kind: Kind<HostSystem>) -> Kind<HostSystem> {
    kind.write(prepare_crypto).write(enable_crypto).write(configure_crypto_key)
}

fn state(host: &HostSystem) -> State {
    host.runtime().crypto_state().and_then(|state| State::from_name(state)).unwrap_or(State::Incapable)
}

/// Prepares the host to receive keys.
///
/// - `InvalidState` for one that is prepared, or has its key.
fn prepare_crypto(call: &mut Call<'_, HostSystem>, _: PrepareCrypto) -> Result<(), Fault> {
    let host = call.this()?;
    if !matches!(state(host), State::Incapable | State::PendingIncapable) {
        return Err(invalid_state(format!("the host '{}' is prepared already", host.name())));
    }
    call.this_mut()?.runtime_mut().set_crypto_state(State::Prepared.name());
    Ok(())
}

/// Gives the host its key.
///
/// - `InvalidState` for one that has not been prepared, or has its key.
fn enable_crypto(call: &mut Call<'_, HostSystem>, request: EnableCrypto) -> Result<(), Fault> {
    let host = call.this()?;
    if state(host) != State::Prepared {
        return Err(invalid_state(format!("the host '{}' is not prepared for a key", host.name())));
    }
    let this = call.moref();
    give(call, &this, request.key_plain().key_id().clone())
}

/// Gives the host a key: the one that is named, or a new one of the default provider if it has none.
///
/// - What [`crypto_manager_kmip::key_for`] says of the key.
fn configure_crypto_key(call: &mut Call<'_, HostSystem>, request: ConfigureCryptoKey) -> Result<(), Fault> {
    let this = call.moref();
    match request.key_id() {
        Some(key) => {
            let key = crypto_manager_kmip::key_for(call, &this, key, "keyId")?;
            give(call, &this, key)
        }
        None => make_safe(call, &this),
    }
}

/// Makes sure that the host has a key.
///
/// - What [`crypto_manager_kmip::key_for`] says without a default key provider.
pub(crate) fn make_safe(transaction: &mut Transaction, host: &Moref) -> Result<(), Fault> {
    make_safe_with(transaction, host, &CryptoKeyId::with(|key| _ = key.set_key_id("")))
}

/// [`make_safe`] with a key that is named, or one of a provider that is.
pub(crate) fn make_safe_with(transaction: &mut Transaction, host: &Moref, key: &CryptoKeyId) -> Result<(), Fault> {
    if state(transaction.get(host)?) == State::Safe {
        return Ok(());
    }
    let key = crypto_manager_kmip::key_for(transaction, host, key, "keyId")?;
    give(transaction, host, key)
}

fn give(transaction: &mut Transaction, host: &Moref, key: CryptoKeyId) -> Result<(), Fault> {
    let runtime = transaction.edit::<HostSystem>(host)?.runtime_mut();
    runtime.set_crypto_state(State::Safe.name()).set_crypto_key_id(key);
    Ok(())
}
