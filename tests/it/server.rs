//! The listener and its layers, over real sockets and in process.

mod drain;
mod http;
mod layers;
mod limits;
mod log;
mod proxy_protocol;
mod support;
mod tls;
mod transports;
mod unread;
