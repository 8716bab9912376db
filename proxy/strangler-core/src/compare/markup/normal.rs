//! What of a tree is no difference: white space that nobody sees, the order of classes, values of tokens.

use super::tree::{Label, NodeId, Tree};

/// What stands for the value of a token: that there is one.
const TOKEN: &str = "*";

/// Which white space a document means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// As browsers lay it out.
    Html,
    /// Only where it stands between elements it means nothing.
    Xml,
}

/// Brings a finished tree into normal form and seals it.
pub(super) fn normalise(tree: &mut Tree, dialect: Dialect) {
    // Whether white space below a node is kept as it is; parents come first.
    let mut kept: Vec<bool> = Vec::new();
    for (at, id) in tree.ids().enumerate() {
        if matches!(tree.label(id), Label::Element { .. } | Label::Root) {
            let above = tree.parent(id).and_then(|parent| kept.get(parent.place()).copied());
            let keeps = keeps_blanks(tree.label(id), dialect).unwrap_or(above.unwrap_or(false));
            kept.resize(at, false);
            kept.push(keeps);
            if !keeps {
                blanks(tree, id, dialect);
            }
            attributes(tree, id);
            hide_token_text(tree, id);
        }
    }
    tree.seal();
}

fn keeps_blanks(label: &Label, dialect: Dialect) -> Option<bool> {
    match dialect {
        Dialect::Html => matches!(
            label.name(),
            Some("pre" | "textarea" | "script" | "style" | "listing" | "xmp" | "plaintext")
        )
        .then_some(true),
        Dialect::Xml => match label.attribute("xml:space") {
            Some("preserve") => Some(true),
            Some("default") => Some(false),
            _ => None,
        },
    }
}

/// Brings the texts right below a node into normal form.
fn blanks(tree: &mut Tree, id: NodeId, dialect: Dialect) {
    let children = tree.children(id).to_vec();
    let texts = children.iter().filter(|child| matches!(tree.label(**child), Label::Text(_))).count();
    if texts == 0 {
        return;
    }
    let is_blank = |child: &NodeId| matches!(tree.label(*child), Label::Text(text) if is_blank(text));
    let new: Vec<Option<String>> = match dialect {
        Dialect::Xml => {
            let has_text = children
                .iter()
                .any(|child| matches!(tree.label(*child), Label::Text(text) if !self::is_blank(text)));
            let collapses = children.len() > 1;
            let normal = |child: &NodeId| match tree.label(*child) {
                Label::Text(_) if !has_text && is_blank(child) => Some(String::new()),
                Label::Text(text) if collapses => Some(collapsed(text)),
                _ => None,
            };
            children.iter().map(normal).collect()
        }
        Dialect::Html => {
            let is_inline_here = is_inline(tree.label(id));
            let touches_block = |neighbour: Option<&NodeId>| match neighbour {
                Some(node) => !is_inline(tree.label(*node)),
                None => !is_inline_here,
            };
            let normal = |(at, child): (usize, &NodeId)| {
                let Label::Text(text) = tree.label(*child) else { return None };
                let mut text = collapsed(text);
                if text.starts_with(' ')
                    && touches_block(at.checked_sub(1).and_then(|before| children.get(before)))
                {
                    text.remove(0);
                }
                if text.ends_with(' ') && touches_block(children.get(at + 1)) {
                    text.pop();
                }
                Some(text)
            };
            children.iter().enumerate().map(normal).collect()
        }
    };
    let mut left = Vec::with_capacity(children.len());
    for (child, new) in children.into_iter().zip(new) {
        if new.as_ref().is_some_and(String::is_empty) {
            continue;
        }
        if let (Some(text), Some(label)) = (new, tree.label_mut(child)) {
            *label = Label::Text(text);
        }
        left.push(child);
    }
    tree.set_children(id, left);
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_whitespace())
}

/// Every run of white space as one blank; a no-break space is none (HTML Standard, ASCII whitespace).
fn collapsed(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    let mut after_blank = false;
    for c in text.chars() {
        let is_blank = c.is_ascii_whitespace();
        if !is_blank {
            collapsed.push(c);
        } else if !after_blank {
            collapsed.push(' ');
        }
        after_blank = is_blank;
    }
    collapsed
}

/// Whether white space beside or at the edges of a node is seen.
fn is_inline(label: &Label) -> bool {
    let name = match label {
        Label::Element { name, .. } => &**name,
        Label::Text(_) => return true,
        Label::Root | Label::Other(_) => return false,
    };
    matches!(
        name,
        "a" | "abbr"
            | "acronym"
            | "b"
            | "bdi"
            | "bdo"
            | "big"
            | "button"
            | "canvas"
            | "cite"
            | "code"
            | "data"
            | "del"
            | "dfn"
            | "em"
            | "font"
            | "i"
            | "iframe"
            | "img"
            | "input"
            | "ins"
            | "kbd"
            | "label"
            | "mark"
            | "math"
            | "meter"
            | "object"
            | "output"
            | "picture"
            | "progress"
            | "q"
            | "ruby"
            | "s"
            | "samp"
            | "select"
            | "small"
            | "span"
            | "strike"
            | "strong"
            | "sub"
            | "sup"
            | "svg"
            | "textarea"
            | "time"
            | "tt"
            | "u"
            | "var"
            | "wbr"
    )
}

/// Whether a name is that of a token made anew for every page or session.
fn is_token(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ["csrf", "xsrf", "token", "nonce"].iter().any(|word| lower.contains(word))
}

fn attributes(tree: &mut Tree, id: NodeId) {
    let Some(Label::Element { attributes, .. }) = tree.label_mut(id) else { return };
    attributes.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    // What the element holds is named by these.
    let named = |(name, value): &(Box<str>, Box<str>)| {
        matches!(&**name, "name" | "id" | "property" | "http-equiv" | "itemprop" | "key") && is_token(value)
    };
    let holds_token = attributes.iter().any(named);
    let is_policy = attributes.iter().any(|(name, value)| {
        **name == *"http-equiv" && value.eq_ignore_ascii_case("content-security-policy")
    });
    for (name, value) in attributes.iter_mut() {
        let is_value = matches!(&**name, "value" | "content");
        if value.is_empty() {
            continue;
        }
        if matches!(&**name, "name" | "id" | "property" | "http-equiv" | "itemprop" | "key" | "for") {
            // A name is no value.
        } else if is_token(name) || (holds_token && is_value) {
            *value = TOKEN.into();
        } else if is_policy && is_value {
            *value = super::super::headers::policy(value).into();
        } else if **name == *"class" {
            let mut classes: Vec<&str> = value.split_ascii_whitespace().collect();
            classes.sort_unstable();
            classes.dedup();
            *value = classes.join(" ").into();
        } else if matches!(&**name, "href" | "src" | "action" | "formaction")
            && let Some(without) = without_tokens(value)
        {
            *value = without.into();
        }
    }
}

/// A reference whose query has tokens, without their values.
fn without_tokens(reference: &str) -> Option<String> {
    let (path, query) = reference.split_once('?')?;
    if !is_token(query) {
        return None;
    }
    let (query, fragment) = query.split_at(query.find('#').unwrap_or(query.len()));
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, value)) if is_token(name) && !value.is_empty() => format!("{name}={TOKEN}"),
        _ => pair.to_owned(),
    };
    let query: Vec<String> = query.split('&').map(pair).collect();
    Some(format!("{path}?{}{fragment}", query.join("&")))
}

/// The text of an element that is named like a token, such as `<csrf-token>` or `<textarea name="token">`.
fn hide_token_text(tree: &mut Tree, id: NodeId) {
    let label = tree.label(id);
    let local = label.name().map(|name| name.rsplit(['}', ':']).next().unwrap_or(name));
    let is_field = matches!(local, Some("textarea" | "output"));
    let is_named = local.is_some_and(is_token) || (is_field && label.attribute("name").is_some_and(is_token));
    if !is_named {
        return;
    }
    for child in tree.children(id).to_vec() {
        if let Some(Label::Text(text)) = tree.label_mut(child) {
            TOKEN.clone_into(text);
        }
    }
}
