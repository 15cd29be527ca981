//! XML as a tree: names without their prefixes, since descriptors differ in those only.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

/// How deep a descriptor may be nested.
const DEPTH: usize = 64;
/// How many elements it may have.
const ELEMENTS: usize = 100_000;

/// Why a descriptor cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no XML.
    #[error("{0}")]
    Xml(String),
    /// It is XML, but no descriptor.
    #[error("the element {0} is missing")]
    Missing(&'static str),
    /// A number is none.
    #[error("'{value}' is no value for {name}")]
    Value {
        /// What it should be.
        name: &'static str,
        /// What it is.
        value: String,
    },
}

/// An element.
#[derive(Debug, Default)]
pub struct Node {
    /// Its name, without a prefix.
    pub name: String,
    /// The names, without prefixes, and values of its attributes.
    pub attributes: Vec<(String, String)>,
    /// The elements in it.
    pub children: Vec<Node>,
    /// The text in it.
    pub text: String,
}

impl Node {
    /// The first child of this name.
    pub fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The children of this name.
    pub fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the first child of this name.
    pub fn child_text(&self, name: &str) -> Option<String> {
        self.child(name).map(|child| child.text.trim().to_string())
    }

    /// An attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// An attribute that may be missing, as text of its own.
    pub fn owned(&self, name: &str) -> Option<String> {
        self.attribute(name).map(String::from)
    }
}

/// Reads a document.
pub fn parse(text: &str) -> Result<Node, Error> {
    let mut reader = Reader::from_str(text);
    // The outermost is the document itself.
    let mut open = vec![Node::default()];
    let mut count = 0;
    let broken = |why: &dyn std::fmt::Display| Error::Xml(why.to_string());
    loop {
        let event = reader.read_event().map_err(|error| broken(&error))?;
        match event {
            Event::Start(tag) => {
                count += 1;
                if open.len() > DEPTH || count > ELEMENTS {
                    return Err(Error::Xml("the descriptor is too large".into()));
                }
                open.push(begin(&tag)?);
            }
            Event::Empty(tag) => {
                count += 1;
                if count > ELEMENTS {
                    return Err(Error::Xml("the descriptor is too large".into()));
                }
                let node = begin(&tag)?;
                open.last_mut().ok_or(Error::Missing("Envelope"))?.children.push(node);
            }
            Event::End(_) => {
                let node = open.pop().ok_or(Error::Missing("Envelope"))?;
                open.last_mut().ok_or(Error::Missing("Envelope"))?.children.push(node);
            }
            Event::Text(text) => append(&mut open, &text.decode().map_err(|error| broken(&error))?),
            Event::CData(data) => append(&mut open, &data.decode().map_err(|error| broken(&error))?),
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().map_err(|error| broken(&error))?;
                match character {
                    Some(character) => append(&mut open, character.encode_utf8(&mut [0; 4])),
                    None => {
                        let name = reference.decode().map_err(|error| broken(&error))?;
                        let text = resolve_predefined_entity(&name);
                        append(&mut open, text.ok_or_else(|| Error::Xml(format!("the entity {name} is not known")))?);
                    }
                }
            }
            Event::DocType(_) => return Err(Error::Xml("a document type declaration is not allowed".into())),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
            Event::Eof => break,
        }
    }
    let document = open.pop().filter(|_| open.is_empty());
    let mut document = document.ok_or_else(|| Error::Xml("the document ends too early".into()))?;
    if document.children.is_empty() {
        return Err(Error::Missing("Envelope"));
    }
    Ok(document.children.remove(0))
}

fn append(open: &mut [Node], text: &str) {
    if let Some(node) = open.last_mut() {
        node.text.push_str(text);
    }
}

fn begin(tag: &BytesStart<'_>) -> Result<Node, Error> {
    let local = |name: &[u8]| {
        let name = String::from_utf8_lossy(name);
        name.rsplit_once(':').map_or_else(|| name.to_string(), |(_, local)| local.to_string())
    };
    let mut attributes = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|error| Error::Xml(error.to_string()))?;
        let value = attribute.unescape_value().map_err(|error| Error::Xml(error.to_string()))?;
        attributes.push((local(attribute.key.as_ref()), value.into_owned()));
    }
    Ok(Node { name: local(tag.name().as_ref()), attributes, ..Node::default() })
}

/// Text between tags or in an attribute.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            // XML cannot say these at all.
            letter if letter < ' ' && letter != '\t' => {}
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_read_without_prefixes() {
        let root = parse("<?xml version=\"1.0\"?><a:b x:c=\"1 &amp; 2\"><d>e&lt;&#65;<![CDATA[<]]></d><d/></a:b>")
            .expect("is XML");
        assert_eq!((root.name.as_str(), root.attribute("c")), ("b", Some("1 & 2")));
        assert_eq!((root.child_text("d").as_deref(), root.children("d").count()), (Some("e<A<"), 2));
    }

    #[test]
    fn what_is_no_document_is_refused() {
        let deep = "<a>".repeat(10_000);
        let bomb = "<!DOCTYPE a [<!ENTITY b \"b\">]><a>&b;</a>";
        for text in ["", "text", "<a>", "<a></b>", "</a>", "<a>&b;</a>", &deep, bomb] {
            assert!(parse(text).is_err(), "{}", &text[..text.len().min(20)]);
        }
    }
}
