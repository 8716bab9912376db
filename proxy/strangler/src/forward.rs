//! One request end to end.
