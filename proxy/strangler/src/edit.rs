//! Editing a configuration in place: comments and layout stay, and nobody's work is overwritten.
//!
//! Owns finding the file that holds a slice, changing its text, checking what comes of it the way `check`
//! does, and replacing the file. Refuses to write what `check` would refuse, what does not say what was asked
//! for, and over a file that has changed since it was read.
//!
//! ```no_run
//! # use std::path::PathBuf;
//! # use strangler::edit::{Acceptance, Change, propose};
//! # use strangler::live::source::Source;
//! # fn main() -> Result<(), strangler::edit::EditError> {
//! let change = Change::Accept(Acceptance {
//!     signature: "3f9c21ab".to_owned(),
//!     why: "legacy rounds wrongly, SHOP-412".to_owned(),
//!     until: jiff::civil::date(2027, 2, 1),
//! });
//! let proposal = propose(&Source::File(PathBuf::from("config/strangler.toml")), "payments", &change)?;
//! print!("{}", proposal.patch());
//! proposal.write()?;
//! # Ok(()) }
//! ```

mod change;
mod file;
mod lines;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use strangler_core::config::{Diagnostic, Severity, SourceText, Sources, content_hash};
use strangler_core::snapshot::{Slice, Snapshot};
use toml_edit::DocumentMut;

use crate::live::compile;
use crate::live::source::Source;

pub use change::{Acceptance, Change};

/// Why a configuration was not edited. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It cannot be read, or is invalid as it is.
    #[error("the configuration is invalid as it is: see `strangler check {}`", file.display())]
    Invalid {
        /// The main file.
        file: PathBuf,
        /// What is wrong.
        diagnostics: Vec<Diagnostic>,
    },
    /// There is no file to edit, such as for `run --legacy URL`.
    #[error("there is no file to edit")]
    NoFile,
    /// No slice of that name is configured.
    #[error("there is no slice `{slice}`; there are: {}", listed(known))]
    NoSlice {
        /// As asked for.
        slice: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// The text is written in a way that cannot take the change.
    #[error("{file}: {why}")]
    NoPlace {
        /// The file.
        file: String,
        /// What stands in the way.
        why: String,
    },
    /// With the change it would be invalid.
    #[error("{file} would be invalid with this change, so it was left as it is")]
    Refused {
        /// The file.
        file: String,
        /// What would be wrong.
        diagnostics: Vec<Diagnostic>,
    },
    /// Somebody else has changed the file since it was read.
    #[error("{} has been changed by somebody else meanwhile, so it was left as it is; ask again", file.display())]
    Changed {
        /// The file.
        file: PathBuf,
    },
    /// The file may not be written: the patch is for whoever may.
    #[error("{} cannot be written: {why}", file.display())]
    ReadOnly {
        /// The file.
        file: PathBuf,
        /// Why not.
        why: String,
    },
    /// The disk said no.
    #[error("{}: {error}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system says.
        #[source]
        error: std::io::Error,
    },
}

impl EditError {
    /// What is wrong with the configuration, where that is the reason.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            EditError::Invalid { diagnostics, .. } | EditError::Refused { diagnostics, .. } => diagnostics,
            _ => &[],
        }
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// An edited text that passes `check`, and the text it was made from.
#[derive(Clone, Debug)]
pub struct Proposal {
    file: PathBuf,
    before: String,
    after: String,
    sources_before: Sources,
    sources: Sources,
    snapshot: Arc<Snapshot>,
}

impl Proposal {
    /// What the configuration means once this is written.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The file, as the configuration names it.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Whether there is nothing to write: the file says it already.
    pub fn is_empty(&self) -> bool {
        self.before == self.after
    }

    /// The hash that the whole configuration has once this is written, for whoever calls its files so; `None`: those
    /// are not as many.
    pub fn hash_for(&self, names: &[String]) -> Option<String> {
        hash_for(&self.sources, names)
    }

    /// The hash that the whole configuration has without it, likewise.
    pub fn hash_before_for(&self, names: &[String]) -> Option<String> {
        hash_for(&self.sources_before, names)
    }

    /// The edited text.
    pub fn text(&self) -> &str {
        &self.after
    }

    /// What changes, as a unified diff that `patch -p1` and `git apply` take.
    pub fn patch(&self) -> String {
        lines::patch(&self.file, &self.before, &self.after)
    }

    /// Replaces the file, if it still holds what the change was made from.
    ///
    /// Symbolic links are followed; mode and owner are kept; after a crash at any moment the file is the old
    /// or the new one, whole.
    ///
    /// # Errors
    ///
    /// [`EditError::Changed`], [`EditError::ReadOnly`] or [`EditError::Io`]; the file is then as it was.
    pub fn write(&self) -> Result<(), EditError> {
        if self.is_empty() {
            return Ok(());
        }
        file::replace(&self.file, &self.before, &self.after)
    }
}

/// The configuration as its files say it now.
#[derive(Clone, Debug)]
pub struct Current {
    source: Source,
    sources: Sources,
    snapshot: Arc<Snapshot>,
}

impl Current {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// [`EditError::NoFile`], or [`EditError::Invalid`] with every problem.
    pub fn read(source: &Source) -> Result<Current, EditError> {
        let Some(main) = source.main_path() else { return Err(EditError::NoFile) };
        let invalid = |diagnostics| EditError::Invalid { file: main.to_owned(), diagnostics };
        let sources = source.read().map_err(|unreadable| invalid(unreadable.diagnostics))?;
        let snapshot = loaded(&sources, source.base()).map_err(invalid)?;
        Ok(Current { source: source.clone(), sources, snapshot })
    }

    /// What it means.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// A slice of it.
    ///
    /// # Errors
    ///
    /// [`EditError::NoSlice`], with those there are.
    pub fn slice(&self, name: &str) -> Result<&Slice, EditError> {
        let found = self.snapshot.slices.iter().find(|known| *known.name == *name);
        found.map(|slice| &**slice).ok_or_else(|| {
            let known = self.snapshot.slices.iter().map(|slice| slice.name.to_string()).collect();
            EditError::NoSlice { slice: name.to_owned(), known }
        })
    }

    /// Works out a change of one slice. Nothing is written.
    ///
    /// # Errors
    ///
    /// Whatever makes the change impossible, or its outcome invalid.
    pub fn propose(self, slice: &str, change: &Change) -> Result<Proposal, EditError> {
        let name = self.slice(slice)?.place.file.to_string();
        let Current { source, sources: sources_before, .. } = self;
        let no_place = |why: String| EditError::NoPlace { file: name.clone(), why };
        let text =
            text_of(&sources_before, &name).ok_or_else(|| no_place("this file was not read".to_owned()))?;
        let before = text.to_owned();
        let after = lines::edited(&before, |text| {
            let mut document: DocumentMut = text.parse().map_err(|error| no_place(format!("{error}")))?;
            change.apply(document.as_item_mut(), slice).map_err(no_place)?;
            Ok(document.to_string())
        })?;
        let sources = with_text(sources_before.clone(), &name, &after);
        let refused = |diagnostics| EditError::Refused { file: name.clone(), diagnostics };
        let new = loaded(&sources, source.base()).map_err(refused)?;
        if !change.holds_in(&new, slice) {
            let why = "the change could not be made in the way this file is written; make it by hand";
            return Err(no_place(why.to_owned()));
        }
        Ok(Proposal { file: PathBuf::from(&name), before, after, sources_before, sources, snapshot: new })
    }
}

/// Works out a change of one slice of a configuration as it is now. Nothing is written.
///
/// # Errors
///
/// Whatever makes the change impossible, or its outcome invalid.
pub fn propose(source: &Source, slice: &str, change: &Change) -> Result<Proposal, EditError> {
    Current::read(source)?.propose(slice, change)
}

/// The hash of a configuration for whoever calls its files by other names, such as from another folder: a hash is
/// about names too. `None`: so many files are not so many names.
pub fn hash_for(sources: &Sources, names: &[String]) -> Option<String> {
    let mut renamed = sources.clone();
    if names.len() != 1 + renamed.included.len() {
        return None;
    }
    let all = std::iter::once(&mut renamed.main).chain(&mut renamed.included);
    all.zip(names).for_each(|(source, name)| source.name.clone_from(name));
    Some(content_hash(&renamed))
}

/// The compiled configuration, or its errors.
fn loaded(sources: &Sources, base: &Path) -> Result<Arc<Snapshot>, Vec<Diagnostic>> {
    let loaded = compile::load(sources, base);
    let errors = |diagnostics: Vec<Diagnostic>| {
        diagnostics.into_iter().filter(|diagnostic| diagnostic.severity == Severity::Error).collect()
    };
    loaded.snapshot.ok_or_else(|| errors(loaded.diagnostics))
}

fn text_of<'a>(sources: &'a Sources, name: &str) -> Option<&'a str> {
    let mut all = std::iter::once(&sources.main).chain(&sources.included);
    all.find(|source| source.name == name).map(|source| source.text.as_str())
}

fn with_text(mut sources: Sources, name: &str, text: &str) -> Sources {
    let all = std::iter::once(&mut sources.main).chain(&mut sources.included);
    for source in all.filter(|source| source.name == name) {
        *source = SourceText { name: name.to_owned(), text: text.to_owned() };
    }
    sources
}
