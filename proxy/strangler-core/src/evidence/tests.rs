//! Behaviour of the evidence as a whole, through what the program uses of it.

mod bounds;
mod epochs;
mod gates;
mod recount;
mod reports;
mod stored;
mod world;
