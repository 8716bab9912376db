//! Files that are either whole or not there, and a directory that belongs to one process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::Path;

use super::StoreError;

/// Held while a process writes to a data directory. The kernel drops it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    pub(super) fn take(directory: &Path) -> Result<DirectoryLock, StoreError> {
        let path = directory.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| StoreError::io(&path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(DirectoryLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { directory: directory.to_owned() }),
            Err(TryLockError::Error(error)) => Err(StoreError::io(&path, error)),
        }
    }
}

/// Makes a directory that only its owner may read: configurations may hold secrets.
pub(super) fn make_directory(directory: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| StoreError::io(directory, error))
}

/// Replaces a file: after a crash at any moment it is the old or the new one, whole.
pub(super) fn write_atomically(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let path = directory.join(name);
    let write = || {
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(directory)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        sync_directory(directory)
    };
    write().map_err(|error| StoreError::io(&path, error))
}

/// Makes renames in a directory durable.
pub(super) fn sync_directory(directory: &Path) -> std::io::Result<()> {
    File::open(directory)?.sync_all()
}
