//! `VirtualMachineGuestCustomizationManager`: guests that are customized while they run, as those of instant clones.

use vimsim_types::method::{AbortCustomizationTask, CustomizeGuestTask, StartGuestNetworkTask};
use vimsim_types::views::{
    GuestAuthentication, InvalidState, VirtualMachine, VirtualMachineConfigSpec,
    VirtualMachineGuestCustomizationManager,
};
use vimsim_types::{Fault, MethodView, Moref, View};

use super::virtual_machine::{check_guest, customize_now, reconfigure};
use crate::call::{Call, Wait};
use crate::guest::Guest;
use crate::kind::Kind;

type Manager = VirtualMachineGuestCustomizationManager;

pub(crate) fn kind() -> Kind<Manager> {
    Kind::new().wait(customize_guest).wait(start_guest_network).wait(abort_customization)
}

/// Checks that the machine runs, and that the guest knows the user.
///
/// - `ManagedObjectNotFound`; `InvalidState` unless the machine runs; as [`Guest::expect_user`].
fn enter(wait: &Wait, moref: &Moref, auth: &GuestAuthentication) -> Result<(), Fault> {
    let snapshot = wait.service.snapshot();
    let machine = snapshot.view::<VirtualMachine>(moref).ok_or_else(|| crate::call::not_found(moref))?;
    check_guest(machine, None)?;
    Guest::expect_user(wait, moref, auth)
}

/// Gives the guest its name and addresses now, and the machine the options that go with that.
///
/// - As [`enter`]; as faults of the task: what [`customize_now`] raises.
async fn customize_guest(wait: Wait, request: CustomizeGuestTask) -> Result<Moref, Fault> {
    enter(&wait, &request.vm(), request.auth())?;
    wait.write(CustomizeGuestTask::method(), |call: &mut Call<'_, Manager>| {
        call.start_task(move |call| {
            if !request.config_params().is_empty() {
                let spec = VirtualMachineConfigSpec::with(|spec| {
                    spec.set_extra_config(request.config_params().iter().cloned());
                });
                reconfigure(call, &request.vm(), &spec)?;
            }
            customize_now(call, &request.vm(), request.spec())
        })
    })
}

/// Connects the guest to its networks: it is connected.
///
/// - As [`enter`].
async fn start_guest_network(wait: Wait, request: StartGuestNetworkTask) -> Result<Moref, Fault> {
    enter(&wait, &request.vm(), request.auth())?;
    wait.write(StartGuestNetworkTask::method(), |call: &mut Call<'_, Manager>| call.start_task(|_| Ok(())))
}

/// Gives up customizing the guest.
///
/// - As [`enter`]; `InvalidState`, as it is done at once and nothing is under way.
async fn abort_customization(wait: Wait, request: AbortCustomizationTask) -> Result<Moref, Fault> {
    enter(&wait, &request.vm(), request.auth())?;
    Err(Fault::new(InvalidState::new(), "no customization of the guest is under way"))
}
