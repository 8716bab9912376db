//! What must hold for any bytes that reach the program from a client, an upstream or an operator's browser.
//!
//! Compiled for tests, which replay the kept corpus, and for the fuzzer. Owns the list of properties and the
//! reading of a head from text; refuses the properties themselves, which stand beside the code they are about.

use crate::http1::RequestHead;

pub use crate::admin::fuzzing::admin;
pub use crate::forward::fuzzing::{answer, request};
pub use crate::http1::fuzzing::message;

/// A property over any bytes.
pub type Target = fn(&[u8]);

/// Every property of this crate, by the name of its corpus.
pub const TARGETS: &[(&str, Target)] =
    &[("admin", admin), ("answer", answer), ("message", message), ("request", request)];

/// Lines of a head, as many as a client may send.
const MAX_LINES: usize = 64;

/// A head as a client sends it, and what follows the empty line; lines may end in a bare LF. `None` where it is
/// refused.
pub(crate) fn head(bytes: &[u8]) -> Option<(RequestHead, &[u8])> {
    let whole = [bytes, b"\n\n"].concat();
    let mut head = RequestHead::default();
    let length = head.parse(&whole, MAX_LINES).ok()??;
    Some((head, bytes.get(length..).unwrap_or_default().trim_ascii()))
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
