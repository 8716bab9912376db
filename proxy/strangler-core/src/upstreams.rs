//! When an upstream, or one endpoint of it, is left alone: state machines without a clock.
//!
//! Owns counting over a window ([`Window`]), the breaker of an upstream ([`Breaker`]) and the standing of its
//! endpoints ([`Standings`]): passive ejection and active checks, and what may be sent again ([`repeat()`]). Refuses sockets, time and locks: `now` is an
//! argument, measured from an origin that the caller keeps. What is called for every request takes `&self` and is
//! atomic, so that threads may share it without waiting; the very same functions serve a simulation.

pub mod breaker;
pub mod repeat;
pub mod standing;
pub mod window;

pub use breaker::{Admission, Breaker, BreakerChange, BreakerPosition, Outcome};
pub use repeat::{Repeat, Unanswered, repeat};
pub use standing::{EndpointKey, Standing, StandingChange, Standings, State};
pub use window::{Counts, Window};
