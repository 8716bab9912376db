//! What outlives the process: the history, retreats, the last good configuration, the evidence.
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
//! | `retreats.json` | retreats in force, replaced atomically; `retreats.damaged.json`: one that could not be read |
//! | `evidence.sqlite` | what comparisons have shown (see [`evidence`]); `evidence.damaged.sqlite`: one that could not be used |
//! | `redaction.key` | what the pseudonyms in it were made with |
//! | `history.jsonl`, `history.1.jsonl` | one line per event, appended and flushed to disk; the older part |

mod disk;
pub mod evidence;
mod history;
mod last_good;
pub mod pointer;
mod retreats;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use strangler_core::retreat::Latches;

pub use evidence::Evidence;
pub use history::{Entry, History};
pub use last_good::LastGood;

use disk::DirectoryLock;
use history::HistoryFile;

/// Events kept where nothing is written.
const MEMORY_ENTRIES: usize = 1000;

/// The retreats kept in a data directory that nobody has opened yet; none where nothing was ever kept.
///
/// # Errors
///
/// When they cannot be read or are damaged.
pub fn kept_retreats(directory: &Path) -> Result<Latches, StoreError> {
    retreats::read(directory)
}

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

    /// The retreats that were in force when they were kept last; none where nothing was ever kept.
    ///
    /// # Errors
    ///
    /// When they cannot be read or are damaged: then nobody knows which slices had retreated.
    pub fn retreats(&self) -> Result<Latches, StoreError> {
        match &self.kept {
            Kept::Memory(_) => Ok(Latches::default()),
            Kept::Disk(disk) => retreats::read(&disk.directory),
        }
    }

    /// Replaces the retreats that are kept, atomically, and flushes them to disk.
    ///
    /// # Errors
    ///
    /// When they cannot be written; those kept before are then still whole.
    pub fn keep_retreats(&self, latches: &Latches) -> Result<(), StoreError> {
        match &self.kept {
            Kept::Memory(_) => Ok(()),
            Kept::Disk(disk) => {
                let lock = disk.lock.lock().unwrap_or_else(PoisonError::into_inner);
                if lock.is_none() {
                    // The process that follows has read them already, and replaces them itself.
                    return Err(StoreError::InUse { directory: disk.directory.clone() });
                }
                retreats::write(&disk.directory, latches)
            }
        }
    }

    /// Sets what could not be read aside, for people to look at, where it stays readable until it is replaced.
    pub fn set_retreats_aside(&self) {
        if let Kept::Disk(disk) = &self.kept {
            retreats::set_aside(&disk.directory);
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

    /// The last `limit` events, of one slice or of all, oldest first.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub fn history(&self, limit: usize, slice: Option<&str>) -> Result<Vec<Entry>, StoreError> {
        let wanted = |entry: &Entry| slice.is_none_or(|slice| entry.concerns(slice));
        match &self.kept {
            Kept::Memory(entries) => {
                let entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
                let mut found: Vec<Entry> = entries.iter().filter(|entry| wanted(entry)).cloned().collect();
                Ok(found.split_off(found.len().saturating_sub(limit)))
            }
            Kept::Disk(disk) => history::read(&disk.directory, limit, &wanted),
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
