//! `GuestProcessManager`: programs in guests. What is done is in [`crate::guest`]; all methods raise what [`Guest::enter`]
//! does.

use vimsim_types::Fault;
use vimsim_types::method::{
    ListProcessesInGuest, ReadEnvironmentVariableInGuest, StartProgramInGuest, TerminateProcessInGuest,
};
use vimsim_types::views::{GuestProcessInfo, GuestProcessManager};

use crate::call::Wait;
use crate::guest::Guest;
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<GuestProcessManager> {
    Kind::new().wait(start_program).wait(list_processes).wait(terminate_process).wait(read_environment_variable)
}

async fn start_program(wait: Wait, request: StartProgramInGuest) -> Result<i64, Fault> {
    let guest = Guest::enter(&wait, &request.vm(), request.auth())?;
    let spec = request.spec();
    let folder = spec.working_directory().map(|folder| folder.as_str());
    let environment = spec.env_variables().iter().map(ToString::to_string).collect();
    guest.start(spec.program_path(), spec.arguments(), folder, environment).await
}

async fn list_processes(wait: Wait, request: ListProcessesInGuest) -> Result<Vec<GuestProcessInfo>, Fault> {
    let guest = Guest::enter(&wait, &request.vm(), request.auth())?;
    let pids: Vec<i64> = request.pids().iter().collect();
    guest.list(&pids).await
}

async fn terminate_process(wait: Wait, request: TerminateProcessInGuest) -> Result<(), Fault> {
    Guest::enter(&wait, &request.vm(), request.auth())?.terminate(request.pid()).await
}

async fn read_environment_variable(wait: Wait, request: ReadEnvironmentVariableInGuest) -> Result<Vec<String>, Fault> {
    let guest = Guest::enter(&wait, &request.vm(), request.auth())?;
    let names: Vec<String> = request.names().iter().map(ToString::to_string).collect();
    guest.environment(&names).await
}
