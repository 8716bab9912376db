//! The repository's own `config/strangler.toml`, edited as its comments say: what a person would type, for tests.
//!
//! It refuses to know more of the file than what the comments promise: a line with the phase under each
//! `[slices.NAME]`, and a table `[slices.NAME.shadow]`, commented or not.

use anyhow::{Context as _, ensure};

use crate::stack::CONFIGURATION;

/// The configuration with this slice in another phase.
///
/// # Errors
/// When there is no such slice, or its section has no line with a phase.
pub fn with_phase(configuration: &str, slice: &str, phase: &str) -> anyhow::Result<String> {
    let header = format!("[slices.{slice}]");
    let mut inside = false;
    let mut changed = 0;
    let lines = configuration.lines().map(|line| {
        inside = if line.starts_with('[') { line == header } else { inside };
        if inside && line.starts_with("phase ") {
            changed += 1;
            format!("phase    = \"{phase}\"\n")
        } else {
            format!("{line}\n")
        }
    });
    let edited = lines.collect();
    ensure!(changed == 1, "{changed} lines with a phase under {header}");
    Ok(edited)
}

/// The repository's configuration with these slices in phase `shadow`, and the commented tables that belong to
/// it taken in.
///
/// # Errors
/// When there is no such slice, or no such table.
pub fn in_shadow(slices: &[&str]) -> anyhow::Result<String> {
    slices.iter().try_fold(CONFIGURATION.to_owned(), |configuration, slice| {
        let configuration = with_phase(&configuration, slice, "shadow")?;
        let header = format!("[slices.{slice}.shadow]");
        let mut inside = false;
        let lines = configuration.lines().map(|line| {
            let uncommented = line.strip_prefix("# ");
            inside = uncommented.is_some_and(|line| inside || line == header);
            format!("{}\n", if inside { uncommented.unwrap_or(line) } else { line })
        });
        let edited: String = lines.collect();
        edited.lines().find(|line| *line == header).with_context(|| format!("there is no {header}"))?;
        Ok(edited)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_moved_by_one_line_and_its_table_taken_in() {
        let start = with_phase(CONFIGURATION, "users", "legacy").unwrap();
        let start = with_phase(&start, "products", "legacy").unwrap();
        let slices = ["users", "products", "orders"];
        let moved = in_shadow(&slices).unwrap();
        let changed: Vec<_> =
            start.lines().zip(moved.lines()).filter(|(before, after)| before != after).collect();
        assert_eq!(changed.first(), Some(&("phase    = \"legacy\"", "phase    = \"shadow\"")));
        for (before, after) in changed.iter().filter(|(before, _)| !before.starts_with("phase")) {
            assert_eq!(before.strip_prefix("# "), Some(*after));
        }
        assert_eq!(moved.matches("phase    = \"shadow\"").count(), slices.len());
        for (slice, key) in [("users", "recheck"), ("products", "repeat "), ("orders", "recheck")] {
            let table = format!("\n[slices.{slice}.shadow]\n{key} = ");
            assert_eq!(moved.matches(&table).count(), 1, "{slice}");
        }
        assert!(in_shadow(&["unicorns"]).is_err());
    }
}
