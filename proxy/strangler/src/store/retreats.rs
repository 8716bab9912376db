//! Retreats in force, in a file of their own: what a crash, a restart and an edit must not lose.
//!
//! Invariant: the file is old or new, whole, at every moment, and one that is not exactly what this program wrote
//! is no answer: whoever asks must then count every slice as retreated.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;

use strangler_core::retreat::{Latches, kept};

use super::StoreError;
use super::disk::write_atomically;

const NAME: &str = "retreats.json";
const DAMAGED: &str = "retreats.damaged.json";

/// No file of this program is larger: [`strangler_core::retreat::LATCHES_MAX`] with their texts.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

pub(super) fn read(directory: &Path) -> Result<Latches, StoreError> {
    let path = directory.join(NAME);
    let mut bytes = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Latches::default()),
        Err(error) => return Err(StoreError::io(&path, error)),
    }
    parse(&bytes).map_err(|why| StoreError::Damaged { path, why })
}

fn parse(bytes: &[u8]) -> Result<Latches, String> {
    if u64::try_from(bytes.len()).is_ok_and(|length| length > BYTES_MAX) {
        return Err("it is larger than any this program writes".to_owned());
    }
    kept::decode(bytes)
}

pub(super) fn write(directory: &Path, latches: &Latches) -> Result<(), StoreError> {
    let bytes = kept::encode(latches).map_err(|error| StoreError::io(&directory.join(NAME), error.into()))?;
    write_atomically(directory, NAME, &bytes)
}

/// Gives what could not be read a second name. The first one stays until the file is replaced: were it missing for a
/// moment, a crash then would lose every retreat.
pub(super) fn set_aside(directory: &Path) {
    let damaged = directory.join(DAMAGED);
    let link = || {
        match fs::remove_file(&damaged) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::hard_link(directory.join(NAME), &damaged)
    };
    if let Err(error) = link() {
        tracing::warn!(%error, "the retreats that could not be read were not set aside");
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    /// Some: what is in them is the matter of how they are written.
    fn latches() -> Latches {
        Latches::unreadable(Timestamp::from_second(1_700_000_000).unwrap(), "\"5xx\"\nand slow".to_owned())
    }

    #[test]
    fn what_is_kept_is_found_again() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read(directory.path()).unwrap(), Latches::default());
        for latches in [latches(), Latches::default()] {
            write(directory.path(), &latches).unwrap();
            assert_eq!(read(directory.path()).unwrap(), latches);
        }
    }

    #[test]
    fn what_is_cut_is_no_answer() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAME);
        write(directory.path(), &latches()).unwrap();
        let whole = fs::read(&path).unwrap();
        // The last byte is a line end after the document.
        for length in [0, 1, whole.len() / 2, whole.len() - 2] {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(matches!(read(directory.path()), Err(StoreError::Damaged { .. })), "cut at {length}");
        }
    }

    #[test]
    fn what_is_set_aside_is_not_missing_meanwhile() {
        let directory = tempfile::tempdir().unwrap();
        for text in ["first", "second"] {
            fs::write(directory.path().join(NAME), text).unwrap();
            set_aside(directory.path());
            assert_eq!(fs::read_to_string(directory.path().join(NAME)).unwrap(), text);
            assert_eq!(fs::read_to_string(directory.path().join(DAMAGED)).unwrap(), text);
            write(directory.path(), &latches()).unwrap();
            assert_eq!(fs::read_to_string(directory.path().join(DAMAGED)).unwrap(), text);
        }
    }
}
