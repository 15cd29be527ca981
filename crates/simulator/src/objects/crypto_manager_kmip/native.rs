//! Native key providers, which the Automation API makes, backs up and removes.

use vimsim_registry::Transaction;
use vimsim_types::enums::KmipClusterInfoKmsManagementType as ManagementType;
use vimsim_types::views::{AlreadyExists, CryptoManagerKmip, KmipClusterInfo, NotFound, NotSupported};
use vimsim_types::{ArcStr, DateTime, EnumView, Fault, View};

use super::{State, change, find, is_of, manager, moref, remove, status};
use crate::service::Service;

/// A provider, as the Automation API tells of it.
#[derive(Clone, Debug)]
pub struct NativeProvider {
    /// What it is called.
    pub name: ArcStr,
    /// The identifier of its key.
    pub key: Option<ArcStr>,
    /// Whether only hosts with a TPM can use it.
    pub tpm_required: bool,
    /// Whether it can be used: there is a backup of it.
    pub is_active: bool,
}

/// A backup that can be fetched.
#[derive(Clone, Debug)]
pub struct NativeProviderBackup {
    /// The right to fetch it.
    pub token: ArcStr,
    /// Until when.
    pub expiry: DateTime,
}

/// How long a backup can be fetched.
const EXPORT_SECONDS: i64 = 60;

fn show(provider: &KmipClusterInfo) -> NativeProvider {
    NativeProvider {
        name: provider.cluster_id().id().clone(),
        key: provider.key_id().cloned(),
        tpm_required: provider.tpm_required().unwrap_or_default(),
        is_active: status::is_active(provider),
    }
}

/// - `NotFound` if there is no such provider; `NotSupported` if it is no native one.
fn native<'a>(manager: &'a CryptoManagerKmip, name: &str) -> Result<&'a KmipClusterInfo, Fault> {
    let missing = || Fault::new(NotFound::new(), format!("there is no key provider '{name}'"));
    let known = find(manager, name).ok_or_else(missing)?;
    if is_of(known, ManagementType::NativeProvider) {
        return Ok(known);
    }
    Err(Fault::new(NotSupported::new(), format!("'{name}' is no native key provider")))
}

impl Service {
    fn write_native<R>(&self, body: impl FnOnce(&mut Transaction) -> Result<R, Fault>) -> Result<R, Fault> {
        self.registry().write(body)
    }

    /// The native key providers.
    ///
    /// - `ManagedObjectNotFound` where there is no manager of keys.
    pub fn native_providers(&self) -> Result<Vec<NativeProvider>, Fault> {
        let snapshot = self.snapshot();
        let all = manager(&snapshot)?.kmip_servers();
        Ok(all.iter().filter(|known| is_of(known, ManagementType::NativeProvider)).map(show).collect())
    }

    /// A native key provider.
    ///
    /// - `NotFound` if there is none of that name; `NotSupported` if it is no native one.
    pub fn native_provider(&self, name: &str) -> Result<NativeProvider, Fault> {
        let snapshot = self.snapshot();
        native(manager(&snapshot)?, name).map(show)
    }

    /// Makes a native key provider. It becomes active with its first backup.
    ///
    /// - `AlreadyExists` if there is a provider of this name.
    pub fn create_native_provider(&self, name: &str, tpm_required: bool) -> Result<(), Fault> {
        self.write_native(|transaction| {
            if find(manager(transaction)?, name).is_some() {
                return Err(AlreadyExists::with(|fault| _ = fault.set_name(name)).into());
            }
            let state = transaction.private::<State>(&moref())?;
            state.made += 1;
            let key = crate::uuid::named(&format!("{name}/{}", state.made));
            let manager = transaction.edit::<CryptoManagerKmip>(&moref())?;
            manager.push_kmip_servers(KmipClusterInfo::with(|provider| {
                provider.cluster_id_mut().set_id(name);
                provider.set_use_as_default(false).set_management_type(ManagementType::NativeProvider.name());
                provider.set_has_backup(false).set_tpm_required(tpm_required).set_key_id(key);
            }));
            Ok(())
        })
    }

    /// Says whether only hosts with a TPM can use a provider.
    ///
    /// - `NotFound`; `NotSupported`.
    pub fn set_native_provider(&self, name: &str, tpm_required: bool) -> Result<(), Fault> {
        self.write_native(|transaction| {
            native(manager(transaction)?, name)?;
            change(transaction, name, |provider| _ = provider.set_tpm_required(tpm_required))
        })
    }

    /// Removes a native key provider.
    ///
    /// - `NotFound`; `NotSupported` for one that is no native one.
    pub fn delete_native_provider(&self, name: &str) -> Result<(), Fault> {
        self.write_native(|transaction| {
            native(manager(transaction)?, name)?;
            remove(transaction, name)
        })
    }

    /// Lets whoever has the token fetch a backup of a provider.
    ///
    /// - `NotFound`; `NotSupported`.
    pub fn export_native_provider(&self, name: &str) -> Result<NativeProviderBackup, Fault> {
        let (token, now): (ArcStr, _) = (crate::uuid::random().into(), self.clock().now());
        self.write_native(|transaction| {
            let id = native(manager(transaction)?, name)?.cluster_id().id().clone();
            let state = transaction.private::<State>(&moref())?;
            state.exports.retain(|_, (_, end)| *end > now);
            let expiry = now.plus_seconds(EXPORT_SECONDS);
            state.exports.insert(token.clone(), (id, expiry));
            Ok(NativeProviderBackup { token, expiry })
        })
    }

    /// Fetches a backup, which makes the provider active; `None` if the token is not for it, or no more.
    pub fn back_up_native_provider(&self, name: &str, token: &str) -> Result<Option<NativeProvider>, Fault> {
        let now = self.clock().now();
        self.write_native(|transaction| {
            let state = transaction.private::<State>(&moref())?;
            if state.exports.get(token).is_none_or(|(id, end)| *id != name || *end <= now) {
                return Ok(None);
            }
            state.exports.remove(token);
            native(manager(transaction)?, name)?;
            change(transaction, name, |provider| _ = provider.set_has_backup(true))?;
            native(manager(transaction)?, name).map(|known| Some(show(known)))
        })
    }
}
