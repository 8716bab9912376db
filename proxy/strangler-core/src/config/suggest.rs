//! "Did you mean …?"

/// The candidate that is most like `word`, if one is like enough to be what was meant.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// A longer list is not searched; it would cost more than it helps.
    const MOST_CANDIDATES: usize = 2000;
    let folded = word.to_lowercase().replace('-', "_");
    candidates
        .into_iter()
        .take(MOST_CANDIDATES)
        .map(|candidate| {
            let other = candidate.to_lowercase().replace('-', "_");
            let prefix = folded.len() >= 4 && (other.starts_with(&folded) || folded.starts_with(&other));
            (if prefix { 1 } else { strsim::osa_distance(&folded, &other) }, candidate)
        })
        .filter(|(distance, candidate)| *distance <= (word.len().max(candidate.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean …?` for the nearest candidate, else the candidates themselves where they are few.
pub fn help(word: &str, candidates: &[&str]) -> Option<String> {
    if let Some(nearest) = nearest(word, candidates.iter().copied()) {
        return Some(format!("did you mean `{nearest}`?"));
    }
    match candidates {
        [] => None,
        [only] => Some(format!("there is only `{only}`")),
        few if few.len() <= 12 => Some(format!("one of {}", list(few))),
        _ => None,
    }
}

/// Where a key stands that has one place only: a key before or after the wrong `[table]` is the commonest slip.
pub(super) fn home(key: &str) -> Option<&'static str> {
    Some(match key {
        "version" | "legacy" | "unmatched" | "include" => {
            "at the top of the main file, before the first [table]"
        }
        "listen" | "admin" | "data_dir" | "workers" | "trusted_proxies" | "public_url" | "admin_hosts"
        | "admin_token_file" | "access_log" | "log" | "watch" | "drain_delay" | "shutdown_grace" => {
            "in [server]"
        }
        "header_bytes" | "target_bytes" | "connections" | "header_timeout" | "body_timeout" | "body_rate"
        | "idle_timeout" | "strictness" => "in [limits]",
        "endpoints" | "protocol" | "balance" | "pool_idle" | "max_connections" | "max_in_flight"
        | "retries" | "breaker" => "in [upstreams.NAME]",
        "upstream" | "writer" | "sync" | "sync_lag" | "except" | "paths" | "team" | "review_by"
        | "version_from" => "in [slices.NAME]",
        "phase" | "canary" => "in [slices.NAME] or a route",
        "effect" | "priority" | "when" | "match" => "in [[routes]] or a slice's `routes`",
        _ => return None,
    })
}

/// `` `a`, `b` or `c` ``.
pub(super) fn list(words: &[&str]) -> String {
    let mut quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.pop() {
        None => String::new(),
        Some(last) if quoted.is_empty() => last,
        Some(last) => format!("{} or {last}", quoted.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::{help, list, nearest};

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        let keys = ["phase", "upstream", "routes", "writer"];
        for (word, meant) in
            [("phse", "phase"), ("upstraem", "upstream"), ("Routes", "routes"), ("route", "routes")]
        {
            assert_eq!(nearest(word, keys), Some(meant), "{word}");
        }
        assert_eq!(nearest("colour", keys), None);
        assert_eq!(nearest("", keys), None);
    }

    #[test]
    fn help_names_the_choices_when_nothing_is_near() {
        assert_eq!(help("x", &["abc", "def"]).as_deref(), Some("one of `abc` or `def`"));
        assert_eq!(list(&["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
