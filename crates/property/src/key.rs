//! Keys: how an item of a list is addressed, in `device[4000]` and `extraConfig["guestinfo.ip"]`.
//!
//! The programming guide ("Indexed Array and Key-Based Array Properties") tells two kinds of lists apart. Items that are
//! data objects with a `key` property are addressed by its value and references by theirs; all others by their position.

use std::fmt;

use vimsim_types::{ArcStr, Ty, Value};

/// A key as a client wrote it.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    text: ArcStr,
    number: Option<i64>,
    is_quoted: bool,
}

impl Key {
    /// Reads what follows a `[`: a quoted or bare key and its `]`. Returns the key and the rest of the text. In quotes,
    /// `\"` and `\\` stand for `"` and `\`.
    pub(crate) fn parse(text: &str) -> Option<(Key, &str)> {
        let (key, rest) = match text.strip_prefix('"') {
            Some(quoted) => parse_quoted(quoted)?,
            None => {
                let (bare, rest) = text.split_once(']')?;
                (bare.to_owned(), rest)
            }
        };
        let number = key.parse().ok();
        let is_quoted = text.starts_with('"');
        (!key.is_empty()).then(|| (Key { text: key.into(), number, is_quoted }, rest))
    }

    /// Whether items of this type can have the key: text is quoted and numbers are not, where the declared type says
    /// which of them its `key` is.
    pub(crate) fn fits(&self, item: Ty) -> bool {
        let Ty::Data(kind) = item else { return true };
        let info = kind.info();
        match info.slot("key").map(|slot| info.fields()[slot].ty) {
            Some(Ty::String) => self.is_quoted,
            Some(Ty::Byte | Ty::Short | Ty::Int | Ty::Long) => !self.is_quoted && self.number.is_some(),
            _ => true,
        }
    }

    /// The item that this key addresses.
    pub(crate) fn find<'a>(&self, items: &'a [Value]) -> Option<&'a Value> {
        if items.first().is_some_and(|item| Identity::of(item).is_none()) {
            return items.get(usize::try_from(self.number?).ok()?);
        }
        items.iter().find(|item| match Identity::of(item) {
            Some(Identity::Number(number)) => self.number == Some(number),
            Some(Identity::Text(text)) => self.text == text,
            None => false,
        })
    }
}

fn parse_quoted(quoted: &str) -> Option<(String, &str)> {
    let mut key = String::new();
    let mut rest = quoted;
    loop {
        let (before, at) = rest.split_at(rest.find(['"', '\\'])?);
        key.push_str(before);
        if let Some(rest) = at.strip_prefix("\"]") {
            return Some((key, rest));
        }
        let escape = at.starts_with("\\\"") || at.starts_with("\\\\");
        let literal = if escape { &at[1..2] } else { &at[..1] };
        key.push_str(literal);
        rest = &at[if escape { 2 } else { 1 }..];
    }
}

/// What addresses an item of a key-based list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Identity<'a> {
    Number(i64),
    Text(&'a str),
}

impl<'a> Identity<'a> {
    /// The identity of an item; none if it has neither key nor reference.
    pub(crate) fn of(item: &'a Value) -> Option<Identity<'a>> {
        match item {
            Value::Object(object) => Self::of_key(object.field("key")),
            Value::Moref(_, value) => Some(Identity::Text(value)),
            _ => None,
        }
    }

    fn of_key(key: &'a Value) -> Option<Identity<'a>> {
        Some(match key {
            Value::Byte(number) => Identity::Number((*number).into()),
            Value::Short(number) => Identity::Number((*number).into()),
            Value::Int(number) => Identity::Number((*number).into()),
            Value::Long(number) => Identity::Number(*number),
            Value::Moref(_, value) => Identity::Text(value),
            _ => Identity::Text(key.text()?),
        })
    }
}

/// As it stands in a path: `[4000]` or `["key"]`.
impl fmt::Display for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Identity::Number(number) => write!(f, "[{number}]"),
            Identity::Text(text) => write!(f, "[\"{}\"]", text.replace('\\', "\\\\").replace('"', "\\\"")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_bare_or_quoted() {
        let parse = |text| Key::parse(text).map(|(key, rest)| (key.text.to_string(), rest));
        assert_eq!(parse("4000].x"), Some(("4000".into(), ".x")));
        assert_eq!(parse("vm-12]"), Some(("vm-12".into(), "")));
        assert_eq!(parse(r#""a.b[0]"].x"#), Some(("a.b[0]".into(), ".x")));
        assert_eq!(parse(r#""a\"b\\c\d"]"#), Some((r#"a"b\c\d"#.into(), "")));
        assert_eq!(parse(r#""say "hi" now"]"#), Some((r#"say "hi" now"#.into(), "")));
        for bad in ["", "]", "4000", "\"", "\"a", "\"a\"", "\"\"]", "\"a\\"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn identities_are_read_back() {
        for text in ["plain", "with \"quotes\"", "back\\slash", "trailing\\", "end\"]", "ünï"] {
            let written = Identity::Text(text).to_string();
            let (key, rest) = Key::parse(&written[1..]).expect("a key");
            assert_eq!((key.text.as_str(), rest), (text, ""));
        }
        assert_eq!(Identity::Number(-1).to_string(), "[-1]");
    }
}
