//! Limits on calls.

use super::setting::settings;

settings! {
    /// Limits on how often a client may call.
    pub struct Limits {
        /// Whether they apply. Without them passwords can be guessed quickly.
        enabled: bool = true,
    }
}
