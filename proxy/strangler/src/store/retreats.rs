//! Retreats in force, in a file of their own: what a crash, a restart and an edit must not lose.
//!
//! Invariant: the file is old or new, whole, at every moment, and one that is not exactly what this program wrote
//! is no answer: whoever asks must then count every slice as retreated.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use strangler_core::retreat::{Everywhere, Latch, Latches};
use strangler_core::words::{Cause, Phase};

use super::StoreError;
use super::disk::write_atomically;

const NAME: &str = "retreats.json";
const DAMAGED: &str = "retreats.damaged.json";

/// Shape of the file; a later shape gets another number.
const FORMAT: u32 = 1;

/// No file of this program is larger: [`strangler_core::retreat::LATCHES_MAX`] with their texts.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetreatsFile {
    format: u32,
    /// SHA-256 over the JSON of `retreats`, in lower-case hexadecimal.
    checksum: String,
    retreats: RetreatsShape,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetreatsShape {
    slices: BTreeMap<String, LatchShape>,
    everywhere: Option<EverywhereShape>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EverywhereShape {
    latch: LatchShape,
    except: BTreeSet<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LatchShape {
    to: String,
    since: Timestamp,
    cause: String,
    who: String,
    reason: String,
}

impl From<&Latch> for LatchShape {
    fn from(Latch { to, since, cause, who, reason }: &Latch) -> LatchShape {
        LatchShape {
            to: to.as_str().to_owned(),
            since: *since,
            cause: cause.as_str().to_owned(),
            who: who.clone(),
            reason: reason.clone(),
        }
    }
}

impl LatchShape {
    fn read(self) -> Result<Latch, String> {
        let LatchShape { to, since, cause, who, reason } = self;
        let to = Phase::from_word(&to).ok_or_else(|| format!("`{to}` is no phase"))?;
        let cause = Cause::from_word(&cause).ok_or_else(|| format!("`{cause}` is no cause"))?;
        Ok(Latch { to, since, cause, who, reason })
    }
}

impl RetreatsShape {
    fn of(latches: &Latches) -> RetreatsShape {
        let slices =
            latches.by_slice().iter().map(|(name, latch)| (name.to_string(), latch.into())).collect();
        let everywhere = latches.everywhere().map(|Everywhere { latch, except }| EverywhereShape {
            latch: latch.into(),
            except: except.iter().map(ToString::to_string).collect(),
        });
        RetreatsShape { slices, everywhere }
    }

    fn read(self) -> Result<Latches, String> {
        let slices = self.slices.into_iter().map(|(name, latch)| Ok((name.into(), latch.read()?)));
        let slices = slices.collect::<Result<_, String>>()?;
        let everywhere = self.everywhere.map(|EverywhereShape { latch, except }| {
            Ok::<_, String>(Everywhere {
                latch: latch.read()?,
                except: except.into_iter().map(Into::into).collect(),
            })
        });
        Ok(Latches::restored(slices, everywhere.transpose()?))
    }

    fn checksum(&self) -> Result<String, serde_json::Error> {
        let digest = Sha256::digest(serde_json::to_vec(self)?);
        Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

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
    let file: RetreatsFile = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if file.format != FORMAT {
        return Err(format!("its format is {}, this version reads {FORMAT}", file.format));
    }
    if file.retreats.checksum().map_err(|error| error.to_string())? != file.checksum {
        return Err("its checksum does not fit".to_owned());
    }
    file.retreats.read()
}

pub(super) fn write(directory: &Path, latches: &Latches) -> Result<(), StoreError> {
    let bytes = || {
        let retreats = RetreatsShape::of(latches);
        let file = RetreatsFile { format: FORMAT, checksum: retreats.checksum()?, retreats };
        let mut bytes = serde_json::to_vec_pretty(&file)?;
        bytes.push(b'\n');
        Ok(bytes)
    };
    let bytes =
        bytes().map_err(|error: serde_json::Error| StoreError::io(&directory.join(NAME), error.into()))?;
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
    use super::*;

    fn latch(to: Phase, cause: Cause) -> Latch {
        Latch {
            to,
            since: Timestamp::from_second(1_700_000_000).unwrap(),
            cause,
            who: "anna@host".to_owned(),
            reason: "\"5xx\"\nand slow".to_owned(),
        }
    }

    fn latches() -> Latches {
        let slices = [("a", Phase::Legacy), ("ü \"b\"", Phase::Canary)];
        let slices = slices.map(|(name, to)| (name.into(), latch(to, Cause::Manual)));
        let everywhere =
            Everywhere { latch: latch(Phase::Shadow, Cause::Unreadable), except: ["c".into()].into() };
        Latches::restored(slices.into(), Some(everywhere))
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
    fn what_is_cut_or_changed_anywhere_is_no_answer() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAME);
        write(directory.path(), &latches()).unwrap();
        let whole = fs::read(&path).unwrap();
        let refused = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            matches!(read(directory.path()), Err(StoreError::Damaged { .. }))
        };
        // The last byte is a line end after the document.
        for length in 0..whole.len() - 1 {
            assert!(refused(&whole[..length]), "cut at {length}");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x01;
            let same = parse(&changed).is_ok_and(|read| read == latches());
            assert!(same || refused(&changed), "changed at {at}");
        }
        let text = String::from_utf8(whole).unwrap();
        for (from, to) in [
            ("\"format\": 1", "\"format\": 2"),
            ("\"format\": 1", "\"format\": 1, \"more\": 1"),
            ("\"to\": \"canary\"", "\"to\": \"extracted\""),
        ] {
            assert!(text.contains(from));
            assert!(refused(text.replace(from, to).as_bytes()), "{from} → {to}");
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
