//! A vCenter or ESXi host in memory: managed objects, their methods, and the inventory they start with.
//!
//! [`Service::call`] is where every request comes in, whatever wire it came over: it checks the session, finds the object
//! and its method, and runs the method's handler on a snapshot (a read), in a transaction (a write), or as a future (a
//! wait). The handlers are in `objects/`, one file for each managed object, by its vSphere name.

mod automation;
mod call;
mod clock;
mod cluster_modules;
mod config;
mod containers;
mod data_sets;
mod esxcli;
mod fetch;
mod files;
mod first_class;
mod guest;
mod kind;
mod kinds;
mod library_files;
mod luns;
mod model;
pub(crate) mod objects;
mod occupied;
mod rules;
mod service;
mod session;
mod spawn;
mod tagging;
mod task;
mod token_service;
mod usage;
pub mod uuid;
mod walk;
mod work;

pub use clock::{Clock, ManualClock, SystemClock};
pub use cluster_modules::MemberChange;
pub use config::{Config, Containers, Credentials, Fidelity, Model, Product, SavedObject};
pub use containers::HostProgress;
pub use data_sets::{DataSet, DataSetAccess, DataSetSpec};
pub use fetch::{Fetch, FetchError, Source};
pub use files::content::{Pieces, Upload};
pub use files::transfer::{Download, FolderEntry, FolderRequest, Found, TransferError};
pub use guest::GuestFile;
pub use objects::crypto_manager_kmip::{NativeProvider, NativeProviderBackup};
pub use objects::host_system::thumbprints;
pub use service::{Error, Reply, Request, Service};
pub use session::{Peer, Session, Token};
pub use tagging::{Cardinality, Category, CategorySpec, Tag, TagSpec, TaggedObject, Tagging};
pub use token_service::TokenRequest;
pub use vimsim_registry::Snapshot;
