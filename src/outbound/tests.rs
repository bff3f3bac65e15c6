//! The guard against servers that mean ill, on this machine: nothing else is ever connected to.

mod answers;
mod guard;
mod load;
mod support;
mod tls;
