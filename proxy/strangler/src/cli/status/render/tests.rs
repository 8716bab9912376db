//! Tests of the page.

use super::*;
use crate::admin::fallbacks::FallbackReport;
use crate::admin::guardrail::SideReport;
use crate::admin::lag::SyncLagReport;
use crate::admin::status::SliceDetailReport;
use crate::admin::upstreams::{EndpointReport, UpstreamReport};
use crate::live::report::{DiagnosticReport, RejectedReport, Trigger};

fn slice_report(name: &str, extracted: u64, errors: u64) -> SliceReport {
    SliceReport {
        name: name.to_owned(),
        phase: "extracted".to_owned(),
        effective_phase: "extracted".to_owned(),
        highest_phase: "extracted".to_owned(),
        highest_effective_phase: "extracted".to_owned(),
        routes_elsewhere: 0,
        writer: "extracted".to_owned(),
        sync: None,
        share: None,
        upstream: name.to_owned(),
        team: None,
        review_by: Some("2020-01-01".to_owned()),
        overdue: true,
        place: "config/strangler.toml:12".to_owned(),
        route_count: 2,
        traffic: TrafficReport::default(),
        recent: TrafficReport { extracted, extracted_errors: errors, ..TrafficReport::default() },
        fallbacks: FallbackReport {
            count: 1_000_000,
            share: Some("33.33%".to_owned()),
            reasons: [("connect-error", 900_000), ("breaker-open", 99_000), ("503", 1_000)]
                .map(|(reason, count)| (reason.to_owned(), count))
                .into(),
        },
        recent_fallbacks: FallbackReport::default(),
        sync_lag: Some(SyncLagReport {
            state: "late".to_owned(),
            lag_ms: Some(72_000.0),
            age_ms: Some(400),
            max_ms: 5_000,
            error: None,
            sentence: "1 min 12 s, more than 5 s".to_owned(),
            consequence: Some("legacy answers no read in place of its service".to_owned()),
        }),
        retreat: None,
        guardrails: vec![GuardrailReport {
            state: "hold".to_owned(),
            sentence: "extracted 0 of 0 reads failed, legacy 0 of 0, within 5 min".to_owned(),
            window_seconds: 300,
            covered_seconds: 300,
            min_requests: 200,
            legacy: SideReport { reads: 0, failed: 0, p95_ms: None },
            extracted: SideReport { reads: 0, failed: 0, p95_ms: None },
            warning: Some("it cannot decide: no read came with a cohort key".to_owned()),
            help: Some("name something in `cohort_by` that clients send".to_owned()),
        }],
        evidence: None,
    }
}

fn report() -> StatusReport {
    let diagnostic = DiagnosticReport {
        severity: "error".to_owned(),
        code: "unknown-key".to_owned(),
        file: Some("config/strangler.toml".to_owned()),
        line: Some(7),
        column: Some(1),
        message: "unknown key `phse`".to_owned(),
        help: None,
        related: Vec::new(),
        text: "error[unknown-key] config/strangler.toml:7:1 unknown key `phse`\n".to_owned(),
    };
    StatusReport {
        sentence: "The files on disk are refused (1 error): generation 3 goes on serving.".to_owned(),
        state: "serving".to_owned(),
        version: "0.1.0".to_owned(),
        pid: 1,
        started: "2026-01-01T00:00:00.000Z".to_owned(),
        listen: vec!["127.0.0.1:8080".to_owned()],
        admin: "127.0.0.1:9090".to_owned(),
        configuration: ConfigurationReport {
            generation: 3,
            hash: "0123456789abcdef".to_owned(),
            since: "2026-01-01T00:00:00.123Z".to_owned(),
            source: Trigger::Watch,
            files: vec!["config/strangler.toml".to_owned()],
            stale: true,
            from_last_good: false,
            warnings: Vec::new(),
            rejected: Some(RejectedReport {
                at: "2026-01-01T00:01:00.000Z".to_owned(),
                hash: None,
                source: Trigger::Watch,
                diagnostics: vec![diagnostic],
            }),
            restart_required: vec!["server.listen".to_owned()],
        },
        unmatched: UnmatchedReport {
            policy: "legacy".to_owned(),
            traffic: TrafficReport::default(),
            recent: TrafficReport::default(),
        },
        slices: vec![slice_report("a-slice-with-a-very-long-name", 1_234_567, 12)],
        retreats_unreadable: None,
        lints: Vec::new(),
        copying_stopped: vec![StoppedReport {
            slice: "payments".to_owned(),
            route: "POST /payments".to_owned(),
            since: "2026-01-01T00:01:00.000Z".to_owned(),
            status: 201,
        }],
        upstreams: vec![UpstreamReport {
            name: "a-service-with-a-very-long-name".to_owned(),
            is_legacy: false,
            in_flight: 12_345,
            breaker: None,
            endpoints: vec![EndpointReport {
                url: "http://10.200.100.100:18004".to_owned(),
                address: Some("10.200.100.100:18004".to_owned()),
                in_flight: 12_345,
                weight: 1,
                share: Some("33.33%".to_owned()),
                state: "available".to_owned(),
                since: None,
                why: None,
            }],
        }],
    }
}

#[test]
fn the_sentence_comes_first_and_every_line_fits() {
    let text = status(&report(), &Output::new(true));
    assert!(text.starts_with("The files on disk are refused"));
    for line in text.lines() {
        assert!(line.chars().count() <= 80 || line.contains(" since "), "{line}");
    }
}

#[test]
fn one_slice_fits_as_well_and_says_the_same_of_itself() {
    let slice = slice_report("orders", 10, 0);
    let report = SliceDetailReport { slice, lints: Vec::new(), routes: Vec::new(), except: Vec::new() };
    let text = super::slice(&report, &Output::new(true));
    for wanted in
        ["  sync lag    1 min 12 s, more than 5 s; so legacy", "  guardrail   hold: extracted 0 of 0"]
    {
        assert!(text.contains(wanted), "{wanted} is missing in:\n{text}");
    }
    // The first sentence is as long as it is.
    assert!(text.lines().skip(1).all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn what_is_wrong_is_shown_with_its_line() {
    let text = status(&report(), &Output::new(true));
    for wanted in [
        "config/strangler.toml:7:1 unknown key `phse`",
        "waits for a restart: server.listen",
        "overdue since 2020-01-01",
        "a-slice-with-a-very…",
        "  a-slice-with-a-very-long-name: none, in the last minute\n    since start 1000000 of 1000000 (33.33%)",
        "  a-slice-with-a-very-long-name: 1 min 12 s, more than 5 s\n    so legacy answers no read",
        "hold: extracted 0 of 0 reads failed",
        "\n    warning: it cannot decide: no read came with a cohort key; name something",
        " 33.33%     12345\n",
        "POST /payments of payments\n  a copied write was answered 201 without X-Shadow-Mode: rollback\n",
    ] {
        assert!(text.contains(wanted), "{wanted} is missing in:\n{text}");
    }
}
