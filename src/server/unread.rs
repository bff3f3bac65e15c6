//! A call that is refused before its body was read, over HTTP/1.1.
//!
//! HTTP/1.1 has no way to stop a client that is still sending, so a server that answers early has to
//! close the connection, and closing it with unread bytes resets it: the client sees a broken pipe in
//! place of the refusal. A body of a sane size is therefore read away before the answer is sent, which
//! also keeps the connection (RFC 9112 section 9.3).

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use http::header::EXPECT;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::{sync::oneshot, time::timeout};
use tower::ServiceExt as _;

use crate::layers::HttpService;

/// How much of a refused body is read away, in bytes; a client that sends more is cut off.
const LARGEST_DISCARDED: usize = 1024 * 1024;

/// How long a client may take for it.
const LONGEST_DISCARD: Duration = Duration::from_secs(2);

/// Answers a call, when what the service left of its body is read away.
pub(super) async fn answer(
    service: HttpService,
    request: hyper::Request<Incoming>,
    prepare: impl FnOnce(&mut Request),
) -> Result<Response, Infallible> {
    // Such a client waits with its body for the answer.
    let waits = request.headers().contains_key(EXPECT);
    let (left_over, mut unread) = oneshot::channel();
    let mut request = request.map(|body| {
        Body::new(Lent {
            body: Some(body),
            left_over: Some(left_over),
        })
    });
    prepare(&mut request);
    let response = service.oneshot(request).await?;
    if !waits && let Ok(body) = unread.try_recv() {
        // Whether it ends well or not, the answer is sent.
        let _ = timeout(LONGEST_DISCARD, discard(body)).await;
    }
    Ok(response)
}

async fn discard(mut body: Incoming) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > LARGEST_DISCARDED {
            return;
        }
    }
}

/// A body that comes back when the service drops it before its end.
struct Lent {
    body: Option<Incoming>,
    left_over: Option<oneshot::Sender<Incoming>>,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(body), Some(left_over)) = (self.body.take(), self.left_over.take())
            && !body.is_end_stream()
        {
            // Nobody waits for it when the answer has begun.
            let _ = left_over.send(body);
        }
    }
}
