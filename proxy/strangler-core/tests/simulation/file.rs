//! What the operator's file says, as the simulation knows it beside its text.
//!
//! Owns the shape of the file, its text, and what each line promises, worked out here from scratch: invariants are
//! judged by this, never by what the program has compiled. Refuses to know whether a file is sound.

use std::fmt::Write as _;

use strangler_core::words::{Effect, Owner, Phase, Sync, Writer};

/// Slices there may be; each has a service of its own.
pub(crate) const SLICES: [&str; 3] = ["payments", "products", "profile"];

/// The upstream that is legacy.
pub(crate) const LEGACY: &str = "monolith";

/// Endpoints of legacy and of each service.
pub(crate) const ENDPOINTS: [usize; 4] = [2, 1, 2, 3];

/// Failures that open a breaker, at least.
pub(crate) const BREAKER_MIN: u32 = 4;

/// How long it stays open, and how far back it looks.
pub(crate) const BREAKER_OPEN_MS: u64 = 1_000;
pub(crate) const BREAKER_WINDOW_MS: u64 = 10_000;

/// Limits of waiting.
pub(crate) const CONNECT_MS: u64 = 300;
pub(crate) const RESPONSE_MS: u64 = 2_000;
pub(crate) const FALLBACK_AFTER_MS: u64 = 500;

/// How long reads follow a client's own write, where the file says so.
pub(crate) const OWN_WRITES_MS: u64 = 3_000;

/// How far guardrails look back, and how many reads they demand.
pub(crate) const GUARD_WINDOW_MS: u64 = 5_000;
pub(crate) const GUARD_MIN: u32 = 5;

/// How late data may be, where the file has a limit.
pub(crate) const LAG_MAX_MS: u64 = 5_000;

/// `fallback`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FallbackModel {
    Auto,
    Never,
    /// `["5xx", "timeout"]`.
    List,
}

/// `shadow.writes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CopiedWrites {
    Never,
    Isolated,
}

/// One slice of the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SliceModel {
    pub(crate) name: usize,
    pub(crate) phase: Phase,
    /// In hundredths of a percent.
    pub(crate) share: Option<u16>,
    pub(crate) writer: Writer,
    pub(crate) writer_stated: bool,
    pub(crate) sync: Option<Sync>,
    pub(crate) lag: bool,
    pub(crate) own_writes: bool,
    pub(crate) fallback: FallbackModel,
    pub(crate) copied: CopiedWrites,
    /// The phase of its report, where that has one of its own.
    pub(crate) report: Option<Phase>,
    /// Whether its administration stays with legacy.
    pub(crate) except: bool,
    /// A cohort shared with others.
    pub(crate) cohort: bool,
    /// A client that is never, or always, in the cohort.
    pub(crate) listed: Option<(bool, u8)>,
    pub(crate) retreat_to: Phase,
    /// Whether it has guardrails.
    pub(crate) guarded: bool,
}

/// How a text is spoilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoilt {
    /// It breaks off.
    Cut,
    /// A key is misspelt.
    Key,
    /// A value is none.
    Value,
}

/// The whole file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FileModel {
    /// By name.
    pub(crate) slices: Vec<SliceModel>,
    /// Which services have a breaker.
    pub(crate) breakers: [bool; 3],
    /// Which services are asked whether they are well.
    pub(crate) checks: [bool; 3],
    pub(crate) spoilt: Option<Spoilt>,
    /// What was taken out, and can be put back as it was.
    pub(crate) aside: Vec<SliceModel>,
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A GET.
    Read,
    /// A POST that only reads, and has a body.
    Search,
    /// A POST.
    Write,
    /// A GET that writes.
    Confirm,
    /// A GET whose route may have a phase of its own.
    Report,
    /// A POST to what may stay with legacy.
    Admin,
    /// A POST that is one spelling away.
    NearWrite,
    /// A GET that is nobody's but legacy's.
    Other,
}

impl Kind {
    pub(crate) const ALL: [Kind; 8] = [
        Kind::Read,
        Kind::Search,
        Kind::Write,
        Kind::Confirm,
        Kind::Report,
        Kind::Admin,
        Kind::NearWrite,
        Kind::Other,
    ];

    pub(crate) const fn method(self) -> &'static str {
        match self {
            Kind::Read | Kind::Confirm | Kind::Report | Kind::Other => "GET",
            Kind::Search | Kind::Write | Kind::Admin | Kind::NearWrite => "POST",
        }
    }

    pub(crate) fn path(self, slice: usize) -> String {
        let name = SLICES[slice];
        match self {
            Kind::Read => format!("/{name}/items/7"),
            Kind::Search => format!("/{name}/search"),
            Kind::Write => format!("/{name}/items"),
            Kind::Confirm => format!("/{name}/confirm"),
            Kind::Report => format!("/{name}/report"),
            Kind::Admin => format!("/{name}/admin/users"),
            Kind::NearWrite => format!("/{}/items", name.to_uppercase()),
            Kind::Other => "/basket".to_owned(),
        }
    }

    pub(crate) const fn effect(self) -> Effect {
        match self {
            Kind::Read | Kind::Search | Kind::Report | Kind::Other => Effect::Read,
            Kind::Write | Kind::Confirm | Kind::Admin | Kind::NearWrite => Effect::Write,
        }
    }

    /// Whether it can be sent again as it is.
    pub(crate) const fn has_body(self) -> bool {
        matches!(self.method().as_bytes(), b"POST")
    }
}

impl SliceModel {
    /// A slice nobody has moved yet.
    pub(crate) fn new(name: usize) -> SliceModel {
        SliceModel {
            name,
            phase: Phase::Legacy,
            share: None,
            writer: Writer::Legacy,
            writer_stated: false,
            sync: None,
            lag: false,
            own_writes: false,
            fallback: FallbackModel::Auto,
            copied: CopiedWrites::Never,
            report: None,
            except: false,
            cohort: false,
            listed: None,
            retreat_to: Phase::Shadow,
            guarded: true,
        }
    }

    /// The phase that the file states for a request.
    pub(crate) fn stated(&self, kind: Kind) -> Phase {
        if kind == Kind::Report { self.report.unwrap_or(self.phase) } else { self.phase }
    }

    /// The highest phase it states.
    pub(crate) fn highest(&self) -> Phase {
        self.report.map_or(self.phase, |report| report.max(self.phase))
    }

    /// Whether `except` leaves a request with legacy.
    pub(crate) fn leaves(&self, kind: Kind) -> bool {
        self.except && kind == Kind::Admin
    }

    /// Whether what was written can be read from a side.
    pub(crate) fn reaches(&self, side: Owner) -> bool {
        let synced = match self.sync {
            None => false,
            Some(Sync::ToExtracted) => side == Owner::Extracted,
            Some(Sync::ToLegacy) => side == Owner::Legacy,
            Some(Sync::Stateless | Sync::Shared | Sync::Both) => true,
        };
        synced || self.writing_side() == Some(side)
    }

    /// The side that every write goes to.
    pub(crate) fn writing_side(&self) -> Option<Owner> {
        match self.writer {
            Writer::Legacy => Some(Owner::Legacy),
            Writer::Extracted => Some(Owner::Extracted),
            Writer::ByCohort => None,
        }
    }
}

impl FileModel {
    /// What an operator begins with.
    pub(crate) fn new() -> FileModel {
        FileModel {
            slices: (0..SLICES.len()).map(SliceModel::new).collect(),
            breakers: [true; 3],
            checks: [false; 3],
            spoilt: None,
            aside: Vec::new(),
        }
    }

    pub(crate) fn slice(&self, name: usize) -> Option<&SliceModel> {
        self.slices.iter().find(|slice| slice.name == name)
    }

    pub(crate) fn slice_mut(&mut self, name: usize) -> Option<&mut SliceModel> {
        self.slices.iter_mut().find(|slice| slice.name == name)
    }

    /// The slice a request belongs to.
    pub(crate) fn owner_of(&self, name: usize, kind: Kind) -> Option<&SliceModel> {
        if matches!(kind, Kind::NearWrite | Kind::Other) { None } else { self.slice(name) }
    }

    /// Its text.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("version = 1\nlegacy = \"{LEGACY}\"\n");
        self.upstream(&mut text, LEGACY, ENDPOINTS[0], 8000);
        text.push_str("breaker = false\n");
        for (at, name) in SLICES.iter().enumerate() {
            if self.slice(at).is_none() {
                continue;
            }
            self.upstream(&mut text, name, ENDPOINTS[at + 1], 8100 + 10 * at);
            let breaker = if self.breakers[at] {
                let (open, window) = (BREAKER_OPEN_MS, BREAKER_WINDOW_MS);
                format!(
                    "{{ error_rate = \"50%\", min_requests = {BREAKER_MIN}, window = \"{window}ms\", open = \"{open}ms\" }}"
                )
            } else {
                "false".to_owned()
            };
            add(&mut text, format_args!("breaker = {breaker}\nmax_in_flight = 12\n"));
            if self.checks[at] {
                text.push_str(
                    "health = { interval = \"500ms\", timeout = \"200ms\", healthy = 2, unhealthy = 2 }\n",
                );
            }
        }
        for slice in &self.slices {
            slice.write(&mut text);
        }
        match self.spoilt {
            None => text,
            Some(Spoilt::Cut) => text[..text.len() - 9].to_owned(),
            Some(Spoilt::Key) => text.replacen("routes =", "ruotes =", 1) + "\n[serer]\n",
            Some(Spoilt::Value) => text.replacen("version = 1", "version = 1\nunmatched = \"nobody\"", 1),
        }
    }

    fn upstream(&self, text: &mut String, name: &str, endpoints: usize, port: usize) {
        let endpoints: Vec<String> =
            (0..endpoints).map(|at| format!("\"http://127.0.0.1:{}\"", port + at)).collect();
        add(
            text,
            format_args!(
                "[upstreams.{name}]\nendpoints = [{}]\ntimeouts = {{ connect = \"{CONNECT_MS}ms\", response = \"{RESPONSE_MS}ms\" }}\n",
                endpoints.join(", ")
            ),
        );
    }
}

impl SliceModel {
    fn write(&self, text: &mut String) {
        let name = SLICES[self.name];
        add(text, format_args!("[slices.{name}]\nupstream = \"{name}\"\nphase = \"{}\"\n", self.phase));
        if let Some(share) = self.share {
            let share = format!("{}.{:02}%", share / 100, share % 100);
            let listed = self.listed.map(|(never, client)| {
                let list = if never { "never" } else { "always" };
                format!(", {list} = [\"cookie:strangler_cohort=client-{client}\"]")
            });
            let listed = listed.unwrap_or_default();
            add(text, format_args!("canary = {{ share = \"{share}\"{listed} }}\n"));
        }
        if self.writer_stated {
            add(text, format_args!("writer = \"{}\"\n", self.writer));
        }
        if let Some(sync) = self.sync {
            add(text, format_args!("sync = \"{sync}\"\n"));
        }
        if self.lag {
            add(
                text,
                format_args!(
                    "sync_lag = {{ url = \"http://127.0.0.1:8999/{name}\", max = \"{LAG_MAX_MS}ms\" }}\n"
                ),
            );
        }
        if self.own_writes {
            add(text, format_args!("read_your_writes = \"{OWN_WRITES_MS}ms\"\n"));
        }
        let fallback = match self.fallback {
            FallbackModel::Auto => "\"auto\"",
            FallbackModel::Never => "\"never\"",
            FallbackModel::List => "[\"5xx\", \"timeout\"]",
        };
        add(text, format_args!("fallback = {fallback}\nfallback_after = \"{FALLBACK_AFTER_MS}ms\"\n"));
        if self.cohort {
            text.push_str("cohort = \"everybody\"\n");
        }
        add(
            text,
            format_args!(
                "routes = [\"/{name}/**\", {{ match = \"POST /{name}/search\", effect = \"read\" }}, "
            ),
        );
        add(text, format_args!("{{ match = \"GET /{name}/confirm\", effect = \"write\" }}, "));
        let own = self.report.map(|phase| format!(", phase = \"{phase}\"")).unwrap_or_default();
        add(text, format_args!("{{ match = \"GET /{name}/report\"{own} }}]\n"));
        if self.except {
            add(text, format_args!("except = [\"/{name}/admin/**\"]\n"));
        }
        let writes = match self.copied {
            CopiedWrites::Never => "never",
            CopiedWrites::Isolated => "isolated",
        };
        add(text, format_args!("shadow = {{ writes = \"{writes}\", reverse_sample = \"50%\" }}\n"));
        if !self.guarded {
            return text.push_str("guardrails = false\n");
        }
        let (to, window) = (self.retreat_to, GUARD_WINDOW_MS);
        add(
            text,
            format_args!(
                "guardrails = {{ retreat_to = \"{to}\", window = \"{window}ms\", min_requests = {GUARD_MIN}, \
                 latency_p95 = {{ above_legacy = \"100000%\" }} }}\n"
            ),
        );
    }
}

fn add(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a string takes everything");
}
