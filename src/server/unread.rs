//! A call over HTTP/1.1 that is answered before its body was read.
//!
//! The answer does not wait for the body, which may never come. hyper looks once whether the rest of it is there;
//! if not, it reads no further and says `connection: close`, for what follows cannot be told from the body
//! (RFC 9112 section 9.3). A connection that is closed with unread bytes is reset, and the client may lose the
//! answer; so the sending side is closed first, and what still comes is read away for a while (section 9.6).

use std::{
    convert::Infallible,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::yield_now,
    time::{Sleep, sleep},
};
use tower::ServiceExt as _;

use super::activity::Activity;
use crate::layers::HttpService;

/// How long a client is listened to that was told to stop sending.
const LONGEST_LINGER: Duration = Duration::from_secs(2);

/// Answers a call as soon as the service does, whatever it left of the body.
pub(super) async fn answer(
    service: HttpService,
    request: hyper::Request<Incoming>,
    activity: &Activity,
    prepare: impl FnOnce(&mut Request),
) -> Result<Response, Infallible> {
    let mut request = request.map(|body| {
        Body::new(Watched {
            ended: body.is_end_stream(),
            body,
            activity: activity.clone(),
        })
    });
    prepare(&mut request);
    let response = service.oneshot(request).await?;
    if activity.is_unread() {
        // hyper's turn, so that it knows before it writes the head of the answer.
        yield_now().await;
    }
    Ok(response)
}

/// A body that tells when it is dropped before its end.
struct Watched {
    body: Incoming,
    ended: bool,
    activity: Activity,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.ended = frame.is_none() || self.body.is_end_stream();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.ended {
            self.activity.leave_unread();
        }
    }
}

/// A connection that is closed in two steps, unless that is between two calls: the client may still be sending.
pub(super) struct Lingering<I> {
    io: I,
    activity: Activity,
    /// Ends the wait for the client, once the sending side is closed.
    closing: Option<Pin<Box<Sleep>>>,
}

impl<I> Lingering<I> {
    pub(super) fn new(io: I, activity: Activity) -> Self {
        Self {
            io,
            activity,
            closing: None,
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Lingering<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.activity.read();
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let closing = match &mut this.closing {
            Some(closing) => closing,
            none => {
                ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
                if this.activity.is_closed_idle() {
                    return Poll::Ready(Ok(()));
                }
                none.insert(Box::pin(sleep(LONGEST_LINGER)))
            }
        };
        loop {
            if closing.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut scratch = [0; 4096];
            let mut discarded = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut discarded))?;
            if discarded.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
