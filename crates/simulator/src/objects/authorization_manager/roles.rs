//! The roles of the system.

use vimsim_types::View;
use vimsim_types::views::AuthorizationRole;

use super::privileges::{self, Privilege};

/// The role that may do everything.
pub(crate) const ADMIN: i32 = -1;

/// A role's number, name, label, summary, and which privileges it has.
type Row = (i32, &'static str, &'static str, &'static str, fn(&Privilege) -> bool);

fn has(privilege: &Privilege, ids: &[&str]) -> bool {
    ids.contains(&privilege.id.as_str())
}

/// In vCenter's order.
const SYSTEM: &[Row] = &[
    (
        -8,
        "NoTrustedAdmin",
        "No Trusted Infrastructure administrator",
        "Full access without Trusted Infrastructure privileges",
        |privilege| !privilege.marks.contains('t'),
    ),
    (
        -7,
        "TrustedAdmin",
        "Trusted Infrastructure administrator",
        "Setup and monitoring of Trusted Infrastructure",
        |privilege| privilege.marks.contains('T'),
    ),
    (
        -6,
        "NoCryptoAdmin",
        "No cryptography administrator",
        "Full access without Cryptographic operations and Trusted Infrastructure privileges",
        |privilege| !privilege.marks.contains('c'),
    ),
    (-5, "NoAccess", "No access", "Used for restricting granted access", |_| false),
    (-4, "Anonymous", "Anonymous", "Not logged-in user (cannot be granted)", |privilege| {
        has(privilege, &["System.Anonymous"])
    }),
    (-3, "View", "View", "Visibility access (cannot be granted)", |privilege| {
        has(privilege, &["System.Anonymous", "System.View"])
    }),
    (-2, "ReadOnly", "Read-only", "See details of objects, but not make changes", |privilege| {
        has(privilege, &["System.Anonymous", "System.View", "System.Read"])
    }),
    (ADMIN, "Admin", "Administrator", "Full access rights", |_| true),
];

/// The roles that every server has.
pub(super) fn system() -> impl Iterator<Item = AuthorizationRole> {
    SYSTEM.iter().map(|(id, name, label, summary, includes)| {
        AuthorizationRole::with(|role| {
            role.set_role_id(*id).set_system(true).set_name(*name);
            role.info_mut().set_label(*label).set_summary(*summary);
            let privileges = privileges::all().iter().filter(|privilege| includes(privilege));
            role.set_privilege(privileges.map(|privilege| &privilege.id));
        })
    })
}
