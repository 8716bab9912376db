//! What the benchmarks share: cases, the load, the origin, the proxies under test, and how figures are written.
//!
//! Judges nothing: it measures, and prints what it saw.

pub mod cases;
pub mod load;
pub mod origin;
pub mod peers;
pub mod process;
pub mod report;
