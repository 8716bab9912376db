//! XML: events to a tree.
//!
//! Owns well-formedness as far as a tree needs it, and names with their namespaces: prefixes mean nothing.
//! Refuses entities of a document's own: they are never expanded, from nowhere.

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use super::NoTree;
use super::normal::{Dialect, normalise};
use super::tree::{Label, NodeId, Tree};

/// How many namespace declarations may hold at one place.
const MOST_NAMESPACES: usize = 256;

/// The tree of a document.
///
/// # Errors
///
/// It is not well-formed, or has too many parts.
pub(super) fn tree(text: &str) -> Result<Tree, NoTree> {
    let mut reader = Reader::from_str(text.trim_start());
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.check_comments = true;
    let mut builder = Builder {
        tree: Tree::new(),
        open: Vec::new(),
        namespaces: Vec::new(),
        entities: Entities::Predefined,
        root: Root::Awaited,
    };
    loop {
        match reader.read_event().map_err(|_| NoTree::Malformed)? {
            Event::Start(tag) | Event::Empty(tag) => builder.start(&tag)?,
            Event::End(_) => builder.end()?,
            Event::Text(text) => builder.text(&text.xml10_content())?,
            Event::CData(text) => builder.text(&text.xml10_content())?,
            Event::GeneralRef(reference) => builder.reference(&reference)?,
            Event::DocType(text) => {
                builder.entities = Entities::Declared;
                let words: Vec<&str> = text.split_whitespace().collect();
                builder.other(&format!("doctype {}", words.join(" ")))?;
            }
            Event::PI(instruction) => builder.other(&instruction.borrow().into_inner())?,
            Event::Decl(_) | Event::Comment(_) => {}
            Event::Eof => return builder.finish(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entities {
    /// `amp`, `lt`, `gt`, `apos`, `quot`, and no others.
    Predefined,
    /// The document type may declare others.
    Declared,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Root {
    Awaited,
    Seen,
}

struct Builder {
    tree: Tree,
    /// The open elements, each with how many namespaces held before it.
    open: Vec<(NodeId, usize)>,
    /// Prefix and name, the innermost last.
    namespaces: Vec<(Box<str>, Box<str>)>,
    entities: Entities,
    root: Root,
}

impl Builder {
    fn finish(mut self) -> Result<Tree, NoTree> {
        if !self.open.is_empty() || self.root == Root::Awaited {
            return Err(NoTree::Malformed);
        }
        normalise(&mut self.tree, Dialect::Xml);
        Ok(self.tree)
    }

    fn parent(&self) -> NodeId {
        self.open.last().map_or(Tree::ROOT, |(id, _)| *id)
    }

    fn other(&mut self, text: &str) -> Result<(), NoTree> {
        self.tree.add(self.parent(), Label::Other(text.into())).map(|_| ())
    }

    fn text(&mut self, text: &str) -> Result<(), NoTree> {
        match self.open.last() {
            Some((parent, _)) => self.tree.add_text(*parent, text),
            None if text.bytes().all(|b| b.is_ascii_whitespace()) => Ok(()),
            None => Err(NoTree::Malformed),
        }
    }

    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), NoTree> {
        if let Some(c) = reference.resolve_char_ref().map_err(|_| NoTree::Malformed)? {
            return self.text(c.encode_utf8(&mut [0; 4]));
        }
        let name = reference.xml10_content();
        match resolve_predefined_entity(&name) {
            Some(text) => self.text(text),
            None if self.entities == Entities::Declared => self.text(&format!("&{name};")),
            None => Err(NoTree::Malformed),
        }
    }

    fn start(&mut self, tag: &BytesStart<'_>) -> Result<(), NoTree> {
        if self.open.is_empty() && self.root == Root::Seen {
            return Err(NoTree::Malformed);
        }
        self.root = Root::Seen;
        let before = self.namespaces.len();
        let mut attributes: Vec<(Box<str>, Box<str>)> = Vec::new();
        // Duplicates are looked for below, in one pass.
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|_| NoTree::Malformed)?;
            let value = match attribute.normalized_value(XmlVersion::Explicit1_0) {
                Ok(value) => value,
                Err(_) if self.entities == Entities::Declared => attribute.value.clone(),
                Err(_) => return Err(NoTree::Malformed),
            };
            let name: &str = attribute.key.as_ref();
            match name.split_once(':') {
                None if name == "xmlns" => self.namespaces.push(("".into(), value.into())),
                Some(("xmlns", prefix)) => self.namespaces.push((prefix.into(), value.into())),
                _ => attributes.push((name.into(), value.into())),
            }
            if self.namespaces.len() > MOST_NAMESPACES {
                return Err(NoTree::TooLarge);
            }
        }
        for (name, _) in &mut attributes {
            if let Some((prefix, local)) = name.split_once(':')
                && prefix != "xml"
            {
                *name = self.expanded(prefix, local)?;
            }
        }
        attributes.sort_unstable();
        if attributes.windows(2).any(|pair| matches!(pair, [(one, _), (other, _)] if one == other)) {
            return Err(NoTree::Malformed);
        }
        let name = tag.name();
        let name: &str = name.as_ref();
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let name = self.expanded(prefix, local)?;
        let id = self.tree.add(self.parent(), Label::Element { name, attributes })?;
        self.open.push((id, before));
        Ok(())
    }

    /// A name with its namespace instead of its prefix (Namespaces in XML §6).
    fn expanded(&self, prefix: &str, local: &str) -> Result<Box<str>, NoTree> {
        match self.namespaces.iter().rev().find(|(other, _)| **other == *prefix) {
            Some((_, namespace)) if namespace.is_empty() => Ok(local.into()),
            Some((_, namespace)) => Ok(format!("{{{namespace}}}{local}").into()),
            None if prefix.is_empty() => Ok(local.into()),
            // Documents from before there were namespaces have colons in names.
            None => Ok(format!("{prefix}:{local}").into()),
        }
    }

    fn end(&mut self) -> Result<(), NoTree> {
        let (_, before) = self.open.pop().ok_or(NoTree::Malformed)?;
        self.namespaces.truncate(before);
        Ok(())
    }
}
