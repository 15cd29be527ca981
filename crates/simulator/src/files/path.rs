//! Paths on a datastore: what clients write, and what we look up.

/// The longest path that a datastore keeps, in bytes: that of VMFS.
const LONGEST: usize = 2_048;

/// A path that a client gave as ours are kept: without empty parts, `.` and `..`. `None` for one that leads out of the
/// datastore, or that no file can have.
pub(crate) fn normalize(text: &str) -> Option<String> {
    if text.len() > LONGEST || text.contains(['\0', '\\']) {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop()?,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The folder that a path is in, and its name there.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// A name in a folder.
pub(crate) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.into() } else { format!("{folder}/{name}") }
}

/// What is left of a path below a folder; `None` if it is not below it.
pub(crate) fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    if folder.is_empty() {
        return (!path.is_empty()).then_some(path);
    }
    path.strip_prefix(folder)?.strip_prefix('/').filter(|rest| !rest.is_empty())
}

/// Whether a name is one that a shell's pattern (`*`, `?`, `[a-z]`) means.
pub(crate) fn matches(pattern: &str, name: &str, ignore_case: bool) -> bool {
    let letters = |text: &str| -> Vec<char> {
        if ignore_case { text.to_lowercase().chars().collect() } else { text.chars().collect() }
    };
    matches_letters(&letters(pattern), &letters(name))
}

/// Without recursion, so that a hostile pattern costs no more than the product of the lengths.
fn matches_letters(pattern: &[char], name: &[char]) -> bool {
    let (mut at, mut seen) = (0, 0);
    // Where the last star was, and how much of the name it stood for.
    let mut star: Option<(usize, usize)> = None;
    while seen < name.len() {
        let step = match pattern.get(at) {
            Some('*') => {
                star = Some((at, seen));
                at += 1;
                continue;
            }
            Some('?') => Some(1),
            Some('[') => class(&pattern[at..], name[seen]),
            Some(letter) => (*letter == name[seen]).then_some(1),
            None => None,
        };
        match (step, star) {
            (Some(width), _) => {
                at += width;
                seen += 1;
            }
            (None, Some((place, taken))) => {
                star = Some((place, taken + 1));
                at = place + 1;
                seen = taken + 1;
            }
            (None, None) => return false,
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

/// How wide the class at the beginning of `pattern` is, if the letter is in it. One without an end is a plain bracket.
fn class(pattern: &[char], letter: char) -> Option<usize> {
    let Some(end) = pattern.iter().skip(2).position(|it| *it == ']').map(|at| at + 2) else {
        return (letter == '[').then_some(1);
    };
    let body = &pattern[1..end];
    let (is_negated, body) = match body.first() {
        Some('^' | '!') => (true, &body[1..]),
        _ => (false, body),
    };
    let mut is_in = false;
    let mut at = 0;
    while at < body.len() {
        if body.get(at + 1) == Some(&'-') && at + 2 < body.len() {
            is_in |= (body[at]..=body[at + 2]).contains(&letter);
            at += 3;
        } else {
            is_in |= body[at] == letter;
            at += 1;
        }
    }
    (is_in != is_negated).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        let good = [("a/b", "a/b"), ("/a//./b/", "a/b"), ("a/../b", "b"), (".", ""), ("", ""), ("...", "...")];
        for (text, path) in good {
            assert_eq!(normalize(text).as_deref(), Some(path), "{text}");
        }
        for text in ["..", "a/../..", "/../etc/passwd", "a\0b", "a\\..\\b"] {
            assert_eq!(normalize(text), None, "{text:?}");
        }
        assert_eq!(normalize(&"a".repeat(LONGEST + 1)), None);
    }

    #[test]
    fn parts_of_paths() {
        assert_eq!((split("a/b/c"), split("a")), (("a/b", "c"), ("", "a")));
        assert_eq!((join("", "a"), join("a", "b")), ("a".into(), "a/b".into()));
        assert_eq!(
            (below("a/b", "a"), below("ab", "a"), below("a", ""), below("a", "a")),
            (Some("b"), None, Some("a"), None)
        );
    }

    #[test]
    fn patterns_match_as_in_a_shell() {
        let cases = [
            ("*", "", true),
            ("*.vmdk", "a.vmdk", true),
            ("*.vmdk", "a.VMDK", false),
            ("a?c", "abc", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]x", "[]x", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXbY", false),
            ("", "a", false),
        ];
        for (pattern, name, is_match) in cases {
            assert_eq!(matches(pattern, name, false), is_match, "{pattern} {name}");
        }
        assert!(matches("*.VMDK", "a.vmdk", true));
        assert!(!matches(&"*a".repeat(500), &"a".repeat(400), false));
    }
}
