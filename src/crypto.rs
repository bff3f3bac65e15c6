//! The cryptography: password hashes, random secrets, signed tokens, and keys sealed at rest. Nothing here
//! knows the database or the network.

pub mod challenges;
mod jose;
pub mod keyring;
pub mod passwords;
pub mod seal;
pub mod secrets;
pub mod solver;

pub use self::jose::foreign;

#[cfg(test)]
mod test_env;
