//! What requests and answers carry: contents that belong to one request id, and their checksums.

use std::hash::{DefaultHasher, Hasher};

/// Which way a body travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

/// Size and checksum of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) size: usize,
    pub(crate) hash: u64,
}

/// The one body that belongs to a request.
pub(crate) fn content(id: u64, way: Way, size: usize) -> Vec<u8> {
    let salt = if way == Way::Up { 0x5EED } else { 0xACE0_0000 };
    let mut bytes = vec![0; size];
    fastrand::Rng::with_seed(id.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ salt).fill(&mut bytes);
    bytes
}

pub(crate) fn sum(bytes: &[u8]) -> Sum {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    Sum { size: bytes.len(), hash: hasher.finish() }
}
