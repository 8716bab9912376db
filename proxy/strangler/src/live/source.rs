//! Where the configuration is read from: a main file and what it includes, or a fixed text.
//!
//! Owns reading: every file once, each unchanged while it was read, bounded in size and number. Refuses to
//! understand what it reads, except for the `include` patterns that name further files.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use strangler_core::config::{Diagnostic, Severity, SourceText, Sources};

use super::compile;

/// No configuration file may be larger.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// No more files may be included.
const INCLUDED_MAX: usize = 4096;

/// How often a file that changes while it is read is read again.
const READ_ATTEMPTS: u32 = 5;

/// Editors' lock and swap files begin with a dot: wildcards never take them.
pub const GLOB: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// Where a configuration comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file, as the user named it.
    File(PathBuf),
    /// A text that never changes, such as that of `run --legacy URL`.
    Text(SourceText),
}

/// Why a configuration could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// One per file.
    pub diagnostics: Vec<Diagnostic>,
    /// The main file does not exist: it may just be between an editor's two steps.
    pub main_missing: bool,
}

impl Source {
    /// Reads everything once.
    ///
    /// # Errors
    ///
    /// Every file that cannot be read.
    pub fn read(&self) -> Result<Sources, Unreadable> {
        let main = self.read_main()?;
        let mut diagnostics = Vec::new();
        let mut included = Vec::new();
        for (name, path) in self.included(&main, &mut diagnostics) {
            match read_stable(&path) {
                Ok(text) => included.push(SourceText { name, text }),
                Err(error) => diagnostics.push(unreadable(&name, &error)),
            }
        }
        if diagnostics.is_empty() {
            Ok(Sources { main, included })
        } else {
            Err(Unreadable { diagnostics, main_missing: false })
        }
    }

    /// Reads the main file alone.
    ///
    /// # Errors
    ///
    /// Where it cannot be read.
    pub fn read_main(&self) -> Result<SourceText, Unreadable> {
        let path = match self {
            Source::Text(text) => return Ok(text.clone()),
            Source::File(path) => path,
        };
        let name = path.display().to_string();
        match read_stable(path) {
            Ok(text) => Ok(SourceText { name, text }),
            Err(error) => {
                let main_missing = error.kind() == io::ErrorKind::NotFound;
                Err(Unreadable { diagnostics: vec![unreadable(&name, &error)], main_missing })
            }
        }
    }

    /// The main file alone, as far as there is one: what is not UTF-8 is replaced, what is missing is empty.
    /// For finding out where things are, never for serving.
    pub fn salvage_main(&self) -> SourceText {
        match self {
            Source::Text(text) => text.clone(),
            Source::File(path) => {
                let bytes = std::fs::read(path).unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes).into_owned();
                SourceText { name: path.display().to_string(), text }
            }
        }
    }

    /// The main file, unless the text is fixed.
    pub fn main_path(&self) -> Option<&Path> {
        match self {
            Source::File(path) => Some(path),
            Source::Text(_) => None,
        }
    }

    /// The main file's folder, from which relative paths are taken.
    pub fn base(&self) -> &Path {
        match self.main_path().and_then(Path::parent) {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// Files that the main file includes now, sorted by the name shown for them.
    fn included(&self, main: &SourceText, problems: &mut Vec<Diagnostic>) -> BTreeMap<String, PathBuf> {
        let mut files = BTreeMap::new();
        for pattern in compile::include_patterns(main) {
            let full = self.pattern_path(&pattern);
            let is_literal = !pattern.contains(['*', '?', '[']);
            if is_literal {
                files.insert(self.shown(&full), full);
                continue;
            }
            // A pattern that is no glob is a diagnostic of the configuration itself.
            let Ok(matches) = glob::glob_with(&self.escaped_pattern(&pattern), GLOB) else {
                problems.push(problem(
                    &main.name,
                    &format!("`include` pattern `{pattern}` cannot be read"),
                    HELP_GLOB,
                ));
                continue;
            };
            for matched in matches {
                match matched {
                    Ok(path) if path.is_dir() => {}
                    Ok(path) => drop(files.insert(self.shown(&path), path)),
                    Err(error) => {
                        let name = error.path().display().to_string();
                        problems.push(unreadable(&name, error.error()));
                    }
                }
                if files.len() > INCLUDED_MAX {
                    problems.push(problem(
                        &main.name,
                        &format!("`include` takes more than {INCLUDED_MAX} files"),
                        "include fewer, larger files",
                    ));
                    return BTreeMap::new();
                }
            }
        }
        files
    }

    /// An `include` pattern as a path from the working folder.
    pub fn pattern_path(&self, pattern: &str) -> PathBuf {
        self.base().join(pattern)
    }

    /// An `include` pattern as a glob from the working folder: what is special in the folder's own name is not.
    pub fn escaped_pattern(&self, pattern: &str) -> String {
        if Path::new(pattern).is_absolute() {
            return pattern.to_owned();
        }
        let base = self.base().to_string_lossy().into_owned();
        format!("{}/{pattern}", glob::Pattern::escape(&base))
    }

    /// The name a file is shown by: as the user named the main file, so its neighbours.
    fn shown(&self, path: &Path) -> String {
        let shown = path.strip_prefix("./").unwrap_or(path);
        shown.display().to_string()
    }
}

const HELP_GLOB: &str = "write a path, in which `*` and `?` stand for parts of a name";

fn problem(name: &str, message: &str, help: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code: "unreadable",
        place: None,
        excerpt: None,
        message: format!("{name}: {message}"),
        help: Some(help.to_owned()),
        related: Vec::new(),
    }
}

fn unreadable(name: &str, error: &io::Error) -> Diagnostic {
    let (message, help) = match error.kind() {
        io::ErrorKind::NotFound => (
            "this file does not exist".to_owned(),
            "write it with `strangler init --legacy URL`, or name another with --config",
        ),
        io::ErrorKind::InvalidData => (error.to_string(), "configuration files are UTF-8 text"),
        _ => (format!("this file cannot be read: {error}"), "check its permissions and those of its folder"),
    };
    problem(name, &message, help)
}

/// Reads a file that did not change meanwhile.
fn read_stable(path: &Path) -> io::Result<String> {
    let mut attempt = 1;
    loop {
        let mut file = File::open(path)?;
        let before = file.metadata()?;
        if before.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 64 MiB"));
        }
        // Whatever still changes after these attempts is reported by the watcher once it is quiet.
        if identity(&before) == identity(&file.metadata()?) || attempt == READ_ATTEMPTS {
            return String::from_utf8(bytes).map_err(|error| not_utf8(&error));
        }
        attempt += 1;
    }
}

fn not_utf8(error: &std::string::FromUtf8Error) -> io::Error {
    let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
    let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
    io::Error::new(io::ErrorKind::InvalidData, format!("line {line} is not UTF-8"))
}

fn identity(metadata: &Metadata) -> (u64, u64, i64, i64) {
    (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_missing_main_file_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Source::File(folder.path().join("none.toml")).read().unwrap_err();
        assert!(missing.main_missing);
        assert!(missing.diagnostics[0].message.contains("none.toml"));
    }

    #[test]
    fn a_file_that_is_not_text_names_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.toml");
        fs::write(&path, b"version = 1\n\xff\n").unwrap();
        let unreadable = Source::File(path).read().unwrap_err();
        assert!(!unreadable.main_missing);
        assert!(unreadable.diagnostics[0].message.contains("line 2 is not UTF-8"));
    }

    #[test]
    fn neighbours_are_shown_as_the_user_named_the_main_file() {
        let source = Source::File(PathBuf::from("config/strangler.toml"));
        assert_eq!(source.base(), Path::new("config"));
        assert_eq!(source.shown(&source.pattern_path("routes/a.toml")), "config/routes/a.toml");
        let plain = Source::File(PathBuf::from("strangler.toml"));
        assert_eq!(plain.shown(&plain.pattern_path("a.toml")), "a.toml");
    }
}
