//! Any text is a property path or `InvalidProperty`, and following a path never panics.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vimsim_property::{Path, diff};
use vimsim_types::views::{
    AuthorizationManager, AuthorizationRole, InvalidProperty, OptionValue, Task, VirtualDisk,
    VirtualDiskFlatVer2BackingInfo, VirtualE1000, VirtualMachine,
};
use vimsim_types::{Object, Version, View};

static OBJECTS: LazyLock<Vec<Object>> = LazyLock::new(|| {
    let virtual_machine = VirtualMachine::with(|vm| {
        vm.set_name("vm");
        let config = vm.config_mut();
        config.push_extra_config(OptionValue::with(|option| {
            option.set_key("key").set_value("value");
        }));
        config.hardware_mut().push_device(VirtualE1000::with(|card| {
            card.set_key(4000);
        }));
        config.hardware_mut().push_device(VirtualDisk::with(|disk| {
            disk.set_key(2000);
            disk.set_backing(VirtualDiskFlatVer2BackingInfo::with(|backing| {
                backing.set_file_name("[ds] vm.vmdk");
            }));
        }));
    });
    let roles = AuthorizationManager::with(|manager| {
        manager.push_role_list(AuthorizationRole::with(|role| {
            role.set_name("Admin");
        }));
    });
    vec![virtual_machine.into(), roles.into(), Task::new().into()]
});

fuzz_target!(|text: &str| {
    for object in OBJECTS.iter() {
        match Path::compile(text, object.kind(), Version::NEWEST) {
            Ok(path) => {
                assert_eq!(path.name(), text);
                path.get(object);
                let mut changes = Vec::new();
                diff(&path, object, &Object::new(object.kind()), true, &mut changes);
                assert!(changes.len() <= 1);
            }
            Err(fault) => assert!(fault.is::<InvalidProperty>()),
        }
    }
});
