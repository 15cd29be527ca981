//! The labels by which we know what is ours.

use std::collections::BTreeMap;

/// Labels of a container, a volume or a network.
pub type Labels = BTreeMap<String, String>;

/// The labels' names and fixed values.
pub mod label {
    /// On everything that we make; its value is [`VIMSIM`].
    pub const PRODUCT: &str = "vimsim.product";
    /// The value of [`PRODUCT`].
    pub const VIMSIM: &str = "vimsim";
    /// Which running service made it.
    pub const INSTANCE: &str = "vimsim.instance";
    /// The process of that service, as others can look for it.
    pub const PROCESS: &str = "vimsim.process";
    /// What the thing is for: `host`, `vm`, `volume`, `underlay`.
    pub const KIND: &str = "vimsim.kind";
    /// The reference of the managed object that it belongs to, such as `HostSystem:host-21`.
    pub const OWNER: &str = "vimsim.owner";
    /// How long it lives: with its owner ([`WITH_OWNER`]) or with its last user ([`WITH_USERS`]).
    pub const LIFECYCLE: &str = "vimsim.lifecycle";
    /// It goes when its owner goes.
    pub const WITH_OWNER: &str = "owner";
    /// It goes with the last container that uses it.
    pub const WITH_USERS: &str = "users";
}

/// Whether something has all the labels that are wanted; an empty value matches any.
pub(crate) fn has(labels: &Labels, wanted: &Labels) -> bool {
    wanted.iter().all(|(name, value)| labels.get(name).is_some_and(|has| value.is_empty() || has == value))
}
