//! One slice with its routes, and what is said of a slice wherever it is shown.

use std::fmt::Write as _;

use super::{WIDTH, guardrail, held_sentence, lints};
use crate::admin::status::{SliceDetailReport, SliceReport, TrafficReport};
use crate::cli::output::{Output, plural};
use crate::cli::report::page::Page;

pub(in crate::cli::status) fn slice(report: &SliceDetailReport, output: &Output) -> String {
    let SliceDetailReport { slice, lints: learned, routes, except } = report;
    let mut text = format!("{}\n\n", output.bold(&slice_sentence(slice)));
    let optional = |text: &Option<String>| text.clone().unwrap_or_else(|| "not said".to_owned());
    let rows = [
        ("phase", phase(slice)),
        ("writer", slice.writer.clone()),
        ("sync", optional(&slice.sync)),
        ("upstream", slice.upstream.clone()),
        ("team", optional(&slice.team)),
        ("review by", review(slice)),
        ("written at", slice.place.clone()),
        ("last minute", traffic(&slice.recent)),
        ("since start", traffic(&slice.traffic)),
        ("fallbacks", fallbacks(slice)),
        ("sync lag", sync_lag(slice)),
        ("evidence", slice.evidence.as_ref().map_or("none".to_owned(), |line| line.sentence.clone())),
    ];
    for (name, value) in rows {
        let mut page = Page::new(WIDTH);
        page.words(&format!("  {name:<12}"), &value);
        text.push_str(&page.into_text());
    }
    for one in &slice.guardrails {
        guardrail(&mut text, ("  guardrail   ", ""), one, output);
    }
    if let Some(latch) = &slice.retreat {
        let mut page = Page::new(WIDTH);
        page.words("  retreat     ", &held_sentence(slice, latch));
        page.words("              ", &format!("back: strangler resume {}", slice.name));
        text.push_str(&page.into_text());
    }
    let _infallible = writeln!(text, "\n{}", output.bold(&plural(routes.len(), "route")));
    for route in routes {
        let effect = route.effect.as_ref().map(|effect| format!("  effect {effect}")).unwrap_or_default();
        let phase = match (&route.effective_phase, &route.phase) {
            (effective, _) if *effective == slice.effective_phase => String::new(),
            (effective, stated) if effective == stated => format!("  phase {stated}"),
            (effective, stated) => format!("  phase {effective} (the file says {stated})"),
        };
        let _infallible = writeln!(text, "  {}{phase}{effect}  ({})", route.pattern, route.place);
    }
    for pattern in except {
        let _infallible = writeln!(text, "  except {pattern}");
    }
    lints(&mut text, learned, output);
    text
}

fn fallbacks(slice: &SliceReport) -> String {
    if slice.fallbacks.count == 0 {
        return "none".to_owned();
    }
    let recent = slice.recent_fallbacks.sentence(slice.recent.extracted);
    let all = slice.fallbacks.sentence(slice.traffic.extracted);
    format!("{recent}, in the last minute; since start {all}")
}

fn sync_lag(slice: &SliceReport) -> String {
    let Some(lag) = &slice.sync_lag else { return "not measured".to_owned() };
    let so = lag.consequence.as_ref().map(|so| format!("; so {so}")).unwrap_or_default();
    format!("{}{so}", lag.sentence)
}

fn phase(slice: &SliceReport) -> String {
    if slice.effective_phase == slice.phase {
        standing(slice)
    } else {
        format!("{} (the file says {})", slice.effective_phase, slice.phase)
    }
}

/// Its effective phase, with the share of its canary.
pub(super) fn standing(slice: &SliceReport) -> String {
    let share = slice.share.as_ref().map(|share| format!(" {share}")).unwrap_or_default();
    format!("{}{share}", slice.effective_phase)
}

fn slice_sentence(slice: &SliceReport) -> String {
    let SliceReport { name, upstream, writer, .. } = slice;
    let elsewhere = match slice.routes_elsewhere {
        0 => String::new(),
        1 => ", but for 1 route in a phase of its own".to_owned(),
        some => format!(", but for {some} routes in phases of their own"),
    };
    if let Some(share) = &slice.share {
        return format!(
            "Reads of {name} are answered by the extracted service {upstream} for {share} of clients, by legacy for the \
             others{elsewhere}; writes go to {writer}."
        );
    }
    let owner = if matches!(slice.effective_phase.as_str(), "extracted" | "retired") {
        format!("the extracted service {upstream}")
    } else {
        "legacy".to_owned()
    };
    format!("Reads of {name} are answered by {owner}{elsewhere}; writes go to {writer}.")
}

fn review(slice: &SliceReport) -> String {
    match (&slice.review_by, slice.overdue) {
        (None, _) => "not said".to_owned(),
        (Some(date), false) => date.clone(),
        (Some(date), true) => format!("{date} (overdue)"),
    }
}

fn traffic(traffic: &TrafficReport) -> String {
    let side = |name: &str, count: u64, errors: u64| match errors {
        0 => format!("{name} {count}"),
        errors => format!("{name} {count} ({errors} failed)"),
    };
    [
        side("legacy", traffic.legacy, traffic.legacy_errors),
        side("extracted", traffic.extracted, traffic.extracted_errors),
        side("proxy", traffic.proxy, traffic.proxy_errors),
    ]
    .join(", ")
}
