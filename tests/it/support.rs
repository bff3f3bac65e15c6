//! What the tests stand on: the real program with a clock that stands still and randomness that repeats.

mod actors;
mod administration;
mod app;
mod environment;
mod http;
mod people;
mod plans;
mod provider;
mod work;

pub(crate) use actors::*;
pub(crate) use administration::*;
pub(crate) use app::{ISSUER, TestApp};
use environment::{ManualClock, test_env};
pub(crate) use http::{Call, TestResponse};
pub(crate) use people::home;
pub(crate) use provider::Provider;
pub(crate) use work::*;
