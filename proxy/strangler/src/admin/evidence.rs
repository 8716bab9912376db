//! Evidence, as the admin listener tells it.

use serde::{Deserialize, Serialize};

/// What `POST /api/slices/NAME/evidence/restart` did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartReport {
    /// The slice.
    pub slice: String,
    /// Its new epoch, from 1.
    pub epoch: u32,
    /// Why, as given.
    pub reason: String,
}
