//! The keys of the providers: who made them, who uses them. There is nothing in them.

use vimsim_registry::Transaction;
use vimsim_types::enums::{
    CryptoManagerKmipCryptoKeyStatusKeyUnavailableReason as Reason, KmipClusterInfoKmsManagementType as ManagementType,
};
use vimsim_types::method::{
    AddKey, AddKeys, GenerateKey, ListKeys, QueryCryptoKeyStatus, RemoveKey, RemoveKeys, SetKeyCustomAttributes,
};
use vimsim_types::views::{
    AlreadyExists, CryptoKeyId, CryptoKeyPlain, CryptoKeyResult, CryptoManagerKmip, CryptoManagerKmipCryptoKeyStatus,
    HostSystem, InvalidState, ResourceInUse, VirtualDisk, VirtualMachine, VirtualMachineConfigInfo,
};
use vimsim_types::{ArcStr, EnumView, Fault, Moref, Value, View};

use super::{Manager, State, default_for, find, global_default, is_of, manager, moref, provider, state, status};
use crate::call::Look;
use crate::kind::Kind;
use crate::walk::Inventory;

pub(super) fn add(kind: Kind<CryptoManagerKmip>) -> Kind<CryptoManagerKmip> {
    kind.write(generate_key)
        .write(add_key)
        .write(add_keys)
        .write(remove_key)
        .write(remove_keys)
        .read(list_keys)
        .read(set_key_custom_attributes)
        .read(query_crypto_key_status)
}

/// Whether both are the same key; one that names no provider may be any provider's.
fn is_same_key(one: &CryptoKeyId, other: &CryptoKeyId) -> bool {
    let same_provider = match (one.provider_id(), other.provider_id()) {
        (Some(one), Some(other)) => one.id() == other.id(),
        _ => true,
    };
    one.key_id() == other.key_id() && same_provider
}

fn key_id(provider: &str, key: &str) -> CryptoKeyId {
    CryptoKeyId::with(|id| {
        id.set_key_id(key);
        id.provider_id_mut().set_id(provider);
    })
}

/// A new key of a provider.
fn make(transaction: &mut Transaction, provider: &ArcStr) -> Result<CryptoKeyId, Fault> {
    let state = transaction.private::<State>(&moref())?;
    state.made += 1;
    let key: ArcStr = crate::uuid::named(&format!("{provider}/{}", state.made)).into();
    let made = key_id(provider, &key);
    state.keys.entry(provider.clone()).or_default().insert(key);
    Ok(made)
}

fn is_known(inventory: &impl Inventory, provider: &str, key: &str) -> bool {
    state(inventory).and_then(|state| state.keys.get(provider)).is_some_and(|keys| keys.contains(key))
}

/// The key with which something at a host is to be encrypted: the one that is named, or a new one of the provider that is
/// named or else of the default one for the host.
///
/// - `InvalidArgument` for `property` if there is no such key or provider, or none is named and there is no default one;
/// - `InvalidState` for a native provider of which there is no backup.
pub(crate) fn key_for(
    transaction: &mut Transaction,
    host: &Moref,
    wanted: &CryptoKeyId,
    property: &str,
) -> Result<CryptoKeyId, Fault> {
    let id = match wanted.provider_id() {
        Some(id) => id.id().clone(),
        None => match default_for(transaction, host)? {
            Some(id) => id.id().clone(),
            None => return Err(Fault::invalid_argument(property, "there is no default key provider")),
        },
    };
    let known = provider(manager(transaction)?, &id, property)?;
    if !status::is_active(known) {
        return Err(Fault::new(InvalidState::new(), format!("the key provider '{id}' is not active")));
    }
    match wanted.key_id() {
        empty if empty.is_empty() => make(transaction, &id),
        key if is_known(transaction, &id, key) => Ok(key_id(&id, key)),
        key => Err(Fault::invalid_argument(property, format!("the key provider '{id}' has no key '{key}'"))),
    }
}

/// A result that says what went wrong.
fn failed(key: CryptoKeyId, fault: &Fault) -> CryptoKeyResult {
    CryptoKeyResult::with(|result| {
        result.set_key_id(key).set_success(false).set_reason(fault.message());
        result.set_fault(fault.localized());
    })
}

fn done(key: CryptoKeyId) -> CryptoKeyResult {
    CryptoKeyResult::with(|result| _ = result.set_key_id(key).set_success(true))
}

/// Makes a key. That there is no provider, or that it makes keys for itself alone, as native ones do, is in the result.
fn generate_key(call: &mut Manager<'_>, request: GenerateKey) -> Result<CryptoKeyResult, Fault> {
    let this = call.this()?;
    let id = request.key_provider().or_else(|| global_default(this)).map(|id| id.id().clone());
    let no_key = |id: Option<&ArcStr>| match id {
        Some(id) => key_id(id, ""),
        None => CryptoKeyId::with(|key| _ = key.set_key_id("")),
    };
    let why = match id.as_ref().map(|id| find(this, id)) {
        None => "there is no default key provider",
        Some(None) => "there is no such key provider",
        Some(Some(known)) if is_of(known, ManagementType::NativeProvider) => {
            "keys cannot be generated with a native key provider"
        }
        Some(Some(known)) if !status::is_active(known) => "the key provider has no server",
        Some(Some(_)) => "",
    };
    match (id, why) {
        (Some(id), "") => Ok(done(make(call, &id)?)),
        (id, why) => Ok(failed(no_key(id.as_ref()), &Fault::invalid_argument("keyProvider", why))),
    }
}

/// The provider that a key names, or the default one.
fn provider_of(call: &Manager<'_>, key: &CryptoKeyId) -> Result<ArcStr, Fault> {
    let this = call.this()?;
    let id = key.provider_id().or_else(|| global_default(this));
    let id = id.ok_or_else(|| Fault::invalid_argument("key", "there is no default key provider"))?;
    Ok(provider(this, id.id(), "key")?.cluster_id().id().clone())
}

fn put(call: &mut Manager<'_>, key: &CryptoKeyPlain) -> Result<(), Fault> {
    let (id, key) = (provider_of(call, key.key_id())?, key.key_id().key_id());
    if key.is_empty() {
        return Err(Fault::invalid_argument("key", "it has no identifier"));
    }
    if !call.private::<State>(&moref())?.keys.entry(id).or_default().insert(key.clone()) {
        return Err(AlreadyExists::with(|fault| _ = fault.set_name(key)).into());
    }
    Ok(())
}

/// Adds a key that was made elsewhere.
///
/// - `AlreadyExists`; `InvalidArgument` for a provider that there is not.
fn add_key(call: &mut Manager<'_>, request: AddKey) -> Result<(), Fault> {
    put(call, request.key())
}

/// Adds keys; what went wrong with one is in its result.
fn add_keys(call: &mut Manager<'_>, request: AddKeys) -> Result<Vec<CryptoKeyResult>, Fault> {
    let all = request.keys().iter();
    Ok(all.map(|key| result(key.key_id(), put(call, key))).collect())
}

fn result(key: &CryptoKeyId, outcome: Result<(), Fault>) -> CryptoKeyResult {
    outcome.map_or_else(|fault| failed(key.clone(), &fault), |()| done(key.clone()))
}

fn take(call: &mut Manager<'_>, key: &CryptoKeyId, force: bool) -> Result<(), Fault> {
    let id = provider_of(call, key)?;
    if !is_known(&**call, &id, key.key_id()) {
        let why = format!("the key provider '{id}' has no key '{}'", key.key_id());
        return Err(Fault::invalid_argument("key", why));
    }
    let full = key_id(&id, key.key_id());
    let user = machines(&**call, &full).into_iter().chain(hosts(&**call, &full)).next();
    if let Some(user) = user.filter(|_| !force) {
        let detail = ResourceInUse::with(|fault| _ = fault.set_name(key.key_id()).set_type(CryptoKeyId::TYPE.name()));
        return Err(Fault::new(detail, format!("the key '{}' is used by {user}", key.key_id())));
    }
    if let Some(keys) = call.private::<State>(&moref())?.keys.get_mut(&id) {
        keys.remove(key.key_id());
    }
    Ok(())
}

/// Removes a key. What is encrypted with it stays so.
///
/// - `ResourceInUse` for one that machines or hosts use, unless it is forced; `InvalidArgument` for one that there is not.
fn remove_key(call: &mut Manager<'_>, request: RemoveKey) -> Result<(), Fault> {
    take(call, request.key(), request.force())
}

/// Removes keys; what went wrong with one is in its result.
fn remove_keys(call: &mut Manager<'_>, request: RemoveKeys) -> Result<Vec<CryptoKeyResult>, Fault> {
    let all = request.keys().iter();
    Ok(all.map(|key| result(key, take(call, key, request.force()))).collect())
}

fn list_keys(look: &Look<'_, CryptoManagerKmip>, request: ListKeys) -> Result<Vec<CryptoKeyId>, Fault> {
    let all = state(look.snapshot()).into_iter().flat_map(|state| state.keys.iter());
    let all = all.flat_map(|(id, keys)| keys.iter().map(move |key| key_id(id, key)));
    Ok(status::first(all, request.limit()))
}

/// Gives a key attributes in the key server, where nobody but its vendor's tools can read them.
fn set_key_custom_attributes(
    look: &Look<'_, CryptoManagerKmip>,
    request: SetKeyCustomAttributes,
) -> Result<CryptoKeyResult, Fault> {
    let key = request.key_id();
    let id =
        key.provider_id().or_else(|| global_default(look.this().ok()?)).map(|id| id.id().clone()).unwrap_or_default();
    if is_known(look.snapshot(), &id, key.key_id()) {
        return Ok(done(key.clone()));
    }
    let why = format!("the key provider '{id}' has no key '{}'", key.key_id());
    Ok(failed(key.clone(), &Fault::invalid_argument("keyId", why)))
}

/// Whether keys are to be had (1), and which machines (2) and hosts (4) use them. Of programs beside vCenter that would (8),
/// there are none.
fn query_crypto_key_status(
    look: &Look<'_, CryptoManagerKmip>,
    request: QueryCryptoKeyStatus,
) -> Result<Vec<CryptoManagerKmipCryptoKeyStatus>, Fault> {
    let (inventory, checks) = (look.snapshot(), request.check_key_bit_map());
    let this = look.this()?;
    let status = |key: &CryptoKeyId| {
        CryptoManagerKmipCryptoKeyStatus::with(|status| {
            status.set_key_id(key.clone());
            if checks & 1 != 0 {
                let reason = unavailable(inventory, this, key);
                status.set_key_available(reason.is_none());
                if let Some(reason) = reason {
                    status.set_reason(reason.name());
                }
            }
            if checks & 2 != 0 {
                status.set_encrypted_vms(machines(inventory, key));
            }
            if checks & 4 != 0 {
                status.set_affected_hosts(hosts(inventory, key));
            }
        })
    };
    Ok(request.key_ids().iter().map(status).collect())
}

/// Why a key is not to be had.
fn unavailable(inventory: &impl Inventory, this: &CryptoManagerKmip, key: &CryptoKeyId) -> Option<Reason> {
    let Some(id) = key.provider_id().or_else(|| global_default(this)) else {
        return Some(Reason::KeyStateMissingInCache);
    };
    let Some(known) = find(this, id.id()) else { return Some(Reason::KeyStateClusterInvalid) };
    if is_of(known, ManagementType::NativeProvider) {
        return Some(Reason::KeyStateManagedByNKP);
    }
    if is_of(known, ManagementType::TrustAuthority) {
        return Some(Reason::KeyStateManagedByTrustAuthority);
    }
    if !status::is_active(known) {
        return Some(Reason::KeyStateClusterUnreachable);
    }
    (!is_known(inventory, id.id(), key.key_id())).then_some(Reason::KeyStateMissingInKMS)
}

/// Whether a machine, or one of its disks, is encrypted with a key.
fn uses(config: &VirtualMachineConfigInfo, key: &CryptoKeyId) -> bool {
    let of_disk = |disk: &VirtualDisk| -> Option<bool> {
        match disk.backing()?.as_object().field("keyId") {
            Value::Object(of) => Some(CryptoKeyId::from_object(of.clone()).is_some_and(|of| is_same_key(&of, key))),
            _ => None,
        }
    };
    config.key_id().is_some_and(|own| is_same_key(own, key))
        || config
            .hardware()
            .device()
            .iter()
            .filter_map(|it| it.downcast::<VirtualDisk>())
            .any(|it| of_disk(it) == Some(true))
}

fn machines(inventory: &impl Inventory, key: &CryptoKeyId) -> Vec<Moref> {
    let is_user = |moref: &Moref| {
        inventory.seen::<VirtualMachine>(moref).and_then(|machine| machine.config()).is_some_and(|it| uses(it, key))
    };
    inventory.all(VirtualMachine::TYPE).into_iter().filter(is_user).collect()
}

fn hosts(inventory: &impl Inventory, key: &CryptoKeyId) -> Vec<Moref> {
    let of_host = |moref: &Moref| inventory.seen::<HostSystem>(moref)?.runtime().crypto_key_id();
    inventory
        .all(HostSystem::TYPE)
        .into_iter()
        .filter(|host| of_host(host).is_some_and(|own| is_same_key(own, key)))
        .collect()
}
