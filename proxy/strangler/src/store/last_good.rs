//! The last configuration that served, as texts: what a start with a bad file falls back to, and what a
//! start compares writers with.
//!
//! Environment values are not kept: they may be secrets, and they are read again at the start.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use strangler_core::config::{self, SourceText, Sources};

use super::StoreError;
use super::disk::write_atomically;

const NAME: &str = "last-good.json";

/// Shape of the file; a later shape gets another number.
const FORMAT: u32 = 1;

/// The texts of a configuration that served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastGood {
    /// When it began to serve, RFC 3339 in UTC.
    pub at: String,
    /// The main file's folder, from which relative paths are taken.
    pub base: PathBuf,
    /// The texts.
    pub sources: Sources,
}

#[derive(Serialize, Deserialize)]
struct LastGoodFile {
    format: u32,
    at: String,
    hash: String,
    base: PathBuf,
    main: TextFile,
    included: Vec<TextFile>,
}

#[derive(Serialize, Deserialize)]
struct TextFile {
    name: String,
    text: String,
}

impl From<&SourceText> for TextFile {
    fn from(SourceText { name, text }: &SourceText) -> TextFile {
        TextFile { name: name.clone(), text: text.clone() }
    }
}

impl From<TextFile> for SourceText {
    fn from(TextFile { name, text }: TextFile) -> SourceText {
        SourceText { name, text }
    }
}

impl LastGood {
    /// Reads the last good configuration of a data directory without locking it; `None` where there is none.
    ///
    /// # Errors
    ///
    /// When there is one that cannot be read or is damaged.
    pub fn find(directory: &Path) -> Result<Option<LastGood>, StoreError> {
        let path = directory.join(NAME);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(StoreError::io(&path, error)),
        };
        let damaged = |why: String| StoreError::Damaged { path: path.clone(), why };
        let file: LastGoodFile =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if file.format != FORMAT {
            return Err(damaged(format!("its format is {}, this version reads {FORMAT}", file.format)));
        }
        let included = file.included.into_iter().map(SourceText::from).collect();
        let sources = Sources { main: file.main.into(), included };
        if config::content_hash(&sources) != file.hash {
            return Err(damaged("its hash does not fit its texts".to_owned()));
        }
        Ok(Some(LastGood { at: file.at, base: file.base, sources }))
    }

    pub(super) fn write(&self, directory: &Path) -> Result<(), StoreError> {
        let file = LastGoodFile {
            format: FORMAT,
            at: self.at.clone(),
            hash: config::content_hash(&self.sources),
            base: self.base.clone(),
            main: (&self.sources.main).into(),
            included: self.sources.included.iter().map(TextFile::from).collect(),
        };
        let bytes =
            serde_json::to_vec(&file).map_err(|error| StoreError::io(&directory.join(NAME), error.into()))?;
        write_atomically(directory, NAME, &bytes)
    }
}
