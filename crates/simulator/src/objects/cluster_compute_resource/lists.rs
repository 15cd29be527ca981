//! The lists of a cluster's configuration that a specification changes element by element: groups, rules and overrides.

use vimsim_types::enums::{ArrayUpdateOperation, ManagedEntityStatus};
use vimsim_types::views::{
    ArrayUpdateSpec, ClusterComputeResource, ClusterConfigInfoEx, ClusterConfigSpecEx, ClusterDasVmConfigInfo,
    ClusterDependencyRuleInfo, ClusterDpmHostConfigInfo, ClusterDrsVmConfigInfo, ClusterGroupInfo, ClusterHostGroup,
    ClusterRuleInfo, ClusterSystemVMsConfigSpec, ClusterVmGroup, ClusterVmHostRuleInfo, ClusterVmOrchestrationInfo,
    ComputeResource, HostSystem, ManagedEntity, ResourcePool, VirtualMachine,
};
use vimsim_types::{Fault, List, Moref, Object, Ty, Value, View};

use super::reconfigure::{check_readiness, check_settings, overlay};
use crate::call::Call;
use crate::walk::{Inventory, without};

/// What a cluster keeps beside its properties.
#[derive(Clone, Default)]
struct Keys {
    /// The key given to the newest rule. No two rules of a cluster ever have the same.
    last_rule: i32,
}

/// An element of one of the lists.
trait Element: View {
    /// The list in the configuration, and the list of changes in the specification.
    const PLACES: (usize, usize);
    /// The property that faults name.
    const PROPERTY: &'static str;

    /// Whether `self` is what a new or edited element would stand beside or replace.
    fn is_same(&self, wanted: &Self) -> bool;
    /// Whether `self` is what `removeKey` names.
    fn has_key(&self, key: &Value) -> bool;
    /// `InvalidArgument` for values that are not allowed.
    fn check(&self) -> Result<(), Fault> {
        Ok(())
    }
    /// What an edit makes of `self`.
    fn edited(&self, wanted: &Self) -> Self {
        overlay(self, wanted)
    }
}

/// Elements with a reference as their key.
macro_rules! by_reference {
    ($name:ident, $key:ident, $places:expr, $property:literal, $check:expr) => {
        impl Element for $name {
            const PLACES: (usize, usize) = $places;
            const PROPERTY: &'static str = $property;
            fn is_same(&self, wanted: &Self) -> bool {
                self.$key().value() == wanted.$key().value()
            }
            fn has_key(&self, key: &Value) -> bool {
                key.moref().is_some_and(|key| key.value() == self.$key().value())
            }
            fn check(&self) -> Result<(), Fault> {
                let check: fn(&Self) -> Result<(), Fault> = $check;
                check(self)
            }
        }
    };
}

by_reference!(
    ClusterDasVmConfigInfo,
    key,
    (ClusterConfigInfoEx::DAS_VM_CONFIG, ClusterConfigSpecEx::DAS_VM_CONFIG_SPEC),
    "spec.dasVmConfigSpec",
    |info| info
        .das_settings()
        .map_or(Ok(()), |settings| check_settings("spec.dasVmConfigSpec.info.dasSettings", settings))
);
by_reference!(
    ClusterDrsVmConfigInfo,
    key,
    (ClusterConfigInfoEx::DRS_VM_CONFIG, ClusterConfigSpecEx::DRS_VM_CONFIG_SPEC),
    "spec.drsVmConfigSpec",
    |_| Ok(())
);
by_reference!(
    ClusterVmOrchestrationInfo,
    vm,
    (ClusterConfigInfoEx::VM_ORCHESTRATION, ClusterConfigSpecEx::VM_ORCHESTRATION_SPEC),
    "spec.vmOrchestrationSpec",
    |info| check_readiness("spec.vmOrchestrationSpec.info.vmReadiness", info.vm_readiness())
);
by_reference!(
    ClusterDpmHostConfigInfo,
    key,
    (ClusterConfigInfoEx::DPM_HOST_CONFIG, ClusterConfigSpecEx::DPM_HOST_CONFIG_SPEC),
    "spec.dpmHostConfigSpec",
    |_| Ok(())
);

impl Element for ClusterGroupInfo {
    const PLACES: (usize, usize) = (ClusterConfigInfoEx::GROUP, ClusterConfigSpecEx::GROUP_SPEC);
    const PROPERTY: &'static str = "spec.groupSpec";

    fn is_same(&self, wanted: &Self) -> bool {
        self.name() == wanted.name()
    }

    fn has_key(&self, key: &Value) -> bool {
        key.text() == Some(self.name())
    }

    fn check(&self) -> Result<(), Fault> {
        if self.name().is_empty() {
            return Err(Fault::invalid_argument("spec.groupSpec.info.name", "a group needs a name"));
        }
        Ok(())
    }

    /// A group without members is told from one whose members are not mentioned by nothing: the list is the new one.
    fn edited(&self, wanted: &Self) -> Self {
        let mut edited = wanted.clone();
        edited.set_user_created(wanted.user_created().or(self.user_created()));
        edited.set_unique_id(self.unique_id());
        edited
    }
}

impl Element for ClusterRuleInfo {
    const PLACES: (usize, usize) = (ClusterConfigInfoEx::RULE, ClusterConfigSpecEx::RULES_SPEC);
    const PROPERTY: &'static str = "spec.rulesSpec";

    fn is_same(&self, wanted: &Self) -> bool {
        match wanted.key() {
            Some(key) if key > 0 => self.key() == Some(key),
            _ => self.name() == wanted.name(),
        }
    }

    fn has_key(&self, key: &Value) -> bool {
        matches!(key, Value::Int(key) if self.key() == Some(*key))
    }

    fn check(&self) -> Result<(), Fault> {
        if self.name().is_none_or(|name| name.is_empty()) {
            return Err(Fault::invalid_argument("spec.rulesSpec.info.name", "a rule needs a name"));
        }
        Ok(())
    }

    fn edited(&self, wanted: &Self) -> Self {
        let mut edited =
            if self.as_object().kind() == wanted.as_object().kind() { overlay(self, wanted) } else { wanted.clone() };
        edited.set_key(self.key());
        edited.set_rule_uuid(self.rule_uuid());
        edited
    }
}

/// Changes all lists as the specification says, groups before the rules that name them.
pub(super) fn apply<T>(
    call: &mut Call<'_, T>,
    config: &mut ClusterConfigInfoEx,
    spec: &ClusterConfigSpecEx,
) -> Result<(), Fault> {
    let cluster = call.moref();
    change::<T, ClusterGroupInfo>(call, config, spec, |_, group| {
        group.set_user_created(group.user_created().unwrap_or(true));
        let uuid = crate::uuid::named(&format!("{cluster}/group/{}", group.name()));
        group.set_unique_id(uuid);
        Ok(())
    })?;
    change::<T, ClusterRuleInfo>(call, config, spec, add_rule)?;
    for rule in config.rule() {
        check_rule(config, rule)?;
    }
    change::<T, ClusterDasVmConfigInfo>(call, config, spec, |_, _| Ok(()))?;
    change::<T, ClusterDrsVmConfigInfo>(call, config, spec, |_, _| Ok(()))?;
    change::<T, ClusterVmOrchestrationInfo>(call, config, spec, |_, _| Ok(()))?;
    change::<T, ClusterDpmHostConfigInfo>(call, config, spec, |_, _| Ok(()))?;
    spec.system_vms_config().map_or(Ok(()), |spec| change_system_machines(call, config, spec))
}

/// Changes one list. `added` completes a new element.
fn change<T, E: Element>(
    call: &mut Call<'_, T>,
    config: &mut ClusterConfigInfoEx,
    spec: &ClusterConfigSpecEx,
    mut added: impl FnMut(&mut Call<'_, T>, &mut E) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let (place, changes) = E::PLACES;
    let changes = spec.as_object().get(changes).items();
    if changes.is_empty() {
        return Ok(());
    }
    let known = config.as_object().get(place).items().iter().filter_map(Value::object);
    let mut elements: Vec<E> = known.cloned().filter_map(E::from_object).collect();
    for change in changes.iter().filter_map(Value::object) {
        let Some(update) = ArrayUpdateSpec::from_ref(change) else { continue };
        let invalid = |field: &str, why: String| Fault::invalid_argument(&format!("{}.{field}", E::PROPERTY), why);
        if update.operation() == ArrayUpdateOperation::Remove {
            let key = update.remove_key();
            let found = elements.iter().position(|element| element.has_key(key));
            let found = found.ok_or_else(|| invalid("removeKey", "no element has this key".into()))?;
            elements.remove(found);
            continue;
        }
        let wanted = change.field("info").object().and_then(E::from_ref);
        let wanted = wanted.ok_or_else(|| invalid("info", "is needed to add or edit".into()))?;
        wanted.check()?;
        check_references(call, &format!("{}.info", E::PROPERTY), wanted.as_object())?;
        let found = elements.iter().position(|element| element.is_same(wanted));
        match (update.operation(), found) {
            (ArrayUpdateOperation::Add, None) => {
                let mut element = wanted.clone();
                added(call, &mut element)?;
                elements.push(element);
            }
            (ArrayUpdateOperation::Edit, Some(found)) => elements[found] = elements[found].edited(wanted),
            (ArrayUpdateOperation::Add, Some(_)) => return Err(invalid("info", "is there already".into())),
            _ => return Err(invalid("info", "there is no such element to edit".into())),
        }
    }
    let items = elements.into_iter().map(|element| Value::Object(element.into()));
    let list = List::new(element_type(place), items.collect());
    config.as_object_mut().set(place, list.into());
    Ok(())
}

fn element_type(place: usize) -> Ty {
    ClusterConfigInfoEx::TYPE.info().fields()[place].ty
}

/// Gives a new rule its key and UUID.
fn add_rule<T>(call: &mut Call<'_, T>, rule: &mut ClusterRuleInfo) -> Result<(), Fault> {
    let cluster = call.moref();
    let config = call.get::<ClusterComputeResource>(&cluster)?.configuration_ex();
    let rules = config.downcast::<ClusterConfigInfoEx>().map(|config| config.rule());
    let newest = rules.and_then(|rules| rules.iter().filter_map(ClusterRuleInfo::key).max()).unwrap_or_default();
    let keys = call.private::<Keys>(&cluster)?;
    keys.last_rule = keys.last_rule.max(newest) + 1;
    let key = keys.last_rule;
    rule.set_key(key);
    rule.set_rule_uuid(crate::uuid::named(&format!("{cluster}/rule/{key}")));
    rule.set_status(ManagedEntityStatus::Green);
    rule.set_enabled(rule.enabled().unwrap_or(false));
    rule.set_mandatory(rule.mandatory().unwrap_or(false));
    rule.set_user_created(rule.user_created().unwrap_or(true));
    rule.set_in_compliance(true);
    Ok(())
}

/// `InvalidArgument` for a rule that names a group which the cluster does not have, or that shares its name.
fn check_rule(config: &ClusterConfigInfoEx, rule: &ClusterRuleInfo) -> Result<(), Fault> {
    let has = |name: &str, of: fn(&ClusterGroupInfo) -> bool| {
        config.group().iter().any(|group| group.name() == name && of(group))
    };
    let machines = |name: &str| has(name, |group| group.as_object().is::<ClusterVmGroup>());
    let hosts = |name: &str| has(name, |group| group.as_object().is::<ClusterHostGroup>());
    let expect = |field: &str, name: Option<&vimsim_types::ArcStr>, known: &dyn Fn(&str) -> bool| match name {
        Some(name) if !known(name) => {
            let property = format!("spec.rulesSpec.info.{field}");
            Err(Fault::invalid_argument(&property, format!("the cluster has no such group '{name}'")))
        }
        _ => Ok(()),
    };
    if let Some(rule) = rule.downcast::<ClusterVmHostRuleInfo>() {
        expect("vmGroupName", rule.vm_group_name(), &machines)?;
        expect("affineHostGroupName", rule.affine_host_group_name(), &hosts)?;
        expect("antiAffineHostGroupName", rule.anti_affine_host_group_name(), &hosts)?;
    } else if let Some(rule) = rule.downcast::<ClusterDependencyRuleInfo>() {
        expect("vmGroup", Some(rule.vm_group()), &machines)?;
        expect("dependsOnVmGroup", Some(rule.depends_on_vm_group()), &machines)?;
    }
    Ok(())
}

/// `ManagedObjectNotFound` for a reference to nothing; `InvalidArgument` for a virtual machine or host that is not of
/// this cluster.
pub(super) fn check_references<T>(call: &Call<'_, T>, property: &str, info: &Object) -> Result<(), Fault> {
    let cluster = call.moref();
    let mut found = Vec::new();
    info.morefs(&mut found);
    for moref in &found {
        call.get::<ManagedEntity>(moref)?;
        if let Some(owner) = owner(&**call, moref)
            && owner != cluster
        {
            return Err(Fault::invalid_argument(property, format!("{moref} is not of this cluster")));
        }
    }
    Ok(())
}

/// The compute resource that a virtual machine or host is of.
pub(super) fn owner(inventory: &impl Inventory, moref: &Moref) -> Option<Moref> {
    let Some(machine) = inventory.seen::<VirtualMachine>(moref) else {
        return inventory.seen::<HostSystem>(moref)?.parent();
    };
    let pool = machine.resource_pool().and_then(|pool| Some(inventory.seen::<ResourcePool>(&pool)?.owner()));
    // A template is in no pool.
    pool.or_else(|| inventory.seen::<HostSystem>(&machine.runtime().host()?)?.parent())
}

/// The datastores that system virtual machines may, or may not, use, and the tags that keep them from others.
fn change_system_machines<T>(
    call: &Call<'_, T>,
    config: &mut ClusterConfigInfoEx,
    spec: &ClusterSystemVMsConfigSpec,
) -> Result<(), Fault> {
    let info = config.system_vms_config_mut();
    for (place, field) in [
        ("allowedDatastores", "datastore"),
        ("notAllowedDatastores", "datastore"),
        ("dsTagCategoriesToExclude", "category"),
    ] {
        let changes = spec.as_object().field(place).items();
        let Some(slot) = info.as_object().kind().info().slot(place).filter(|_| !changes.is_empty()) else { continue };
        let mut values = info.as_object().get(slot).items().to_vec();
        let property = format!("spec.systemVMsConfig.{place}");
        for change in changes.iter().filter_map(Value::object) {
            let Some(update) = ArrayUpdateSpec::from_ref(change) else { continue };
            let is_removal = update.operation() == ArrayUpdateOperation::Remove;
            let value = if is_removal { update.remove_key() } else { change.field(field) };
            let known = values.iter().position(|known| known == value);
            match (is_removal, known) {
                (true, Some(known)) => _ = values.remove(known),
                (false, None) if !value.is_unset() => {
                    value.moref().map_or(Ok(()), |moref| call.get::<ManagedEntity>(&moref).map(|_| ()))?;
                    values.push(value.clone());
                }
                (true, None) => return Err(Fault::invalid_argument(&property, "no element has this key")),
                _ => return Err(Fault::invalid_argument(&property, "is there already, or names nothing")),
            }
        }
        let element = info.as_object().kind().info().fields()[slot].ty;
        info.as_object_mut().set(slot, List::new(element, values).into());
    }
    if let Some(mode) = spec.deployment_mode() {
        info.set_deployment_mode(mode);
    }
    Ok(())
}

/// Forgets what has left a resource pool, in the configuration of the cluster that owns the pool.
pub(crate) fn forget_moved(transaction: &mut vimsim_registry::Transaction, pool: &Moref) -> Result<(), Fault> {
    let owner = transaction.get::<ResourcePool>(pool)?.owner();
    match transaction.view::<ClusterComputeResource>(&owner) {
        Some(_) => forget_removed(transaction, &owner),
        None => Ok(()),
    }
}

/// Forgets what is gone, and virtual machines and hosts that are of another compute resource by now, wherever the
/// configuration names them: in groups, rules and overrides, as hosts of vSAN or for failovers, as datastores.
pub(super) fn forget_removed(transaction: &mut vimsim_registry::Transaction, moref: &Moref) -> Result<(), Fault> {
    let cluster = transaction.get::<ClusterComputeResource>(moref)?;
    let config = cluster.configuration_ex().as_object();
    let is_gone = |known: &Moref| {
        if known.is::<VirtualMachine>() || known.is::<HostSystem>() {
            return owner(transaction, known).is_none_or(|owner| owner != *moref);
        }
        transaction.object(known).is_none()
    };
    let mut found = Vec::new();
    config.morefs(&mut found);
    found.retain(is_gone);
    if !found.is_empty()
        && let Some(config) = without(config, &found)
    {
        let cluster = transaction.edit::<ClusterComputeResource>(moref)?;
        cluster.as_object_mut().set(ComputeResource::CONFIGURATION_EX, config.into());
    }
    Ok(())
}
