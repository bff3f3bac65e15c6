//! The way of `countersign admin` into a running server.

use super::setting::settings;

settings! {
    /// How `countersign admin` reaches a running server.
    pub struct Admin {
        /// Whether a server with SQLite listens on `control.sock` in the data folder, for the user that runs it
        /// and for root alone. Without it, stop the server to run `countersign admin`.
        socket: bool = true,
    }
}
