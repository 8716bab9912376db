use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::{CodingError, FREE_DECODED, MOST_DECODED, undo};

const PLAIN: &[u8] = b"{\"total\": 19.90, \"total\": 19.90, \"total\": 19.90}";

/// `PLAIN` as br: one uncompressed meta-block and the end (RFC 7932 section 9).
fn brotli(plain: &[u8]) -> Vec<u8> {
    // WBITS 16 is a 0 bit; ISLAST 0; MNIBBLES 4 is 00; MLEN - 1 in 16 bits; ISUNCOMPRESSED 1; padding.
    let length = u32::try_from(plain.len()).unwrap() - 1;
    let head = (length << 4) | (1 << 20);
    let mut coded = head.to_le_bytes()[..3].to_vec();
    coded.extend_from_slice(plain);
    coded.push(0b11);
    coded
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn raw(plain: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    compress_to_vec(plain, CompressionLevel::Fastest)
}

fn check(encoding: &str, coded: impl Into<Bytes>, expected: Result<&[u8], CodingError>) {
    let got = undo(encoding, &coded.into());
    assert_eq!(got.as_ref().map(|bytes| &bytes[..]).map_err(|error| *error), expected, "{encoding}");
}

#[test]
fn codings_are_undone_in_reverse_order() {
    check("", PLAIN, Ok(PLAIN));
    check("identity", PLAIN, Ok(PLAIN));
    check("gzip", gzip(PLAIN), Ok(PLAIN));
    check(" GZip ,", gzip(PLAIN), Ok(PLAIN));
    check("x-gzip", gzip(PLAIN), Ok(PLAIN));
    check("deflate", zlib(PLAIN), Ok(PLAIN));
    check("deflate", raw(PLAIN), Ok(PLAIN));
    check("br", brotli(PLAIN), Ok(PLAIN));
    check("zstd", zstd(PLAIN), Ok(PLAIN));
    check("gzip, br", brotli(&gzip(PLAIN)), Ok(PLAIN));
    check("zstd,identity, deflate", zlib(&zstd(PLAIN)), Ok(PLAIN));
    check("gzip", &b""[..], Ok(b""));
}

#[test]
fn members_and_frames_follow_one_another() {
    check("gzip", [gzip(b"one "), gzip(b"two")].concat(), Ok(b"one two"));
    check("zstd", [zstd(b"one "), zstd(b"two")].concat(), Ok(b"one two"));
    let skipped = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc".to_vec();
    check("zstd", [skipped, zstd(b"two")].concat(), Ok(b"two"));
    check("zstd", &b"\x50\x2a\x4d\x18\x09\x00\x00\x00abc"[..], Err(CodingError::Broken("zstd")));
    check("gzip", [gzip(b"one"), b"\0\0\0".to_vec()].concat(), Ok(b"one"));
}

#[test]
fn bytes_that_are_not_what_the_header_says_are_told() {
    for (name, coded) in [("gzip", gzip(PLAIN)), ("br", brotli(PLAIN)), ("zstd", zstd(PLAIN))] {
        check(name, PLAIN, Err(CodingError::Broken(name)));
        check(name, coded[..coded.len() - 1].to_vec(), Err(CodingError::Broken(name)));
    }
    check("deflate", PLAIN, Err(CodingError::Broken("deflate")));
    check("compress", PLAIN, Err(CodingError::Unknown));
    check("gzip, dcz", gzip(PLAIN), Err(CodingError::Unknown));
    check("gzip,gzip,gzip,gzip,gzip", PLAIN, Err(CodingError::Unknown));
    let mut wrong = gzip(PLAIN);
    let last = wrong.len() - 5;
    wrong[last] ^= 1;
    check("gzip", wrong, Err(CodingError::Broken("gzip")));
}

#[test]
fn a_bomb_stops_at_its_bound() {
    let blank = vec![b' '; MOST_DECODED + 1];
    check("gzip", gzip(&blank), Err(CodingError::TooLarge));
    check("deflate", zlib(&blank), Err(CodingError::TooLarge));
    check("deflate", raw(&blank), Err(CodingError::TooLarge));
    check("zstd", zstd(&blank), Err(CodingError::TooLarge));
    // Two codings do not multiply what is allowed.
    check("gzip, gzip", gzip(&gzip(&blank)), Err(CodingError::TooLarge));
    // A small one is free of the ratio.
    let small = vec![b' '; FREE_DECODED];
    check("gzip", gzip(&small), Ok(&small));
    check("gzip", gzip(&vec![b' '; FREE_DECODED + 1]), Err(CodingError::TooLarge));
    // Many small members are counted together.
    check("gzip", gzip(&small).repeat(20), Err(CodingError::TooLarge));
}

#[test]
fn no_prefix_and_no_changed_byte_of_a_coded_body_panics() {
    let mut random = fastrand::Rng::with_seed(7);
    for (name, coded) in
        [("gzip", gzip(PLAIN)), ("deflate", zlib(PLAIN)), ("br", brotli(PLAIN)), ("zstd", zstd(PLAIN))]
    {
        for end in 0..coded.len() {
            drop(undo(name, &Bytes::copy_from_slice(&coded[..end])));
        }
        for _ in 0..2000 {
            let mut changed = coded.clone();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..changed.len());
                changed[at] = random.u8(..);
            }
            drop(undo(name, &changed.into()));
        }
    }
}
