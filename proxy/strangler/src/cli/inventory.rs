//! `strangler inventory`: the monolith's routes, as its traffic shows them.

use std::fmt::Write;

use clap::Args;
use http::{Method, StatusCode};
use strangler_core::inventory::{InventoryReport, TemplateReport};

use super::output::Output;
use super::target::AdminTarget;
use super::{AdminArguments, Exit, Outcome, client};

#[derive(Debug, Args)]
pub(super) struct InventoryArguments {
    #[command(flatten)]
    admin: AdminArguments,
    /// Only what legacy still answers
    #[arg(long)]
    legacy: bool,
}

pub(super) fn run(arguments: &InventoryArguments, output: &Output) -> Outcome {
    let target = AdminTarget::resolve(&arguments.admin)?;
    let answer = client::ask(&target, Method::GET, "/api/inventory", None)?;
    if answer.status != StatusCode::OK {
        return Err(answer.into_failure());
    }
    let mut report: InventoryReport = answer.parse()?;
    if arguments.legacy {
        report.templates.retain(|template| template.owner.contains("legacy"));
    }
    if output.json {
        output.json(&report);
    } else {
        output.text(&render(&report));
    }
    Ok(Exit::Pass)
}

fn render(report: &InventoryReport) -> String {
    let Some(since) = report.since else { return "No request has been seen yet.\n".to_owned() };
    let mut text =
        format!("{} requests since {since:.0}, {} routes\n\n", report.requests, report.templates.len());
    let width =
        report.templates.iter().map(|template| template.path.chars().count()).max().unwrap_or(0).clamp(8, 48);
    let mut line = |parts: [&str; 6]| {
        let [calls, path, methods, writes, last, owner] = parts;
        let row = format!("{calls:>9}  {path:<width$}  {methods:<12}  {writes:>6}  {last:<20}  {owner}");
        // Writing to a text cannot fail.
        if writeln!(text, "{}", row.trim_end()).is_err() {}
    };
    line(["calls", "route", "methods", "writes", "last seen", "owner"]);
    for template in &report.templates {
        let methods: Vec<&str> = template.methods.iter().map(|method| method.method.as_str()).collect();
        line([
            &template.calls.to_string(),
            &template.path,
            &methods.join(","),
            &format!("{:.0} %", template.write_share * 100.0),
            &format!("{:.0}", template.last),
            &owner(template),
        ]);
    }
    if report.collapsed > 0 {
        text.push_str(&format!(
            "\n{} requests had no room of their own and are counted above them\n",
            report.collapsed
        ));
    }
    text
}

fn owner(template: &TemplateReport) -> String {
    let mut text = template.owner.clone();
    if let Some(slice) = &template.slice {
        text.push_str(&format!(" ({slice})"));
    }
    if template.near_misses > 0 {
        text.push_str(&format!(", {} near misses", template.near_misses));
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use strangler_core::inventory::{Call, Inventory};

    use super::*;

    #[test]
    fn the_list_is_read_at_a_glance() {
        let mut inventory = Inventory::default();
        let call = Call {
            at: "2026-11-21T13:15:32Z".parse().unwrap(),
            method: "GET",
            path: "/orders/17",
            route: None,
            slice: None,
            owner: "legacy",
            status: 200,
            writes: false,
            near_miss: false,
            stands_for: 9,
        };
        inventory.note(&call);
        inventory.note(&Call {
            method: "POST",
            path: "/orders",
            writes: true,
            slice: Some("orders"),
            stands_for: 1,
            ..call
        });
        inventory.note(&Call { path: "/Orders/3", near_miss: true, stands_for: 2, ..call });
        expect![[r"
            12 requests since 2026-11-21T13:15:32Z, 3 routes

                calls  route         methods       writes  last seen             owner
                    9  /orders/{id}  GET              0 %  2026-11-21T13:15:32Z  legacy
                    2  /Orders/{id}  GET              0 %  2026-11-21T13:15:32Z  legacy, 2 near misses
                    1  /orders       POST           100 %  2026-11-21T13:15:32Z  legacy (orders)
        "]]
        .assert_eq(&render(&inventory.report()));
        assert_eq!(render(&Inventory::default().report()), "No request has been seen yet.\n");
    }
}
