//! `[server]` and `[limits]`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::code;
use super::defaults::Defaults;
use super::document::{Table, Value};
use super::net;
use super::problems::{Context, Problem};
use super::reader::{self, Item, Reader};
use super::source::{BUILT_IN, MAIN, Span};
use crate::snapshot::{AccessLog, Certificate, DataDir, Limits, Scheme, Server, TrustedProxies};
use crate::words::Strictness;

/// `[server]`, and where what other checks speak of is written.
pub(super) struct ServerDraft {
    pub(super) server: Server,
    /// Where each address of `listen` stands.
    pub(super) listen: Vec<(SocketAddr, Span)>,
    /// Where `admin` stands.
    pub(super) admin: Span,
}

/// Reads `[server]`; wrong values are reported and read as something harmless.
pub(super) fn server<'t>(
    context: &Context<'t, '_>,
    defaults: &Defaults<'t>,
    written: &Table<'t>,
) -> ServerDraft {
    let table = defaults.under("server", written);
    let mut reader = Reader::new("[server]", &table);
    let listen_item = reader.get("listen");
    let listen = listen_item.and_then(|item| reader::one_or_list(context, item, spanned_listener));
    let listen = listen.unwrap_or_default();
    let admin_item = reader.get("admin");
    let admin = admin_item.and_then(|item| spanned_listener(context, item));
    let public_url_item = reader.get("public_url");
    let public_url = public_url_item
        .and_then(|item| {
            reader::one_or_list(context, item, |context, item| {
                Some((net::origin(context, item)?, item.value.span))
            })
        })
        .unwrap_or_default();
    let trusted_proxies = reader
        .read(context, "trusted_proxies", |context, item| reader::one_or_list(context, item, net::networks));
    let networks: Vec<ipnet::IpNet> = trusted_proxies.unwrap_or_default().into_iter().flatten().collect();
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server {
        listen: listen.iter().map(|(address, _)| *address).collect(),
        admin: admin.map_or(nowhere, |(address, _)| address),
        data_dir: reader.read(context, "data_dir", data_dir).unwrap_or(DataDir::Memory),
        workers: reader
            .read(context, "workers", |c, item| reader::integer(c, item, 0..=4096))
            .unwrap_or_default(),
        trusted_proxies: TrustedProxies { networks },
        public_url: public_url.iter().map(|(origin, _)| origin.clone().endpoint(1).origin()).collect(),
        admin_hosts: reader
            .read(context, "admin_hosts", |context, item| reader::one_or_list(context, item, host_name))
            .unwrap_or_default(),
        admin_token_file: reader.read(context, "admin_token_file", path),
        access_log: reader.read(context, "access_log", access_log).unwrap_or(AccessLog::Off),
        log: reader.read(context, "log", reader::string).unwrap_or_default(),
        watch: reader.read(context, "watch", reader::boolean).unwrap_or_default(),
        drain_delay: reader.read(context, "drain_delay", reader::duration).unwrap_or_default(),
        shutdown_grace: reader.read(context, "shutdown_grace", reader::duration).unwrap_or_default(),
        request_id: reader.read(context, "request_id", reader::boolean).unwrap_or_default(),
        tls: reader.read(context, "tls", certificate),
    };
    reader.done(context);

    if let Some(item) = listen_item
        .filter(|item| matches!(&item.value.kind, super::document::Kind::List(list) if list.is_empty()))
    {
        reader::refuse(
            context,
            item,
            code::EMPTY_LIST,
            "the proxy must listen somewhere",
            "such as 127.0.0.1:8080",
        );
    }
    duplicate_listeners(context, &listen, admin);
    if let Some((address, span)) = admin
        && !address.ip().to_canonical().is_loopback()
        && server.admin_token_file.is_none()
    {
        let message = format!("the admin listener {address} is open to the network without a token");
        let help = "set `admin_token_file`, or listen on 127.0.0.1";
        context.report(Problem::new(code::PUBLIC_ADMIN, span, message).help(help));
    }
    for (origin, span) in &public_url {
        if origin.scheme == Scheme::Https
            && server.tls.is_none()
            && server.trusted_proxies.networks.is_empty()
        {
            let message =
                "`public_url` is https, but nothing here speaks TLS and nobody in front is trusted to";
            let help = "name the proxy in front in `trusted_proxies`, or set `tls`";
            context.report(Problem::new(code::INSECURE_PUBLIC_URL, *span, message).help(help));
        }
    }
    let admin = admin_item.map_or(listen.first().map(|(_, span)| *span), |item| Some(item.value.span));
    let admin = admin.unwrap_or(Span::new(MAIN, 0..0));
    ServerDraft { server, listen, admin }
}

fn spanned_listener(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<(SocketAddr, Span)> {
    Some((net::listener(context, item)?, item.value.span))
}

fn duplicate_listeners(
    context: &Context<'_, '_>,
    listen: &[(SocketAddr, Span)],
    admin: Option<(SocketAddr, Span)>,
) {
    let mut seen: Vec<(SocketAddr, Span)> = Vec::new();
    for (address, span) in listen.iter().copied().chain(admin) {
        let same = |other: SocketAddr| {
            let overlap =
                other.ip() == address.ip() || other.ip().is_unspecified() || address.ip().is_unspecified();
            overlap
                && other.is_ipv4() == address.is_ipv4()
                && other.port() == address.port()
                && address.port() != 0
        };
        let first = seen.iter().find(|(other, _)| same(*other));
        match first {
            Some((_, first)) if span.file == BUILT_IN => context.report(
                Problem::new(code::DUPLICATE_LISTENER, *first, format!("{address} is where `admin` listens"))
                    .help("listen elsewhere, or give `admin` an address of its own"),
            ),
            Some((_, first)) => context.report(
                Problem::new(code::DUPLICATE_LISTENER, span, format!("{address} is listened on already"))
                    .help("leave one of them out, or give it a port of its own")
                    .related(*first, "first here"),
            ),
            None => seen.push((address, span)),
        }
    }
}

fn host_name(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<String> {
    let host = net::parse_host(reader::name(context, item)?);
    if let Err(why) = host {
        reader::refuse(context, item, code::BAD_VALUE, why, "such as admin.shop.example");
    }
    host.ok()
}

/// A path, relative to the main file's folder.
pub(super) fn path(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<PathBuf> {
    reader::name(context, item).map(|name| context.options.base.join(name))
}

fn data_dir(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<DataDir> {
    match reader::name(context, item)? {
        "memory" => Some(DataDir::Memory),
        _ => path(context, item).map(DataDir::Path),
    }
}

fn access_log(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<AccessLog> {
    match reader::name(context, item)? {
        "stdout" => Some(AccessLog::Stdout),
        "off" => Some(AccessLog::Off),
        _ => path(context, item).map(AccessLog::File),
    }
}

/// `{ cert, key }`.
fn certificate(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Certificate> {
    let mut reader = Reader::new("`tls`", reader::table(context, item)?);
    let cert = reader.read(context, "cert", path);
    let key = reader.read(context, "key", path);
    reader.done(context);
    both(context, item.value, cert, key)
}

/// A certificate needs its key, and the other way round.
pub(super) fn both(
    context: &Context<'_, '_>,
    value: &Value<'_>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
) -> Option<Certificate> {
    let has = |name| value.as_table().is_some_and(|table| table.get(name).is_some());
    for name in ["cert", "key"] {
        if !has(name) {
            let message = format!("`tls` needs `{name}`");
            let help = "a certificate and its key, both PEM files";
            context.report(Problem::new(code::MISSING_KEY, value.span, message).help(help));
        }
    }
    Some(Certificate { cert: cert?, key: key? })
}

/// Reads `[limits]`.
pub(super) fn limits<'t>(context: &Context<'t, '_>, defaults: &Defaults<'t>, written: &Table<'t>) -> Limits {
    let table = defaults.under("limits", written);
    let mut reader = Reader::new("[limits]", &table);
    let limits = Limits {
        header_bytes: reader.read(context, "header_bytes", some_size).unwrap_or_default(),
        headers: reader
            .read(context, "headers", |c, item| reader::integer(c, item, 1..=10_000))
            .unwrap_or_default(),
        target_bytes: reader.read(context, "target_bytes", some_size).unwrap_or_default(),
        body: reader.read(context, "body", |c, item| unless(c, item, "unlimited", reader::size)).flatten(),
        connections: reader.read(context, "connections", reader::positive).unwrap_or_default().into(),
        header_timeout: reader
            .read(context, "header_timeout", reader::some_duration)
            .unwrap_or(Duration::ZERO),
        body_timeout: reader.read(context, "body_timeout", reader::some_duration).unwrap_or(Duration::ZERO),
        body_rate: reader.read(context, "body_rate", |c, item| unless(c, item, "off", byte_rate)).flatten(),
        idle_timeout: reader.read(context, "idle_timeout", reader::some_duration).unwrap_or(Duration::ZERO),
        strictness: reader
            .read(context, "strictness", |c, item| {
                reader::word(c, item, &["refuse", "report"], Strictness::from_word)
            })
            .unwrap_or(Strictness::Refuse),
    };
    reader.done(context);
    limits
}

/// `None` for a word that stands for "none", else what `read` makes of the value.
pub(super) fn unless<'v, 't, T>(
    context: &Context<'_, '_>,
    item: Item<'v, 't>,
    word: &str,
    read: impl FnOnce(&Context<'_, '_>, Item<'v, 't>) -> Option<T>,
) -> Option<Option<T>> {
    if item.value.as_text().is_some_and(|text| text.value == word) {
        return Some(None);
    }
    read(context, item).map(Some)
}

fn some_size(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<u64> {
    let size = reader::size(context, item)?;
    if size == 0 {
        reader::refuse(context, item, code::BAD_SIZE, "it must be above zero", "such as 64KiB");
        return None;
    }
    Some(size)
}

fn byte_rate(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<u64> {
    const FORM: &str = "a size per second, such as 1KiB/s, or \"off\"";
    let quantity = reader::Quantity { code: code::BAD_RATE, what: "a rate", form: FORM, unit: per_second };
    let rate = reader::quantity(context, item, &quantity, super::units::byte_rate)?;
    if rate == 0 {
        reader::refuse(context, item, code::BAD_RATE, "it must be above zero", FORM);
        return None;
    }
    Some(rate)
}

fn per_second(number: &str) -> String {
    format!("write \"{number}B/s\" if that means bytes per second")
}
