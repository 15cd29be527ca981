//! The machine's UUID as its firmware would show it, in the files of `/sys/class/dmi/id`.
//!
//! They are in a volume of the container. Where the engine's kernel knows no firmware (`/sys/class/dmi` is missing, as on
//! most arm machines and in small virtual machines), nothing can be mounted there. Then the volume takes the place of all
//! of `/sys/class`, and links lead on to what else a container finds there.

use vimsim_container::{Archive, Result};

/// Where the files are.
pub(super) const FOLDER: &str = "/sys/class/dmi/id";
/// What stands in for it where the kernel has no such folder.
pub(super) const PARENT: &str = "/sys/class";

/// What containers look up in `/sys/class`, and where that really is.
const OTHERS: [&str; 5] = ["bdi", "mem", "misc", "net", "tty"];

/// The volume's files for [`FOLDER`], or, if `has_parent`, for [`PARENT`].
pub(super) fn files(uuid: &str, has_parent: bool) -> Result<Vec<u8>> {
    let folder = if has_parent { "dmi/id/" } else { "" };
    let mut archive = Archive::new();
    if has_parent {
        archive = archive.directory("dmi", 0o755).directory("dmi/id", 0o755);
        archive =
            OTHERS.iter().fold(archive, |archive, name| archive.link(name, &format!("/sys/devices/virtual/{name}")));
    }
    let digits = digits(uuid);
    archive
        .file(&format!("{folder}product_uuid"), 0o444, product_uuid(&digits))
        .file(&format!("{folder}product_serial"), 0o444, product_serial(&digits))
        .finish()
}

/// The pairs of digits of a UUID.
fn digits(uuid: &str) -> Vec<String> {
    let digits: Vec<char> = uuid.chars().filter(char::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| pair.iter().collect::<String>().to_ascii_lowercase()).collect()
}

/// A firmware shows the first three groups with their bytes in the other order.
fn product_uuid(pairs: &[String]) -> String {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut text = String::new();
    for (place, from) in ORDER.into_iter().enumerate() {
        if [4, 6, 8, 10].contains(&place) {
            text.push('-');
        }
        text.extend(pairs.get(from).map(|pair| pair.to_ascii_uppercase()));
    }
    text
}

/// `VMware-42 3e 36 c8 72 3d 2b 24-85 90 0e b1 d9 18 0a a2`.
fn product_serial(pairs: &[String]) -> String {
    let (first, second) = pairs.split_at(pairs.len().min(8));
    format!("VMware-{}-{}", first.join(" "), second.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uuid_is_written_as_firmware_does() {
        let pairs = digits("423e36c8-723d-2b24-8590-0eb1d9180aa2");
        assert_eq!(product_uuid(&pairs), "C8363E42-3D72-242B-8590-0EB1D9180AA2");
        assert_eq!(product_serial(&pairs), "VMware-42 3e 36 c8 72 3d 2b 24-85 90 0e b1 d9 18 0a a2");
    }
}
