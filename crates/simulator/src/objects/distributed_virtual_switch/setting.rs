//! The settings of ports: what a switch says, its portgroups inherit, and either may override.

use vimsim_types::views::{
    BoolPolicy, DVPortSetting, DVSFailureCriteria, DVSMacLearningPolicy, DVSMacManagementPolicy, DVSSecurityPolicy,
    DVSTrafficShapingPolicy, InheritablePolicy, IntPolicy, LongPolicy, NumericRange, StringPolicy,
    VMwareDVSPortSetting, VMwareUplinkLacpPolicy, VMwareUplinkPortOrderPolicy,
    VmwareDistributedVirtualSwitchTrunkVlanSpec, VmwareDistributedVirtualSwitchVlanIdSpec,
    VmwareUplinkPortTeamingPolicy,
};
use vimsim_types::{Fault, IntoText, Object, Value, View};

fn boolean(value: bool) -> BoolPolicy {
    BoolPolicy::with(|policy| {
        policy.set_inherited(false);
        policy.set_value(value);
    })
}

fn text(value: &str) -> StringPolicy {
    StringPolicy::with(|policy| {
        policy.set_inherited(false);
        policy.set_value(value);
    })
}

fn integer(value: i32) -> IntPolicy {
    IntPolicy::with(|policy| {
        policy.set_inherited(false);
        policy.set_value(value);
    })
}

fn long(value: i64) -> LongPolicy {
    LongPolicy::with(|policy| {
        policy.set_inherited(false);
        policy.set_value(value);
    })
}

/// The setting that a new switch gives its ports.
pub(crate) fn default<N: IntoText>(uplinks: impl IntoIterator<Item = N>) -> VMwareDVSPortSetting {
    VMwareDVSPortSetting::with(|setting| {
        setting.set_blocked(boolean(false));
        setting.set_vm_direct_path_gen2_allowed(boolean(false));
        setting.set_in_shaping_policy(shaping());
        setting.set_out_shaping_policy(shaping());
        setting.set_network_resource_pool_key(text("-1"));
        setting.set_vlan(VmwareDistributedVirtualSwitchVlanIdSpec::with(|vlan| {
            vlan.set_inherited(false);
            vlan.set_vlan_id(0);
        }));
        setting.set_qos_tag(integer(-1));
        setting.set_uplink_teaming_policy(teaming(uplinks));
        setting.set_security_policy(DVSSecurityPolicy::with(|security| {
            security.set_inherited(false);
            security.set_allow_promiscuous(boolean(false));
            security.set_mac_changes(boolean(false));
            security.set_forged_transmits(boolean(false));
        }));
        setting.set_ipfix_enabled(boolean(false));
        setting.set_tx_uplink(boolean(false));
        setting.set_lacp_policy(VMwareUplinkLacpPolicy::with(|lacp| {
            lacp.set_inherited(false);
            lacp.set_enable(boolean(false));
            lacp.set_mode(text("passive"));
        }));
        setting.set_mac_management_policy(DVSMacManagementPolicy::with(|policy| {
            policy.set_inherited(false);
            policy.set_allow_promiscuous(false).set_mac_changes(false).set_forged_transmits(false);
            policy.set_mac_learning_policy(DVSMacLearningPolicy::with(|learning| {
                learning.set_inherited(false);
                learning.set_enabled(false).set_allow_unicast_flooding(true);
                learning.set_limit(4096).set_limit_policy("DROP");
            }));
        }));
    })
}

/// No shaping; the numbers are those that vCenter shows beside it, in bits and bytes.
fn shaping() -> DVSTrafficShapingPolicy {
    DVSTrafficShapingPolicy::with(|shaping| {
        shaping.set_inherited(false);
        shaping.set_enabled(boolean(false));
        shaping.set_average_bandwidth(long(100_000_000));
        shaping.set_peak_bandwidth(long(100_000_000));
        shaping.set_burst_size(long(104_857_600));
    })
}

fn teaming<N: IntoText>(uplinks: impl IntoIterator<Item = N>) -> VmwareUplinkPortTeamingPolicy {
    VmwareUplinkPortTeamingPolicy::with(|teaming| {
        teaming.set_inherited(false);
        teaming.set_policy(text("loadbalance_srcid"));
        teaming.set_reverse_policy(boolean(true));
        teaming.set_notify_switches(boolean(true));
        teaming.set_rolling_order(boolean(false));
        teaming.set_failure_criteria(DVSFailureCriteria::with(|criteria| {
            criteria.set_inherited(false);
            criteria.set_check_speed(text("minimum"));
            criteria.set_speed(integer(10));
            criteria.set_check_duplex(boolean(false));
            criteria.set_full_duplex(boolean(false));
            criteria.set_check_error_percent(boolean(false));
            criteria.set_percentage(integer(0));
            criteria.set_check_beacon(boolean(false));
        }));
        teaming.set_uplink_port_order(VMwareUplinkPortOrderPolicy::with(|order| {
            order.set_inherited(false);
            order.set_active_uplink_port(uplinks);
        }));
    })
}

/// What an uplink portgroup says for itself: it carries every VLAN.
pub(crate) fn trunk() -> VMwareDVSPortSetting {
    VMwareDVSPortSetting::with(|setting| {
        setting.set_vlan(VmwareDistributedVirtualSwitchTrunkVlanSpec::with(|vlan| {
            vlan.set_inherited(false);
            vlan.set_vlan_id([NumericRange::with(|range| {
                range.set_start(0).set_end(4094);
            })]);
        }));
    })
}

/// `base` with all in it replaced that `wanted` sets, at any depth. A policy of another type (a trunk for a VLAN)
/// replaces what was there.
pub(crate) fn merge(base: &mut Object, wanted: &Object) {
    for (slot, value) in wanted.slots().iter().enumerate() {
        match (base.get(slot), value) {
            (_, Value::Unset) => {}
            (Value::Object(old), Value::Object(new)) if old.kind().is_a(new.kind()) => {
                let mut merged = old.clone();
                merge(&mut merged, new);
                base.set(slot, merged.into());
            }
            (_, value) => base.set(slot, value.clone()),
        }
    }
}

/// Marks every policy in the object as inherited.
fn mark_inherited(object: &mut Object) {
    if let Some(policy) = InheritablePolicy::from_mut(object) {
        policy.set_inherited(true);
    }
    for slot in 0..object.slots().len() {
        if let Value::Object(inner) = object.get(slot) {
            let mut inner = inner.clone();
            mark_inherited(&mut inner);
            object.set(slot, inner.into());
        }
    }
}

/// Gives every policy of `child` that is inherited, or not there, the value that it has in `parent`.
pub(crate) fn inherit(child: &mut Object, parent: &Object) {
    for slot in 0..child.slots().len().min(parent.slots().len()) {
        let inherited = match child.get(slot) {
            Value::Unset => true,
            Value::Object(policy) => InheritablePolicy::from_ref(policy).is_some_and(|policy| policy.inherited()),
            _ => false,
        };
        match (parent.get(slot), child.get(slot)) {
            (Value::Object(above), _) if inherited => {
                let mut copy = above.clone();
                mark_inherited(&mut copy);
                child.set(slot, copy.into());
            }
            (Value::Object(above), Value::Object(own)) if own.kind() == above.kind() => {
                let mut own = own.clone();
                inherit(&mut own, above);
                child.set(slot, own.into());
            }
            _ => {}
        }
    }
}

/// The setting of something below `parent` that asks for `wanted` over what it has now.
pub(crate) fn below(
    parent: &DVPortSetting,
    current: Option<&DVPortSetting>,
    wanted: Option<&DVPortSetting>,
) -> VMwareDVSPortSetting {
    let mut setting: Object = current
        .and_then(|current| current.downcast::<VMwareDVSPortSetting>().cloned())
        .unwrap_or_else(VMwareDVSPortSetting::new)
        .into();
    // First what comes from above, so that what is wanted finds the rest of a policy that it sets in part.
    inherit(&mut setting, parent.as_object());
    if let Some(wanted) = wanted {
        merge(&mut setting, wanted.as_object());
        inherit(&mut setting, parent.as_object());
    }
    VMwareDVSPortSetting::from_object(setting).unwrap_or_else(View::new)
}

/// `InvalidArgument` for a VLAN number that does not exist, or a private VLAN that the switch does not have.
pub(crate) fn check(setting: &DVPortSetting, pvlans: &[i32]) -> Result<(), Fault> {
    const VLAN: &str = "spec.defaultPortConfig.vlan.vlanId";
    let invalid = |id: i32| Err(Fault::invalid_argument(VLAN, format!("{id} is no VLAN: they go from 0 to 4094")));
    let Some(vlan) = setting.downcast::<VMwareDVSPortSetting>().and_then(|setting| setting.vlan()) else {
        return Ok(());
    };
    if let Some(vlan) = vlan.downcast::<VmwareDistributedVirtualSwitchVlanIdSpec>() {
        if !(0..=4094).contains(&vlan.vlan_id()) {
            return invalid(vlan.vlan_id());
        }
    } else if let Some(trunk) = vlan.downcast::<VmwareDistributedVirtualSwitchTrunkVlanSpec>() {
        for range in trunk.vlan_id() {
            for id in [range.start(), range.end()] {
                if !(0..=4094).contains(&id) {
                    return invalid(id);
                }
            }
            if range.start() > range.end() {
                return Err(Fault::invalid_argument(VLAN, "a range ends before it starts"));
            }
        }
    } else if let Some(private) = vlan.downcast::<vimsim_types::views::VmwareDistributedVirtualSwitchPvlanSpec>()
        && !pvlans.contains(&private.pvlan_id())
    {
        let why = format!("the switch has no private VLAN {}", private.pvlan_id());
        return Err(Fault::invalid_argument("spec.defaultPortConfig.vlan.pvlanId", why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vlan(id: i32) -> VMwareDVSPortSetting {
        VMwareDVSPortSetting::with(|setting| {
            setting.set_vlan(VmwareDistributedVirtualSwitchVlanIdSpec::with(|vlan| {
                vlan.set_inherited(false).as_object_mut();
                vlan.set_vlan_id(id);
            }));
        })
    }

    #[test]
    fn what_is_not_wanted_is_inherited() {
        let parent = default(["Uplink 1"]);
        let setting = below(&parent, None, Some(&vlan(7)));
        let own = setting.vlan().and_then(|vlan| vlan.downcast::<VmwareDistributedVirtualSwitchVlanIdSpec>());
        assert_eq!(own.map(|vlan| (vlan.inherited(), vlan.vlan_id())), Some((false, 7)));
        let teaming = setting.uplink_teaming_policy().expect("inherited");
        assert!(teaming.inherited());
        assert_eq!(
            teaming.policy().and_then(|policy| policy.value()).map(|value| value.as_str()),
            Some("loadbalance_srcid")
        );
    }

    #[test]
    fn an_inherited_policy_follows_the_switch_and_an_own_one_does_not() {
        let first = below(&default(["Uplink 1"]), None, Some(&vlan(7)));
        let mut parent = default(["Uplink 1"]);
        merge(parent.as_object_mut(), vlan(9).as_object());
        parent.set_blocked(boolean(true));
        let second = below(&parent, Some(&first), None);
        let own = second.vlan().and_then(|vlan| vlan.downcast::<VmwareDistributedVirtualSwitchVlanIdSpec>());
        assert_eq!(own.map(|vlan| vlan.vlan_id()), Some(7));
        assert_eq!(second.blocked().and_then(|policy| policy.value()), Some(true));
    }

    #[test]
    fn a_trunk_replaces_a_vlan() {
        let setting = below(&default(["Uplink 1"]), None, Some(&trunk()));
        assert!(
            setting.vlan().is_some_and(|vlan| vlan.downcast::<VmwareDistributedVirtualSwitchTrunkVlanSpec>().is_some())
        );
    }

    #[test]
    fn numbers_that_are_no_vlan_are_refused() {
        assert!(check(&vlan(4095), &[]).is_err());
        assert!(check(&vlan(4094), &[]).is_ok());
    }
}
