//! Every path of the interface, listed once.

/// A path of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path<'a> {
    Home,
    Health,
    Ready,
    Metrics,
    Status,
    Slices,
    Slice(&'a str),
    Explain,
    Reload,
    History,
    Report,
    Differences,
    Events,
    /// A new epoch of a slice's evidence.
    Restart(&'a str),
    Inventory,
    Find,
    Record,
    Bundle,
    Retreat(&'a str),
    Resume(&'a str),
    /// What an edit would do.
    Plan,
    Unknown,
}

impl Path<'_> {
    pub(super) fn parse(path: &str) -> Path<'_> {
        match path {
            "/" => Path::Home,
            "/healthz" => Path::Health,
            "/readyz" => Path::Ready,
            "/metrics" => Path::Metrics,
            "/api/status" => Path::Status,
            "/api/slices" => Path::Slices,
            "/api/explain" => Path::Explain,
            "/api/reload" => Path::Reload,
            "/api/history" => Path::History,
            "/api/differences" => Path::Differences,
            "/api/report" => Path::Report,
            "/api/events" => Path::Events,
            "/api/inventory" => Path::Inventory,
            "/api/find" => Path::Find,
            "/api/record" => Path::Record,
            "/api/bundle" => Path::Bundle,
            "/api/plan" => Path::Plan,
            _ => path.strip_prefix("/api/slices/").map_or(Path::Unknown, Path::of_slice),
        }
    }

    fn of_slice(rest: &str) -> Path<'_> {
        match rest.split_once('/') {
            None if !rest.is_empty() => Path::Slice(rest),
            Some((slice, "evidence/restart")) if !slice.is_empty() => Path::Restart(slice),
            Some((slice, "retreat")) if !slice.is_empty() => Path::Retreat(slice),
            Some((slice, "resume")) if !slice.is_empty() => Path::Resume(slice),
            _ => Path::Unknown,
        }
    }

    pub(super) const fn allow(self) -> &'static str {
        match self {
            Path::Reload | Path::Plan | Path::Restart(_) | Path::Retreat(_) | Path::Resume(_) => "POST",
            // A recording has no head to be told of before it begins.
            Path::Record => "GET",
            _ => "GET, HEAD",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_interface_is_known() {
        for (path, wanted) in [
            ("/", Path::Home),
            ("/api/slices/orders", Path::Slice("orders")),
            ("/api/slices/orders/retreat", Path::Retreat("orders")),
            ("/api/slices/orders/resume", Path::Resume("orders")),
            ("/api/slices//resume", Path::Unknown),
            ("/api/slices/", Path::Unknown),
            ("/api/slices/orders/other", Path::Unknown),
            ("/api", Path::Unknown),
            ("/healthz/", Path::Unknown),
        ] {
            assert_eq!(Path::parse(path), wanted, "{path}");
        }
    }
}
