//! One exchange, redacted.
//!
//! An input is a kind of body (`json`, `form`, `html`, `xml`, `multipart`, `text`, `none`), a line with a target, header lines of the
//! reply up to an empty line, and the reply's body. `{secret}` stands for a secret that the request's cookie shows.

use strangler_core::redact::{
    Body, Exchanged, Key, Pseudonyms, RawReply, RawRequest, Redactor, blank, structure,
};
use strangler_core::snapshot::Redact;

const SECRET: &str = "tiger-paw-x9";
const LINES: usize = 16;

/// Any exchange can be redacted; what one message shows to be a secret is in none of them; redacting twice changes
/// nothing; nothing grows without bound.
///
/// # Panics
///
/// Where a property does not hold.
pub fn redact(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).replace("{secret}", SECRET);
    let mut parts = text.splitn(3, '\n');
    let (Some(kind), Some(target), Some(rest)) = (parts.next(), parts.next(), parts.next()) else { return };
    let (head, body) = rest.split_once("\n\n").unwrap_or(("", rest));
    let media = match kind {
        "json" => "application/json",
        "form" => "application/x-www-form-urlencoded",
        "html" => "text/html",
        "xml" => "application/xml",
        "multipart" => "multipart/form-data; boundary=b",
        "text" => "text/plain",
        _ => "",
    };
    let mut headers: Vec<(&str, &[u8])> = vec![("content-type", media.as_bytes())];
    headers.extend(
        head.lines()
            .take(LINES)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name, value.as_bytes())),
    );
    let cookie = format!("sid={SECRET}");
    let request = RawRequest {
        method: "GET",
        target: target.as_bytes(),
        headers: vec![("cookie", cookie.as_bytes())],
        body: None,
    };
    let legacy = RawReply { status: 200, headers, body: Some(body.as_bytes()), ..RawReply::default() };
    let raw = Exchanged { request, legacy: Some(legacy), extracted: None };
    let pseudonyms = Pseudonyms::Keyed(Key::new([3; 32]));
    let rules = [Redact::Header("x-named".to_owned()), Redact::Form("field".to_owned())];
    let kept = Redactor::new(&pseudonyms, &rules, None).exchange(&raw);
    assert!(kept.legacy.is_some(), "a reply is kept as a reply");
    let Some(reply) = kept.legacy else { return };
    let lines: String = reply.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    for kept in
        [kept.request.target.as_str(), lines.as_str(), reply.body.text(), structure(&reply.body).as_str()]
    {
        assert!(!kept.contains(SECRET), "{kept:?}");
        assert!(kept.len() <= 64 * (text.len() + 64), "{} of {}", kept.len(), text.len());
        assert_eq!(blank(&blank(kept)), blank(kept));
    }
    twice(&reply.body, media, &pseudonyms);
}

/// What was redacted is left alone.
fn twice(body: &Body, media: &str, pseudonyms: &Pseudonyms) {
    let Body::Text(text) = body else { return };
    let again = RawReply {
        status: 200,
        headers: vec![("content-type", media.as_bytes())],
        body: Some(text.as_bytes()),
        ..RawReply::default()
    };
    let raw = Exchanged { legacy: Some(again), ..Exchanged::default() };
    let kept = Redactor::new(pseudonyms, &[], None).exchange(&raw).legacy.map(|reply| reply.body);
    assert!(kept.is_some_and(|kept| !kept.text().contains(SECRET)));
}
