//! What a guest says of its files, and what is to be changed of it.

use vimsim_types::enums::GuestFileType;
use vimsim_types::views::{
    GuestFileAttributes, GuestFileInfo, GuestPosixFileAttributes, GuestWindowsFileAttributes,
    OperationNotSupportedByGuest,
};
use vimsim_types::{DateTime, EnumView, Fault, View};

/// How `stat` is asked for a file.
pub(super) const FORMAT: &str = "%s %u %g %f %X %Y %n";

/// A file, as `stat` says it in a line; none for a line that is none of its.
pub(super) fn parse(line: &str) -> Option<GuestFileInfo> {
    let mut words = line.splitn(7, ' ');
    let size: i64 = words.next()?.parse().ok()?;
    let owner: i64 = words.next()?.parse().ok()?;
    let group: i64 = words.next()?.parse().ok()?;
    let mode = i64::from_str_radix(words.next()?, 16).ok()?;
    let accessed: i64 = words.next()?.parse().ok()?;
    let modified: i64 = words.next()?.parse().ok()?;
    let path = words.next()?;
    let kind = match mode & 0o170_000 {
        0o040_000 => GuestFileType::Directory,
        0o120_000 => GuestFileType::Symlink,
        _ => GuestFileType::File,
    };
    let attributes = GuestPosixFileAttributes::with(|attributes| {
        attributes.set_modification_time(DateTime::from_micros(modified * 1_000_000));
        attributes.set_access_time(DateTime::from_micros(accessed * 1_000_000));
        attributes.set_owner_id(i32::try_from(owner).unwrap_or(i32::MAX));
        attributes.set_group_id(i32::try_from(group).unwrap_or(i32::MAX));
        attributes.set_permissions(mode & 0o7777);
    });
    Some(GuestFileInfo::with(|info| {
        info.set_path(path).set_type(kind.name()).set_size(size).set_attributes(attributes);
    }))
}

/// The files of several lines. A name may have more than one.
pub(super) fn parse_all(text: &str) -> Vec<GuestFileInfo> {
    let mut files: Vec<GuestFileInfo> = Vec::new();
    for line in text.lines() {
        match (parse(line), files.last_mut()) {
            (Some(file), _) => files.push(file),
            (None, Some(last)) => {
                let path = format!("{}\n{line}", last.path());
                last.set_path(path);
            }
            (None, None) => {}
        }
    }
    files
}

/// Changes a file's attributes: its path, and for each what it is to be, or nothing if it stays.
pub(super) const CHANGE: &str = r#"
[ -e "$1" ] || [ -L "$1" ] || exit 64
[ -z "$2" ] || chmod "$2" "$1" || exit 1
[ -z "$3" ] || chown "$3" "$1" || exit 1
[ -z "$4" ] || chown ":$4" "$1" || exit 1
[ -z "$5" ] || touch -m -d "@$5" "$1" || exit 1
[ -z "$6" ] || touch -a -d "@$6" "$1" || exit 1
"#;

/// What [`CHANGE`] is told after the path.
///
/// - `OperationNotSupportedByGuest` for attributes that only Windows has.
pub(super) fn changes(attributes: &GuestFileAttributes) -> Result<[String; 5], Fault> {
    if attributes.downcast::<GuestWindowsFileAttributes>().is_some() {
        return Err(Fault::new(OperationNotSupportedByGuest::new(), "the guest is no Windows"));
    }
    let posix = attributes.downcast::<GuestPosixFileAttributes>();
    // Zero is what clients send who do not say: a file that nobody may use is of no use.
    let permissions = posix.and_then(|posix| posix.permissions()).filter(|permissions| *permissions != 0);
    let seconds = |time: Option<DateTime>| time.map(|time| (time.micros() / 1_000_000).to_string()).unwrap_or_default();
    let number = |number: Option<i32>| number.map(|number| number.to_string()).unwrap_or_default();
    Ok([
        permissions.map(|permissions| format!("{permissions:o}")).unwrap_or_default(),
        number(posix.and_then(|posix| posix.owner_id())),
        number(posix.and_then(|posix| posix.group_id())),
        seconds(attributes.modification_time()),
        seconds(attributes.access_time()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_files() {
        let files = parse_all("12 0 5 81a4 1 2 /tmp/a b\nnext\n4096 0 0 41ed 1 2 /tmp\n7 1 1 a1ff 1 2 /l\n");
        let seen: Vec<_> =
            files.iter().map(|file| (file.path().as_str(), file.type_().as_str(), file.size())).collect();
        assert_eq!(seen, [("/tmp/a b\nnext", "file", 12), ("/tmp", "directory", 4096), ("/l", "symlink", 7)]);
        let attributes = files[0].attributes().downcast::<GuestPosixFileAttributes>().unwrap();
        assert_eq!((attributes.permissions(), attributes.group_id()), (Some(0o644), Some(5)));
    }
}
