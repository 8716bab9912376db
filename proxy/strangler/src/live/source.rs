//! Where the configuration is read from: a main file and what it includes, or a fixed text.
//!
//! Owns reading: every file once, each unchanged while it was read, bounded in size and number. Refuses pipes and
//! devices, which a reader may wait for without end, and to understand what it reads, except for the `include`
//! patterns that name further files.

use std::collections::BTreeMap;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use strangler_core::config::{Diagnostic, Include, Severity, SourceText, Sources};

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
    /// What a command reads that does not serve: a file, or what comes through a pipe, such as `/dev/stdin`, which is
    /// read here and now. Relative paths in it are taken from the working folder.
    pub fn for_command(path: PathBuf) -> Source {
        let is_pipe = std::fs::metadata(&path).is_ok_and(|metadata| metadata.file_type().is_fifo());
        let mut text = String::new();
        let mut read =
            || File::open(&path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text));
        if is_pipe && read().is_ok() {
            return Source::Text(SourceText { name: path.display().to_string(), text });
        }
        Source::File(path)
    }

    /// Reads everything once.
    ///
    /// # Errors
    ///
    /// Every file that cannot be read.
    pub fn read(&self) -> Result<Sources, Unreadable> {
        let main = self.read_main()?;
        let mut diagnostics = Vec::new();
        let mut included = Vec::new();
        let includes = compile::includes(&main);
        for (name, (path, include)) in self.included(&includes, &mut diagnostics) {
            match read_stable(&path) {
                Ok(text) => included.push(SourceText { name, text }),
                Err(error) => diagnostics.push(unreadable_include(&name, &error, include)),
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
                let bytes = read_once(path).map(|(bytes, _)| bytes).unwrap_or_default();
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

    /// Files that the main file includes now, sorted by the name shown for them, and by which pattern.
    fn included<'i>(
        &self,
        includes: &'i [Include],
        problems: &mut Vec<Diagnostic>,
    ) -> BTreeMap<String, (PathBuf, &'i Include)> {
        let mut files = BTreeMap::new();
        for include in includes {
            let pattern = &*include.pattern;
            let full = self.pattern_path(pattern);
            if !pattern.contains(['*', '?', '[']) {
                files.insert(self.shown(&full), (full, include));
                continue;
            }
            let Ok(matches) = glob::glob_with(&self.escaped_pattern(pattern), GLOB) else {
                let message = format!("`include` pattern `{pattern}` cannot be read");
                problems.push(at(include, problem(message, HELP_GLOB)));
                continue;
            };
            for matched in matches {
                match matched {
                    Ok(path) if path.is_dir() => {}
                    Ok(path) => drop(files.insert(self.shown(&path), (path, include))),
                    Err(error) => {
                        let name = error.path().display().to_string();
                        problems.push(unreadable_include(&name, error.error(), include));
                    }
                }
                if files.len() > INCLUDED_MAX {
                    let message = format!("`include` takes more than {INCLUDED_MAX} files");
                    problems.push(at(include, problem(message, "include fewer, larger files")));
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

fn problem(message: String, help: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code: "unreadable",
        place: None,
        excerpt: None,
        message,
        help: Some(help.to_owned()),
        related: Vec::new(),
    }
}

/// The problem shown where the main file asks for it.
fn at(include: &Include, problem: Diagnostic) -> Diagnostic {
    Diagnostic { place: Some(include.place.clone()), excerpt: include.excerpt.clone(), ..problem }
}

fn unreadable(name: &str, error: &io::Error) -> Diagnostic {
    let (message, help) = match error.kind() {
        io::ErrorKind::NotFound => (
            "this file does not exist".to_owned(),
            "write it with `strangler init --legacy URL`, or name another with --config",
        ),
        io::ErrorKind::InvalidData => (error.to_string(), "configuration files are UTF-8 text"),
        io::ErrorKind::InvalidInput => {
            (error.to_string(), "a configuration is a plain file: a pipe or a device has no end to wait for")
        }
        _ => (format!("this file cannot be read: {error}"), "check its permissions and those of its folder"),
    };
    problem(format!("{name}: {message}"), help)
}

fn unreadable_include(name: &str, error: &io::Error, include: &Include) -> Diagnostic {
    let mut problem = unreadable(name, error);
    if error.kind() == io::ErrorKind::NotFound {
        problem.help =
            Some("write the file, or take it out here; a pattern with `*` may match nothing".to_owned());
    }
    at(include, problem)
}

/// Reads a file that did not change meanwhile.
fn read_stable(path: &Path) -> io::Result<String> {
    let mut attempt = 1;
    loop {
        let (bytes, is_stable) = read_once(path)?;
        // Whatever still changes after these attempts is reported by the watcher once it is quiet.
        if is_stable || attempt == READ_ATTEMPTS {
            return String::from_utf8(bytes).map_err(|error| not_utf8(&error));
        }
        attempt += 1;
    }
}

/// A plain file's bytes, and whether it stayed the same while it was read. Never waits: opening a pipe would, until
/// somebody writes to it.
///
/// # Errors
///
/// What cannot be opened or read, is larger than 64 MiB, or is no plain file.
pub(super) fn read_once(path: &Path) -> io::Result<(Vec<u8>, bool)> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let before = file.metadata()?;
    if before.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    if !before.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no plain file"));
    }
    let mut bytes = Vec::new();
    Read::by_ref(&mut file).take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 64 MiB"));
    }
    let is_stable = identity(&before) == identity(&file.metadata()?);
    Ok((bytes, is_stable))
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
    fn a_pipe_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("main.toml");
        let made = rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        );
        made.unwrap();
        let source = Source::File(path.clone());
        assert!(source.read().unwrap_err().diagnostics[0].message.contains("no plain file"));
        assert_eq!(source.salvage_main().text, "");
        // Where somebody writes, a command that serves nothing reads it.
        let writer = std::thread::spawn({
            let path = path.clone();
            move || fs::write(path, "version = 1\n").unwrap()
        });
        assert_eq!(Source::for_command(path).read().unwrap().main.text, "version = 1\n");
        writer.join().unwrap();
    }

    #[test]
    fn a_device_is_refused_and_not_read() {
        let unreadable = Source::File(PathBuf::from("/dev/zero")).read().unwrap_err();
        assert!(unreadable.diagnostics[0].message.contains("no plain file"));
    }

    #[test]
    fn what_cannot_be_included_is_shown_where_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let main = folder.path().join("main.toml");
        fs::write(&main, "version = 1\ninclude = [\n  \"none.toml\",\n  \"[a\",\n]\n").unwrap();
        let unreadable = Source::File(main).read().unwrap_err();
        let shown: Vec<_> = unreadable.diagnostics.iter().map(|problem| problem.render(false)).collect();
        for (text, line, help) in
            [("none.toml: this file does not", 3, "write the file"), ("`[a`", 4, "write a path")]
        {
            let found = shown.iter().find(|shown| shown.contains(text)).unwrap();
            assert!(found.contains(&format!("main.toml:{line}:3 ")), "{found}");
            assert!(found.contains(&format!("help: {help}")), "{found}");
        }
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
