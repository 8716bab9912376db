//! A note beside the configuration that says where its data directory is, if that is not `data` beside it.
//!
//! Without it, a file truncated before its `data_dir` line would be started without the last good
//! configuration, and so without anything to compare its writers with.

use std::fs;
use std::path::{Path, PathBuf};

use super::disk::write_atomically;

/// Writes down where the data of a configuration is. A read-only folder is no problem: it cannot hold a
/// truncated file either.
pub fn remember(main: &Path, directory: &Path) {
    let Some((folder, name)) = note(main) else { return };
    let Ok(directory) = std::path::absolute(directory) else { return };
    let is_default = std::path::absolute(folder.join("data")).is_ok_and(|default| default == directory);
    if is_default {
        drop(fs::remove_file(folder.join(name)));
        return;
    }
    if recall(main).is_some_and(|known| known == directory) {
        return;
    }
    if let Err(error) = write_atomically(&folder, &name, directory.as_os_str().as_encoded_bytes()) {
        tracing::debug!(%error, "the place of the data directory is not noted beside the configuration");
    }
}

/// Where the data of a configuration was at its last start.
pub fn recall(main: &Path) -> Option<PathBuf> {
    let (folder, name) = note(main)?;
    let text = fs::read_to_string(folder.join(name)).ok()?;
    (!text.is_empty()).then(|| PathBuf::from(text))
}

fn note(main: &Path) -> Option<(PathBuf, String)> {
    let folder = match main.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let name = main.file_name()?.to_string_lossy();
    Some((folder, format!(".{name}.data-dir")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_directory_elsewhere_is_noted() {
        let folder = tempfile::tempdir().unwrap();
        let main = folder.path().join("strangler.toml");
        remember(&main, &folder.path().join("data"));
        assert_eq!(recall(&main), None);
        let elsewhere = folder.path().join("elsewhere");
        remember(&main, &elsewhere);
        assert_eq!(recall(&main), Some(elsewhere));
        remember(&main, &folder.path().join("data"));
        assert_eq!(recall(&main), None);
    }
}
