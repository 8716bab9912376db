//! Retreats as they are kept: bytes from which exactly the same latches come back.
//!
//! Owns the shape and its checksum. Refuses files. Invariant: bytes that are not exactly what [`encode`] made are no
//! answer: whoever asks must then count every slice as retreated.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Everywhere, Latch, Latches};
use crate::words::{Cause, Phase};

/// Shape of the bytes; a later shape gets another number.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptShape {
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

/// Latches as bytes.
///
/// # Errors
///
/// Where they cannot be written as JSON, which does not happen.
pub fn encode(latches: &Latches) -> Result<Vec<u8>, serde_json::Error> {
    let retreats = RetreatsShape::of(latches);
    let kept = KeptShape { format: FORMAT, checksum: retreats.checksum()?, retreats };
    let mut bytes = serde_json::to_vec_pretty(&kept)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The latches that bytes hold.
///
/// # Errors
///
/// Why the bytes are not what [`encode`] made.
pub fn decode(bytes: &[u8]) -> Result<Latches, String> {
    let kept: KeptShape = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if kept.format != FORMAT {
        return Err(format!("its format is {}, this version reads {FORMAT}", kept.format));
    }
    if kept.retreats.checksum().map_err(|error| error.to_string())? != kept.checksum {
        return Err("its checksum does not fit".to_owned());
    }
    kept.retreats.read()
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
    fn what_is_kept_comes_back() {
        for latches in [latches(), Latches::default()] {
            assert_eq!(decode(&encode(&latches).unwrap()).unwrap(), latches);
        }
    }

    #[test]
    fn what_is_cut_or_changed_anywhere_is_no_answer() {
        let whole = encode(&latches()).unwrap();
        // The last byte is a line end after the document.
        for length in 0..whole.len() - 1 {
            assert!(decode(&whole[..length]).is_err(), "cut at {length}");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x01;
            assert!(decode(&changed).map_or(true, |read| read == latches()), "changed at {at}");
        }
        let text = String::from_utf8(whole).unwrap();
        for (from, to) in [
            ("\"format\": 1", "\"format\": 2"),
            ("\"format\": 1", "\"format\": 1, \"more\": 1"),
            ("\"to\": \"canary\"", "\"to\": \"extracted\""),
        ] {
            assert!(text.contains(from));
            assert!(decode(text.replace(from, to).as_bytes()).is_err(), "{from} → {to}");
        }
    }
}
