//! The tree of a document: plain data in document order, so that nothing needs recursion.

use xxhash_rust::xxh3::Xxh3;

use super::NoTree;

/// How many nodes and attributes a tree has at most.
const MOST_PARTS: usize = 200_000;

/// A node, by its place in document order: a parent comes before its children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct NodeId(u32);

impl NodeId {
    /// Its place in document order, from 0.
    pub(super) fn place(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// The document.
    Root,
    /// An element: its name, in lower case for HTML and with its namespace for XML, and its attributes.
    Element { name: Box<str>, attributes: Vec<(Box<str>, Box<str>)> },
    /// A text.
    Text(String),
    /// A document type or processing instruction.
    Other(Box<str>),
}

impl Label {
    /// The name of an element.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Label::Element { name, .. } => Some(name),
            Label::Root | Label::Text(_) | Label::Other(_) => None,
        }
    }

    /// The attributes of an element.
    pub(super) fn attributes(&self) -> &[(Box<str>, Box<str>)] {
        match self {
            Label::Element { attributes, .. } => attributes,
            Label::Root | Label::Text(_) | Label::Other(_) => &[],
        }
    }

    /// An attribute's value.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes().iter().find(|(other, _)| **other == *name).map(|(_, value)| &**value)
    }

    /// Whether two nodes are of one kind and name, so that one can be what became of the other.
    pub(super) fn is_alike(&self, other: &Label) -> bool {
        match (self, other) {
            (Label::Element { name, .. }, Label::Element { name: other, .. }) => name == other,
            (Label::Other(text), Label::Other(other)) => text == other,
            (Label::Root, Label::Root) | (Label::Text(_), Label::Text(_)) => true,
            _ => false,
        }
    }
}

#[derive(Clone, Debug)]
struct Node {
    label: Label,
    parent: Option<NodeId>,
    children: Vec<NodeId>,
    hash: u64,
}

/// A document.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    parts: usize,
}

impl Tree {
    /// The document itself.
    pub(super) const ROOT: NodeId = NodeId(0);

    /// An empty document.
    pub(super) fn new() -> Self {
        Tree {
            nodes: vec![Node { label: Label::Root, parent: None, children: Vec::new(), hash: 0 }],
            parts: 1,
        }
    }

    /// Adds a last child.
    ///
    /// # Errors
    ///
    /// The tree has as many parts as it may have.
    pub(super) fn add(&mut self, parent: NodeId, label: Label) -> Result<NodeId, NoTree> {
        self.parts += 1 + label.attributes().len();
        let id = u32::try_from(self.nodes.len()).ok().filter(|_| self.parts <= MOST_PARTS);
        let id = NodeId(id.ok_or(NoTree::TooLarge)?);
        if let Some(node) = self.node_mut(parent) {
            node.children.push(id);
        }
        self.nodes.push(Node { label, parent: Some(parent), children: Vec::new(), hash: 0 });
        Ok(id)
    }

    /// Adds text after the last child, or to it where that is text.
    ///
    /// # Errors
    ///
    /// As for [`Tree::add`].
    pub(super) fn add_text(&mut self, parent: NodeId, text: &str) -> Result<(), NoTree> {
        if text.is_empty() {
            return Ok(());
        }
        let last = self.children(parent).last().copied();
        if let Some(Label::Text(before)) = last.and_then(|last| self.label_mut(last)) {
            before.push_str(text);
            return Ok(());
        }
        self.add(parent, Label::Text(text.to_owned())).map(|_| ())
    }

    fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.place())
    }

    fn node_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.nodes.get_mut(id.place())
    }

    /// Every node, in document order.
    pub(super) fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        // `add` lets no more in than fit.
        (0..u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)).map(NodeId)
    }

    /// What a node is.
    pub(super) fn label(&self, id: NodeId) -> &Label {
        self.node(id).map_or(&Label::Root, |node| &node.label)
    }

    /// What a node is, to be changed.
    pub(super) fn label_mut(&mut self, id: NodeId) -> Option<&mut Label> {
        self.node_mut(id).map(|node| &mut node.label)
    }

    /// A node's children, in order.
    pub(super) fn children(&self, id: NodeId) -> &[NodeId] {
        self.node(id).map_or(&[], |node| node.children.as_slice())
    }

    /// Keeps of a node's children those that hold.
    pub(super) fn set_children(&mut self, id: NodeId, children: Vec<NodeId>) {
        if let Some(node) = self.node_mut(id) {
            node.children = children;
        }
    }

    /// The node above.
    pub(super) fn parent(&self, id: NodeId) -> Option<NodeId> {
        self.node(id)?.parent
    }

    /// The hash of a node and all below it, once [`Tree::seal`] has made it.
    pub(super) fn hash(&self, id: NodeId) -> u64 {
        self.node(id).map_or(0, |node| node.hash)
    }

    /// Hashes every node with all below it, from the last one up.
    pub(super) fn seal(&mut self) {
        for id in self.ids().rev() {
            let Some(node) = self.node(id) else { continue };
            let mut hash = hash_of(&node.label);
            for child in &node.children {
                hash.update(&self.hash(*child).to_le_bytes());
            }
            let digest = hash.digest();
            if let Some(node) = self.node_mut(id) {
                node.hash = digest;
            }
        }
    }

    /// Every element, attribute and text by a hash of the names from the root down to it, in document order.
    pub(super) fn presence(&self) -> Vec<(u64, NodeId)> {
        let below = |above: u64, mark: &str, name: &str| {
            let mut hash = Xxh3::new();
            hash.update(&above.to_le_bytes());
            hash.update(mark.as_bytes());
            hash.update(name.as_bytes());
            hash.digest()
        };
        let mut present = Vec::new();
        let mut open = vec![(Tree::ROOT, 0)];
        while let Some((id, above)) = open.pop() {
            let own = match self.label(id) {
                Label::Root => above,
                Label::Element { name, .. } => below(above, "<", name),
                Label::Text(_) => below(above, "text", ""),
                Label::Other(text) => below(above, "!", text),
            };
            present.push((own, id));
            present.extend(self.label(id).attributes().iter().map(|(name, _)| (below(own, "@", name), id)));
            open.extend(self.children(id).iter().rev().map(|child| (*child, own)));
        }
        present
    }

    /// Where a node is, for a person: `html > body > p[2]`.
    pub(super) fn place(&self, id: NodeId) -> String {
        const MOST_STEPS: usize = 12;
        let mut steps = Vec::new();
        let mut at = Some(id);
        while let Some(node) = at {
            if let Some(step) = self.step(node) {
                steps.push(step);
            }
            at = self.parent(node);
            if steps.len() == MOST_STEPS && at.is_some_and(|above| above != Tree::ROOT) {
                steps.push("…".to_owned());
                break;
            }
        }
        steps.reverse();
        if steps.is_empty() { "document".to_owned() } else { steps.join(" > ") }
    }

    fn step(&self, id: NodeId) -> Option<String> {
        let name = match self.label(id) {
            Label::Root => return None,
            Label::Element { name, .. } => name.rsplit('}').next().unwrap_or(name),
            Label::Text(_) => return Some("text".to_owned()),
            Label::Other(_) => return Some("declaration".to_owned()),
        };
        let siblings = self.parent(id).map_or(&[][..], |parent| self.children(parent));
        let alike: Vec<&NodeId> =
            siblings.iter().filter(|sibling| self.label(**sibling).is_alike(self.label(id))).collect();
        let at = alike.iter().position(|sibling| **sibling == id).unwrap_or(0) + 1;
        Some(if alike.len() > 1 { format!("{name}[{at}]") } else { name.to_owned() })
    }

    /// What a node is, for a person: its text, or its tag.
    pub(super) fn excerpt(&self, id: NodeId) -> String {
        match self.label(id) {
            Label::Root => "document".to_owned(),
            Label::Text(text) => text.clone(),
            Label::Other(text) => text.to_string(),
            Label::Element { name, attributes } => {
                let mut tag = format!("<{}", name.rsplit('}').next().unwrap_or(name));
                for (name, value) in attributes.iter().take(8) {
                    tag.push_str(&format!(" {name}=\"{value}\""));
                }
                tag + ">"
            }
        }
    }
}

fn hash_of(label: &Label) -> Xxh3 {
    let mut hash = Xxh3::new();
    let mut part = |kind: u8, text: &str| {
        hash.update(&[kind]);
        hash.update(&text.len().to_le_bytes());
        hash.update(text.as_bytes());
    };
    match label {
        Label::Root => part(0, ""),
        Label::Text(text) => part(1, text),
        Label::Other(text) => part(2, text),
        Label::Element { name, attributes } => {
            part(3, name);
            for (name, value) in attributes {
                part(4, name);
                part(5, value);
            }
        }
    }
    hash
}
