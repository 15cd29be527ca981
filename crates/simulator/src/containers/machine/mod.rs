//! Virtual machines with a container behind them.
//!
//! ```text
//!  power on, reset ... ──▶ act ──▶ make, start, pause, kill ──▶ show: addresses and Tools in the machine's properties
//!                                                                ▲
//!  engine's events ──▶ observe ──────────────────────────────────┤
//!  power changed by anything else ──▶ settle ────────────────────┘
//!  keys changed ──▶ change        destroyed, unregistered ──▶ unmake
//!  moved to another host, card on another portgroup ──▶ replug ──▶ show
//! ```
//!
//! The rules of hosts' containers hold for these, too: one thing at a time is done to each, and what was made is taken
//! back unless it is written down. In addition a machine's backing says which power state the container was last brought
//! to. A transaction that changes the machine's power state without having brought the container there, as a vApp's or a
//! snapshot's does, is followed by a look that does so (`settle`).

mod act;
mod backing;
mod change;
mod dmi;
mod leave;
mod make;
mod observe;
mod plan;
mod replug;
mod settle;
mod show;
mod wanted;

pub(crate) use self::act::{
    Halt, power_off, power_on, reboot_guest, reset, shutdown_guest, standby_guest, start_within, stop_within, suspend,
};
pub(crate) use self::backing::{is_backed, seen};
pub(crate) use self::change::{changes_container, reconfigure};
pub(crate) use self::leave::{expect_torn_down, leaving, tear_down, unregister};
pub(super) use self::make::unmake;
pub(super) use self::observe::{look_all, look_later};
pub(crate) use self::replug::replug;
pub(crate) use self::settle::follow;
pub(crate) use self::wanted::{check_option, is_contained};
