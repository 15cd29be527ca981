//! Files in a guest.

use regex_lite::Regex;
use vimsim_types::views::{GuestFileAttributes, GuestFileInfo, GuestListFileInfo};
use vimsim_types::{Fault, View};

use super::access::Guest;
use super::attributes::{self, FORMAT, parse_all};

/// How many files are listed at once unless the client says otherwise.
const PAGE: usize = 50;

const LIST: &str = r#"
[ -e "$1" ] || [ -L "$1" ] || exit 64
[ -d "$1" ] || { stat -c "$2" "$1"; exit; }
find "$1" -maxdepth 1 -exec stat -c "$2" {} +
"#;

const MAKE_DIRECTORY: &str = r#"
if [ "$2" = true ]; then
    [ -d "$1" ] && exit
    [ -e "$1" ] && exit 65
    exec mkdir -p "$1"
fi
[ -e "$1" ] || [ -L "$1" ] && exit 65
[ -d "${1%/*}/" ] || exit 64
mkdir "$1"
"#;

const DELETE_FILE: &str = r#"
[ -e "$1" ] || [ -L "$1" ] || exit 64
[ -d "$1" ] && [ ! -L "$1" ] && exit 67
rm -f "$1"
"#;

const DELETE_DIRECTORY: &str = r#"
[ -e "$1" ] || [ -L "$1" ] || exit 64
[ -d "$1" ] || exit 66
[ "$2" = true ] && exec rm -rf "$1"
[ -z "$(ls -A "$1")" ] || exit 68
rmdir "$1"
"#;

/// The paths, whether what is moved is a directory, and whether it may take the place of another.
const MOVE: &str = r#"
[ -e "$1" ] || [ -L "$1" ] || exit 64
if [ "$3" = true ]; then [ -d "$1" ] || exit 66; else [ -d "$1" ] && exit 67; fi
if [ -e "$2" ] || [ -L "$2" ]; then
    [ "$4" = true ] && [ ! -d "$2" ] || exit 75
fi
[ -d "${2%/*}/" ] || exit 74
mv -f "$1" "$2"
"#;

/// The folder, what the name begins and ends with, and whether it is to be a directory. The first free number is between.
const TEMPORARY: &str = r#"
[ -e "$1" ] || exit 64
[ -d "$1" ] || exit 66
umask 077
n=0
while :; do
    path="${1%/}/$2vmware$n$3"
    if [ "$4" = true ]; then mkdir "$path"; else (set -C; : > "$path"); fi 2>/dev/null && break
    [ -e "$path" ] || [ -L "$path" ] || { echo "$1: Permission denied" >&2; exit 1; }
    n=$((n + 1))
done
printf %s "$path"
"#;

/// What the targets of links are: a line for each path.
const TARGETS: &str = r#"for path; do readlink "$path" || echo; done"#;

/// What is answered for the second path of [`MOVE`], as others are for the first.
const SECOND: [(i64, i64); 2] = [(74, 64), (75, 65)];

impl Guest {
    /// The files of a directory, itself first, or one file.
    ///
    /// - `FileNotFound`; `InvalidArgument` without a path, or for an index that is none.
    pub(crate) async fn list_files(
        &self,
        path: &str,
        pattern: Option<&str>,
        index: usize,
        most: usize,
    ) -> Result<GuestListFileInfo, Fault> {
        if path.is_empty() {
            return Err(Fault::invalid_argument("filePath", "is empty"));
        }
        let pattern = pattern.filter(|pattern| !pattern.is_empty()).map(matcher).transpose()?;
        let text = self.about(LIST, &[path, FORMAT]).await?;
        let mut files = parse_all(&text);
        files.sort_by(|one, other| one.path().cmp(other.path()));
        if let Some(pattern) = pattern {
            files.retain(|file| pattern.is_match(file.path().rsplit('/').next().unwrap_or_default()));
        }
        let most = if most == 0 { PAGE } else { most };
        let remaining = files.len().saturating_sub(index.saturating_add(most));
        let mut files: Vec<GuestFileInfo> = files.into_iter().skip(index).take(most).collect();
        self.add_targets(&mut files).await?;
        Ok(GuestListFileInfo::with(|list| {
            list.set_files(files).set_remaining(i32::try_from(remaining).unwrap_or(i32::MAX));
        }))
    }

    /// Says where symbolic links lead.
    async fn add_targets(&self, files: &mut [GuestFileInfo]) -> Result<(), Fault> {
        let links: Vec<String> =
            files.iter().filter(|file| file.type_() == "symlink").map(|file| file.path().to_string()).collect();
        if links.is_empty() {
            return Ok(());
        }
        let arguments: Vec<&str> = links.iter().map(String::as_str).collect();
        let outcome = self.run(TARGETS, &arguments).await?;
        let text = String::from_utf8_lossy(&outcome.stdout).into_owned();
        for (link, target) in links.iter().zip(text.lines()).filter(|(_, target)| !target.is_empty()) {
            for file in files.iter_mut().filter(|file| file.path() == link.as_str()) {
                file.attributes_mut().set_symlink_target(target);
            }
        }
        Ok(())
    }

    /// - `FileAlreadyExists`; `FileNotFound` without the directory that it is to be in.
    // Fidelity: with `createParentDirectories` a directory that is there is none to complain of, as in vcsim.
    pub(crate) async fn make_directory(&self, path: &str, with_parents: bool) -> Result<(), Fault> {
        self.about(MAKE_DIRECTORY, &[plain(path), flag(with_parents)]).await.map(drop)
    }

    /// - `FileNotFound`, `NotAFile`.
    pub(crate) async fn delete_file(&self, path: &str) -> Result<(), Fault> {
        self.about(DELETE_FILE, &[path]).await.map(drop)
    }

    /// - `FileNotFound`, `NotADirectory`, `DirectoryNotEmpty`.
    pub(crate) async fn delete_directory(&self, path: &str, recursive: bool) -> Result<(), Fault> {
        self.about(DELETE_DIRECTORY, &[path, flag(recursive)]).await.map(drop)
    }

    /// - `FileNotFound`, `FileAlreadyExists`, and `NotADirectory` or `NotAFile` for what is the other.
    pub(crate) async fn move_path(&self, from: &str, to: &str, is_directory: bool, replace: bool) -> Result<(), Fault> {
        let (from, to) = (plain(from), plain(to));
        let mut outcome = self.run(MOVE, &[from, to, flag(is_directory), flag(replace)]).await?;
        let second = SECOND.iter().find(|(code, _)| *code == outcome.exit_code);
        let path = if second.is_some() { to } else { from };
        outcome.exit_code = second.map_or(outcome.exit_code, |(_, code)| *code);
        if outcome.exit_code == 0 { Ok(()) } else { Err(super::shell::fault(path, &outcome)) }
    }

    /// The path of a new file or directory that nobody else can read.
    ///
    /// - `FileNotFound`, `NotADirectory` for where it is to be.
    pub(crate) async fn make_temporary(
        &self,
        folder: Option<&str>,
        prefix: &str,
        suffix: &str,
        is_directory: bool,
    ) -> Result<String, Fault> {
        if [prefix, suffix].iter().any(|part| part.contains('/')) {
            return Err(Fault::invalid_argument("prefix", "a part of a name has no slashes"));
        }
        let folder = folder.filter(|folder| !folder.is_empty()).unwrap_or("/tmp");
        self.about(TEMPORARY, &[folder, prefix, suffix, flag(is_directory)]).await
    }

    /// - `FileNotFound`; `OperationNotSupportedByGuest` for attributes that only Windows has.
    pub(crate) async fn change_attributes(&self, path: &str, attributes: &GuestFileAttributes) -> Result<(), Fault> {
        let changes = attributes::changes(attributes)?;
        let arguments: Vec<&str> = [path].into_iter().chain(changes.iter().map(String::as_str)).collect();
        self.about(attributes::CHANGE, &arguments).await.map(drop)
    }
}

/// A path without the slashes behind it.
fn plain(path: &str) -> &str {
    let plain = path.trim_end_matches('/');
    if plain.is_empty() { path } else { plain }
}

fn flag(flag: bool) -> &'static str {
    if flag { "true" } else { "false" }
}

/// A pattern is a regular expression; what is none is one of a shell, as vcsim takes them.
fn matcher(pattern: &str) -> Result<Regex, Fault> {
    Regex::new(pattern).or_else(|error| {
        let mut expression = String::from("^");
        for letter in pattern.chars() {
            match letter {
                '*' => expression.push_str(".*"),
                '?' => expression.push('.'),
                other => expression.push_str(&regex_lite::escape(&other.to_string())),
            }
        }
        expression.push('$');
        Regex::new(&expression).map_err(|_| Fault::invalid_argument("matchPattern", error.to_string()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_regular_expressions_or_a_shell_s() {
        for (pattern, name, matches) in [
            ("^a.*z$", "abcz", true),
            ("b", "abc", true),
            ("*.txt", "a.txt", true),
            ("*.txt", "a.txts", false),
            ("^b", "abc", false),
        ] {
            assert_eq!(matcher(pattern).unwrap().is_match(name), matches, "{pattern} {name}");
        }
    }
}
