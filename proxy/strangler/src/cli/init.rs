//! `strangler init`: a commented first configuration that changes nothing yet.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use strangler_core::config::{Severity, SourceText, Sources};

use super::output::Output;
use super::{DEFAULT_FILE, Exit, Failure, Outcome};
use crate::live::compile;

#[derive(Debug, Args)]
pub(super) struct InitArguments {
    /// The monolith, such as http://127.0.0.1:8000
    #[arg(long, value_name = "URL")]
    legacy: String,
    /// Where to write
    #[arg(long, value_name = "FILE", default_value = DEFAULT_FILE)]
    out: PathBuf,
    /// Overwrite the file if there is one
    #[arg(long)]
    force: bool,
}

pub(super) fn run(arguments: &InitArguments, output: &Output) -> Outcome {
    let InitArguments { legacy, out, force } = arguments;
    let text = configuration(legacy);
    refuse_invalid(legacy, &text, out)?;
    write(out, &text, *force)?;
    let file = out.display().to_string();
    if output.json {
        output.json(&serde_json::json!({ "written": file, "legacy": legacy }));
    } else {
        let option = if file == DEFAULT_FILE { String::new() } else { format!(" --config {file}") };
        output.line(&format!(
            "Wrote {file}. Every request goes to {legacy} for now.\nNext: strangler run{option}"
        ));
    }
    Ok(Exit::Pass)
}

/// The URL may be wrong: say so now, not when the proxy starts.
fn refuse_invalid(legacy: &str, text: &str, out: &Path) -> Result<(), Failure> {
    let main = SourceText { name: out.display().to_string(), text: text.to_owned() };
    let base = out.parent().unwrap_or_else(|| Path::new("."));
    let loaded = compile::load(&Sources { main, included: Vec::new() }, base);
    match loaded.diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error) {
        None => Ok(()),
        Some(error) => {
            let help = error.help.clone().unwrap_or_default();
            Err(Failure::new(Exit::Invalid, format!("--legacy {legacy}: {}\n  {help}", error.message)))
        }
    }
}

fn write(out: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        let message = if error.kind() == ErrorKind::AlreadyExists {
            format!("{} exists; --force overwrites it, --out names another", out.display())
        } else {
            format!("{} cannot be written: {error}", out.display())
        };
        Failure::new(Exit::Invalid, message)
    };
    if let Some(parent) = out.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut options = OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    options.open(out).and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)
}

/// The first configuration: everything goes to `legacy`, and the first extraction is a few comments away.
pub(crate) fn configuration(legacy: &str) -> String {
    let legacy = toml::Value::String(legacy.to_owned());
    format!(
        r#"# Strangler: which requests go to the monolith, and which to a service extracted from it.
# A change of this file takes effect when it is saved. `strangler check` tells beforehand what is wrong
# with it, and a file with an error changes nothing.

version = 1

# The monolith: it answers everything that no slice below takes.
legacy = {legacy}

[server]
listen = "127.0.0.1:8080"       # clients come here (a change needs a restart)
admin  = "127.0.0.1:9090"       # `strangler status`, metrics; keep it away from the public

# The first extraction. A slice is the part of the monolith that one team moves; take away the `#` to begin.
#
# [slices.products]
# upstream = "http://127.0.0.1:8002"    # the extracted service
# phase    = "legacy"                   # who answers reads: "legacy", then "extracted"; going back is the same edit
# writer   = "legacy"                   # who owns the data, and so takes the writes: "legacy" or "extracted"
# sync     = "to-extracted"             # how the service gets the monolith's data; "stateless" if it needs none
# routes   = ["GET /products", "GET /products/{{id}}"]
#
# Where would a request go, and why?   strangler explain GET /products/1
# Who answers what right now?          strangler status
"#
    )
}
