//! The key of a data directory's pseudonyms: made once, readable by its owner only.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use strangler_core::redact::Key;

use crate::store::{StoreError, disk};

const NAME: &str = "redaction.key";

/// The directory's key; makes one where there is none.
pub(super) fn of_directory(directory: &Path) -> Result<Key, StoreError> {
    let path = directory.join(NAME);
    match fs::read(&path) {
        Ok(bytes) => match <[u8; 32]>::try_from(bytes) {
            Ok(bytes) => Ok(Key::new(bytes)),
            Err(_) => {
                // A crash while it was made. Pseudonyms of before are no longer comparable with those of now.
                tracing::error!(path = %path.display(), "the redaction key is damaged; a new one is made");
                make(directory)
            }
        },
        Err(error) if error.kind() == ErrorKind::NotFound => make(directory),
        Err(error) => Err(StoreError::Io { path, error }),
    }
}

fn make(directory: &Path) -> Result<Key, StoreError> {
    let bytes = random()?;
    let (path, new) = (directory.join(NAME), directory.join(".redaction.key.new"));
    let write = || {
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        disk::sync_directory(directory)
    };
    write().map_err(|error| StoreError::Io { path: path.clone(), error })?;
    Ok(Key::new(bytes))
}

/// A key that nobody keeps.
pub(super) fn fresh() -> Result<Key, StoreError> {
    random().map(Key::new)
}

fn random() -> Result<[u8; 32], StoreError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Io {
        path: "the system's randomness".into(),
        error: std::io::Error::other(error),
    })?;
    Ok(bytes)
}
