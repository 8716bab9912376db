//! Documents made at random: spelt otherwise they are the same, changed anywhere they are not.

use fastrand::Rng;

use super::{CompareMode, html, xml};

const BLOCKS: [&str; 6] = ["div", "section", "ul", "article", "main", "blockquote"];
const INLINES: [&str; 4] = ["b", "span", "em", "a"];

/// A document as it may be written in more than one way.
enum Piece {
    Text(String),
    Element { name: &'static str, attributes: Vec<(String, String)>, children: Vec<Piece> },
}

fn word(random: &mut Rng) -> String {
    (0..random.usize(1..6)).map(|_| random.lowercase()).collect()
}

fn element(random: &mut Rng, depth: usize) -> Piece {
    let inline = depth == 0 || random.bool();
    let name = if inline { INLINES[random.usize(..4)] } else { BLOCKS[random.usize(..6)] };
    let mut attributes: Vec<(String, String)> =
        (0..random.usize(..4)).map(|n| (format!("data-{n}"), word(random))).collect();
    if random.bool() {
        // Distinct, because a class said twice is said once.
        let class: Vec<String> = (0..random.usize(1..4)).map(|n| format!("{}{n}", word(random))).collect();
        attributes.push(("class".into(), class.join(" ")));
    }
    let count = if depth == 0 { 0 } else { random.usize(..4) };
    let mut children = vec![Piece::Text(word(random))];
    for _ in 0..count {
        children.push(element(random, depth - 1));
        children.push(Piece::Text(word(random)));
    }
    Piece::Element { name, attributes, children }
}

/// How a document is written.
#[derive(Clone, Copy)]
enum Style {
    Plain,
    Otherwise,
}

fn write(piece: &Piece, style: Style, random: &mut Rng, out: &mut String) {
    match piece {
        Piece::Text(text) => {
            if matches!(style, Style::Otherwise) && random.bool() {
                let (one, other) = text.split_at(random.usize(..text.len()));
                out.push_str(&format!("{one}<!-- {} -->{other}", word(random)));
            } else {
                out.push_str(text);
            }
        }
        Piece::Element { name, attributes, children } => {
            let mut attributes = attributes.clone();
            if matches!(style, Style::Otherwise) {
                random.shuffle(&mut attributes);
                for (name, value) in &mut attributes {
                    if name == "class" {
                        let mut classes: Vec<&str> = value.split(' ').collect();
                        random.shuffle(&mut classes);
                        *value = classes.join("  ");
                    }
                }
            }
            out.push_str(&format!("<{name}"));
            for (name, value) in &attributes {
                let quote = if matches!(style, Style::Otherwise) && random.bool() { '\'' } else { '"' };
                out.push_str(&format!(" {name}={quote}{value}{quote}"));
            }
            out.push('>');
            children.iter().for_each(|child| write(child, style, random, out));
            out.push_str(&format!("</{name}>"));
        }
    }
}

/// Every text and value of a document, to be changed.
fn values<'p>(piece: &'p mut Piece, found: &mut Vec<&'p mut String>) {
    match piece {
        Piece::Text(text) => found.push(text),
        Piece::Element { attributes, children, .. } => {
            found.extend(attributes.iter_mut().map(|(_, value)| value));
            children.iter_mut().for_each(|child| values(child, found));
        }
    }
}

#[test]
fn a_document_spelt_otherwise_is_the_same_and_changed_anywhere_it_is_not() {
    for seed in 0..400 {
        let mut random = Rng::with_seed(seed);
        let mut document =
            Piece::Element { name: "div", attributes: Vec::new(), children: vec![element(&mut random, 4)] };
        let mut written = |document: &Piece, style| {
            let mut text = String::new();
            write(document, style, &mut random, &mut text);
            text
        };
        let plain = written(&document, Style::Plain);
        let otherwise = written(&document, Style::Otherwise);
        assert_eq!(html(CompareMode::Full, &plain, &otherwise), None, "{seed}: {plain}\n{otherwise}");
        let otherwise = written(&document, Style::Otherwise);
        assert_eq!(xml(CompareMode::Full, &plain, &otherwise), None, "{seed}: {plain}\n{otherwise}");
        let mut places = Vec::new();
        values(&mut document, &mut places);
        let at = Rng::with_seed(seed).usize(..places.len());
        places[at].push('x');
        let changed = written(&document, Style::Otherwise);
        assert!(html(CompareMode::Full, &plain, &changed).is_some(), "{seed}: {plain}\n{changed}");
        assert!(xml(CompareMode::Full, &plain, &changed).is_some(), "{seed}: {plain}\n{changed}");
        assert_eq!(html(CompareMode::Shape, &plain, &changed), None, "{seed}: {plain}\n{changed}");
    }
}
