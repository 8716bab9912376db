//! Content codings: undoing `Content-Encoding` (RFC 9110 §8.4), so that bodies are compared and not their packing.
//!
//! Owns gzip, deflate (zlib, and raw as some servers send it), br and zstd, one upon another. Whatever the
//! bytes, no more comes out than [`most_decoded`] allows. Refuses to guess: a coding that is not known, or
//! bytes that are not what the header says, are told and not passed on.

use std::io::Read;

use bytes::Bytes;

/// How many bytes a decoded body has at most, whatever its ratio.
const MOST_DECODED: usize = 16 << 20;

/// Up to here no ratio is asked for: a small body of blanks packs a thousandfold.
const FREE_DECODED: usize = 1 << 20;

/// How many times longer than what was received a decoded body is at most.
const MOST_RATIO: usize = 100;

/// How many codings one body has at most. More than one is rare already.
const MOST_CODINGS: usize = 4;

/// Larger windows need not be supported in HTTP (RFC 9659).
const ZSTD_WINDOW: u64 = 8 << 20;

/// Why a body's codings could not be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CodingError {
    /// Nobody here knows this coding.
    #[error("unknown coding")]
    Unknown,
    /// The bytes are not what the header says.
    #[error("not {0}")]
    Broken(&'static str),
    /// More would come out than is allowed.
    #[error("too large when decoded")]
    TooLarge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    fn named(name: &str) -> Option<Coding> {
        match name {
            "gzip" | "x-gzip" => Some(Coding::Gzip),
            "deflate" => Some(Coding::Deflate),
            "br" => Some(Coding::Brotli),
            "zstd" => Some(Coding::Zstd),
            _ => None,
        }
    }

    fn undo(self, bytes: &[u8], limit: usize) -> Result<Vec<u8>, CodingError> {
        match self {
            Coding::Gzip => gzip(bytes, limit),
            Coding::Deflate => deflate(bytes, limit),
            Coding::Brotli => read(brotli_decompressor::Decompressor::new(bytes, 4096), "br", limit),
            Coding::Zstd => zstd(bytes, limit),
        }
    }
}

/// How many bytes may come out of a body of which so many were received.
fn most_decoded(received: usize) -> usize {
    received.saturating_mul(MOST_RATIO).clamp(FREE_DECODED, MOST_DECODED)
}

/// The body with its codings undone. `encoding` is the value of `Content-Encoding`, its lines joined by commas.
///
/// # Errors
///
/// A coding that is not known, bytes that are not what the header says, or too many of them.
pub(crate) fn undo(encoding: &str, body: &Bytes) -> Result<Bytes, CodingError> {
    let limit = most_decoded(body.len());
    let mut decoded = body.clone();
    let names = encoding.split(',').map(|name| name.trim().to_ascii_lowercase());
    let names: Vec<String> = names.filter(|name| !name.is_empty() && name != "identity").collect();
    if names.len() > MOST_CODINGS {
        return Err(CodingError::Unknown);
    }
    // The last one named was applied last.
    for name in names.iter().rev() {
        let coding = Coding::named(name).ok_or(CodingError::Unknown)?;
        // No bytes at all are an empty body: some servers name a coding and send nothing.
        if !decoded.is_empty() {
            decoded = coding.undo(&decoded, limit)?.into();
        }
    }
    Ok(decoded)
}

fn read(reader: impl Read, coding: &'static str, limit: usize) -> Result<Vec<u8>, CodingError> {
    let mut decoded = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(most).read_to_end(&mut decoded).map_err(|_| CodingError::Broken(coding))?;
    if decoded.len() > limit { Err(CodingError::TooLarge) } else { Ok(decoded) }
}

/// One member after another (RFC 1952 §2.2); clients ignore what follows the last one.
fn gzip(bytes: &[u8], limit: usize) -> Result<Vec<u8>, CodingError> {
    let mut decoded = Vec::new();
    let mut rest = bytes;
    loop {
        let mut member = flate2::bufread::GzDecoder::new(rest);
        let more = read(&mut member, "gzip", limit.saturating_sub(decoded.len()))?;
        decoded.extend_from_slice(&more);
        rest = member.into_inner();
        if !rest.starts_with(&[0x1f, 0x8b]) {
            return Ok(decoded);
        }
    }
}

/// `deflate` is the zlib format (RFC 9110 §8.4.1.2); some send deflate without it, and clients take it.
fn deflate(bytes: &[u8], limit: usize) -> Result<Vec<u8>, CodingError> {
    let zlib = read(flate2::bufread::ZlibDecoder::new(bytes), "deflate", limit);
    match zlib {
        Err(CodingError::Broken(_)) => read(flate2::bufread::DeflateDecoder::new(bytes), "deflate", limit),
        other => other,
    }
}

/// One frame after another, frames to be skipped among them (RFC 8878 §3.1), each with its checksum.
fn zstd(bytes: &[u8], limit: usize) -> Result<Vec<u8>, CodingError> {
    use ruzstd::decoding::StreamingDecoder;
    use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
    const BROKEN: CodingError = CodingError::Broken("zstd");
    let mut decoded = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let mut frame = match StreamingDecoder::new_with_max_window_size(&mut rest, ZSTD_WINDOW) {
            Ok(frame) => frame,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length, ..
            })) => {
                let length = usize::try_from(length).map_err(|_| BROKEN)?;
                rest = rest.get(length..).ok_or(BROKEN)?;
                continue;
            }
            Err(_) => return Err(BROKEN),
        };
        let more = read(&mut frame, "zstd", limit.saturating_sub(decoded.len()))?;
        let checksum = frame.decoder.get_checksum_from_data();
        // The checksum is the low four bytes of the hash.
        let [.., a, b, c, d] = xxhash_rust::xxh64::xxh64(&more, 0).to_be_bytes();
        if checksum.is_some_and(|told| told != u32::from_be_bytes([a, b, c, d])) {
            return Err(BROKEN);
        }
        decoded.extend_from_slice(&more);
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests;
