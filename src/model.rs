//! Plain data and pure rules. Nothing here asks for the time, for randomness or for the database.

pub mod access;
pub mod account;
pub mod administration;
pub mod api_key;
pub mod brand;
pub mod client;
pub mod consent;
pub mod cookie;
pub mod email;
pub mod etag;
pub mod id;
pub mod identity;
pub mod mail;
pub mod network;
pub mod oauth;
pub mod pace;
pub mod page;
pub mod password;
pub mod postgres_url;
pub mod pow;
pub mod request;
pub mod scope;
pub mod session;
pub mod signing_key;
pub mod text;
pub mod throttle;
