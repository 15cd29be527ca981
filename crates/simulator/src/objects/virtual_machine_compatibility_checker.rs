//! `VirtualMachineCompatibilityChecker`: whether a machine, or one to be made, can run somewhere.

use vimsim_types::enums::VirtualMachineGuestOsIdentifier;
use vimsim_types::method::{CheckCompatibilityTask, CheckPowerOnTask, CheckVmConfigTask};
use vimsim_types::views::{
    CheckResult, ComputeResource, HostSystem, MemorySizeNotSupported, NotEnoughCpus, ResourcePool, UnsupportedGuest,
    VirtualMachine, VirtualMachineCompatibilityChecker, VirtualMachineConfigSpec,
};
use vimsim_types::{EnumView, Fault, Moref, View};

use super::virtual_machine;
use crate::call::Call;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<VirtualMachineCompatibilityChecker> {
    Kind::new().write(check_compatibility).write(check_vm_config).write(check_power_on)
}

/// What a check is about.
struct Subject {
    machine: Option<Moref>,
    host: Option<Moref>,
    pool: Option<Moref>,
}

impl Subject {
    /// `ManagedObjectNotFound` for what is not there; `InvalidArgument` if nothing is named.
    fn new<T>(
        call: &Call<'_, T>,
        machine: Option<Moref>,
        host: Option<Moref>,
        pool: Option<Moref>,
    ) -> Result<Self, Fault> {
        machine.as_ref().map(|machine| call.get::<VirtualMachine>(machine).map(|_| ())).transpose()?;
        host.as_ref().map(|host| call.get::<HostSystem>(host).map(|_| ())).transpose()?;
        pool.as_ref().map(|pool| call.get::<ResourcePool>(pool).map(|_| ())).transpose()?;
        if machine.is_none() && host.is_none() && pool.is_none() {
            return Err(Fault::invalid_argument("vm", "neither a machine, a host nor a pool is named"));
        }
        Ok(Self { machine, host, pool })
    }

    /// The hosts on which the machine could be: the one named, or else those of the pool, or the machine's own.
    ///
    /// - `InvalidArgument` if host and pool, or pool and machine, are of different compute resources.
    fn hosts<T>(&self, call: &Call<'_, T>) -> Result<Vec<Moref>, Fault> {
        let own = self.machine.as_ref().and_then(|machine| call.view::<VirtualMachine>(machine));
        let host = self.host.clone();
        let pool = self.pool.clone().or(own.and_then(|machine| machine.resource_pool()));
        let own_host = own.and_then(|machine| machine.runtime().host());
        let of_pool: Option<Vec<Moref>> = match &pool {
            Some(pool) => {
                let owner = call.get::<ResourcePool>(pool)?.owner();
                Some(call.get::<ComputeResource>(&owner)?.host().iter().collect())
            }
            None => None,
        };
        let named = host.clone().or(own_host.filter(|_| self.machine.is_some()));
        if let (Some(of_pool), Some(named)) = (&of_pool, &named)
            && !of_pool.contains(named)
        {
            return Err(Fault::invalid_argument("spec.pool", format!("{named} is not of the pool's compute resource")));
        }
        Ok(match (host, of_pool) {
            (Some(host), _) => vec![host],
            (None, Some(hosts)) => hosts,
            (None, None) => named.into_iter().collect(),
        })
    }

    /// The result of a check that finds these warnings and errors.
    fn result(&self, host: Option<Moref>, warnings: Vec<Fault>, errors: Vec<Fault>) -> Vec<CheckResult> {
        vec![CheckResult::with(|result| {
            result.set_vm(self.machine.clone()).set_host(self.host.clone().or(host));
            if !warnings.is_empty() {
                result.set_warning(warnings.iter().map(Fault::localized));
            }
            if !errors.is_empty() {
                result.set_error(errors.iter().map(Fault::localized));
            }
        })]
    }
}

/// Whether the machine can be on the host, or on one of the pool's.
///
/// - As faults of the task: `InvalidArgument` if they are of different compute resources.
fn check_compatibility(
    call: &mut Call<'_, VirtualMachineCompatibilityChecker>,
    request: CheckCompatibilityTask,
) -> Result<Moref, Fault> {
    let subject = Subject::new(call, Some(request.vm()), request.host(), request.pool())?;
    call.start_task(move |call| {
        let hosts = subject.hosts(call)?;
        let problems = match hosts.first() {
            Some(host) if subject.host.is_some() => virtual_machine::problems_on(call, &request.vm(), host)?,
            _ => Vec::new(),
        };
        Ok(subject.result(None, Vec::new(), problems))
    })
}

/// Whether a machine of this specification could run there. What it has too much of is a warning.
///
/// - As [`check_compatibility`].
fn check_vm_config(
    call: &mut Call<'_, VirtualMachineCompatibilityChecker>,
    request: CheckVmConfigTask,
) -> Result<Moref, Fault> {
    let subject = Subject::new(call, request.vm(), request.host(), request.pool())?;
    call.start_task(move |call| {
        let hosts = subject.hosts(call)?;
        let host = hosts.first().ok_or_else(|| Fault::invalid_argument("host", "there is no host to check"))?;
        let warnings = exceeds(call.get::<HostSystem>(host)?, request.spec());
        Ok(subject.result(Some(host.clone()), warnings, Vec::new()))
    })
}

/// What a machine asks for that the host does not have.
fn exceeds(host: &HostSystem, spec: &VirtualMachineConfigSpec) -> Vec<Fault> {
    let mut found = Vec::new();
    let most = host.capability().and_then(|capability| capability.max_supported_vm_memory()).unwrap_or(i32::MAX);
    let memory = spec.memory_mb().unwrap_or_default();
    if memory != 0 && !(4..=i64::from(most)).contains(&memory) {
        let detail = MemorySizeNotSupported::with(|fault| {
            fault.set_memory_size_mb(i32::try_from(memory).unwrap_or(i32::MAX));
            fault.set_min_memory_size_mb(4).set_max_memory_size_mb(most);
        });
        let why = format!("vm requires {memory} MB of memory, which is outside the range of 4 to {most}");
        found.push(Fault::new(detail, why));
    }
    let has = host.summary().hardware().map_or(0, |hardware| i32::from(hardware.num_cpu_cores()));
    if let Some(wanted) = spec.num_cpus().filter(|wanted| *wanted > has) {
        let detail = NotEnoughCpus::with(|fault| _ = fault.set_num_cpu_dest(has).set_num_cpu_vm(wanted));
        found.push(Fault::new(detail, format!("vm requires {wanted} CPUs, the host has {has}")));
    }
    if let Some(guest) = spec.guest_id().filter(|id| !id.is_empty())
        && VirtualMachineGuestOsIdentifier::from_name(guest).is_none()
    {
        let detail = UnsupportedGuest::with(|fault| _ = fault.set_unsupported_guest_os(guest));
        found.push(Fault::new(detail, format!("the guest operating system '{guest}' is unsupported")));
    }
    found
}

/// Whether the machine could be started there.
///
/// - As [`check_compatibility`].
fn check_power_on(
    call: &mut Call<'_, VirtualMachineCompatibilityChecker>,
    request: CheckPowerOnTask,
) -> Result<Moref, Fault> {
    let subject = Subject::new(call, Some(request.vm()), request.host(), request.pool())?;
    call.start_task(move |call| {
        let hosts = subject.hosts(call)?;
        let mut problems = Vec::new();
        for host in &hosts {
            problems = virtual_machine::problems_on(call, &request.vm(), host)?;
            if problems.is_empty() {
                break;
            }
        }
        Ok(subject.result(None, Vec::new(), problems))
    })
}
