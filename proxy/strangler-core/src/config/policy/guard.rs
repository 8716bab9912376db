//! `guardrails` and `gate`: the live limit and the evidence demanded.

use super::super::code;
use super::super::document::{Kind, Table};
use super::super::problems::Context;
use super::super::reader::{self, Item, Reader};
use crate::snapshot::policy::{Gate, Guardrails};
use crate::words::{Phase, Share};

/// A table, or `Some(None)` for `false`.
fn table_or_off<'v, 't>(context: &Context<'_, '_>, item: Item<'v, 't>) -> Option<Option<&'v Table<'t>>> {
    match &item.value.kind {
        Kind::Table(table) => Some(Some(table)),
        Kind::Bool(false) => Some(None),
        _ => {
            reader::wrong_type(context, item, "a table or `false`");
            None
        }
    }
}

/// Reads `guardrails`; `Some(None)`: off.
pub(super) fn guardrails(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Option<Guardrails>> {
    let Some(table) = table_or_off(context, item)? else { return Some(None) };
    let mut reader = Reader::new("`guardrails`", table);
    let window = reader.read(context, "window", reader::some_duration);
    let min_requests = reader.read(context, "min_requests", reader::positive);
    let (error_rate_above_legacy, error_rate_max) =
        reader.read(context, "error_rate", error_rate).unwrap_or_default();
    let latency_p95_above_legacy = reader.read(context, "latency_p95", latency).flatten();
    let retreat_to = reader.read(context, "retreat_to", |context, item| {
        let words = ["legacy", "shadow", "canary"];
        let lower = |word: &str| Phase::from_word(word).filter(|phase| *phase < Phase::Extracted);
        reader::word_coded(context, item, code::UNKNOWN_PHASE, &words, lower)
    });
    reader.done(context);
    Some(Some(Guardrails {
        window: window?,
        min_requests: min_requests?,
        error_rate_above_legacy,
        error_rate_max,
        latency_p95_above_legacy,
        retreat_to: retreat_to?,
    }))
}

fn error_rate(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<(Option<u32>, Option<Share>)> {
    let mut reader = Reader::new("`error_rate`", reader::table(context, item)?);
    let above_legacy = reader.read(context, "above_legacy", reader::points);
    let max = reader.read(context, "max", reader::share);
    reader.done(context);
    Some((above_legacy, max))
}

fn latency(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Option<u32>> {
    let mut reader = Reader::new("`latency_p95`", reader::table(context, item)?);
    let above_legacy = reader.read(context, "above_legacy", reader::percentage);
    reader.done(context);
    Some(above_legacy)
}

/// Reads `gate`; `Some(None)`: off.
pub(super) fn gate(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Option<Gate>> {
    let Some(table) = table_or_off(context, item)? else { return Some(None) };
    let mut reader = Reader::new("`gate`", table);
    let mismatch_below = reader.read(context, "mismatch_below", inner_share);
    let confidence = reader.read(context, "confidence", inner_share);
    let min_per_route = reader.read(context, "min_per_route", reader::count);
    let min_age = reader.read(context, "min_age", reader::duration);
    let coverage = reader.read(context, "coverage", reader::share);
    reader.done(context);
    Some(Some(Gate {
        mismatch_below: mismatch_below?,
        confidence: confidence?,
        min_per_route: min_per_route?,
        min_age: min_age?,
        coverage: coverage?,
    }))
}

/// A share that no evidence could meet, or any would, is a slip.
fn inner_share(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Share> {
    let share = reader::share(context, item)?;
    if share == Share::NONE || share == Share::ALL {
        let help = "evidence shows neither that nothing differs nor anything for certain";
        reader::refuse(context, item, code::BAD_SHARE, "it must be above 0% and below 100%", help);
        return None;
    }
    Some(share)
}
