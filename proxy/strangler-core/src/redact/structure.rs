//! What a body looks like without any of its values: names and types.

use super::{Body, Pseudonyms, Redactor, json, text};

/// Longer outlines are cut: an example is looked at by a person.
const OUTLINE_BYTES_MAX: usize = 16 * 1024;

/// The structure of a redacted body: for JSON its names and types, for a form its names, of everything else its
/// length.
///
/// ```
/// use strangler_core::redact::{Body, structure};
///
/// let body = Body::Text(r#"{"items": [{"id": 7}, {"id": 8}], "total": "19.90"}"#.to_owned());
/// assert_eq!(structure(&body), r#"{"items": [{"id": integer} ×2], "total": string}"#);
/// ```
pub fn structure(body: &Body) -> String {
    let mut outline = match body {
        Body::None => "empty".to_owned(),
        Body::Missing => "not captured".to_owned(),
        Body::Opaque { bytes, .. } => format!("{bytes} bytes"),
        Body::Text(plain) => of_text(plain),
    };
    if outline.len() > OUTLINE_BYTES_MAX {
        let mut cut = OUTLINE_BYTES_MAX;
        while !outline.is_char_boundary(cut) {
            cut -= 1;
        }
        outline.truncate(cut);
        outline.push('…');
    }
    outline
}

fn of_text(plain: &str) -> String {
    let blank = Pseudonyms::Blank;
    let redactor = Redactor::new(&blank, &[], None);
    if let Some(outline) = json::outline(&redactor, plain) {
        return outline;
    }
    let is_form = plain.contains('=') && !plain.contains(char::is_whitespace) && !plain.contains('<');
    if is_form {
        let names = plain
            .split('&')
            .map(|pair| text::redacted(&redactor, pair.split('=').next().unwrap_or_default()).into_owned());
        return format!("form: {}", names.collect::<Vec<_>>().join(", "));
    }
    let kind = if super::markup::looks_like(plain) { "markup" } else { "text" };
    format!("{kind}, {} lines, {} bytes", plain.lines().count(), plain.len())
}
