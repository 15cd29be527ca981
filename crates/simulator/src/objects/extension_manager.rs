//! `ExtensionManager`: programs that extend the server.

use std::collections::BTreeMap;

use vimsim_types::method::{
    FindExtension, QueryManagedBy, RegisterExtension, SetExtensionCertificate, SetPublicKey, UnregisterExtension,
    UpdateExtension,
};
use vimsim_types::views::{Extension, ExtensionManager, ExtensionTaskTypeInfo, NotFound, VirtualMachine};
use vimsim_types::{ArcStr, DateTime, Fault, Moref, View};

use crate::call::{Call, Look};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<ExtensionManager> {
    Kind::new()
        .read(find_extension)
        .write(register_extension)
        .write(update_extension)
        .write(unregister_extension)
        .write(set_public_key)
        .write(set_extension_certificate)
        .read(query_managed_by)
}

/// The extension that the server begins with, and the type of its tasks.
// Fidelity: clients' tests look for this key of vcsim's (govc's task.create); the rest of it is ours.
const KEY: &str = "com.vmware.govmomi.simulator";

/// The extension manager's own properties.
pub(crate) fn properties(now: DateTime) -> ExtensionManager {
    let extension = Extension::with(|extension| {
        extension.set_key(KEY);
        extension.description_mut().set_label("vimsim").set_summary("vSphere simulator");
        extension.set_version(env!("CARGO_PKG_VERSION"));
        extension.push_task_list(ExtensionTaskTypeInfo::with(|task| _ = task.set_task_id(format!("{KEY}.test"))));
        extension.set_last_heartbeat_time(now);
        extension.set_shown_in_solution_manager(false);
    });
    ExtensionManager::with(|manager| _ = manager.set_extension_list([extension]))
}

/// How extensions prove who they are, by key: a public key or a certificate, as they gave it.
#[derive(Clone, Default)]
struct Proofs(BTreeMap<ArcStr, ArcStr>);

fn not_found(key: &str) -> Fault {
    Fault::new(NotFound::new(), format!("no extension has the key '{key}'"))
}

fn check_known(call: &Call<'_, ExtensionManager>, key: &str) -> Result<(), Fault> {
    let is_known = call.this()?.extension_list().iter().any(|extension| extension.key() == key);
    if is_known { Ok(()) } else { Err(not_found(key)) }
}

/// The extension of this key, if there is one.
fn find_extension(look: &Look<'_, ExtensionManager>, request: FindExtension) -> Result<Option<Extension>, Fault> {
    let mut extensions = look.this()?.extension_list().iter();
    Ok(extensions.find(|extension| extension.key() == request.extension_key()).cloned())
}

/// An extension as it is kept.
///
/// - `InvalidArgument` without a key.
fn checked(call: &Call<'_, ExtensionManager>, extension: &Extension) -> Result<Extension, Fault> {
    if extension.key().is_empty() {
        return Err(Fault::invalid_argument("extension.key", "an extension must have a key"));
    }
    let mut extension = extension.clone();
    extension.set_last_heartbeat_time(call.now());
    Ok(extension)
}

/// Adds an extension.
///
/// - `InvalidArgument` without a key, or if another has it.
fn register_extension(call: &mut Call<'_, ExtensionManager>, request: RegisterExtension) -> Result<(), Fault> {
    let extension = checked(call, request.extension())?;
    if check_known(call, extension.key()).is_ok() {
        let why = format!("'{}' is registered already", extension.key());
        return Err(Fault::invalid_argument("extension.key", why));
    }
    call.this_mut()?.push_extension_list(extension);
    Ok(())
}

/// Replaces an extension by a newer version of it.
///
/// - `NotFound` if there is none of that key.
fn update_extension(call: &mut Call<'_, ExtensionManager>, request: UpdateExtension) -> Result<(), Fault> {
    let extension = checked(call, request.extension())?;
    check_known(call, extension.key())?;
    for known in call.this_mut()?.extension_list_mut().iter_mut().filter(|known| known.key() == extension.key()) {
        *known = extension.clone();
    }
    Ok(())
}

/// Removes an extension.
///
/// - `NotFound` if there is none of that key.
fn unregister_extension(call: &mut Call<'_, ExtensionManager>, request: UnregisterExtension) -> Result<(), Fault> {
    let key = request.extension_key();
    check_known(call, key)?;
    call.this_mut()?.extension_list_mut().retain(|extension| extension.key() != key);
    let this = call.moref();
    call.private::<Proofs>(&this)?.0.remove(key);
    Ok(())
}

fn keep_proof(call: &mut Call<'_, ExtensionManager>, key: &ArcStr, proof: &ArcStr) -> Result<(), Fault> {
    check_known(call, key)?;
    let this = call.moref();
    call.private::<Proofs>(&this)?.0.insert(key.clone(), proof.clone());
    Ok(())
}

/// Sets the key with which an extension logs in.
///
/// - `NotFound` if there is none of that key.
fn set_public_key(call: &mut Call<'_, ExtensionManager>, request: SetPublicKey) -> Result<(), Fault> {
    keep_proof(call, request.extension_key(), request.public_key())
}

/// Sets the certificate with which an extension logs in.
///
/// - `NotFound` if there is none of that key; `InvalidArgument` for something that is no certificate.
fn set_extension_certificate(
    call: &mut Call<'_, ExtensionManager>,
    request: SetExtensionCertificate,
) -> Result<(), Fault> {
    check_known(call, request.extension_key())?;
    let Some(certificate) = request.certificate_pem() else {
        // The certificate of the connection would be taken; there is none behind it.
        return Err(Fault::new(vimsim_types::views::NoClientCertificate::new(), "the client showed no certificate"));
    };
    if !certificate.contains("-----BEGIN CERTIFICATE-----") {
        return Err(Fault::invalid_argument("certificatePem", "not a certificate in PEM"));
    }
    keep_proof(call, request.extension_key(), certificate)
}

/// The virtual machines that an extension manages.
fn query_managed_by(look: &Look<'_, ExtensionManager>, request: QueryManagedBy) -> Result<Vec<Moref>, Fault> {
    let is_managed = |machine: &VirtualMachine| {
        let managed_by = machine.config().and_then(|config| config.managed_by());
        managed_by.is_some_and(|managed_by| managed_by.extension_key() == request.extension_key())
    };
    let objects = look.snapshot().objects().filter(|object| object.view::<VirtualMachine>().is_some_and(is_managed));
    let mut found: Vec<Moref> = objects.map(|object| object.moref().clone()).collect();
    found.sort_by(|a, b| (a.value().len(), a.value()).cmp(&(b.value().len(), b.value())));
    Ok(found)
}
