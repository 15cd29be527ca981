//! `HostFirewallSystem`: which connections a host takes and makes.

use vimsim_types::Fault;
use vimsim_types::method::{DisableRuleset, EnableRuleset, RefreshFirewall, UpdateDefaultPolicy, UpdateRuleset};
use vimsim_types::views::{HostFirewallRuleset, HostFirewallSystem};

use super::host_managers::{edit_config, no_such, refreshed};
use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostFirewallSystem> {
    Kind::new()
        .write(enable_ruleset)
        .write(disable_ruleset)
        .write(update_ruleset)
        .write(update_default_policy)
        .read(refreshed::<HostFirewallSystem, RefreshFirewall>)
}

/// Changes one ruleset; `NotFound` if there is none of this key.
fn change(
    call: &mut Call<'_, HostFirewallSystem>,
    id: &str,
    change: impl FnOnce(&mut HostFirewallRuleset),
) -> Result<(), Fault> {
    let firewall = edit_config(call)?.firewall_mut();
    match firewall.ruleset_mut().iter_mut().find(|ruleset| ruleset.key() == id) {
        Some(ruleset) => {
            change(ruleset);
            Ok(())
        }
        None => Err(no_such("firewall ruleset", id)),
    }
}

/// Opens the ports of a ruleset.
///
/// - `NotFound` if the host has no such ruleset.
fn enable_ruleset(call: &mut Call<'_, HostFirewallSystem>, request: EnableRuleset) -> Result<(), Fault> {
    change(call, request.id(), |ruleset| _ = ruleset.set_enabled(true))
}

/// Closes the ports of a ruleset.
///
/// - `NotFound` if the host has no such ruleset.
fn disable_ruleset(call: &mut Call<'_, HostFirewallSystem>, request: DisableRuleset) -> Result<(), Fault> {
    change(call, request.id(), |ruleset| _ = ruleset.set_enabled(false))
}

/// Says for which addresses a ruleset holds.
///
/// - `NotFound` if the host has no such ruleset.
fn update_ruleset(call: &mut Call<'_, HostFirewallSystem>, request: UpdateRuleset) -> Result<(), Fault> {
    let allowed = request.spec().allowed_hosts().clone();
    change(call, request.id(), |ruleset| _ = ruleset.set_allowed_hosts(allowed))
}

/// Says what happens to what no ruleset is about.
fn update_default_policy(call: &mut Call<'_, HostFirewallSystem>, request: UpdateDefaultPolicy) -> Result<(), Fault> {
    let (incoming, outgoing) =
        (request.default_policy().incoming_blocked(), request.default_policy().outgoing_blocked());
    let policy = edit_config(call)?.firewall_mut().default_policy_mut();
    if incoming.is_some() {
        policy.set_incoming_blocked(incoming);
    }
    if outgoing.is_some() {
        policy.set_outgoing_blocked(outgoing);
    }
    Ok(())
}
