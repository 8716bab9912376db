//! `rewrite`: another target for the extracted side.

use super::super::code;
use super::super::problems::{Context, Problem};
use super::super::reader::{self, Item, Reader};
use super::super::upstream::authority;
use super::PathName;
use crate::snapshot::Rewrite;

/// Reads a rewrite; `Some(None)` where it changes nothing.
pub(super) fn read(
    context: &Context<'_, '_>,
    item: Item<'_, '_>,
    path_names: &mut Vec<PathName>,
) -> Option<Option<Rewrite>> {
    let mut reader = Reader::new("`rewrite`", reader::table(context, item)?);
    let rewrite = Rewrite {
        strip_prefix: reader.read(context, "strip_prefix", prefix).flatten(),
        add_prefix: reader.read(context, "add_prefix", prefix).flatten(),
        path: reader.read(context, "path", |context, item| path(context, item, path_names)).flatten(),
        host: reader.read(context, "host", host).flatten(),
    };
    reader.done(context);
    Some(Some(rewrite).filter(|rewrite| *rewrite != Rewrite::default()))
}

/// A path of whole elements, without its final `/`; `Some(None)` where it is empty.
fn prefix(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Option<String>> {
    let text = path_text(context, item)?;
    Some(Some(text.trim_end_matches('/').to_owned()).filter(|text| !text.is_empty()))
}

fn path_text<'v>(context: &Context<'_, '_>, item: Item<'v, '_>) -> Option<&'v str> {
    let text = &*reader::text(context, item)?.value;
    let sound = text.is_empty() || (text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic()));
    if !sound || text.contains(['?', '#', '\\']) {
        let help = "it begins with `/`, has neither `?` nor `#`, and anything unusual is percent-encoded";
        reader::refuse(context, item, code::BAD_VALUE, "this is not a path", help);
        return None;
    }
    Some(text)
}

fn path(
    context: &Context<'_, '_>,
    item: Item<'_, '_>,
    path_names: &mut Vec<PathName>,
) -> Option<Option<String>> {
    let text = path_text(context, item)?;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let name = after.split_once('}').map(|(name, _)| name).filter(|name| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            !before.contains('}') && !name.is_empty() && name.chars().all(plain)
        });
        let Some(name) = name else { break };
        path_names.push(PathName { name: name.to_owned(), span: item.value.span, required: true });
        rest = after.get(name.len() + 1..).unwrap_or_default();
    }
    if rest.contains(['{', '}']) {
        let problem =
            Problem::new(code::BAD_VALUE, item.value.span, "`{` and `}` stand around an element's name");
        context.report(problem.help("such as /v2/products/{id}"));
        return None;
    }
    Some(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

fn host(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Option<String>> {
    let text = &*reader::text(context, item)?.value;
    if text.is_empty() { Some(None) } else { authority(context, item, text).map(Some) }
}
