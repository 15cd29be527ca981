//! Writes the WSDL of a namespace: `cargo run -p vimsim-wire --example wsdl -- DIRECTORY [URN [VERSION [URL]]]`.

use std::path::Path;

use vimsim_types::{Namespace, Version};
use vimsim_wire::wsdl;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().expect("a directory to write to");
    let urn = arguments.next().unwrap_or_else(|| "urn:vim25".into());
    let namespace = Namespace::from_urn(&urn).expect("a known namespace");
    let version = arguments.next().map(|id| Version::parse(namespace, &id).expect("a version"));
    let url = arguments.next().unwrap_or_else(|| "https://localhost/sdk".into());
    std::fs::create_dir_all(&directory)?;
    for prefix in ["vim", "pbm", "sms", "eam", "vslm", "vsan"] {
        for kind in ["Service.wsdl", ".wsdl", "-messagetypes.xsd", "-types.xsd", "ServiceVersions.xml"] {
            let name = format!("{prefix}{kind}");
            if let Some(text) = wsdl::document(namespace, &name, version.unwrap_or(Version::NEWEST), None, &url) {
                std::fs::write(Path::new(&directory).join(name), text)?;
            }
        }
    }
    Ok(())
}
