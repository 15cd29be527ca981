//! Containers behind simulated hosts and virtual machines.
//!
//! [`ContainerRuntime`] is all that the simulator knows of a container engine. [`Engine`] is Docker or Podman. [`MemoryRuntime`] is an engine that exists in
//! memory only and can be told to fail. An [`Instance`] is one running service: it labels what it makes, so that what a
//! service that died left behind can be told from what belongs to one that lives.

mod archive;
mod busybox;
mod engine;
mod error;
mod identity;
mod image_value;
mod instance;
mod labels;
mod memory;
mod run_value;
mod runtime;
mod spec;
mod state;
mod sweep;
mod undo;

pub use crate::archive::{Archive, ByteStream, bytes_of, stream_of};
pub use crate::engine::{Engine, EngineAddress};
pub use crate::error::{Result, RuntimeError};
pub use crate::image_value::{ImageValue, ImageValueError};
pub use crate::instance::Instance;
pub use crate::labels::{Labels, label};
pub use crate::memory::{ExecHandler, MemoryRuntime, Step};
pub use crate::run_value::RunValue;
pub use crate::runtime::{ContainerRuntime, Progress};
pub use crate::spec::{ContainerSpec, ExecSpec, Mount, NetworkSpec, Port, Protocol, Removal, VolumeSpec};
pub use crate::state::{
    Container, ContainerAction, ContainerEvent, ContainerState, ContainerSummary, Endpoint, EngineEvent, EngineVersion,
    ExecOutcome, ExecPart, ExecStream, MountPoint, Network, PathKind, PathStat, Process, Status, Volume,
};
pub use crate::sweep::Swept;
pub use crate::undo::Undo;
