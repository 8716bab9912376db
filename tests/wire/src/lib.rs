//! A raw HTTP/1.1 kit: what a proxy does with every byte, judged on both of its sides at once.
//!
//! | module | owns |
//! |---|---|
//! | [`wire`] | one socket: bytes in and out, deadlines, and how it ended |
//! | [`message`] | strict reading of requests and responses (RFC 9110, RFC 9112); nothing is forgiven |
//! | [`stage`] | what one case's origins saw and may do next: scripts, gates, the log |
//! | [`origin`] | a fault-scripted origin that records every byte |
//! | [`client`] | a client that writes exactly the bytes it is told to |
//! | [`case`] | a case: what is sent, what the origin does, what either side must see |
//! | [`judge`] | whether what happened is what was wanted, in sentences |
//! | [`lane`] | runs cases one after another through one proxy |
//! | [`target`] | the proxy under test, started from a configuration |
//!
//! The kit refuses to know anything about how a proxy works inside: no code of the proxy is used to
//! read or to write a byte. It never sleeps: it waits for bytes, for gates and for deadlines.

pub mod case;
pub mod client;
pub mod judge;
pub mod lane;
pub mod message;
pub mod origin;
pub mod stage;
pub mod target;
pub mod wire;
