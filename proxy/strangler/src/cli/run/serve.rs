//! The life of a serving process: bind, tell where, serve, reload, drain, end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use strangler_core::config::Sources;
use strangler_core::retreat::Latches;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::journal::Journal;
use super::log::Log;
use super::retreats;
use super::start::Start;
use super::{Exit, Failure, Output};
use crate::admin::{self, Readiness};
use crate::guard::{Board, Guard};
use crate::live::compile::{Compiled, WriterChange};
use crate::live::reload::{ConfigurationState, Event, Observer, ReloadTask, Reloader, Started, file_names};
use crate::live::report::{
    ConfigurationReport, DiagnosticReport, RejectedReport, ReloadReport, Trigger, now,
};
use crate::live::retreat::Keep;
use crate::live::source::Source;
use crate::live::watch::Watcher;
use crate::live::{Live, Running};
use crate::server::Server;
use crate::shadow::Shadows;
use crate::store::{Evidence, Store};
use crate::telemetry::Telemetry;
use crate::upstream::names::{NAME_SERVERS, NameSources, Names};
use crate::upstream::{lag, upkeep};

/// How long the end of the access log may take to be written.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// How long copies under way may take when the last client has its answer: nobody waits for them.
const COPIES_GRACE: Duration = Duration::from_secs(1);

/// Signals that matter, listened to from before the first line is printed.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    reopen: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
        })
    }

    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Everything that runs.
struct Process {
    live: Arc<Live>,
    telemetry: Arc<Telemetry>,
    store: Arc<Store>,
    evidence: Evidence,
    readiness: Arc<Readiness>,
    reloader: Reloader,
}

pub(super) async fn serve(start: Start, source: Source, log: Log, output: &Output) -> super::Outcome {
    let mut signals =
        Signals::listen().map_err(|error| Failure::new(Exit::Failed, format!("no signals: {error}")))?;
    let names = NameSources::of_system(std::env::var(NAME_SERVERS).ok().as_deref())
        .map_err(|why| Failure::new(Exit::Invalid, why))?;
    let settings = start.compiled.snapshot.server.clone();
    // The admin listener is bound first: it takes its port for itself, so a second process with this
    // configuration fails here instead of taking a share of the public port.
    let admin_listener =
        TcpListener::bind(settings.admin).await.map_err(|e| cannot_listen("admin", &[settings.admin], &e))?;
    let admin_address =
        admin_listener.local_addr().map_err(|error| cannot_listen("admin", &[settings.admin], &error))?;
    let Start { compiled, sources, store, data_dir_overridden, rejected } = start;
    let store = Arc::new(store);
    let keep = keep(&store);
    let first = Running::first(Arc::clone(&compiled.snapshot));
    let (first, restored) = retreats::restore(&store, &keep, &first);
    let live = Live::new(first);
    let telemetry = Telemetry::new();
    let evidence =
        Evidence::start(store.directory(), Arc::clone(&compiled.snapshot), Arc::clone(&telemetry.feed))
            .map_err(|error| Failure::new(Exit::Invalid, format!("evidence cannot be kept: {error}")))?;
    // Before the first client: its request need not wait for a name.
    tokio::spawn(lag::run(Arc::clone(&live)));
    tokio::spawn(upkeep::run(Arc::clone(&live), Arc::new(Names::new(names))));
    let base = std::path::absolute(source.base()).unwrap_or_else(|_| PathBuf::from("/"));
    let board = Arc::new(Board::default());
    let journal = Arc::new(Journal {
        store: Arc::clone(&store),
        evidence: evidence.clone(),
        telemetry: Arc::clone(&telemetry),
        guardrails: Arc::clone(&board),
        log,
        base,
    });
    let configuration = ConfigurationState::new(first_report(&compiled, &sources, rejected));
    // Kept before it serves: whatever happens next, a restart compares its writers with these.
    journal.note(&first_event(&live, sources, &configuration.report()));
    restored.iter().for_each(|event| journal.note(event));
    refuse_shared(&settings.listen).map_err(|error| cannot_listen("listen", &settings.listen, &error))?;
    let shadows = Shadows::start(&live, &telemetry, evidence.sink())
        .map_err(|error| Failure::new(Exit::Failed, format!("no thread for copies: {error}")))?;
    let copies = shadows.entry();
    let server = Server::start(&settings.listen, settings.workers, &live, &telemetry, Some(&copies))
        .map_err(|error| cannot_listen("listen", &settings.listen, &error))?;
    announce(output, server.addresses(), admin_address);
    // After the two lines: the access log may go to standard output as well.
    if let Err(error) = telemetry.access_log.configure(&settings.access_log) {
        return Err(Failure::new(Exit::Invalid, format!("the access log cannot be written: {error}")));
    }

    let started = Started { keep, server: settings, data_dir_overridden };
    let observer: Observer = Arc::new(move |event| journal.note(event));
    let (task, reloader) = ReloadTask::new(
        source.clone(),
        Arc::clone(&live),
        Arc::clone(&configuration),
        started,
        Arc::clone(&observer),
    );
    let readiness = Arc::new(Readiness::default());
    readiness.set_serving();
    tokio::spawn(admin::serve(
        admin_listener,
        admin::Parts {
            live: Arc::clone(&live),
            telemetry: Arc::clone(&telemetry),
            configuration: Arc::clone(&configuration),
            reloader: reloader.clone(),
            store: Arc::clone(&store),
            evidence: evidence.clone(),
            readiness: Arc::clone(&readiness),
            guardrails: Arc::clone(&board),
            listen: server.addresses().to_vec(),
            admin: admin_address,
        },
    ));
    tokio::spawn(task.run());
    let guard = Guard::new(Arc::clone(&live), Arc::clone(&telemetry), reloader.clone(), board, observer);
    tokio::spawn(guard.run());
    let watcher =
        Watcher { source, live: Arc::clone(&live), state: configuration, reloader: reloader.clone() };
    tokio::spawn(watcher.run());
    let process = Process { live, telemetry, store, evidence, readiness, reloader };
    process.until_ended(server, shadows, &mut signals).await
}

/// Keeps retreats in a store.
fn keep(store: &Arc<Store>) -> Keep {
    let store = Arc::clone(store);
    Arc::new(move |latches: &Latches| store.keep_retreats(latches).map_err(|error| error.to_string()))
}

fn first_report(
    compiled: &Compiled,
    sources: &Sources,
    rejected: Option<RejectedReport>,
) -> ConfigurationReport {
    ConfigurationReport {
        generation: 1,
        hash: compiled.snapshot.hash.clone(),
        since: now(),
        source: Trigger::Start,
        files: file_names(sources),
        stale: rejected.is_some(),
        from_last_good: rejected.is_some(),
        warnings: DiagnosticReport::all(&compiled.warnings),
        rejected,
        restart_required: Vec::new(),
    }
}

/// What the history tells of the start.
fn first_event(live: &Live, sources: Sources, report: &ConfigurationReport) -> Event {
    let running = live.pin();
    match &report.rejected {
        Some(rejected) => Event::Rejected {
            trigger: Trigger::Start,
            report: ReloadReport::Rejected {
                generation: running.generation,
                hash: rejected.hash.clone(),
                diagnostics: rejected.diagnostics.clone(),
            },
        },
        None => Event::Applied {
            trigger: Trigger::Start,
            sources,
            report: ReloadReport::Applied {
                generation: running.generation,
                hash: running.snapshot.hash.clone(),
                changes: Vec::new(),
                warnings: report.warnings.clone(),
                restart_required: Vec::new(),
            },
            running,
        },
    }
}

/// Data threads share their port among themselves (`SO_REUSEPORT`), so the system would let a second
/// process of the same user take part: it is found out here, with a socket that does not share.
fn refuse_shared(addresses: &[SocketAddr]) -> std::io::Result<()> {
    for address in addresses.iter().filter(|address| address.port() != 0) {
        let domain = socket2::Domain::for_address(*address);
        let probe = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        if address.is_ipv6() {
            // As the listeners: `[::]` beside `0.0.0.0` is no conflict.
            probe.set_only_v6(true)?;
        }
        // Connections of an earlier process that are only waiting to be forgotten are no conflict either.
        probe.set_reuse_address(true)?;
        probe.bind(&(*address).into())?;
    }
    Ok(())
}

/// Tells where: the first two lines on standard output, for people and for programs.
fn announce(output: &Output, listen: &[SocketAddr], admin: SocketAddr) {
    let mut addresses = listen.iter();
    let mut lines = String::new();
    if let Some(first) = addresses.next() {
        lines.push_str(&format!("listening on http://{first}\n"));
    }
    lines.push_str(&format!("admin on http://{admin}\n"));
    for address in addresses {
        lines.push_str(&format!("also listening on http://{address}\n"));
    }
    output.text(&lines);
}

fn cannot_listen(key: &str, addresses: &[SocketAddr], error: &std::io::Error) -> Failure {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let help = "is another strangler running? choose another address in the file";
    let message = format!("cannot listen on {} (`server.{key}`): {error}\n  {help}", addresses.join(", "));
    Failure::new(Exit::Invalid, message)
}

impl Process {
    async fn until_ended(self, server: Server, shadows: Shadows, signals: &mut Signals) -> super::Outcome {
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => break,
                _ = signals.interrupt.recv() => break,
                _ = signals.hang_up.recv() => {
                    let reloader = self.reloader.clone();
                    tokio::spawn(async move { reloader.reload(Trigger::Signal, WriterChange::Refused).await });
                }
                _ = signals.reopen.recv() => self.telemetry.access_log.reopen(),
            }
        }
        tokio::select! {
            () = self.drain(server, shadows) => Ok(Exit::Pass),
            () = signals.end() => {
                tracing::warn!("second signal: ending at once");
                Ok(Exit::Failed)
            }
        }
    }

    /// Says that no new clients are wanted, waits, closes the listeners, lets requests finish.
    async fn drain(&self, server: Server, shadows: Shadows) {
        self.readiness.set_draining();
        // Nothing is written from now on, and the process that follows may already be starting.
        self.store.release();
        let settings = self.live.pin().snapshot.server.clone();
        tracing::info!(
            drain_delay = ?settings.drain_delay,
            shutdown_grace = ?settings.shutdown_grace,
            "shutting down"
        );
        let clients = async {
            tokio::time::sleep(settings.drain_delay).await;
            server.drain(settings.shutdown_grace).await
        };
        // At once, and not after the last client: what copies under way find is kept, and then the file is let go of,
        // long before a process that follows would miss it.
        let copies = async {
            shadows.drain(COPIES_GRACE).await;
            let evidence = self.evidence.clone();
            drop(tokio::task::spawn_blocking(move || evidence.release()).await);
        };
        let (cut, ()) = tokio::join!(clients, copies);
        let access_log = &self.telemetry.access_log;
        access_log.flush(FLUSH_LIMIT);
        let dropped = access_log.dropped();
        tracing::info!(connections_cut = cut, access_log_dropped = dropped, "ended");
    }
}
