//! What a host's sensors say: everything is well.

use vimsim_types::View;
use vimsim_types::views::{
    HealthSystemRuntime, HostHardwareElementInfo, HostNumericSensorInfo, HostStorageElementInfo,
    HostStorageOperationalInfo,
};

use super::hardware::{PACKAGES, description};

/// The packages of the installation that have a driver or a part of the system the host uses.
const SOFTWARE: [&str; 13] = [
    "Phoenix Technologies LTD System BIOS 6.00 2015-07-02 00:00:00.000",
    "VMware, Inc. VMware ESXi 8.0.3 build-24022510 2024-06-12 00:00:00.000",
    "VMware esx-base 8.0.3-0.0.24022510 2024-06-12 00:00:00.000",
    "VMware esx-update 8.0.3-0.0.24022510 2024-06-12 00:00:00.000",
    "VMware esx-dvfilter-generic-fastpath 8.0.3-0.0.24022510 2024-06-12 00:00:00.000",
    "VMware esx-xserver 8.0.3-0.0.24022510 2024-06-12 00:00:00.000",
    "VMware cpu-microcode 8.0.3-0.0.24022510 2024-06-12 00:00:00.000",
    "VMware vsan 8.0.3-0.0.24022510 2024-06-12 00:00:00.000",
    "VMware vsanhealth 8.0.3-0.0.24022510 2024-06-12 00:00:00.000",
    "VMware nvmxnet3 2.0.0.31-11vmw.803.0.0.24022510 2024-06-12 00:00:00.000",
    "VMware pvscsi 0.1-6vmw.803.0.0.24022510 2024-06-12 00:00:00.000",
    "VMware vmkata 0.1-1vmw.803.0.0.24022510 2024-06-12 00:00:00.000",
    "VMware vmkusb 0.1-22vmw.803.0.0.24022510 2024-06-12 00:00:00.000",
];

/// `runtime.healthSystemRuntime`.
pub(super) fn health() -> HealthSystemRuntime {
    let caches = (0..PACKAGES).flat_map(|socket| {
        [(1, 32 * 1024), (2, 256 * 1024), (3, 6 * 1024 * 1024)]
            .map(|(level, size)| format!("CPU socket #{socket} Level-{level} Cache is {size} B"))
    });
    let sensors = std::iter::once(("VMware Rollup Health State".to_owned(), "system"))
        .chain(caches.map(|name| (name, "Processors")))
        .chain(SOFTWARE.map(|name| (name.to_owned(), "Software Components")));
    HealthSystemRuntime::with(|runtime| {
        let numbered = (0_i64..).zip(sensors);
        let sensors = numbered.map(|(number, (name, kind))| sensor(number, &name, kind));
        runtime.system_health_info_mut().set_numeric_sensor_info(sensors);
        let hardware = runtime.hardware_status_info_mut();
        hardware.set_cpu_status_info((0..PACKAGES).map(|socket| element(&format!("CPU socket #{socket}"))));
        hardware.set_memory_status_info([element("Memory")]);
        hardware.set_storage_status_info([HostStorageElementInfo::with(|storage| {
            status(storage, "Disk mpx.vmhba0:C0:T0:L0");
            storage.push_operational_info(HostStorageOperationalInfo::with(|info| {
                info.set_property("State").set_value("ok");
            }));
        })]);
    })
}

/// A sensor without a reading, which says only whether something is well.
fn sensor(number: i64, name: &str, kind: &str) -> HostNumericSensorInfo {
    HostNumericSensorInfo::with(|sensor| {
        sensor.set_name(name).set_sensor_type(kind).set_current_reading(0).set_unit_modifier(0);
        // Required, and there is no unit.
        sensor.set_base_units("");
        sensor.set_health_state(description("green", "Green", "Sensor is operating under normal conditions"));
        sensor.set_id(format!("0.{kind}.{number}"));
    })
}

fn element(name: &str) -> HostHardwareElementInfo {
    HostHardwareElementInfo::with(|element| status(element, name))
}

fn status(element: &mut HostHardwareElementInfo, name: &str) {
    element.set_name(name);
    element.set_status(description("Green", "Green", "Physical element is functioning as expected"));
}
