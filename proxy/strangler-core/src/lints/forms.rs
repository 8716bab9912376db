//! Forms of a page, and who takes what they post.

use crate::compare::Reply;
use crate::matching::path::split_target;
use crate::routing::{RequestView, Verdict, decide};
use crate::words::Owner;

use super::rules::{lines, plain};
use super::{Sighting, hosts};

/// Bytes of a page that are looked through.
const PAGE_MAX: usize = 256 * 1024;

/// Forms of a page that are looked at.
const FORMS_MAX: usize = 16;

/// Where the forms of a page are posted, as far as that is not the page's owner: target and owner.
pub(super) fn across(sighting: &Sighting<'_>, reply: &Reply) -> Vec<(String, Owner)> {
    let is_page = |media: &&str| media.trim_start().to_ascii_lowercase().starts_with("text/html");
    if !lines(reply, "content-type").first().is_some_and(is_page) {
        return Vec::new();
    }
    let body = plain(reply);
    let page = body.get(..PAGE_MAX).unwrap_or(&body);
    let targets = posted(&String::from_utf8_lossy(page), &sighting.view);
    let taken = targets.into_iter().filter_map(|target| {
        let (path, query) = split_target(&target);
        let view = RequestView { method: "POST", path, query, ..sighting.view };
        match decide(sighting.snapshot, &view, sighting.facts).verdict {
            Verdict::Forward { owner, .. } if owner != sighting.primary => Some((path.to_owned(), owner)),
            _ => None,
        }
    });
    taken.collect()
}

/// Targets, on this host, of a page's forms whose method is POST.
fn posted(page: &str, view: &RequestView<'_>) -> Vec<String> {
    let lower = page.to_ascii_lowercase();
    let mut targets = Vec::new();
    for (at, _) in lower.match_indices("<form").take(FORMS_MAX) {
        let Some(end) = lower.get(at..).and_then(|rest| rest.find('>')) else { break };
        let Some(tag) = page.get(at..at + end) else { continue };
        if !attribute(tag, "method").is_some_and(|method| method.eq_ignore_ascii_case("post")) {
            continue;
        }
        let action = attribute(tag, "action").unwrap_or_default();
        targets.extend(resolved(action.trim(), view));
    }
    targets
}

/// The value of an attribute of a tag, quoted or not.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let lower = tag.to_ascii_lowercase();
    let at = lower.match_indices(name).map(|(at, _)| at).find(|at| {
        let before = at.checked_sub(1).and_then(|index| lower.as_bytes().get(index));
        let after = lower.get(at + name.len()..).unwrap_or_default().trim_start();
        before.is_some_and(|byte| byte.is_ascii_whitespace()) && after.starts_with('=')
    })?;
    let rest = tag.get(at + name.len()..)?.trim_start().strip_prefix('=')?.trim_start();
    match rest.chars().next()? {
        quote @ ('"' | '\'') => rest.get(1..)?.split(quote).next(),
        _ => rest.split_whitespace().next(),
    }
}

/// Path and query that an action leads to; `None`: another host, or nothing that is asked by HTTP.
fn resolved(action: &str, view: &RequestView<'_>) -> Option<String> {
    let action = action.split('#').next().unwrap_or_default().replace("&amp;", "&");
    if action.is_empty() {
        return Some(view.path.to_owned());
    }
    if let Some(authority) = hosts::authority(&action) {
        let same = authority.eq_ignore_ascii_case(view.host);
        let rest = action.split_once(authority).map(|(_, rest)| rest).unwrap_or_default();
        return same.then(|| if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") });
    }
    if action.starts_with("//") || action.split('/').next().is_some_and(|first| first.contains(':')) {
        return None;
    }
    if action.starts_with('/') {
        return Some(action);
    }
    if action.starts_with('?') {
        return Some(format!("{}{action}", view.path));
    }
    let folder = view.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in action.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop().filter(|_| parts.len() > 1)),
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    Some(if path.starts_with('/') { path } else { format!("/{path}") })
}
