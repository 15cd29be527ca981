//! Virtual disks as files: what a descriptor says.

use std::sync::Arc;

use vimsim_types::ArcStr;

use super::content::Blob;

/// The bytes of a sector.
pub(crate) const SECTOR: i64 = 512;

/// What the descriptor of a virtual disk says, and what was uploaded as the disk.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    /// In bytes.
    pub(crate) capacity: i64,
    /// One of `VirtualDiskType`.
    pub(crate) kind: ArcStr,
    /// One of `VirtualDiskAdapterType`.
    pub(crate) adapter: ArcStr,
    pub(crate) uuid: ArcStr,
    /// The datastore path of the disk that this one has its differences to.
    pub(crate) parent: Option<ArcStr>,
    /// The disk as it was uploaded, and is given back.
    pub(crate) stream: Option<Arc<Blob>>,
}

impl Disk {
    /// Whether it takes of its datastore only what is written.
    pub(crate) fn is_thin(&self) -> bool {
        matches!(self.kind.as_str(), "thin" | "seSparse" | "sparse2Gb" | "sparseMonolithic" | "delta")
    }

    /// Cylinders, heads and sectors, as a controller of this type shows a disk of this size.
    pub(crate) fn geometry(&self) -> (i64, i32, i32) {
        let sectors = self.capacity / SECTOR;
        let (heads, per_track) = match self.adapter.as_str() {
            "ide" => (16, 63),
            _ if self.capacity < 1 << 30 => (64, 32),
            _ if self.capacity < 2 << 30 => (128, 32),
            _ => (255, 63),
        };
        (sectors / (i64::from(heads) * i64::from(per_track)), heads, per_track)
    }

    /// The name of the file with the disk's data, given that of the descriptor.
    pub(crate) fn extent(&self, name: &str) -> String {
        let stem = name.strip_suffix(".vmdk").unwrap_or(name);
        match self.kind.as_str() {
            "delta" => format!("{stem}-delta.vmdk"),
            "seSparse" => format!("{stem}-sesparse.vmdk"),
            "rdm" => format!("{stem}-rdm.vmdk"),
            "rdmp" => format!("{stem}-rdmp.vmdk"),
            _ => format!("{stem}-flat.vmdk"),
        }
    }

    /// The descriptor's text. `name` is that of its file.
    pub(crate) fn descriptor(&self, name: &str) -> String {
        let (cylinders, heads, sectors) = self.geometry();
        let extent = self.extent(name);
        let (create_type, extent_type) = match self.kind.as_str() {
            "delta" => ("vmfsSparse", "VMFSSPARSE"),
            "seSparse" => ("seSparse", "SESPARSE"),
            "rdm" => ("vmfsRawDeviceMap", "VMFSRDM"),
            "rdmp" => ("vmfsPassthroughRawDeviceMap", "VMFSRDM"),
            _ => ("vmfs", "VMFS"),
        };
        let identifier = identifier(&self.uuid);
        let parent_identifier = if self.parent.is_some() { identifier } else { u32::MAX };
        let mut text = format!(
            "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID={identifier:08x}\nparentCID={parent_identifier:08x}\n\
             isNativeSnapshot=\"no\"\ncreateType=\"{create_type}\"\n"
        );
        if let Some(parent) = &self.parent {
            let hint = parent.rsplit('/').next().unwrap_or(parent);
            text += &format!("parentFileNameHint=\"{hint}\"\n");
        }
        text += &format!(
            "\n# Extent description\nRW {} {extent_type} \"{extent}\"\n\n# The Disk Data Base\n#DDB\n\n\
             ddb.adapterType = \"{}\"\nddb.geometry.cylinders = \"{cylinders}\"\nddb.geometry.heads = \"{heads}\"\n\
             ddb.geometry.sectors = \"{sectors}\"\nddb.longContentID = \"{identifier:032x}\"\n",
            self.capacity / SECTOR,
            match self.adapter.as_str() {
                "busLogic" => "buslogic",
                "lsiLogic" => "lsilogic",
                other => other,
            },
        );
        if self.kind == "thin" {
            text += "ddb.thinProvisioned = \"1\"\n";
        }
        text += &format!("ddb.uuid = \"{}\"\nddb.virtualHWVersion = \"21\"\n", spaced(&self.uuid));
        text
    }

    /// Reads the beginning of an uploaded disk: a descriptor's text, or a sparse disk that has its descriptor in it.
    pub(crate) fn parse(head: &[u8]) -> Option<Self> {
        if let Some(sparse) = Sparse::parse(head) {
            let start = usize::try_from(sparse.descriptor_at).ok()?.checked_mul(SECTOR as usize)?;
            let end = start.checked_add(usize::try_from(sparse.descriptor_size).ok()?.checked_mul(SECTOR as usize)?)?;
            let text = head.get(start..end.min(head.len())).unwrap_or_default();
            let mut disk = Self::from_text(&String::from_utf8_lossy(text)).unwrap_or_else(Self::unknown);
            disk.capacity = sparse.capacity;
            disk.kind = "sparseMonolithic".into();
            return Some(disk);
        }
        if !head.starts_with(b"# Disk DescriptorFile") {
            return None;
        }
        Self::from_text(&String::from_utf8_lossy(head))
    }

    fn unknown() -> Self {
        Self {
            capacity: 0,
            kind: "preallocated".into(),
            adapter: "lsiLogic".into(),
            uuid: ArcStr::new(),
            parent: None,
            stream: None,
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut disk = Self::unknown();
        let mut is_descriptor = false;
        for line in text.lines().map(|line| line.trim_matches(['\0', ' ', '\r'])) {
            is_descriptor |= line.starts_with("# Disk DescriptorFile");
            if let Some(extent) = line.strip_prefix("RW ") {
                let sectors: i64 = extent.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0);
                disk.capacity = disk.capacity.saturating_add(sectors.max(0).saturating_mul(SECTOR));
                continue;
            }
            let Some((key, value)) = line.split_once('=') else { continue };
            let value = value.trim().trim_matches('"');
            match key.trim() {
                "ddb.thinProvisioned" if value == "1" => disk.kind = "thin".into(),
                "ddb.adapterType" => {
                    disk.adapter = match value {
                        "buslogic" => "busLogic".into(),
                        "lsilogic" => "lsiLogic".into(),
                        other => other.into(),
                    }
                }
                "ddb.uuid" => disk.uuid = unspaced(value).into(),
                _ => {}
            }
        }
        is_descriptor.then_some(disk)
    }
}

/// The header of a sparse disk.
struct Sparse {
    capacity: i64,
    descriptor_at: i64,
    descriptor_size: i64,
}

impl Sparse {
    fn parse(head: &[u8]) -> Option<Self> {
        if head.get(..4)? != b"KDMV" {
            return None;
        }
        let number = |at: usize| Some(i64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?));
        let capacity = number(12)?.checked_mul(SECTOR)?;
        (capacity >= 0).then_some(Self { capacity, descriptor_at: number(28)?, descriptor_size: number(36)? })
    }
}

/// The content identifier of a disk with this UUID.
fn identifier(uuid: &str) -> u32 {
    let digits: String = uuid.chars().filter(char::is_ascii_hexdigit).take(8).collect();
    u32::from_str_radix(&digits, 16).unwrap_or(0xffff_fffe).min(0xffff_fffe)
}

/// A UUID as descriptors have it: `60 00 C2 9f 4f 5d 6c 0f-1c f4 4d 6f 6d 5f 01 5e`.
fn spaced(uuid: &str) -> String {
    let digits: Vec<char> = uuid.chars().filter(char::is_ascii_hexdigit).collect();
    let mut out = String::with_capacity(48);
    for (at, pair) in digits.chunks(2).enumerate() {
        match at {
            0 => {}
            8 => out.push('-'),
            _ => out.push(' '),
        }
        out.extend(pair);
    }
    out
}

/// [`spaced`] undone: a UUID in its usual form, or the text itself if it is none.
pub(crate) fn unspaced(text: &str) -> String {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    if digits.len() != 32 {
        return text.into();
    }
    let digits = digits.to_ascii_lowercase();
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(kind: &str, capacity: i64) -> Disk {
        let uuid = "b95003e9-7241-514a-9ba0-82a06c0d235a".into();
        Disk { capacity, kind: kind.into(), adapter: "lsiLogic".into(), uuid, parent: None, stream: None }
    }

    #[test]
    fn a_descriptor_says_what_the_disk_is() {
        let disk = disk("thin", 10 << 30);
        let text = disk.descriptor("a.vmdk");
        assert!(text.contains("RW 20971520 VMFS \"a-flat.vmdk\"\n"), "{text}");
        assert!(text.contains("ddb.uuid = \"b9 50 03 e9 72 41 51 4a-9b a0 82 a0 6c 0d 23 5a\"\n"), "{text}");
        let read = Disk::parse(text.as_bytes()).expect("a descriptor");
        assert_eq!((read.capacity, read.kind.as_str(), read.uuid), (10 << 30, "thin", disk.uuid));
        assert!(Disk::parse(b"no descriptor").is_none());
    }

    #[test]
    fn geometry_follows_the_size() {
        assert_eq!(disk("thin", 30 << 20).geometry(), (30, 64, 32));
        assert_eq!(disk("thin", 10 << 30).geometry(), (1305, 255, 63));
    }
}
