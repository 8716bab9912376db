//! HTTP/1.1 as bytes: heads, body framings, and a socket with what was read or written too much.
//!
//! Owns the syntax of messages in both directions (RFC 9112). Header lines are kept as they came, in one buffer
//! and in order, so that what is not touched is passed on byte for byte. Refuses policy: what may be routed, what
//! is added and removed, and whose fault a failure is, is said in [`crate::forward`].

pub(crate) mod body;
pub(crate) mod buffers;
pub(crate) mod chunked;
pub(crate) mod fields;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub(crate) mod head;
pub(crate) mod known;
pub(crate) mod pipe;
pub(crate) mod relay;
pub(crate) mod wire;

pub(crate) use body::{Framing, Incoming};
pub(crate) use buffers::Buffers;
pub(crate) use fields::Fields;
pub(crate) use head::{HeadFault, RequestHead, ResponseHead, Version};
pub(crate) use known::Known;
pub(crate) use wire::Wire;
