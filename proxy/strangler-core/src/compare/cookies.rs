//! The cookies that a reply sets.
//!
//! A cookie is its name, path and domain (RFC 6265 §5.3): with another path it is another cookie. Owns what of
//! its attributes means the same; of several differences of one cookie its attributes come first, because they
//! are no matter of chance. Refuses to show values: they are credentials more often than not.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::fields::{self, Fields};
use super::{Class, Context, Difference, Kind, Path, dates};

/// How far apart two moments of expiry may be, in seconds: the sides are not asked at once.
const SAME_MOMENT_SECONDS: u64 = 5;

/// What a user agent knows a cookie by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Identity {
    name: String,
    path: Option<String>,
    domain: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cookie {
    value: String,
    lifetime: Lifetime,
    /// All other attributes, by name in lower case.
    attributes: BTreeMap<String, String>,
}

/// How long a cookie is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lifetime {
    /// As long as the user agent runs.
    Session,
    /// So many seconds from the reply on.
    Seconds(i64),
    /// Until this moment, in seconds since 1970.
    Until(i64),
}

/// The differences of the cookies that two replies set, by name.
pub(super) fn differences(context: &Context<'_>, left: &Fields<'_>, right: &Fields<'_>) -> Vec<Difference> {
    if fields::are_same(left.lines("set-cookie"), right.lines("set-cookie")) {
        return Vec::new();
    }
    let now = Moments::of(context, left, right);
    let (left, mut right) = (cookies(left), cookies(right));
    let mut differences = Vec::new();
    for (identity, ours) in left {
        let theirs = right.remove(&identity).unwrap_or_default();
        differences.extend(of_one_identity(&identity, now, &ours, &theirs));
    }
    differences.extend(right.keys().map(|identity| lone(identity, Kind::CookieExtra)));
    differences.sort_by(|one, other| one.path.cmp(&other.path));
    differences
}

/// What differs of a cookie that both sides set; a side that repeats itself sets it several times. One more or less
/// is one difference, however their values differ; as many are held against each other in their order, because user
/// agents keep the last.
fn of_one_identity(
    identity: &Identity,
    now: Moments,
    ours: &[Cookie],
    theirs: &[Cookie],
) -> Option<Difference> {
    match ours.len().cmp(&theirs.len()) {
        Ordering::Greater => Some(lone(identity, Kind::CookieMissing)),
        Ordering::Less => Some(lone(identity, Kind::CookieExtra)),
        Ordering::Equal => {
            let mut pairs = ours.iter().zip(theirs);
            pairs.find_map(|(one, other)| difference(identity, now, one, other))
        }
    }
}

/// When the replies were made, in seconds since 1970, as far as they say so.
#[derive(Clone, Copy, Debug)]
struct Moments {
    left: Option<i64>,
    right: Option<i64>,
    /// The beginning of this day.
    today: i64,
}

impl Moments {
    fn of(context: &Context<'_>, left: &Fields<'_>, right: &Fields<'_>) -> Self {
        let date = |fields: &Fields<'_>| fields.value("date").and_then(|text| dates::seconds(&text));
        let since = context.today.duration_since(jiff::civil::date(1970, 1, 1));
        Moments { left: date(left), right: date(right), today: since.as_secs() }
    }
}

fn cookies(fields: &Fields<'_>) -> BTreeMap<Identity, Vec<Cookie>> {
    let mut cookies: BTreeMap<Identity, Vec<Cookie>> = BTreeMap::new();
    for line in fields.lines("set-cookie") {
        let (identity, cookie) = parse(&line.text());
        cookies.entry(identity).or_default().push(cookie);
    }
    cookies
}

/// One line (RFC 6265 §5.2): of an attribute that is said twice the last counts.
fn parse(line: &str) -> (Identity, Cookie) {
    let mut parts = line.split(';');
    let pair = parts.next().unwrap_or_default();
    let (name, value) = pair.split_once('=').unwrap_or(("", pair));
    let mut identity = Identity { name: name.trim().to_owned(), path: None, domain: None };
    let (mut until, mut seconds) = (None, None);
    let mut attributes = BTreeMap::new();
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        match name.as_str() {
            "" => {}
            "path" => identity.path = value.starts_with('/').then(|| value.to_owned()),
            "domain" => {
                let domain = value.strip_prefix('.').unwrap_or(value);
                identity.domain = (!domain.is_empty()).then(|| domain.to_ascii_lowercase());
            }
            "expires" => until = dates::seconds(value).or(until),
            "max-age" => seconds = age(value).or(seconds),
            // Words without case, or flags: SameSite, Secure, HttpOnly, Partitioned, Priority.
            _ => {
                attributes.insert(name, value.to_ascii_lowercase());
            }
        }
    }
    // Max-Age has precedence (RFC 6265 §5.3).
    let lifetime = match (seconds, until) {
        (Some(seconds), _) => Lifetime::Seconds(seconds),
        (None, Some(until)) => Lifetime::Until(until),
        (None, None) => Lifetime::Session,
    };
    (identity, Cookie { value: value.trim().to_owned(), lifetime, attributes })
}

fn age(value: &str) -> Option<i64> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // What is longer than any number is for ever, or gone.
    Some(value.parse().unwrap_or(if digits.len() == value.len() { i64::MAX } else { i64::MIN }))
}

fn lone(identity: &Identity, kind: Kind) -> Difference {
    let path = Path::Cookie(identity.name.as_str().into());
    let (left, right) = match kind {
        Kind::CookieMissing => (Class::String, Class::Absent),
        _ => (Class::Absent, Class::String),
    };
    let whole = described(identity);
    let showing = |class: Class| (class != Class::Absent).then_some(whole.as_bytes());
    Difference::new(path, kind, left, right).showing(showing(left), showing(right))
}

/// What a cookie is known by, without its value.
fn described(identity: &Identity) -> String {
    let mut text = identity.name.clone();
    for (name, value) in [("Path", &identity.path), ("Domain", &identity.domain)] {
        if let Some(value) = value {
            text.push_str(&format!("; {name}={value}"));
        }
    }
    text
}

fn difference(identity: &Identity, now: Moments, left: &Cookie, right: &Cookie) -> Option<Difference> {
    let path = || Path::Cookie(identity.name.as_str().into());
    let is_lifetime_same = is_same_lifetime(now, left.lifetime, right.lifetime);
    if !is_lifetime_same || left.attributes != right.attributes {
        let of = |one: &Cookie, other: &Cookie| differing(one, other, is_lifetime_same);
        let difference = Difference::new(path(), Kind::CookieAttribute, Class::String, Class::String);
        return Some(difference.showing(Some(of(left, right).as_bytes()), Some(of(right, left).as_bytes())));
    }
    // The value of a cookie that is taken away means nothing.
    if left.value == right.value || is_gone(now, left.lifetime, now.left) {
        return None;
    }
    let class = |value: &str| if value.is_empty() { Class::Empty } else { Class::String };
    Some(Difference::new(path(), Kind::CookieValue, class(&left.value), class(&right.value)))
}

/// The attributes of `one` that `other` has not or has otherwise.
fn differing(one: &Cookie, other: &Cookie, is_lifetime_same: bool) -> String {
    let mut words = Vec::new();
    if !is_lifetime_same {
        words.push(match one.lifetime {
            Lifetime::Session => "no Expires".to_owned(),
            Lifetime::Seconds(seconds) => format!("Max-Age={seconds}"),
            Lifetime::Until(moment) => match jiff::Timestamp::from_second(moment) {
                Ok(moment) => format!("Expires={moment}"),
                Err(_) => "Expires".to_owned(),
            },
        });
    }
    for (name, value) in &one.attributes {
        if other.attributes.get(name) != Some(value) {
            words.push(if value.is_empty() { name.clone() } else { format!("{name}={value}") });
        }
    }
    words.join("; ")
}

fn is_same_lifetime(now: Moments, left: Lifetime, right: Lifetime) -> bool {
    let near = |one: i64, other: i64| one.abs_diff(other) <= SAME_MOMENT_SECONDS;
    if is_gone(now, left, now.left) && is_gone(now, right, now.right) {
        return true;
    }
    match (left, right) {
        (Lifetime::Session, Lifetime::Session) => true,
        (Lifetime::Session, _) | (_, Lifetime::Session) => false,
        (Lifetime::Seconds(left), Lifetime::Seconds(right)) => left == right,
        (Lifetime::Until(left), Lifetime::Until(right)) => {
            let lasts = |until: i64, from: Option<i64>| from.map(|from| until.saturating_sub(from));
            let as_long = lasts(left, now.left).zip(lasts(right, now.right));
            near(left, right) || as_long.is_some_and(|(left, right)| near(left, right))
        }
        (Lifetime::Seconds(seconds), Lifetime::Until(until)) => {
            let from = now.left.or(now.right);
            from.is_some_and(|from| near(from.saturating_add(seconds), until))
        }
        (Lifetime::Until(until), Lifetime::Seconds(seconds)) => {
            let from = now.right.or(now.left);
            from.is_some_and(|from| near(from.saturating_add(seconds), until))
        }
    }
}

/// Whether a reply of this moment takes the cookie away.
fn is_gone(now: Moments, lifetime: Lifetime, moment: Option<i64>) -> bool {
    match lifetime {
        Lifetime::Session => false,
        Lifetime::Seconds(seconds) => seconds <= 0,
        Lifetime::Until(until) => until <= moment.or(now.left).or(now.right).unwrap_or(now.today),
    }
}

#[cfg(test)]
mod tests;
