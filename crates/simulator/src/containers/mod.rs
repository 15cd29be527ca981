//! Hosts with a container behind them; [`machine`] has what virtual machines differ in.
//!
//! ```text
//!  option set, host added ──▶ make ──▶ reflect: the engine's answer in the host's properties
//!                                         ▲
//!  engine's events ──▶ observe ───────────┤
//!  shutdown, reboot, reconnect ──▶ act ───┘
//!  option emptied, host destroyed ──▶ unmake
//! ```
//!
//! What goes on between us and the engine happens between transactions, one thing at a time for each host
//! ([`Engine::turn`]). What the host's container is, is kept beside the host's properties ([`Backing`]).

mod act;
mod add;
mod backing;
mod change;
mod destroy;
mod engine;
pub(crate) mod machine;
mod make;
mod model;
mod observe;
mod plan;
mod reflect;
mod underlay;
mod wanted;

pub(crate) use self::act::{Deed, act, reconnect};
pub(crate) use self::add::{add_backed, begin_backed, of_new_host};
pub(crate) use self::backing::{is_backed, set_usage, usage};
pub(crate) use self::change::{Changed, change};
pub(crate) use self::destroy::{End, destroy_backed, expect_torn_down, holds_backed};
pub(crate) use self::engine::Engine;
pub use self::model::HostProgress;
pub(crate) use self::wanted::{CONTAINER, Wanted, concerns_containers, text};
