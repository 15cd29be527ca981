//! `HostActiveDirectoryAuthentication`: the Windows domain whose users a host knows.
// Fidelity: there is no domain controller to ask, so that any domain with a fitting name is one, and any user with a name and
// a password may join it. Users of the domain still cannot log in.

use vimsim_types::enums::HostActiveDirectoryInfoDomainMembershipStatus as Membership;
use vimsim_types::method::{
    DisableSmartCardAuthentication, EnableSmartCardAuthentication, InstallSmartCardTrustAnchor, JoinDomainTask,
    LeaveCurrentDomainTask, ListSmartCardTrustAnchors, RemoveSmartCardTrustAnchorCertificate,
    ReplaceSmartCardTrustAnchors,
};
use vimsim_types::views::{
    ActiveDirectoryFault, DomainNotFound, HostActiveDirectoryAuthentication, HostActiveDirectoryInfo, HostConfigFault,
    InvalidLogin, InvalidState,
};
use vimsim_types::{ArcStr, EnumView, Fault, Moref, View};

use super::host_managers::{edit_config, keep, kept, look_host};
use crate::call::{Call, Look};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostActiveDirectoryAuthentication> {
    Kind::new()
        .write(join)
        .write(leave)
        .write(enable_smart_cards)
        .write(disable_smart_cards)
        .write(install_anchor)
        .write(replace_anchors)
        .write(remove_anchor)
        .read(list_anchors)
}

type Store<'a> = Call<'a, HostActiveDirectoryAuthentication>;

fn joined(call: &Store<'_>) -> Result<Option<ArcStr>, Fault> {
    let info = call.this()?.info().downcast::<HostActiveDirectoryInfo>();
    Ok(info.and_then(|info| info.joined_domain().cloned()))
}

/// Changes what the store and the host say of the domain.
fn edit(call: &mut Store<'_>, edit: &dyn Fn(&mut HostActiveDirectoryInfo)) -> Result<(), Fault> {
    let mut shown = None;
    for config in edit_config(call)?.authentication_manager_info_mut().auth_config_mut().iter_mut() {
        if let Some(info) = config.downcast_mut::<HostActiveDirectoryInfo>() {
            edit(info);
            shown = Some(info.clone());
        }
    }
    if let Some(shown) = shown {
        call.this_mut()?.set_info(shown);
    }
    Ok(())
}

/// `DomainNotFound` for what cannot be the DNS name of a domain.
fn check_domain(name: &str) -> Result<(), Fault> {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
    };
    if name.len() <= 253 && name.split('.').all(is_label) {
        return Ok(());
    }
    let detail = DomainNotFound::with(|fault| _ = fault.set_domain_name(name));
    Err(Fault::new(detail, format!("there is no domain '{name}'")))
}

/// Has the host know the users of a domain; behind a slash may be the unit in which it is registered.
///
/// - `InvalidState` if the host is in a domain;
/// - `DomainNotFound`, and `InvalidLogin` for a user without a name or password, as faults of the task.
fn join(call: &mut Store<'_>, request: JoinDomainTask) -> Result<Moref, Fault> {
    edit_config(call)?;
    call.start_task(move |call| {
        if let Some(domain) = joined(call)? {
            return Err(Fault::new(InvalidState::new(), format!("the host is in the domain '{domain}'")));
        }
        let domain = request.domain_name().split('/').next().unwrap_or_default();
        check_domain(domain)?;
        if request.user_name().is_empty() || request.password().is_empty() {
            return Err(Fault::new(InvalidLogin::new(), "the domain knows no user without a name and password"));
        }
        let name = domain.to_ascii_uppercase();
        edit(call, &|info| {
            info.set_joined_domain(&name).set_trusted_domain([name.as_str()]);
            info.set_domain_membership_status(Membership::Ok.name());
            info.set_enabled(true);
        })
    })
}

/// Has the host forget the domain and its users.
///
/// - `InvalidState` if the host is in none, as a fault of the task.
fn leave(call: &mut Store<'_>, _: LeaveCurrentDomainTask) -> Result<Moref, Fault> {
    edit_config(call)?;
    call.start_task(|call| {
        joined(call)?.ok_or_else(|| Fault::new(InvalidState::new(), "the host is in no domain"))?;
        edit(call, &|info| {
            info.set_joined_domain(None::<ArcStr>).set_trusted_domain(std::iter::empty::<&str>());
            info.set_domain_membership_status(None::<ArcStr>).set_smart_card_authentication_enabled(false);
            info.set_enabled(false);
        })
    })
}

/// Has users of the domain log in at the console with smart cards.
///
/// - `ActiveDirectoryFault` if the host is in no domain; `HostConfigFault` without a certificate to check cards by.
fn enable_smart_cards(call: &mut Store<'_>, _: EnableSmartCardAuthentication) -> Result<(), Fault> {
    edit_config(call)?;
    if joined(call)?.is_none() {
        return Err(Fault::new(ActiveDirectoryFault::new(), "the host is in no domain"));
    }
    if anchors(call).is_empty() {
        return Err(Fault::new(HostConfigFault::new(), "there is no certificate that cards could be checked by"));
    }
    edit(call, &|info| _ = info.set_smart_card_authentication_enabled(true))
}

/// Has nobody log in with a smart card.
fn disable_smart_cards(call: &mut Store<'_>, _: DisableSmartCardAuthentication) -> Result<(), Fault> {
    edit(call, &|info| _ = info.set_smart_card_authentication_enabled(false))
}

type Anchors = Vec<ArcStr>;

fn anchors(call: &Store<'_>) -> Anchors {
    kept::<Anchors>(&**call, &call.moref()).cloned().unwrap_or_default()
}

/// `HostConfigFault` for what is no certificate.
fn check_certificate(text: &str) -> Result<(), Fault> {
    let is_one = text.trim_start().starts_with("-----BEGIN CERTIFICATE-----");
    if is_one { Ok(()) } else { Err(Fault::new(HostConfigFault::new(), "this is no certificate in PEM")) }
}

/// Adds a certificate by which smart cards are checked.
///
/// - `HostConfigFault` for what is no certificate.
fn install_anchor(call: &mut Store<'_>, request: InstallSmartCardTrustAnchor) -> Result<(), Fault> {
    edit_config(call)?;
    check_certificate(request.cert())?;
    let mut known = anchors(call);
    if !known.contains(request.cert()) {
        known.push(request.cert().clone());
    }
    let this = call.moref();
    keep(call, &this, known)
}

/// Says anew by which certificates smart cards are checked.
///
/// - `HostConfigFault` for what is no certificate.
fn replace_anchors(call: &mut Store<'_>, request: ReplaceSmartCardTrustAnchors) -> Result<(), Fault> {
    edit_config(call)?;
    request.certs().iter().try_for_each(|cert| check_certificate(cert))?;
    let this = call.moref();
    keep::<_, Anchors>(call, &this, request.certs().iter().cloned().collect())
}

/// Removes a certificate by which smart cards are checked.
///
/// - `HostConfigFault` if it is not one of them.
fn remove_anchor(call: &mut Store<'_>, request: RemoveSmartCardTrustAnchorCertificate) -> Result<(), Fault> {
    edit_config(call)?;
    let mut known = anchors(call);
    let before = known.len();
    known.retain(|known| known != request.certificate());
    if known.len() == before {
        return Err(Fault::new(HostConfigFault::new(), "the host does not check cards by this certificate"));
    }
    let this = call.moref();
    keep(call, &this, known)
}

/// The certificates by which smart cards are checked.
fn list_anchors(
    look: &Look<'_, HostActiveDirectoryAuthentication>,
    _: ListSmartCardTrustAnchors,
) -> Result<Vec<ArcStr>, Fault> {
    look_host(look)?;
    Ok(kept::<Anchors>(look.snapshot(), look.moref()).cloned().unwrap_or_default())
}
