//! Who runs a command, as the history keeps it: `USER@HOST`, the person behind `sudo` first.
//!
//! A convenience for whoever reads the history, no proof: whoever may ask the admin listener may say any name.

/// Characters that are kept.
const CHARS_MAX: usize = 100;

/// Such as `alice@build-7`; `unknown` where the environment does not say.
pub(super) fn who() -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let user = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(variable);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| variable("HOSTNAME"));
    named(user.as_deref(), host.as_deref())
}

fn named(user: Option<&str>, host: Option<&str>) -> String {
    let clean = |text: &str| -> String { text.trim().chars().filter(|c| !c.is_control()).collect() };
    let user = user.map_or_else(|| "unknown".to_owned(), clean);
    let host = host.map(clean).filter(|host| !host.is_empty());
    let name = host.map_or_else(|| user.clone(), |host| format!("{user}@{host}"));
    name.chars().take(CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn a_person_is_named_with_the_machine() {
        for (user, host, wanted) in [
            (Some("alice"), Some("build-7\n"), "alice@build-7"),
            (Some("alice"), None, "alice"),
            (None, Some("build-7"), "unknown@build-7"),
            (Some("al\x1bice"), Some(" "), "alice"),
        ] {
            assert_eq!(named(user, host), wanted);
        }
        assert_eq!(named(Some(&"x".repeat(1000)), None).len(), 100);
    }
}
