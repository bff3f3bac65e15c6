//! The way to a thread.

use std::sync::{
    Mutex,
    mpsc::{self, Receiver, SyncSender, TrySendError},
};

use super::lock;

/// A bounded queue that can be closed from this end. The thread at the other end still gets what is in it.
#[derive(Debug)]
pub(super) struct Channel<T> {
    sender: Mutex<Option<SyncSender<T>>>,
}

impl<T> Channel<T> {
    pub(super) fn new(capacity: usize) -> (Self, Receiver<T>) {
        let (sender, receiver) = mpsc::sync_channel(capacity);
        let sender = Mutex::new(Some(sender));
        (Self { sender }, receiver)
    }

    /// Sends without waiting.
    pub(super) fn send(&self, item: T) -> Result<(), TrySendError<T>> {
        match &*lock(&self.sender) {
            Some(sender) => sender.try_send(item),
            None => Err(TrySendError::Disconnected(item)),
        }
    }

    pub(super) fn close(&self) {
        lock(&self.sender).take();
    }
}
