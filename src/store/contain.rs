//! Keeping a panic where it happened.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

/// Something panicked; the panic itself has been reported by the panic hook.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a use case panicked")]
pub(super) struct Panicked;

/// Runs a future; a panic in it becomes an error.
pub(super) async fn contain<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(|context| {
        // What a panic may have left half-done is rolled back, or its connection is given up.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    })
    .await
}
