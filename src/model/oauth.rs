//! OAuth as plain data and pure rules: what clients register, where people are sent back to, and what is asked for.

pub mod assertion;
pub mod authorization;
pub mod document;
pub mod metadata;
pub mod pkce;
pub mod redirect;
pub mod registration;
pub mod resource;
