//! Conditions beside the pattern (`when`).

/// The conditions of a route; all must hold.
#[derive(Clone, Debug, Default)]
pub struct Predicates {
    /// On headers: name in lower case.
    pub headers: Vec<(http::HeaderName, Condition)>,
    /// On cookies.
    pub cookies: Vec<(String, Condition)>,
    /// On query parameters.
    pub query: Vec<(String, Condition)>,
    /// A media type that must be preferred.
    pub accept: Option<String>,
}

/// What a value must be.
#[derive(Clone, Debug)]
pub enum Condition {
    /// Exactly this.
    Equals(String),
    /// One of these.
    In(Vec<String>),
    /// There.
    Present,
    /// Not there.
    Absent,
    /// Matched anywhere by this expression, unless anchored.
    Regex(regex::Regex),
}
