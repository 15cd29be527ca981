//! Whatever the JSON is, reading it as any value ends in a value or a fault, and a value is written as what reads as
//! the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vimsim_types::{Namespace, Ty, Version};
use vimsim_wire::{Limits, from_json, to_json};

fuzz_target!(|body: &[u8]| {
    let Ok(json) = serde_json::from_slice(body) else { return };
    let read = |json| from_json(json, Ty::Any, false, Namespace::VIM25, &Limits::default());
    let Ok(value) = read(&json) else { return };
    let written = to_json(&value, Ty::Any, false, Version::NEWEST);
    let again = read(&written).expect("we understand what we say");
    assert_eq!(to_json(&again, Ty::Any, false, Version::NEWEST), written);
});
