//! The limits of HTTP/2 and HTTP/1.1, all of them explicit.

use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::options::ServerOptions;

/// Streams that the client opened and reset before the server looked at them ("rapid reset",
/// CVE-2023-44487); one more ends the connection.
const MAX_PENDING_ACCEPT_RESET_STREAMS: usize = 20;

/// Streams that the server reset because the client broke the protocol on them; one more ends the
/// connection. An honest client breaks it on none.
const MAX_LOCAL_ERROR_RESET_STREAMS: usize = 64;

/// Two whole messages, so that one never waits for a window update.
const STREAM_WINDOW: u32 = 128 * 1024;

/// What one connection can make the server hold of unread bodies.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// What one stream can make the server hold of unsent answers.
const SEND_BUFFER: usize = 128 * 1024;

/// A ping after so long without a sign of life, so that dead peers do not hold a slot.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// How long the answer to that ping may take.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How many header fields an HTTP/1.1 request has.
const MAX_HEADERS: usize = 100;

/// The read and write buffers of an HTTP/1.1 connection.
const HTTP1_BUFFER: usize = 64 * 1024;

pub(super) fn http2(options: &ServerOptions) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(options.max_streams)
        .max_pending_accept_reset_streams(MAX_PENDING_ACCEPT_RESET_STREAMS)
        .max_local_error_reset_streams(MAX_LOCAL_ERROR_RESET_STREAMS)
        .max_header_list_size(options.max_header_list)
        .max_send_buf_size(SEND_BUFFER)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    builder
}

pub(super) fn http1(options: &ServerOptions) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_headers(MAX_HEADERS)
        .max_header_size(usize::try_from(options.max_header_list).unwrap_or(HTTP1_BUFFER))
        .max_buf_size(HTTP1_BUFFER);
    builder
}
