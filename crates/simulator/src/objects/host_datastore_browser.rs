//! `HostDatastoreBrowser`: looks for files on datastores.

use vimsim_types::views::{
    FileQuery, FloppyImageFileQuery, FolderFileQuery, HostDatastoreBrowser, IsoImageFileQuery, TemplateConfigFileQuery,
    VmConfigFileQuery, VmDiskFileQuery, VmLogFileQuery, VmNvramFileQuery, VmSnapshotFileQuery,
};
use vimsim_types::{Moref, Object, Value, View};

use crate::kind::Kind;

pub(crate) fn kind() -> Kind<HostDatastoreBrowser> {
    Kind::new()
}

/// A browser of these datastores.
pub(crate) fn properties(datastores: impl IntoIterator<Item = Moref>) -> HostDatastoreBrowser {
    HostDatastoreBrowser::with(|browser| {
        browser.set_datastore(datastores);
        browser.set_supported_type(std::iter::empty::<FileQuery>());
        let kinds = [
            FloppyImageFileQuery::TYPE,
            FolderFileQuery::TYPE,
            IsoImageFileQuery::TYPE,
            VmConfigFileQuery::TYPE,
            TemplateConfigFileQuery::TYPE,
            VmDiskFileQuery::TYPE,
            VmLogFileQuery::TYPE,
            VmNvramFileQuery::TYPE,
            VmSnapshotFileQuery::TYPE,
        ];
        browser.supported_type_mut().values().extend(kinds.map(|kind| Value::Object(Object::new(kind))));
    })
}
