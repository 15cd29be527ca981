//! The vSphere API as values: one shared, copy-on-write tree described by static tables.
//!
//! A [`Value`] is anything that can stand in a property; an [`Object`] is a data object, a managed object's properties or
//! a method's parameters: one slot for each field of its type, base type first, in wire order. What the fields are is in
//! the generated [`table`]s, read from `wsdl/*.schema`. Behaviour code uses the generated [`views`]: newtypes over `Object`
//! whose `Deref` is the API's inheritance.
//!
//! ```
//! use vimsim_types::{View, views::{VirtualDisk, VirtualMachineConfigInfo}};
//!
//! let disk = VirtualDisk::with(|disk| {
//!     disk.set_capacity_in_kb(1024);
//!     disk.set_key(2000); // a field of VirtualDevice
//! });
//! let mut config = VirtualMachineConfigInfo::new();
//! config.hardware_mut().push_device(disk);
//! let device = config.hardware().device().first().expect("one was pushed");
//! assert_eq!(device.downcast::<VirtualDisk>().map(|disk| disk.capacity_in_kb()), Some(1024));
//! ```

mod date_time;
pub mod fault;
#[rustfmt::skip]
mod generated;
mod into_value;
mod items;
mod moref;
mod object;
pub mod table;
mod text;
mod value;
mod view;

pub use arcstr::{self, ArcStr, literal};
pub use date_time::DateTime;
pub use fault::Fault;
pub use generated::{enums, method, views};
pub use into_value::IntoValue;
pub use items::{Items, ItemsMut, Slot};
pub use moref::Moref;
pub use object::Object;
pub use table::{Field, Method, Namespace, Ty, TypeId, TypeInfo, Version};
pub use text::IntoText;
pub use value::{List, Value};
pub use view::{EnumView, MethodView, View};
