//! A small document as a tree.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

/// The deepest nesting, and the most elements, that a document may have.
const DEPTH: usize = 64;
const ELEMENTS: usize = 4096;

/// One element, with names as they are behind their prefixes.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Element<'a> {
    pub(super) name: &'a str,
    attributes: Vec<(String, String)>,
    /// What is between its tags, but in no other element.
    text: String,
    /// The element as it was written.
    pub(super) raw: &'a str,
    children: Vec<Element<'a>>,
}

impl<'a> Element<'a> {
    /// Reads a document; `None` if it is none, or larger than a token or a request for one is.
    pub(super) fn read(document: &'a str) -> Option<Self> {
        let mut reader = Reader::from_str(document);
        // The elements that are open, with the positions where they began; the outermost stands for the document.
        let mut open = vec![(Element::default(), 0)];
        for _ in 0..ELEMENTS * 4 {
            let start = position(&reader);
            match reader.read_event().ok()? {
                Event::Start(tag) if open.len() <= DEPTH => open.push((Self::begin(document, start, &tag)?, start)),
                Event::Start(_) => return None,
                Event::Empty(tag) => {
                    let mut element = Self::begin(document, start, &tag)?;
                    element.raw = document.get(start..position(&reader))?;
                    open.last_mut()?.0.children.push(element);
                }
                Event::End(_) => {
                    let (mut element, begun) = open.pop()?;
                    element.raw = document.get(begun..position(&reader))?;
                    open.last_mut()?.0.children.push(element);
                }
                Event::Text(text) => open.last_mut()?.0.text += text.decode().ok()?.as_ref(),
                Event::CData(data) => open.last_mut()?.0.text += data.decode().ok()?.as_ref(),
                Event::GeneralRef(reference) => {
                    let text = &mut open.last_mut()?.0.text;
                    match reference.resolve_char_ref().ok()? {
                        Some(character) => text.push(character),
                        None => text.push_str(resolve_predefined_entity(reference.decode().ok()?.as_ref())?),
                    }
                }
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) => (),
                Event::DocType(_) => return None,
                Event::Eof => break,
            }
        }
        let (document, _) = open.pop().filter(|_| open.is_empty())?;
        document.children.into_iter().next()
    }

    fn begin(document: &'a str, start: usize, tag: &BytesStart<'_>) -> Option<Self> {
        let name = document.get(start + 1..start + 1 + tag.name().0.len())?;
        let mut element = Self { name: local(name), ..Self::default() };
        for attribute in tag.attributes() {
            let attribute = attribute.ok()?;
            let key = str::from_utf8(attribute.key.0).ok()?;
            element.attributes.push((local(key).into(), attribute.unescape_value().ok()?.into_owned()));
        }
        Some(element)
    }

    /// The first element that this path of names leads to.
    pub(super) fn find(&self, path: &[&str]) -> Option<&Element<'a>> {
        let Some((name, rest)) = path.split_first() else { return Some(self) };
        self.children.iter().filter(|child| child.name == *name).find_map(|child| child.find(rest))
    }

    /// This element or the first inside it that has the name.
    pub(super) fn search(&self, name: &str) -> Option<&Element<'a>> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.search(name))
    }

    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

/// The name behind its prefix.
fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_texts_and_attributes_are_found() {
        let document = "<?xml version='1.0'?><a:r><b x:id='1&amp;2'> t&lt;&#65;<c/>u </b><b><d>e</d></b></a:r>";
        let root = Element::read(document).unwrap();
        assert_eq!(root.name, "r");
        let first = root.find(&["b"]).unwrap();
        assert_eq!((first.text(), first.attribute("id")), ("t<Au", Some("1&2")));
        assert_eq!(first.raw, "<b x:id='1&amp;2'> t&lt;&#65;<c/>u </b>");
        assert_eq!(root.find(&["b", "d"]).unwrap().text(), "e");
        assert_eq!(root.search("d").unwrap().raw, "<d>e</d>");
    }

    #[test]
    fn what_is_no_document_is_none() {
        let deep = "<a>".repeat(100) + &"</a>".repeat(100);
        let wide = format!("<a>{}</a>", "<b/>".repeat(100_000));
        for text in ["", "a", "<a", "<a>", "<a></b>", "<a>&b;</a>", "<!DOCTYPE a><a/>", &deep, &wide] {
            assert_eq!(Element::read(text), None, "{text:.40}");
        }
    }
}
