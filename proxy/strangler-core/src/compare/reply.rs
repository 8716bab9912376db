//! The order of comparing: transport, status, headers, cookies, body.
//!
//! Owns what hides what, and what cannot be compared at all. A broken legacy answer is nothing to hold the
//! other against; a broken extracted answer is a difference. What is too large is not compared, unless the
//! exchange or the status tells already that something is wrong.

use bytes::Bytes;

use super::coding::{self, CodingError};
use super::fields::Fields;
use super::headers::Bodies;
use super::media::MediaType;
use super::{
    Class, Compared, Context, Difference, End, Findings, Kind, NotCompared, Path, Reply, body, cookies,
    headers,
};

/// Compares the replies of both sides to one request.
pub fn compare(context: &Context<'_>, legacy: &Reply, extracted: &Reply) -> Compared {
    if matches!(legacy.end, End::Truncated | End::Failed(_)) {
        return Compared::NotCompared(NotCompared::LegacyFailed);
    }
    let mut findings = Findings::new(context);
    if let End::Failed(transport) = extracted.end {
        let left = Class::of_status(legacy.status);
        let difference = Difference::new(Path::Transport, Kind::Transport, left, Class::Broken);
        let values = (legacy.status.to_string(), transport.as_str());
        findings.add(difference.showing(Some(values.0.as_bytes()), Some(values.1.as_bytes())));
        return Compared::Compared(findings.finish());
    }
    if let Some(difference) = status(legacy.status, extracted.status) {
        let is_class_another = difference.left != difference.right;
        findings.add(difference);
        if is_class_another {
            return Compared::Compared(findings.finish());
        }
    }
    let has_body = |reply: &Reply| has_body(context.method, reply.status);
    let is_too_large = |reply: &Reply| reply.end == End::TooLarge && has_body(reply);
    if extracted.end != End::Truncated && (is_too_large(legacy) || is_too_large(extracted)) {
        return Compared::NotCompared(NotCompared::BodyTooLarge);
    }
    if has_body(legacy) == has_body(extracted)
        && (legacy.end, extracted.end) == (End::Complete, End::Complete)
        && (legacy.body == extracted.body || !has_body(legacy))
        && headers::are_alike(&legacy.headers, &extracted.headers)
    {
        // Most replies are: nothing of them has to be taken apart.
        return Compared::Compared(findings.finish());
    }
    let (left, right) = (Fields::new(&legacy.headers), Fields::new(&extracted.headers));
    // Bodies first, because validators speak of them; told last.
    let mut in_body = Findings::new(context);
    let bodies = if extracted.end == End::Truncated {
        in_body.add(truncated(legacy, extracted));
        Bodies::Different
    } else if context.method == "HEAD" {
        Bodies::Different
    } else {
        let of = |reply: &Reply| if has_body(reply) { reply.body.clone() } else { Bytes::new() };
        match bodies((&left, of(legacy)), (&right, of(extracted)), &mut in_body) {
            Ok(compared) => compared,
            Err(reason) => return Compared::NotCompared(reason),
        }
    };
    for difference in headers::differences(context, &left, &right, bodies) {
        findings.add(difference);
    }
    for difference in cookies::differences(context, &left, &right) {
        findings.add(difference);
    }
    findings.append(in_body);
    Compared::Compared(findings.finish())
}

fn truncated(legacy: &Reply, extracted: &Reply) -> Difference {
    let values =
        (format!("{} bytes", legacy.body.len()), format!("broke off after {} bytes", extracted.body.len()));
    Difference::new(Path::BODY, Kind::BodyTruncated, Class::Text, Class::Broken)
        .showing(Some(values.0.as_bytes()), Some(values.1.as_bytes()))
}

fn status(left: u16, right: u16) -> Option<Difference> {
    if left == right {
        return None;
    }
    let difference =
        Difference::new(Path::Status, Kind::Status, Class::of_status(left), Class::of_status(right));
    let values = (left.to_string(), right.to_string());
    Some(difference.showing(Some(values.0.as_bytes()), Some(values.1.as_bytes())))
}

/// Whether a reply of this status to this method can have a body (RFC 9110 §6.4.1).
fn has_body(method: &str, status: u16) -> bool {
    method != "HEAD" && status >= 200 && !matches!(status, 204 | 304)
}

/// Compares the bodies, codings undone.
fn bodies(
    (left, legacy): (&Fields<'_>, Bytes),
    (right, extracted): (&Fields<'_>, Bytes),
    findings: &mut Findings<'_>,
) -> Result<Bodies, NotCompared> {
    let encoding =
        |fields: &Fields<'_>| fields.value("content-encoding").unwrap_or_default().to_ascii_lowercase();
    let encodings = (encoding(left), encoding(right));
    if legacy == extracted && encodings.0 == encodings.1 {
        return Ok(Bodies::Same);
    }
    let (ours, theirs) = match (coding::undo(&encodings.0, &legacy), coding::undo(&encodings.1, &extracted)) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (Err(CodingError::TooLarge), _) | (_, Err(CodingError::TooLarge)) => {
            return Err(NotCompared::BodyTooLarge);
        }
        (Err(CodingError::Broken(_)), _) => return Err(NotCompared::LegacyFailed),
        (Err(CodingError::Unknown), Err(CodingError::Unknown)) if encodings.0 == encodings.1 => {
            findings.add(body::bytes(&legacy, &extracted));
            return Ok(Bodies::Different);
        }
        (ours, theirs) => {
            findings.add(another_coding((&encodings.0, ours.err()), (&encodings.1, theirs.err())));
            return Ok(Bodies::Different);
        }
    };
    if ours == theirs {
        return Ok(Bodies::Same);
    }
    let media = |fields: &Fields<'_>| fields.value("content-type").and_then(|value| MediaType::parse(&value));
    let (left, right) = (media(left), media(right));
    let left = body::Body { media: left.as_ref(), bytes: &ours };
    let right = body::Body { media: right.as_ref(), bytes: &theirs };
    body::compare(&left, &right, findings);
    Ok(if findings.any() { Bodies::Different } else { Bodies::Equal })
}

fn another_coding(left: (&str, Option<CodingError>), right: (&str, Option<CodingError>)) -> Difference {
    let described = |(encoding, error): (&str, Option<CodingError>)| match error {
        None => (Class::Text, if encoding.is_empty() { "no coding".to_owned() } else { encoding.to_owned() }),
        Some(error) => (Class::Unreadable, format!("{encoding}: {error}")),
    };
    let (left, left_value) = described(left);
    let (right, right_value) = described(right);
    Difference::new(Path::BODY, Kind::BodyEncoding, left, right)
        .showing(Some(left_value.as_bytes()), Some(right_value.as_bytes()))
}

#[cfg(test)]
mod tests;
