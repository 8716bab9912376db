//! `multipart/form-data` (RFC 7578): fields by their names, files by their length only.

use super::{Class, Redactor, names, text};

/// The body with its secrets replaced; `None` where it has no such parts.
pub(super) fn redacted(r: &Redactor<'_>, body: &str, content_type: &str) -> Option<String> {
    let boundary = parameter(content_type, "boundary")?;
    let delimiter = format!("--{boundary}");
    if boundary.is_empty() || !body.contains(&delimiter) {
        return None;
    }
    let parts: Vec<String> = body.split(&delimiter).map(|part| self::part(r, part)).collect();
    // A boundary may look random: it is no secret, but is made by the client like one.
    Some(parts.join(&delimiter))
}

fn part(r: &Redactor<'_>, part: &str) -> String {
    let Some((head, content)) = part.split_once("\r\n\r\n") else {
        return text::redacted(r, part).into_owned();
    };
    let value = content.strip_suffix("\r\n").unwrap_or(content);
    let end = content.get(value.len()..).unwrap_or_default();
    let name = parameter(head, "name").unwrap_or_default();
    let is_file = parameter(head, "filename").is_some();
    let class = if r.rules.names_form(&name) { Some(Class::Named) } else { names::class_of(&name, value) };
    let value = match class {
        _ if is_file => format!("({} bytes) {}", value.len(), r.replace(Class::Opaque, value)),
        Some(class) => r.replace(class, value),
        None => text::redacted(r, value).into_owned(),
    };
    format!("{}\r\n\r\n{value}{end}", text::redacted(r, head))
}

/// A parameter of a header's value, quoted or not.
fn parameter(value: &str, name: &str) -> Option<String> {
    let lower = value.to_ascii_lowercase();
    let wanted = format!("{name}=");
    let at = lower.match_indices(&wanted).map(|(at, _)| at).find(|at| {
        !lower
            .get(..*at)
            .unwrap_or_default()
            .bytes()
            .next_back()
            .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'*')
    })?;
    let rest = value.get(at + wanted.len()..)?;
    Some(match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap_or_default().to_owned(),
        None => rest.split([';', '\r', '\n', ' ']).next().unwrap_or_default().to_owned(),
    })
}
