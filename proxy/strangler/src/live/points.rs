//! Which directories must be watched for which names, so that no way of replacing a file is missed.
//!
//! Owns following a path through its symbolic links: each link's own directory counts (Kubernetes replaces
//! `..data`), and so does the nearest existing directory above what is missing. Refuses to watch.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Component, Path, PathBuf};

use strangler_core::config::SourceText;

use super::compile;
use super::source::{self, GLOB, Source};

/// As many as the kernel follows.
const LINKS_MAX: u32 = 40;

/// Directories that one wildcard pattern may add.
const DIRECTORIES_MAX: usize = 256;

/// What matters in one directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    directory: PathBuf,
    names: HashSet<OsString>,
    patterns: Vec<glob::Pattern>,
}

impl Interest {
    /// Whether something of this name matters.
    pub fn covers(&self, name: &OsStr) -> bool {
        self.names.contains(name)
            || self.patterns.iter().any(|pattern| pattern.matches_path_with(Path::new(name), GLOB))
    }

    /// Whether what was just created is complete: a symbolic or hard link, or a directory.
    pub fn is_whole(&self, name: &OsStr) -> bool {
        use std::os::unix::fs::MetadataExt;
        fs::symlink_metadata(self.directory.join(name))
            .is_ok_and(|metadata| !metadata.is_file() || metadata.nlink() > 1)
    }

    /// Adds what matters under another name of the same directory.
    pub fn merge(&mut self, other: Interest) {
        self.directory = other.directory;
        self.names.extend(other.names);
        self.patterns.extend(other.patterns);
    }
}

/// What the main file's text includes. Kept from one look to the next: a large file is not parsed every two
/// seconds only to find out that it is the same.
#[derive(Debug, Default)]
pub struct Includes {
    text: String,
    patterns: Vec<String>,
}

impl Includes {
    fn of(&mut self, text: String) -> &[String] {
        if self.text != text {
            let main = SourceText { name: String::new(), text };
            self.patterns = compile::include_patterns(&main);
            self.text = main.text;
        }
        &self.patterns
    }
}

/// Every directory that matters for a source now.
pub fn interests(source: &Source, includes: &mut Includes) -> HashMap<PathBuf, Interest> {
    let mut points = Points::default();
    let Some(main) = source.main_path() else { return points.interests };
    points.follow(main);
    if let Some(text) = source::read_once(main).ok().and_then(|(bytes, _)| String::from_utf8(bytes).ok()) {
        for pattern in includes.of(text) {
            points.follow_pattern(source, pattern);
        }
    }
    points.interests
}

#[derive(Default)]
struct Points {
    interests: HashMap<PathBuf, Interest>,
}

impl Points {
    fn at(&mut self, directory: &Path) -> &mut Interest {
        let interest = self.interests.entry(directory.to_owned()).or_default();
        directory.clone_into(&mut interest.directory);
        interest
    }

    /// Notes every directory in which something decides what `path` is; returns where it leads.
    fn follow(&mut self, path: &Path) -> Option<PathBuf> {
        let absolute = std::path::absolute(path).ok()?;
        let mut rest: VecDeque<OsString> = components(&absolute);
        let mut current = PathBuf::from("/");
        let mut links = 0;
        while let Some(name) = rest.pop_front() {
            if name == ".." {
                current.pop();
                continue;
            }
            let next = current.join(&name);
            let Ok(metadata) = fs::symlink_metadata(&next) else {
                self.at(&current).names.insert(name);
                return None;
            };
            let is_last = rest.is_empty();
            if metadata.is_symlink() {
                self.at(&current).names.insert(name);
                links += 1;
                let target = fs::read_link(&next).ok().filter(|_| links <= LINKS_MAX)?;
                if target.is_absolute() {
                    current = PathBuf::from("/");
                }
                for component in components(&target).into_iter().rev() {
                    rest.push_front(component);
                }
                continue;
            }
            if is_last && !metadata.is_dir() {
                self.at(&current).names.insert(name);
            }
            current = next;
        }
        Some(current)
    }

    fn follow_pattern(&mut self, source: &Source, pattern: &str) {
        let path = source.pattern_path(pattern);
        if !pattern.contains(['*', '?', '[']) {
            self.follow(&path);
            return;
        }
        let text = Path::new(pattern);
        let last = text.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let fixed = literal_prefix(text);
        let any = glob::Pattern::new("*").ok();
        if let Some(directory) = self.follow(&source.base().join(&fixed)) {
            let is_parent = text.parent() == Some(fixed.as_path());
            let wanted = if is_parent { glob::Pattern::new(&last).ok() } else { any };
            self.at(&directory).patterns.extend(wanted);
        }
        // A file may itself be a link, and the directories between may be wildcards.
        let Ok(matches) = glob::glob_with(&source.escaped_pattern(pattern), GLOB) else { return };
        for matched in matches.flatten().take(DIRECTORIES_MAX) {
            self.follow(&matched);
            if let Some(directory) = matched.parent().and_then(|parent| self.follow(parent)) {
                let wanted = glob::Pattern::new(&last).ok();
                let patterns = &mut self.at(&directory).patterns;
                if let Some(wanted) = wanted.filter(|wanted| !patterns.contains(wanted)) {
                    patterns.push(wanted);
                }
            }
        }
    }
}

fn components(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsString::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

/// The directories of a pattern before its first wildcard.
fn literal_prefix(pattern: &Path) -> PathBuf {
    let parent = pattern.parent().unwrap_or_else(|| Path::new(""));
    parent
        .components()
        .take_while(|component| !component.as_os_str().to_string_lossy().contains(['*', '?', '[']))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "helpers of tests")]

    use std::os::unix::fs::symlink;

    use super::*;

    fn covers(interests: &HashMap<PathBuf, Interest>, directory: &Path, name: &str) -> bool {
        interests.get(&directory.canonicalize().unwrap()).is_some_and(|i| i.covers(OsStr::new(name)))
    }

    #[test]
    fn every_link_on_the_way_matters() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join("..v1")).unwrap();
        fs::write(root.join("..v1/strangler.toml"), "").unwrap();
        symlink("..v1", root.join("..data")).unwrap();
        symlink("..data/strangler.toml", root.join("strangler.toml")).unwrap();
        let found = interests(&Source::File(root.join("strangler.toml")), &mut Includes::default());
        assert!(covers(&found, root, "strangler.toml"));
        assert!(covers(&found, root, "..data"));
        assert!(covers(&found, &root.join("..v1"), "strangler.toml"));
        assert!(!covers(&found, root, "access.log"));
    }

    #[test]
    fn the_nearest_directory_above_what_is_missing_matters() {
        let folder = tempfile::tempdir().unwrap();
        let found =
            interests(&Source::File(folder.path().join("config/strangler.toml")), &mut Includes::default());
        assert!(covers(&found, folder.path(), "config"));
    }

    #[test]
    fn a_circle_of_links_ends() {
        let folder = tempfile::tempdir().unwrap();
        symlink("b", folder.path().join("a")).unwrap();
        symlink("a", folder.path().join("b")).unwrap();
        let found = interests(&Source::File(folder.path().join("a")), &mut Includes::default());
        assert!(covers(&found, folder.path(), "a") && covers(&found, folder.path(), "b"));
    }

    #[test]
    fn wildcards_take_no_editors_files() {
        let interest =
            Interest { patterns: vec![glob::Pattern::new("*.toml").unwrap()], ..Interest::default() };
        assert!(interest.covers(OsStr::new("a.toml")));
        assert!(!interest.covers(OsStr::new(".#a.toml")));
        assert!(!interest.covers(OsStr::new("a.toml~")));
    }

    #[test]
    fn the_same_text_is_not_parsed_again_and_another_one_is() {
        let text = |pattern: &str| format!("version = 1\ninclude = [\"{pattern}\"]\n");
        let mut includes = Includes { text: text("a/*.toml"), patterns: vec!["remembered".to_owned()] };
        assert_eq!(includes.of(text("a/*.toml")), ["remembered"]);
        assert_eq!(includes.of(text("b/*.toml")), ["b/*.toml"]);
        assert_eq!(includes.of(text("a/*.toml")), ["a/*.toml"]);
        assert_eq!(includes.of(String::new()), Vec::<String>::new());
    }
}
