//! Tells HTTP/2 from HTTP/1.1 by the first bytes, and gives them back to be read again.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// What an HTTP/2 client sends first (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The version of HTTP that a client speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protocol {
    /// HTTP/2, with or without TLS.
    Http2,
    /// HTTP/1.1, or anything else: its parser has an answer for that.
    Http1,
}

/// Reads until the version is certain. `None` when the client closed without a word.
pub(super) async fn sniff<I>(mut io: I) -> io::Result<Option<(Protocol, Rewound<I>)>>
where
    I: AsyncRead + Unpin,
{
    let mut seen = Vec::with_capacity(PREFACE.len());
    while seen.len() < PREFACE.len() && PREFACE.starts_with(&seen) {
        let wanted = PREFACE.len() - seen.len();
        if (&mut io).take(wanted as u64).read_buf(&mut seen).await? == 0 {
            break;
        }
    }
    if seen.is_empty() {
        return Ok(None);
    }
    let protocol = if seen == PREFACE {
        Protocol::Http2
    } else {
        Protocol::Http1
    };
    Ok(Some((protocol, Rewound { seen, read: 0, io })))
}

/// A connection whose first bytes are read once more.
#[derive(Debug)]
pub(super) struct Rewound<I> {
    seen: Vec<u8>,
    read: usize,
    io: I,
}

impl<I: AsyncRead + Unpin> AsyncRead for Rewound<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let unread = this.seen.get(this.read..).unwrap_or_default();
        if unread.is_empty() {
            return Pin::new(&mut this.io).poll_read(cx, buffer);
        }
        let (now, _) = unread.split_at(unread.len().min(buffer.remaining()));
        buffer.put_slice(now);
        this.read += now.len();
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Rewound<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    async fn sniffed(chunks: &[&[u8]]) -> Option<(Protocol, Vec<u8>)> {
        let (mut client, server) = tokio::io::duplex(1024);
        let send = async {
            for chunk in chunks {
                client.write_all(chunk).await.unwrap();
                tokio::task::yield_now().await;
            }
            drop(client);
        };
        let read = async {
            let (protocol, mut io) = sniff(server).await.unwrap()?;
            let mut all = Vec::new();
            io.read_to_end(&mut all).await.unwrap();
            Some((protocol, all))
        };
        tokio::join!(send, read).1
    }

    #[tokio::test]
    async fn the_preface_is_http2_however_it_is_cut() {
        for cut in 0..PREFACE.len() {
            let (one, other) = PREFACE.split_at(cut);
            let (protocol, all) = sniffed(&[one, other, b"rest"]).await.unwrap();
            assert_eq!(protocol, Protocol::Http2);
            assert_eq!(all, [PREFACE.as_slice(), b"rest"].concat());
        }
    }

    #[tokio::test]
    async fn anything_else_is_http1_and_nothing_of_it_is_lost() {
        for text in [
            "GET / HTTP/1.1\r\n\r\n",
            "P",
            "POST / HTTP/1.1\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\nX",
            "\u{16}\u{3}",
        ] {
            let (protocol, all) = sniffed(&[text.as_bytes()]).await.unwrap();
            assert_eq!(protocol, Protocol::Http1, "{text}");
            assert_eq!(all, text.as_bytes());
        }
        assert_eq!(sniffed(&[]).await, None);
    }
}
