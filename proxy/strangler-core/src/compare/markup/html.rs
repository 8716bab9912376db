//! HTML: tokens to a tree.
//!
//! The tokenizer is the standard's. Of the standard's tree construction (§13.2.6) this owns what well-made pages
//! rely on: tags that may be left out, elements without end, tags that nobody closes. Refuses the repair of
//! misnested formatting: such pages get another tree than in a browser, on both sides alike.

mod tags;

use html5gum::{HtmlString, Token, Tokenizer, emitters::default::DefaultEmitter};

use super::NoTree;
use super::normal::{Dialect, normalise};
use super::tree::{Label, NodeId, Tree};
use tags::Tags;

/// How deep elements may be nested. Browsers stop at 512, well-made pages long before.
const MOST_DEPTH: usize = 256;

/// The tree of a page, or of a piece of one.
///
/// # Errors
///
/// It is too deep or has too many parts. No HTML is malformed.
pub(super) fn tree(text: &str) -> Result<Tree, NoTree> {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut builder = Builder { tree: Tree::new(), html: None, head: None, body: None, open: Vec::new() };
    for token in Tokenizer::new_with_emitter(text, emitter) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => {
                let attributes =
                    tag.attributes.iter().map(|(name, value)| (boxed(name), boxed(&value.value))).collect();
                builder.start(&boxed(&tag.name), attributes, tag.self_closing)?;
            }
            Token::EndTag(tag) => builder.end(&boxed(&tag.name))?,
            Token::String(text) => builder.text(&String::from_utf8_lossy(&text.value))?,
            Token::Doctype(doctype) => {
                let id = |id: &Option<HtmlString>| {
                    id.as_ref().map(|id| format!(" {}", boxed(id).to_ascii_lowercase())).unwrap_or_default()
                };
                let whole = format!(
                    "doctype {}{}{}",
                    boxed(&doctype.name),
                    id(&doctype.public_identifier),
                    id(&doctype.system_identifier)
                );
                builder.doctype(&whole)?;
            }
            Token::Comment(_) | Token::Error(_) => {}
        }
    }
    builder.finish()
}

fn boxed(text: &HtmlString) -> Box<str> {
    String::from_utf8_lossy(text).into()
}

struct Builder {
    tree: Tree,
    html: Option<NodeId>,
    head: Option<NodeId>,
    body: Option<NodeId>,
    /// The open elements below `head` or `body`.
    open: Vec<Open>,
}

struct Open {
    id: NodeId,
    name: Box<str>,
    tags: Tags,
}

impl Open {
    fn new(id: NodeId, name: &str) -> Self {
        Open { id, name: name.into(), tags: Tags::named(name) }
    }
}

type Attributes = Vec<(Box<str>, Box<str>)>;

impl Builder {
    fn finish(mut self) -> Result<Tree, NoTree> {
        self.body()?;
        normalise(&mut self.tree, Dialect::Html);
        Ok(self.tree)
    }

    fn doctype(&mut self, whole: &str) -> Result<(), NoTree> {
        if self.html.is_none() && self.tree.children(Tree::ROOT).is_empty() {
            self.tree.add(Tree::ROOT, Label::Other(whole.into()))?;
        }
        Ok(())
    }

    fn element(&mut self, parent: NodeId, name: &str, attributes: Attributes) -> Result<NodeId, NoTree> {
        self.tree.add(parent, Label::Element { name: name.into(), attributes })
    }

    fn html(&mut self, attributes: Attributes) -> Result<NodeId, NoTree> {
        match self.html {
            Some(html) => self.merge(html, attributes),
            None => {
                let html = self.element(Tree::ROOT, "html", attributes)?;
                self.html = Some(html);
                Ok(html)
            }
        }
    }

    fn head(&mut self, attributes: Attributes) -> Result<NodeId, NoTree> {
        if let Some(head) = self.head {
            return Ok(head);
        }
        let html = self.html(Vec::new())?;
        let head = self.element(html, "head", attributes)?;
        self.head = Some(head);
        Ok(head)
    }

    fn body_with(&mut self, attributes: Attributes) -> Result<NodeId, NoTree> {
        if let Some(body) = self.body {
            return self.merge(body, attributes);
        }
        self.head(Vec::new())?;
        self.open.clear();
        let html = self.html(Vec::new())?;
        let body = self.element(html, "body", attributes)?;
        self.body = Some(body);
        Ok(body)
    }

    fn body(&mut self) -> Result<NodeId, NoTree> {
        self.body_with(Vec::new())
    }

    /// Attributes of a second tag are added where the first had them not.
    fn merge(&mut self, id: NodeId, more: Attributes) -> Result<NodeId, NoTree> {
        if let Some(Label::Element { attributes, .. }) = self.tree.label_mut(id) {
            for (name, value) in more {
                // Few tags have many: a page that repeats the tag with new ones is no page.
                if attributes.len() > 1000 {
                    return Err(NoTree::TooLarge);
                }
                if !attributes.iter().any(|(other, _)| *other == name) {
                    attributes.push((name, value));
                }
            }
        }
        Ok(id)
    }

    fn text(&mut self, text: &str) -> Result<(), NoTree> {
        let parent = match (self.open.last(), self.body) {
            (Some(open), _) => open.id,
            (None, Some(body)) => body,
            (None, None) if text.bytes().all(|b| b.is_ascii_whitespace()) => return Ok(()),
            (None, None) => self.body()?,
        };
        let is_first = self.tree.children(parent).is_empty();
        let drops_line =
            matches!(self.open.last(), Some(open) if matches!(&*open.name, "pre" | "textarea" | "listing"));
        // A line feed right after these tags is not part of the text.
        let text = if is_first && drops_line { text.strip_prefix('\n').unwrap_or(text) } else { text };
        self.tree.add_text(parent, text)
    }

    fn start(&mut self, name: &str, attributes: Attributes, self_closing: bool) -> Result<(), NoTree> {
        match name {
            "html" => return self.html(attributes).map(|_| ()),
            "head" => return self.head(attributes).map(|_| ()),
            "body" => return self.body_with(attributes).map(|_| ()),
            _ => {}
        }
        let name = if name == "image" { "img" } else { name };
        self.close_implied(name);
        self.open_implied(name)?;
        let parent = match (self.open.last(), self.body) {
            (Some(open), _) => open.id,
            (None, Some(body)) => body,
            (None, None) if tags::is_of_head(name) => self.head(Vec::new())?,
            (None, None) => self.body()?,
        };
        let id = self.element(parent, name, attributes)?;
        let is_foreign =
            self_closing && self.open.iter().any(|open| open.tags.meets(Tags::SVG.and(Tags::MATH)));
        if tags::is_void(name) || is_foreign || (self_closing && matches!(name, "svg" | "math")) {
            return Ok(());
        }
        if self.open.len() >= MOST_DEPTH {
            return Err(NoTree::TooLarge);
        }
        self.open.push(Open::new(id, name));
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), NoTree> {
        match name {
            "html" | "body" => {
                self.body()?;
                self.open.clear();
            }
            "head" if self.body.is_none() => {
                self.head(Vec::new())?;
                self.open.clear();
            }
            "br" => return self.start("br", Vec::new(), false),
            _ => {
                let walls = tags::walls_of_end(name);
                for (at, open) in self.open.iter().enumerate().rev() {
                    if *open.name == *name {
                        self.open.truncate(at);
                        return Ok(());
                    }
                    if open.tags.meets(walls) {
                        break;
                    }
                }
                if name == "p" {
                    let parent = match self.open.last() {
                        Some(open) => open.id,
                        None => self.body()?,
                    };
                    self.element(parent, "p", Vec::new())?;
                }
            }
        }
        Ok(())
    }

    /// Closes what a start tag closes without saying so.
    fn close_implied(&mut self, name: &str) {
        if tags::closes_paragraph(name) {
            self.close(tags::PARAGRAPH);
        }
        if let Some(closed) = tags::closed_by(name) {
            self.close(closed);
        }
    }

    /// Closes the outermost of `names` that is open within `walls`.
    fn close(&mut self, (names, walls): (Tags, Tags)) {
        let mut outermost = None;
        for (at, open) in self.open.iter().enumerate().rev() {
            if open.tags.meets(walls) {
                break;
            }
            if open.tags.meets(names) {
                outermost = Some(at);
            }
        }
        if let Some(at) = outermost {
            self.open.truncate(at);
        }
    }

    /// Opens what a start tag opens without saying so.
    fn open_implied(&mut self, name: &str) -> Result<(), NoTree> {
        let mut implied = |within: Tags, implied: &str| {
            let Some(parent) = self.open.last().filter(|open| open.tags.meets(within)).map(|open| open.id)
            else {
                return Ok(());
            };
            let id =
                self.tree.add(parent, Label::Element { name: implied.into(), attributes: Vec::new() })?;
            self.open.push(Open::new(id, implied));
            Ok(())
        };
        match name {
            "tr" => implied(Tags::TABLE, "tbody"),
            "td" | "th" => {
                implied(Tags::TABLE, "tbody")?;
                implied(Tags::TBODY.and(Tags::THEAD).and(Tags::TFOOT), "tr")
            }
            "col" => implied(Tags::TABLE, "colgroup"),
            _ => Ok(()),
        }
    }
}
