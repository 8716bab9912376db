//! What outlives the process: the history, the last good configuration, the evidence.
//!
//! Owns the one seam through which anything is kept: on disk under `data_dir`, or nowhere (`"memory"`).
//! Refuses to know what is kept beyond its shape, and to share a directory with another process.
//!
//! Files of a data directory:
//!
//! | file | holds |
//! |---|---|
//! | `lock` | held by the one process that writes here |
//! | `last-good.json` | the texts of the last configuration that served, replaced atomically |
//! | `evidence.sqlite` | what comparisons have shown (see [`evidence`]); `evidence.damaged.sqlite`: one that could not be used |
//! | `redaction.key` | what the pseudonyms in it were made with |
//! | `history.jsonl`, `history.1.jsonl` | one line per event, appended and flushed to disk; the older part |

mod disk;
pub mod evidence;
mod history;
mod last_good;
pub mod pointer;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub use evidence::Evidence;
pub use history::{Entry, History};
pub use last_good::LastGood;

use disk::DirectoryLock;
use history::HistoryFile;

/// Events kept where nothing is written.
const MEMORY_ENTRIES: usize = 1000;

/// Why something could not be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process writes here.
    #[error("{} is in use by another strangler; give each its own with --data-dir", directory.display())]
    InUse {
        /// The data directory.
        directory: PathBuf,
    },
    /// The disk said no.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: std::io::Error,
    },
    /// A file is not what this program wrote.
    #[error("{} is damaged: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl StoreError {
    fn io(path: &Path, error: std::io::Error) -> StoreError {
        StoreError::Io { path: path.to_owned(), error }
    }
}

/// Keeps what must outlive the process.
#[derive(Debug)]
pub struct Store {
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    /// History only, and only while the process lives.
    Memory(Mutex<VecDeque<Entry>>),
    Disk(Disk),
}

#[derive(Debug)]
struct Disk {
    directory: PathBuf,
    history: Mutex<HistoryFile>,
    lock: Mutex<Option<DirectoryLock>>,
}

impl Store {
    /// Keeps nothing beyond the life of the process.
    pub fn memory() -> Store {
        Store { kept: Kept::Memory(Mutex::new(VecDeque::new())) }
    }

    /// Opens a data directory, making it where it is missing, and locks it.
    ///
    /// # Errors
    ///
    /// When another process holds it or it cannot be written.
    pub fn open(directory: &Path) -> Result<Store, StoreError> {
        disk::make_directory(directory)?;
        let lock = DirectoryLock::take(directory)?;
        let history = HistoryFile::open(directory)?;
        Ok(Store {
            kept: Kept::Disk(Disk {
                directory: directory.to_owned(),
                history: Mutex::new(history),
                lock: Mutex::new(Some(lock)),
            }),
        })
    }

    /// The data directory, where there is one.
    pub fn directory(&self) -> Option<&Path> {
        match &self.kept {
            Kept::Memory(_) => None,
            Kept::Disk(disk) => Some(&disk.directory),
        }
    }

    /// Replaces the last good configuration, atomically.
    ///
    /// # Errors
    ///
    /// When it cannot be written; the previous one is then still whole.
    pub fn keep_last_good(&self, last_good: &LastGood) -> Result<(), StoreError> {
        match &self.kept {
            Kept::Memory(_) => Ok(()),
            Kept::Disk(disk) => last_good.write(&disk.directory),
        }
    }

    /// Appends an event and flushes it to disk.
    ///
    /// # Errors
    ///
    /// When it cannot be written; what was there before is then still whole.
    pub fn append(&self, entry: &Entry) -> Result<(), StoreError> {
        match &self.kept {
            Kept::Memory(entries) => {
                let mut entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
                if entries.len() == MEMORY_ENTRIES {
                    entries.pop_front();
                }
                entries.push_back(entry.clone());
                Ok(())
            }
            Kept::Disk(disk) => disk.history.lock().unwrap_or_else(PoisonError::into_inner).append(entry),
        }
    }

    /// The last `limit` events, oldest first.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub fn history(&self, limit: usize) -> Result<Vec<Entry>, StoreError> {
        match &self.kept {
            Kept::Memory(entries) => {
                let entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(entries.iter().skip(entries.len().saturating_sub(limit)).cloned().collect())
            }
            Kept::Disk(disk) => history::read(&disk.directory, limit),
        }
    }

    /// Lets the next process have the directory: nothing is written from now on but by mistake.
    pub fn release(&self) {
        if let Kept::Disk(disk) = &self.kept {
            drop(disk.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

#[cfg(test)]
mod tests;
