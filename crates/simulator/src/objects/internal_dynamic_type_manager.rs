//! `DynamicTypeManager`: the types of what esxcli offers.

use vimsim_types::method::{
    DynamicTypeMgrQueryMoInstances, DynamicTypeMgrQueryTypeInfo, RetrieveDynamicTypeManager,
    RetrieveManagedMethodExecuter,
};
use vimsim_types::views::{
    DynamicTypeMgrAllTypeInfo, DynamicTypeMgrAnnotation, DynamicTypeMgrDataTypeInfo, DynamicTypeMgrManagedTypeInfo,
    DynamicTypeMgrMethodTypeInfo, DynamicTypeMgrMoFilterSpec, DynamicTypeMgrMoInstance, DynamicTypeMgrParamTypeInfo,
    DynamicTypeMgrPropertyTypeInfo, DynamicTypeMgrTypeFilterSpec, HostSystem, InternalDynamicTypeManager,
};
use vimsim_types::{Fault, Moref, Object, View};

use super::reflect_managed_method_executer;
use crate::call::{Call, Look};
use crate::esxcli::{Command, NameSpace, name_spaces};
use crate::kind::Kind;

pub(crate) fn kind() -> Kind<InternalDynamicTypeManager> {
    Kind::new().read(query_instances).read(query_types)
}

/// The methods of a host that lead here.
pub(crate) fn add_to_host(kind: Kind<HostSystem>) -> Kind<HostSystem> {
    kind.write(retrieve_type_manager).write(retrieve_method_executer)
}

/// The host's `DynamicTypeManager`, which is made when somebody first asks for it.
fn retrieve_type_manager(call: &mut Call<'_, HostSystem>, _: RetrieveDynamicTypeManager) -> Result<Moref, Fault> {
    let manager = of_host(&call.moref());
    Ok(made(call, manager))
}

/// The host's `ManagedMethodExecuter`, which is made when somebody first asks for it.
fn retrieve_method_executer(call: &mut Call<'_, HostSystem>, _: RetrieveManagedMethodExecuter) -> Result<Moref, Fault> {
    let executer = reflect_managed_method_executer::of_host(&call.moref());
    Ok(made(call, executer))
}

/// The type manager of a host.
fn of_host(host: &Moref) -> Moref {
    Moref::of::<InternalDynamicTypeManager>(format!("dynamic-type-manager-{}", host.value()))
}

fn made(call: &mut Call<'_, HostSystem>, moref: Moref) -> Moref {
    if call.object(&moref).is_none() {
        call.insert(moref.clone(), Object::new(moref.kind()));
    }
    moref
}

/// Removes what was made for a host that is being removed.
pub(crate) fn remove_with_host<T>(call: &mut Call<'_, T>, host: &Moref) {
    for moref in [of_host(host), reflect_managed_method_executer::of_host(host)] {
        call.remove(&moref);
    }
}

/// The objects that answer commands.
fn query_instances(
    _: &Look<'_, InternalDynamicTypeManager>,
    request: DynamicTypeMgrQueryMoInstances,
) -> Result<Vec<DynamicTypeMgrMoInstance>, Fault> {
    let filter = request.filter_spec().and_then(|filter| filter.downcast::<DynamicTypeMgrMoFilterSpec>());
    let part = filter.and_then(|filter| filter.type_substr()).map_or("", |part| part.as_str());
    let id = filter.and_then(|filter| filter.id());
    let all = name_spaces().iter().map(|space| {
        DynamicTypeMgrMoInstance::with(|instance| {
            instance.set_id(format!("ha-cli-handler-{}", space.name.replace('.', "-"))).set_mo_type(type_of(space));
        })
    });
    Ok(all.filter(|it| it.mo_type().contains(part) && id.is_none_or(|id| id == it.id())).collect())
}

fn type_of(space: &NameSpace) -> String {
    format!("vim.EsxCLI.{}", space.name)
}

/// The types whose names contain the text that is asked for; all without one.
fn query_types(
    _: &Look<'_, InternalDynamicTypeManager>,
    request: DynamicTypeMgrQueryTypeInfo,
) -> Result<DynamicTypeMgrAllTypeInfo, Fault> {
    let filter = request.filter_spec().and_then(|filter| filter.downcast::<DynamicTypeMgrTypeFilterSpec>());
    let part = filter.and_then(|filter| filter.type_substr()).map_or("", |part| part.as_str());
    let data = name_spaces().iter().flat_map(|space| space.commands.iter().filter_map(|it| data_type(space, it)));
    Ok(DynamicTypeMgrAllTypeInfo::with(|all| {
        let managed: Vec<_> = name_spaces().iter().map(managed_type).filter(|it| it.name().contains(part)).collect();
        let data: Vec<_> = data.filter(|it| it.name().contains(part)).collect();
        all.set_managed_type_info(managed);
        all.set_data_type_info(data);
    }))
}

const VERSION: &str = "vim.version.version5";

fn managed_type(space: &NameSpace) -> DynamicTypeMgrManagedTypeInfo {
    DynamicTypeMgrManagedTypeInfo::with(|info| {
        info.set_name(type_of(space)).set_wsdl_name(type_of(space).replace('.', "").replacen('v', "V", 1));
        info.set_version(VERSION).set_base(["vmodl.ManagedObject"]);
        info.set_method(space.commands.iter().map(|command| method(space, command)));
    })
}

fn method(space: &NameSpace, command: &Command) -> DynamicTypeMgrMethodTypeInfo {
    let parameter = |name: &str, kind: &str, optional: bool| {
        DynamicTypeMgrParamTypeInfo::with(|info| {
            info.set_name(name).set_version(VERSION).set_type(kind);
            if optional {
                info.set_annotation([DynamicTypeMgrAnnotation::with(|it| _ = it.set_name("optional"))]);
            }
        })
    };
    DynamicTypeMgrMethodTypeInfo::with(|info| {
        info.set_name(command.name).set_version(VERSION);
        info.set_wsdl_name(format!("VimEsxCLI{}{}", space.name.replace('.', ""), command.name));
        info.set_param_type_info(command.parameters.iter().map(|it| parameter(it.name, it.kind, true)));
        let returns = match command.record() {
            Some(_) if command.returns.ends_with("[]") => format!("{}[]", record_name(space, command)),
            Some(_) => record_name(space, command),
            None => command.returns.to_string(),
        };
        info.set_return_type_info(parameter("result", &returns, false));
        info.set_fault(["vim.EsxCLI.CLIFault"]);
    })
}

fn record_name(space: &NameSpace, command: &Command) -> String {
    format!("{}.{}.{}", type_of(space), command.name, command.record().unwrap_or_default())
}

fn data_type(space: &NameSpace, command: &Command) -> Option<DynamicTypeMgrDataTypeInfo> {
    command.record()?;
    Some(DynamicTypeMgrDataTypeInfo::with(|info| {
        let name = record_name(space, command);
        info.set_wsdl_name(name.replace('.', "").replacen('v', "V", 1)).set_name(name);
        info.set_version(VERSION).set_base(["vmodl.DynamicData"]);
        info.set_property(command.columns.iter().map(|column| {
            DynamicTypeMgrPropertyTypeInfo::with(|property| {
                property.set_name(column.replace(' ', "")).set_version(VERSION).set_type("string");
            })
        }));
    }))
}
