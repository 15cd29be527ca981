//! `ManagedMethodExecuter`: how esxcli comes through SOAP.

use std::collections::BTreeMap;

use vimsim_types::method::{ExecuteSoap, PowerOffVMTask, ShutdownGuest, UpdateOptions};
use vimsim_types::views::{
    HostSystem, ReflectManagedMethodExecuter, ReflectManagedMethodExecuterSoapFault,
    ReflectManagedMethodExecuterSoapResult as SoapResult,
};
use vimsim_types::{Fault, MethodView, Moref, View};

use crate::call::{Wait, not_found};
use crate::esxcli::{self, Answer, Asked, Failure};
use crate::kind::Kind;
use crate::service::Request;
use crate::session::Peer;

pub(crate) fn kind() -> Kind<ReflectManagedMethodExecuter> {
    Kind::new().wait(execute)
}

/// The executer of a host.
pub(crate) fn of_host(host: &Moref) -> Moref {
    Moref::of::<ReflectManagedMethodExecuter>(format!("{PREFIX}{}", host.value()))
}

const PREFIX: &str = "managed-method-executer-";

/// Carries out a command of esxcli, or describes a name space of it (`vim.CLIInfo.FetchCLIInfo`).
///
/// - `ManagedObjectNotFound` if the host is gone. What goes wrong with a command stands in the answer.
async fn execute(wait: Wait, request: ExecuteSoap) -> Result<SoapResult, Fault> {
    let arguments = esxcli::arguments(request.argument().iter());
    let answer = match request.method().strip_prefix("vim.EsxCLI.") {
        Some(name) => run(&wait, name, arguments).await?,
        None if request.method() == "vim.CLIInfo.FetchCLIInfo" => {
            let wanted = arguments.get("typeName").and_then(|name| name.strip_prefix("vim.EsxCLI."));
            let space = esxcli::name_spaces().iter().find(|space| Some(space.name) == wanted);
            space.map(esxcli::info).ok_or(Failure::Unknown)
        }
        None => Err(Failure::Unknown),
    };
    Ok(SoapResult::with(|result| match answer {
        Ok(text) => _ = result.set_response(text),
        Err(failure) => {
            let (message, detail) = esxcli::render_failure(&failure);
            result.set_fault(ReflectManagedMethodExecuterSoapFault::with(|fault| {
                fault.set_fault_msg(message).set_fault_detail(detail);
            }));
        }
    }))
}

/// What a command answers, as text.
async fn run(wait: &Wait, name: &str, arguments: BTreeMap<String, String>) -> Result<Result<String, Failure>, Fault> {
    let snapshot = wait.service.snapshot();
    let host = snapshot.object_by_value(wait.this.value().strip_prefix(PREFIX).unwrap_or_default());
    let host: &HostSystem = host.and_then(|host| host.view()).ok_or_else(|| not_found(&wait.this))?;
    let asked = Asked { snapshot: &snapshot, host, now: wait.service.now(), arguments };
    let answer = match name {
        "system.settings.advanced.set" => match esxcli::changed_option(&asked) {
            Ok((manager, option)) => {
                let request = UpdateOptions::with(|request| _ = request.set_changed_value([option]));
                done(call(wait, UpdateOptions::method(), manager, request.into()).await)
            }
            Err(failure) => Err(failure),
        },
        "vm.process.kill" => match asked.machine(asked.argument("worldid").unwrap_or_default()) {
            Ok(machine) if asked.argument("type") == Some("soft") => {
                done(call(wait, ShutdownGuest::method(), machine, ShutdownGuest::new().into()).await)
            }
            Ok(machine) => done(call(wait, PowerOffVMTask::method(), machine, PowerOffVMTask::new().into()).await),
            Err(failure) => Err(failure),
        },
        name => esxcli::run(name, &asked),
    };
    let command = esxcli::name_spaces().iter().find_map(|space| {
        let name = name.strip_prefix(space.name)?.strip_prefix('.')?;
        space.commands.iter().find(|command| command.name == name)
    });
    Ok(match (answer, command) {
        (Ok(answer), Some(command)) => Ok(esxcli::render(name, command, &answer)),
        (Ok(_), None) => Err(Failure::Unknown),
        (Err(failure), _) => Err(failure),
    })
}

fn done(result: Result<(), Fault>) -> Result<Answer, Failure> {
    result.map(|()| Answer::Nothing).map_err(|fault| Failure::Command(vec![fault.message().to_string()]))
}

/// Calls a method as the user who sent the command.
async fn call(
    wait: &Wait,
    method: &'static vimsim_types::Method,
    this: Moref,
    arguments: vimsim_types::Object,
) -> Result<(), Fault> {
    let request = Request {
        method,
        this,
        arguments,
        version: wait.version,
        cookie: Some(wait.session()?.cookie().clone()),
        token: None,
        peer: Peer::default(),
    };
    let service = wait.service.clone();
    let calling: std::pin::Pin<Box<dyn Future<Output = crate::service::Reply> + Send>> =
        Box::pin(async move { service.call(request).await });
    calling.await.result.map(drop)
}
