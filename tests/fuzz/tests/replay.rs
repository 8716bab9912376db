//! The kept corpus: every input that the fuzzer found worth keeping still holds every property.
#![allow(clippy::expect_used, reason = "a test may stop")]

use std::fs;
use std::path::Path;

#[test]
fn every_kept_input_still_holds() {
    for (name, target) in fuzz::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let mut inputs = 0;
        for entry in fs::read_dir(&folder).expect("a corpus") {
            let path = entry.expect("an entry").path();
            let bytes = fs::read(&path).expect("an input");
            println!("{}", path.display());
            target(&bytes);
            inputs += 1;
        }
        assert!(inputs >= 10, "{name} has a corpus: {inputs}");
    }
}
