//! `strangler explain`: where a request would go, and why; from a file, or asked of the running proxy.

use clap::Args;
use http::{Method, StatusCode};
use strangler_core::routing::Facts;

use super::output::Output;
use super::target::AdminTarget;
use super::{AdminArguments, Exit, Failure, Outcome, client};
use crate::explain::{ExplainRequest, explain};
use crate::live::compile;
use crate::live::source::Source;

#[derive(Debug, Args)]
pub(super) struct ExplainArguments {
    /// Such as GET
    method: String,
    /// A path such as /products/1, or http://shop.example/products/1
    url: String,
    /// A header line of the request, such as 'x-tenant: acme'
    #[arg(short = 'H', long = "header", value_name = "LINE")]
    headers: Vec<String>,
    /// The client's address
    #[arg(long, value_name = "IP")]
    client_ip: Option<String>,
    #[command(flatten)]
    admin: AdminArguments,
}

pub(super) fn run(arguments: &ExplainArguments, output: &Output) -> Outcome {
    let ExplainArguments { method, url, headers, client_ip, admin } = arguments;
    let request = ExplainRequest::parse(method, url, headers, client_ip.as_deref())
        .map_err(|error| Failure::new(Exit::Invalid, error.to_string()))?;
    if admin.admin.is_some() {
        return ask(arguments, output);
    }
    let source = Source::File(admin.config.clone());
    let sources = match source.read() {
        Ok(sources) => sources,
        Err(unreadable) => {
            output.diagnostics(&unreadable.diagnostics);
            return Err(Failure::new(Exit::Invalid, "nothing to explain without a configuration"));
        }
    };
    let loaded = compile::load(&sources, source.base());
    let Some(snapshot) = loaded.snapshot else {
        let message = format!(
            "{} is invalid: see `strangler check {}`; `--admin URL` asks the running proxy",
            admin.config.display(),
            admin.config.display()
        );
        return Err(Failure::new(Exit::Invalid, message));
    };
    let explanation = explain(&snapshot, Facts::NONE, &request);
    if output.json {
        output.json(&explanation);
    } else {
        output.text(&explanation.render_text());
    }
    Ok(Exit::Pass)
}

fn ask(arguments: &ExplainArguments, output: &Output) -> Outcome {
    let target = AdminTarget::resolve(&arguments.admin)?;
    let mut path = format!(
        "/api/explain?method={}&url={}",
        client::encoded(&arguments.method),
        client::encoded(&arguments.url)
    );
    for line in &arguments.headers {
        path.push_str(&format!("&header={}", client::encoded(line)));
    }
    if let Some(ip) = &arguments.client_ip {
        path.push_str(&format!("&client_ip={}", client::encoded(ip)));
    }
    if !output.json {
        path.push_str("&format=text");
    }
    let answer = client::ask(&target, Method::GET, &path, None)?;
    if answer.status != StatusCode::OK {
        return Err(answer.into_failure());
    }
    output.text(&String::from_utf8_lossy(&answer.body));
    Ok(Exit::Pass)
}
