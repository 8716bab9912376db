//! What must hold for any bytes that reach the program from a client, an upstream or an operator's browser.
//!
//! Compiled for tests, which replay the kept corpus, and for the fuzzer. Owns the list of properties and the
//! reading of a head from text; refuses the properties themselves, which stand beside the code they are about.

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version};

pub use crate::admin::fuzzing::admin;
pub use crate::forward::fuzzing::{answer, request};

/// A property over any bytes.
pub type Target = fn(&[u8]);

/// Every property of this crate, by the name of its corpus.
pub const TARGETS: &[(&str, Target)] = &[("admin", admin), ("answer", answer), ("request", request)];

/// A head as hyper would parse it, and what follows the empty line: `METHOD TARGET VERSION`, then header lines.
/// `None` where hyper would refuse it.
pub(crate) fn head(bytes: &[u8]) -> Option<(Parts, &[u8])> {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
    let (head, body) = bytes.split_at(end);
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut words = lines.next()?.split(|byte| *byte == b' ');
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = Method::from_bytes(words.next()?).ok()?;
    parts.uri = Uri::try_from(words.next()?).ok()?;
    parts.version = if words.next() == Some(b"HTTP/1.0") { Version::HTTP_10 } else { Version::HTTP_11 };
    for line in lines.take(64) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let name = HeaderName::from_bytes(name).ok()?;
        let value = HeaderValue::from_bytes(value.get(1..)?.trim_ascii()).ok()?;
        parts.headers.append(name, value);
    }
    Some((parts, body.trim_ascii()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn every_kept_input_still_holds() {
        for (name, target) in super::TARGETS {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(name);
            let mut inputs = 0;
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                println!("{}", path.display());
                target(&fs::read(&path).unwrap());
                inputs += 1;
            }
            assert!(inputs >= 10, "{name} has a corpus: {inputs}");
        }
    }
}
