//! `shadow`: copies of requests to the other side.

use super::super::code;
use super::super::problems::{Context, Problem};
use super::super::reader::{self, Item, Reader};
use super::super::server::unless;
use super::super::units;
use super::headers;
use crate::snapshot::Shadow;
use crate::snapshot::policy::{Examples, Rate, ShadowWrites};
use crate::words::Share;

/// Reads `shadow`.
pub(super) fn read(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Shadow> {
    let writes = |word: &str| match word {
        "never" => Some(ShadowWrites::Never),
        "dry-run" => Some(ShadowWrites::DryRun),
        "isolated" => Some(ShadowWrites::Isolated),
        _ => None,
    };
    let examples = |word: &str| match word {
        "structure" => Some(Examples::Structure),
        "values" => Some(Examples::Values),
        _ => None,
    };
    let mut reader = Reader::new("`shadow`", reader::table(context, item)?);
    let shadow = Shadow {
        sample: reader.read(context, "sample", reader::share).unwrap_or(Share::NONE),
        reverse_sample: reader.read(context, "reverse_sample", reader::share).unwrap_or(Share::NONE),
        body_max: reader.read(context, "body_max", body_max).unwrap_or_default(),
        timeout: reader.read(context, "timeout", reader::some_duration).unwrap_or_default(),
        concurrency: reader
            .read(context, "concurrency", |c, item| reader::integer(c, item, 1..=100_000))
            .unwrap_or_default(),
        writes: reader
            .read(context, "writes", |c, item| {
                reader::word(c, item, &["never", "dry-run", "isolated"], writes)
            })
            .unwrap_or(ShadowWrites::Never),
        repeat: reader.read(context, "repeat", reader::share).unwrap_or(Share::NONE),
        recheck: reader.read(context, "recheck", |c, item| unless(c, item, "off", rate)).flatten(),
        examples: reader
            .read(context, "examples", |c, item| reader::word(c, item, &["structure", "values"], examples))
            .unwrap_or(Examples::Structure),
        request_headers: reader.read(context, "request_headers", headers::read).unwrap_or_default(),
    };
    reader.done(context);
    Some(shadow)
}

/// Copies share one budget of 64 MiB, so that no single body may be larger than it.
const BODY_BUDGET: u64 = 64 << 20;

fn body_max(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<u64> {
    let size = reader::size(context, item)?;
    if size > BODY_BUDGET {
        let problem = Problem::new(code::BAD_SIZE, item.value.span, "`body_max` is more than 64MiB");
        context.report(problem.help("all copies together are given 64MiB"));
        return None;
    }
    Some(size)
}

fn rate(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Rate> {
    const FORM: &str = "so many per s, m or h, such as 1/s, or \"off\"";
    let quantity = reader::Quantity { code: code::BAD_RATE, what: "a rate", form: FORM, unit: per_second };
    let (count, per) = reader::quantity(context, item, &quantity, units::rate)?;
    if count == 0 {
        reader::refuse(context, item, code::BAD_RATE, "it must be above zero", FORM);
        return None;
    }
    Some(Rate { count, per })
}

fn per_second(number: &str) -> String {
    format!("write \"{number}/s\" if that means per second")
}
