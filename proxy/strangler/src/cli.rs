//! The command line: one file per command.
//!
//! Owns reading arguments, exit codes and what is printed. Parsed arguments (as written) and resolved ones
//! (defaults filled in, files found) are different types. Refuses logic of its own: commands ask
//! [`crate::live`], [`crate::admin`] and core.

mod accept;
mod bundle;
mod check;
mod client;
mod evidence;
mod exit;
mod explain;
mod find;
mod history;
mod init;
mod inventory;
mod output;
mod person;
mod plan;
mod promote;
mod record;
mod reload;
mod replay;
mod report;
mod resume;
mod retreat;
mod run;
mod status;
mod target;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

pub use exit::Exit;
use output::Output;

/// Where the configuration is unless an argument says otherwise.
pub const DEFAULT_FILE: &str = "config/strangler.toml";

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure { exit, message: message.into() }
    }
}

type Outcome = Result<Exit, Failure>;

#[derive(Debug, Parser)]
#[command(
    name = "strangler",
    version,
    about = "Moves a monolith to extracted services one route at a time",
    after_help = "Exit codes: 0 pass; 1 refused or failed; 2 usage or invalid configuration; 3 not reachable; \
                  4 insufficient evidence; 5 an accepted difference has expired (--strict). Where several hold: 2, 3, 1, 4, 5"
)]
struct Arguments {
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve
    Run(run::RunArguments),
    /// Ask the running proxy to read its files now
    Reload(reload::ReloadArguments),
    /// Write a commented first configuration
    Init(init::InitArguments),
    /// Check a configuration without serving
    Check(check::CheckArguments),
    /// Say where a request would go, and why
    Explain(explain::ExplainArguments),
    /// Say what a configuration would do, to routes and to requests
    Plan(plan::PlanArguments),
    /// Show the state of the running proxy
    Status(status::StatusArguments),
    /// Move a slice one step further, or back, by editing its file
    Promote(promote::PromoteArguments),
    /// Show what comparing both sides has shown
    Report(report::ReportArguments),
    /// Send a corpus to both sides, compare, and judge
    Replay(replay::ReplayArguments),
    /// Accept a known difference for a time, in the configuration
    Accept(accept::AcceptArguments),
    /// Begin the evidence of a slice anew
    Evidence(evidence::EvidenceArguments),
    /// Write redacted exchanges to a file as they happen
    Record(record::RecordArguments),
    /// Put rules, known differences and exchanges of a slice in one file for another repository
    Bundle(bundle::BundleArguments),
    /// List the monolith's routes as its traffic shows them
    Inventory(inventory::InventoryArguments),
    /// Say who answered a request, and why
    Find(find::FindArguments),
    /// Take a slice back to an earlier phase, now
    Retreat(retreat::RetreatArguments),
    /// Lift a retreat: the file's phase is in effect again
    Resume(resume::ResumeArguments),
    /// Show what has happened: configurations, retreats, restarts of evidence
    History(history::HistoryArguments),
}

/// How the running proxy is found.
#[derive(Clone, Debug, Args)]
struct AdminArguments {
    /// Address of the admin listener, such as http://127.0.0.1:9090 [default: `server.admin` of the file]
    #[arg(long, value_name = "URL")]
    admin: Option<String>,
    /// The running proxy's configuration
    #[arg(long, value_name = "FILE", default_value = DEFAULT_FILE)]
    config: PathBuf,
    /// File that holds the admin token [default: `server.admin_token_file` of the file]
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
}

/// Runs one command; the first argument is the program's name.
pub fn main_from<I: IntoIterator<Item = OsString>>(arguments: I) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let wants_json = arguments.iter().any(|argument| argument == "--json");
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // `--help` and `--version` come here too, and are no failure.
            let exit = if error.use_stderr() { Exit::Invalid } else { Exit::Pass };
            if wants_json && exit != Exit::Pass {
                let said = error.to_string();
                Output::new(true).failure(said.strip_prefix("error: ").unwrap_or(&said).trim_end());
            } else {
                drop(error.print());
            }
            return exit.into();
        }
    };
    let output = Output::new(arguments.json);
    let outcome = match arguments.command {
        Command::Run(run) => run::run(run, &output),
        Command::Reload(reload) => reload::run(&reload, &output),
        Command::Init(init) => init::run(&init, &output),
        Command::Check(check) => check::run(check, &output),
        Command::Explain(explain) => explain::run(&explain, &output),
        Command::Plan(plan) => plan::run(&plan, &output),
        Command::Status(status) => status::run(&status, &output),
        Command::Promote(promote) => promote::run(&promote, &output),
        Command::Report(report) => report::run(&report, &output),
        Command::Replay(replay) => replay::run(&replay, &output),
        Command::Accept(accept) => accept::run(&accept, &output),
        Command::Evidence(evidence) => evidence::run(&evidence, &output),
        Command::Record(record) => record::run(&record, &output),
        Command::Bundle(bundle) => bundle::run(&bundle, &output),
        Command::Inventory(inventory) => inventory::run(&inventory, &output),
        Command::Find(find) => find::run(&find, &output),
        Command::Retreat(retreat) => retreat::run(&retreat, &output),
        Command::Resume(resume) => resume::run(&resume, &output),
        Command::History(history) => history::run(&history, &output),
    };
    match outcome {
        Ok(exit) => output.end(exit).into(),
        Err(failure) => {
            output.failure(&failure.message);
            failure.exit.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Arguments;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
