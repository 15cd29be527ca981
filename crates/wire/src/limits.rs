//! What a decoder accepts.

use vimsim_types::Version;

/// How much, and what, a decoder accepts. The size of the body is for the caller to limit.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How deep elements may be nested.
    pub depth: usize,
    /// How many attributes an element may have, namespace declarations included.
    pub attributes: usize,
    /// How many slots and list items the decoded values may have in all, at 16 bytes each: a small document can ask for
    /// many large objects.
    pub values: usize,
    /// The version that the client speaks: what is newer is as unknown as what never was. `None` knows everything.
    pub version: Option<Version>,
    /// Pass over elements that no field is called by, over values of unknown types, and over names that no enumeration
    /// has: for saved objects. vcsim writes empty ones, and a later release writes new ones. Asked for such things, a vCenter answers a fault.
    pub ignore_unknown_elements: bool,
    /// Answer a fault if a required field of a data object is missing, not only if a required parameter is.
    ///
    /// Off by default. The tables call some fields required that clients have always left out, because an earlier
    /// version, or a server that read only what it needed, did not ask for them.
    pub require_all_fields: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 64,
            attributes: 64,
            values: 8 << 20,
            version: None,
            ignore_unknown_elements: false,
            require_all_fields: false,
        }
    }
}
