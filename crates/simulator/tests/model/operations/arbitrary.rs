//! Any method that is written, on any object that has it, with arguments that only their types restrict.

use std::sync::OnceLock;

use vimsim_simulator::Service;
use vimsim_types::table::{Field, Kind};
use vimsim_types::views::{ManagedEntity, ManagedObject};
use vimsim_types::{DateTime, List, Method, Moref, Object, Ty, TypeId, Value, View};

use crate::chooser::{Chooser, Operation};

/// The types whose methods are left out: they let clients in and out, make what belongs to a session or an extension, or
/// are what the test itself looks with.
const NOT_OF: &[&str] = &[
    "AuthorizationManager",
    "SessionManager",
    "PropertyCollector",
    "PropertyFilter",
    "ViewManager",
    "OptionManager",
    "Task",
    "TaskManager",
    "HttpNfcLease",
    "LookupServiceInstance",
    "HostAccessManager",
    "ExtensionManager",
];

/// The methods that are left out: they would take the whole inventory along, begin something that only its client ends, or
/// delete the files of machines that are not running, which is allowed.
const NOT: &[&str] = &[
    "Destroy_Task",
    "UnregisterVM",
    "DestroyDatastore",
    "UnregisterAndDestroy_Task",
    "unregisterVApp_Task",
    "ShutdownHost_Task",
    "RebootHost_Task",
    "PowerDownHostToStandBy_Task",
    "ExportVm",
    "ExportVApp",
    "ExportSnapshot",
    "ImportVApp",
    "CreateCollectorForEvents",
    "CreateCollectorForTasks",
    "DeleteDatastoreFile_Task",
    "MoveDatastoreFile_Task",
    "DeleteVirtualDisk_Task",
    "MoveVirtualDisk_Task",
    "DeleteFile",
    "DeleteDirectory",
    "reloadVirtualMachineFromPath_Task",
];

/// Fields that are never given: what they name may go while they stay.
const NOT_GIVEN: &[&str] = &["scope", "heartbeatDatastore"];

const TEXTS: &[&str] = &[
    "",
    "a",
    "0",
    "-1",
    "true",
    "*",
    "DC0",
    "DC0_C0",
    "VM Network",
    "vSwitch0",
    "vmk0",
    "vmnic0",
    "10.0.0.1",
    "[LocalDS_0] model/a.vmdk",
    "[LocalDS_0]",
    "[nowhere] b",
    "../../etc/passwd",
    "fe80::1%eth0",
    "\u{1F980}\u{0301}",
    "5c7b3f1e-0000-4000-8000-000000000001",
    "2026-11-22T00:00:00Z",
    "%2f%",
    "VirtualMachine",
    "name",
];

/// The methods that are called, with the types that have them.
fn methods() -> &'static [(TypeId, &'static Method)] {
    static METHODS: OnceLock<Vec<(TypeId, &'static Method)>> = OnceLock::new();
    METHODS.get_or_init(|| {
        let mut methods = Service::written_methods();
        methods.retain(|(kind, method)| {
            !NOT_OF.contains(&kind.name()) && !NOT_OF.contains(&method.owner.name()) && !NOT.contains(&method.name)
        });
        methods.sort_by_key(|(kind, method)| (*kind, method.name));
        methods
    })
}

pub(super) fn any(chooser: &mut Chooser) -> Option<Operation> {
    let (kind, method) = *chooser.random.one(methods())?;
    let objects = chooser.of_kind(kind);
    let this = chooser.random.one(&objects)?.clone();
    let arguments = object(chooser, method.request, 0);
    Some(Operation { this, method, arguments, events: &[] })
}

fn object(chooser: &mut Chooser, kind: TypeId, depth: usize) -> Object {
    let mut object = Object::new(kind);
    for (slot, field) in kind.info().fields().iter().enumerate() {
        let is_given = !field.is_optional() || chooser.random.once_in(2 + 2 * depth);
        if is_given && depth < 5 && !NOT_GIVEN.contains(&field.name) {
            object.set(slot, value_of(chooser, field, depth));
        }
    }
    object
}

fn value_of(chooser: &mut Chooser, field: &Field, depth: usize) -> Value {
    if !field.is_list() {
        return value(chooser, field.ty, depth);
    }
    let count = chooser.random.below(3);
    Value::List(List::new(field.ty, (0..count).map(|_| value(chooser, field.ty, depth)).collect()))
}

fn value(chooser: &mut Chooser, ty: Ty, depth: usize) -> Value {
    let number = chooser.random.of(&[0, 1, 1, 2, 7, 100, 4096, -1, i64::from(i32::MIN), i64::from(i32::MAX), i64::MAX]);
    match ty {
        Ty::Bool => Value::Bool(chooser.random.once_in(2)),
        Ty::Byte => Value::Byte(number as i8),
        Ty::Short => Value::Short(number as i16),
        Ty::Int => Value::Int(number as i32),
        Ty::Long => Value::Long(number),
        Ty::Float => Value::Float(number as f32),
        Ty::Double => Value::Double(number as f64),
        Ty::String => Value::String(text(chooser).into()),
        Ty::Uri => Value::Uri(text(chooser).into()),
        Ty::DateTime => Value::DateTime(DateTime::from_micros(number)),
        Ty::Binary => vec![0_u8, 255].into(),
        Ty::Any => match chooser.random.below(3) {
            0 => Value::Int(number as i32),
            _ => Value::String(text(chooser).into()),
        },
        Ty::Enum(kind) => match kind.info().values.len() {
            0 => Value::Unset,
            count => Value::Enum(kind, chooser.random.below(count) as u16),
        },
        Ty::Data(kind) => {
            let kind = if chooser.random.once_in(2) { derived(chooser, kind) } else { kind };
            Value::Object(object(chooser, kind, depth + 1))
        }
        Ty::Moref(kind) => {
            let moref = reference(chooser, kind);
            Value::Moref(moref.kind(), moref.value().clone())
        }
    }
}

fn text(chooser: &mut Chooser) -> String {
    match chooser.random.below(12) {
        0 => "x".repeat(300),
        1 | 2 => {
            let entity = chooser.some_where::<ManagedEntity>(|_| true);
            let name = entity.and_then(|moref| Some(chooser.seen::<ManagedEntity>(&moref)?.name().to_string()));
            name.unwrap_or_default()
        }
        _ => chooser.random.of(TEXTS).into(),
    }
}

/// The type or one that is derived from it.
fn derived(chooser: &mut Chooser, base: TypeId) -> TypeId {
    let all: Vec<TypeId> = TypeId::all().filter(|kind| kind.is_a(base) && kind.info().kind == Kind::Data).collect();
    chooser.random.one(&all).copied().unwrap_or(base)
}

fn reference(chooser: &mut Chooser, kind: TypeId) -> Moref {
    let kind = if chooser.random.once_in(10) { ManagedObject::TYPE } else { kind };
    let all = chooser.of_kind(kind);
    match chooser.random.one(&all) {
        Some(moref) if !chooser.random.once_in(10) => moref.clone(),
        _ => Moref::new(kind, "nowhere-1"),
    }
}
