//! What an edit does: to routes, and to requests that are remembered.
//!
//! Owns where each route stands before and after, and how many of the remembered requests another side would answer. Refuses
//! to decide: both configurations are asked by the `decide` that serves.

mod impact;
mod moves;
mod routes;
#[cfg(test)]
mod tests;

pub use impact::{Impact, Known, Remembered};
pub use moves::{Moved, Moves, RouteMoves, TrafficImpact};
pub use routes::{Raised, RouteChange, Standing, raised, route_changes};
