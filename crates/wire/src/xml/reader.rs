//! A pull reader of XML elements: `quick_xml` underneath, with namespaces, limits and faults that say where.
//!
//! It reads from one piece of UTF-8 text in memory, and everything it hands out borrows from that. A document type
//! declaration is refused, so there are no entities but the five predefined ones and character references.

use std::borrow::Cow;
use std::fmt::Display;

use quick_xml::Reader as Tokens;
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesRef, Event};
use vimsim_types::{Fault, Namespace};

use crate::{Limits, names};

/// What a namespace prefix stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Space {
    /// No namespace.
    None,
    /// The SOAP 1.1 envelope.
    Soap,
    /// XML Schema: the primitive types.
    Schema,
    /// XML Schema instances: `type` and `nil`.
    Instance,
    /// The reserved prefix `xml`.
    Xml,
    /// A namespace of the API.
    Api(Namespace),
    /// Any other.
    Other,
}

impl Space {
    fn of(uri: &str) -> Self {
        match uri {
            "" => Self::None,
            names::SOAP => Self::Soap,
            names::SCHEMA => Self::Schema,
            names::INSTANCE => Self::Instance,
            _ => Namespace::from_urn(uri).map_or(Self::Other, Self::Api),
        }
    }
}

/// The start of an element.
#[derive(Debug)]
pub(crate) struct Tag<'a> {
    /// The name without its prefix.
    pub(crate) name: &'a str,
    /// The namespace of the name.
    pub(crate) space: Space,
    /// The value of `xsi:type`.
    pub(crate) xsi_type: Option<TypeName<'a>>,
    /// Whether `xsi:nil` is true.
    pub(crate) nil: bool,
    /// The value of the attribute `type` that is in no namespace: what a reference refers to.
    pub(crate) kind: Option<&'a str>,
}

/// A type's name as an attribute gives it. References in it are not resolved: a name needs none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TypeName<'a> {
    /// The namespace that its prefix stands for, if it has one that is declared.
    pub(crate) space: Space,
    /// The name without its prefix.
    pub(crate) local: &'a str,
}

/// A prefix and what it stands for in the elements at `depth` and below.
struct Binding<'a> {
    depth: usize,
    prefix: &'a str,
    space: Space,
}

/// The reader. [`Reader::child`] descends; after it, exactly one of `child` (until it returns `None`), [`Reader::text`]
/// and [`Reader::skip`] must consume the element's content.
pub(crate) struct Reader<'a, 'l> {
    input: &'a str,
    tokens: Tokens<&'a [u8]>,
    limits: &'l Limits,
    /// The names of the open elements.
    path: Vec<&'a str>,
    bindings: Vec<Binding<'a>>,
    /// Where the event read last begins.
    position: usize,
    /// The element just opened was `<like-this/>`, so its end comes next.
    empty: bool,
}

/// What [`Reader::event`] returns: the events that matter, cut from the input.
enum Token<'a> {
    Start(Tag<'a>),
    End,
    Text(&'a str),
    CData(&'a str),
    Reference(char),
}

impl<'a, 'l> Reader<'a, 'l> {
    /// Reads `input`, which [`document`] has checked.
    pub(crate) fn new(input: &'a str, limits: &'l Limits) -> Self {
        let tokens = Tokens::from_str(input);
        Self {
            input,
            tokens,
            limits,
            path: Vec::with_capacity(16),
            bindings: Vec::with_capacity(8),
            position: 0,
            empty: false,
        }
    }

    /// `InvalidRequest`, naming the element and the position that the reader is at.
    pub(crate) fn fault(&self, why: impl Display) -> Fault {
        Fault::invalid_request(self.located(why))
    }

    /// The message with the place added to it.
    pub(crate) fn located(&self, why: impl Display) -> String {
        match self.path.as_slice() {
            [] => format!("{why}, at byte {}", self.position),
            path => format!("{why}, in element {} at byte {}", path.join("/"), self.position),
        }
    }

    /// The message with the place of `child`, whose text was read last, added to it.
    pub(crate) fn located_in(&self, child: &str, why: impl Display) -> String {
        format!("{why}, in element {}/{child} at byte {}", self.path.join("/"), self.position)
    }

    /// The name of the innermost open element.
    pub(crate) fn name(&self) -> &'a str {
        self.path.last().copied().unwrap_or_default()
    }

    /// The next element inside the open one, or `None` if that ends: it is then no longer open.
    pub(crate) fn child(&mut self) -> Result<Option<Tag<'a>>, Fault> {
        loop {
            match self.event()? {
                Token::Start(tag) => return Ok(Some(tag)),
                Token::End => return Ok(None),
                Token::Text(text) if is_blank(text) => (),
                Token::Text(text) | Token::CData(text) => {
                    let start: String =
                        text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(20).collect();
                    return Err(self.fault(format_args!("text '{start}' where an element is expected")));
                }
                Token::Reference(_) => return Err(self.fault("text where an element is expected")),
            }
        }
    }

    /// The text of the open element, which ends.
    pub(crate) fn text(&mut self) -> Result<Cow<'a, str>, Fault> {
        let mut text = Cow::Borrowed("");
        loop {
            match self.event()? {
                Token::Text(piece) | Token::CData(piece) if text.is_empty() => text = Cow::Borrowed(piece),
                Token::Text(piece) | Token::CData(piece) => text.to_mut().push_str(piece),
                Token::Reference(character) => text.to_mut().push(character),
                Token::End => return Ok(text),
                Token::Start(_) => return Err(self.fault("an element where text is expected")),
            }
        }
    }

    /// Passes over the rest of the open element.
    pub(crate) fn skip(&mut self) -> Result<(), Fault> {
        let depth = self.path.len();
        while self.path.len() >= depth {
            self.event()?;
        }
        Ok(())
    }

    /// Passes over the rest of the element just opened and returns the whole of it as it was written.
    pub(crate) fn raw(&mut self) -> Result<&'a str, Fault> {
        let start = self.position;
        self.skip()?;
        Ok(&self.input[start..self.end()])
    }

    /// Checks that nothing but blanks and comments follows the root element.
    pub(crate) fn finish(&mut self) -> Result<(), Fault> {
        loop {
            self.position = self.end();
            match self.tokens.read_event().map_err(|error| self.malformed(&error))? {
                Event::Eof => return Ok(()),
                Event::Comment(_) | Event::PI(_) => (),
                Event::Text(text) if text.iter().all(u8::is_ascii_whitespace) => (),
                _ => return Err(self.fault("content after the end of the document")),
            }
        }
    }

    fn end(&self) -> usize {
        self.tokens.buffer_position() as usize
    }

    fn malformed(&self, error: &quick_xml::Error) -> Fault {
        self.fault(format_args!("malformed XML: {error}"))
    }

    fn event(&mut self) -> Result<Token<'a>, Fault> {
        if self.empty {
            self.empty = false;
            self.close();
            return Ok(Token::End);
        }
        loop {
            self.position = self.end();
            let event = self.tokens.read_event().map_err(|error| self.malformed(&error))?;
            let (start, end) = (self.position, self.end());
            return Ok(match event {
                Event::Start(tag) => Token::Start(self.open(&self.input[start + 1..end - 1], tag.name().0.len())?),
                Event::Empty(tag) => {
                    self.empty = true;
                    Token::Start(self.open(&self.input[start + 1..end - 2], tag.name().0.len())?)
                }
                Event::End(_) => {
                    self.close();
                    Token::End
                }
                Event::Text(_) => Token::Text(&self.input[start..end]),
                Event::CData(data) => Token::CData(&self.input[end - 3 - data.len()..end - 3]),
                Event::GeneralRef(reference) => Token::Reference(self.resolve(&reference)?),
                Event::Comment(_) | Event::PI(_) => continue,
                Event::Decl(declaration) if start == 0 => {
                    self.check_encoding(declaration.encoding())?;
                    continue;
                }
                Event::Decl(_) => return Err(self.fault("an XML declaration inside the document")),
                Event::DocType(_) => return Err(self.fault("a document type declaration is not allowed")),
                Event::Eof => return Err(self.fault("the document ends too early")),
            });
        }
    }

    fn check_encoding<E>(&self, encoding: Option<Result<Cow<'_, [u8]>, E>>) -> Result<(), Fault> {
        match encoding {
            None => Ok(()),
            Some(Ok(name))
                if ["utf-8", "utf8", "us-ascii"].iter().any(|ok| name.eq_ignore_ascii_case(ok.as_bytes())) =>
            {
                Ok(())
            }
            Some(Ok(name)) => {
                let name = String::from_utf8_lossy(&name);
                Err(self.fault(format_args!("the encoding {name} is not supported, only UTF-8 is")))
            }
            Some(Err(_)) => Err(self.fault("malformed XML declaration")),
        }
    }

    fn resolve(&self, reference: &BytesRef<'_>) -> Result<char, Fault> {
        let character = match reference.resolve_char_ref() {
            Ok(Some(character)) => Some(character).filter(|character| is_xml_char(*character)),
            Ok(None) => predefined(&String::from_utf8_lossy(reference)),
            Err(_) => None,
        };
        character.ok_or_else(|| self.fault(format_args!("unknown entity &{};", String::from_utf8_lossy(reference))))
    }

    /// Opens the element whose tag is `content`, of which the first `name_len` bytes are its name.
    fn open(&mut self, content: &'a str, name_len: usize) -> Result<Tag<'a>, Fault> {
        let name = &content[..name_len];
        if self.path.len() >= self.limits.depth {
            return Err(self.fault(format_args!("elements are nested deeper than {}", self.limits.depth)));
        }
        let (prefix, local) = split(name);
        self.path.push(local);
        let mut tag = Tag { name: local, space: Space::None, xsi_type: None, nil: false, kind: None };
        if content.len() > name_len {
            self.attributes(Attributes::new(content, name_len), &mut tag)?;
        }
        tag.space = self.space(prefix)?;
        Ok(tag)
    }

    fn attributes(&mut self, attributes: Attributes<'a>, tag: &mut Tag<'a>) -> Result<(), Fault> {
        let depth = self.path.len();
        // A prefix may be used before it is declared in the same tag, so what is meant by one waits.
        let mut prefixed = Vec::new();
        for (count, attribute) in attributes.enumerate() {
            if count == self.limits.attributes {
                return Err(self.fault(format_args!("an element has more than {count} attributes")));
            }
            let attribute = attribute.map_err(|error| self.fault(format_args!("malformed XML: {error}")))?;
            let (Some(name), Cow::Borrowed(value)) = (borrowed(attribute.key.0), attribute.value) else {
                return Err(self.fault("malformed attribute"));
            };
            let value = borrowed(value).unwrap_or_default();
            match split(name) {
                ("", "xmlns") => self.bindings.push(Binding { depth, prefix: "", space: Space::of(value) }),
                ("xmlns", prefix) => self.bindings.push(Binding { depth, prefix, space: Space::of(value) }),
                ("", "type") => tag.kind = Some(value),
                ("", _) => (),
                (prefix, name) => prefixed.push((prefix, name, value)),
            }
        }
        for (prefix, name, value) in prefixed {
            match (self.space(prefix)?, name) {
                (Space::Instance, "nil") => tag.nil = matches!(value.trim(), "true" | "1"),
                (Space::Instance, "type") => tag.xsi_type = Some(self.type_name(value)),
                _ => (),
            }
        }
        Ok(())
    }

    /// What a prefix stands for here.
    fn space(&self, prefix: &str) -> Result<Space, Fault> {
        self.bound(prefix).ok_or_else(|| self.fault(format_args!("the namespace prefix '{prefix}' is not declared")))
    }

    fn bound(&self, prefix: &str) -> Option<Space> {
        // Most names have no prefix, and comparing two empty strings is a surprisingly slow call of `memcmp`.
        let same = |known: &str| if prefix.is_empty() { known.is_empty() } else { known == prefix };
        let binding = self.bindings.iter().rev().find(|binding| same(binding.prefix));
        match (binding, prefix) {
            (Some(binding), _) => Some(binding.space),
            (None, "") => Some(Space::None),
            (None, "xml") => Some(Space::Xml),
            (None, _) => None,
        }
    }

    /// The type that `xsi:type` names. Its prefix need not be declared: govmomi writes `xsd:` and `vim25:` as they are.
    fn type_name(&self, value: &'a str) -> TypeName<'a> {
        let (prefix, local) = split(value.trim());
        TypeName { space: self.bound(prefix).unwrap_or(Space::None), local }
    }

    fn close(&mut self) {
        let depth = self.path.len();
        while self.bindings.last().is_some_and(|binding| binding.depth == depth) {
            self.bindings.pop();
        }
        self.path.pop();
    }
}

/// The body of a request as text: UTF-8, with or without a byte order mark, of characters that XML allows, lines ending
/// in `\n`.
pub(crate) fn document(body: &[u8]) -> Result<Cow<'_, str>, Fault> {
    let marked = |mark: &[u8]| body.starts_with(mark);
    if marked(b"\xFE\xFF") || marked(b"\xFF\xFE") || marked(b"<\0") || marked(b"\0<") {
        return Err(Fault::invalid_request("the encoding UTF-16 is not supported, only UTF-8 is"));
    }
    let body = body.strip_prefix(MARK).unwrap_or(body);
    if body.starts_with(MARK) {
        // A second one is text before the root. `quick_xml` would remove it and then count its positions without it.
        return Err(Fault::invalid_request("more than one byte order mark"));
    }
    let text = std::str::from_utf8(body)
        .map_err(|error| Fault::invalid_request(format_args!("the request is not UTF-8: {error}")))?;
    // One pass finds out whether there is anything unusual; U+FFFE and U+FFFF begin with 0xEF in UTF-8.
    let unusual = body
        .iter()
        .fold(false, |found, byte| found | (*byte < b' ' && *byte != b'\n' && *byte != b'\t') | (*byte == 0xEF));
    if !unusual {
        return Ok(Cow::Borrowed(text));
    }
    if let Some((position, character)) = text.char_indices().find(|(_, character)| !is_xml_char(*character)) {
        let code = u32::from(character);
        return Err(Fault::invalid_request(format_args!("XML does not allow U+{code:04X}, at byte {position}")));
    }
    Ok(match text.contains('\r') {
        true => Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")),
        false => Cow::Borrowed(text),
    })
}

/// The byte order mark in UTF-8.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// Whether XML 1.0 allows the character.
pub(crate) fn is_xml_char(character: char) -> bool {
    !matches!(character, '\0'..='\x08' | '\x0B' | '\x0C' | '\x0E'..='\x1F' | '\u{FFFE}' | '\u{FFFF}')
}

/// Whether the text is nothing but XML's white space.
fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_whitespace())
}

fn predefined(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

/// A qualified name as its prefix (empty if none) and its local part.
pub(crate) fn split(name: &str) -> (&str, &str) {
    match name.bytes().position(|byte| byte == b':') {
        Some(colon) => (&name[..colon], &name[colon + 1..]),
        None => ("", name),
    }
}

fn borrowed(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}
