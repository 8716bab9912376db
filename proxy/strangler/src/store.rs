//! What outlives the process: history and the last good configuration.
