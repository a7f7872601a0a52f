//! Watches a socket for a loop that cannot: one without `add_reader`.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

use crate::errors::Error;
use crate::fork::Listed;
use crate::transport::Transport;

/// Dropped, it ends the watch.
pub(crate) struct Watch(Arc<Notify>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// A second descriptor of the socket, so that closing the first does not pull it from under the runtime.
struct Copy(OwnedFd, #[expect(dead_code, reason = "dropped after the descriptor")] Listed);

impl AsRawFd for Copy {
    fn as_raw_fd(&self) -> i32 {
        self.0.as_raw_fd()
    }
}

/// Calls `readable` on the control plane whenever something has arrived, until it returns false.
pub(crate) fn watch(transport: &Transport, mut readable: impl FnMut() -> bool + Send + 'static) -> io::Result<Watch> {
    let copy = transport.duplicate()?;
    let listed = Listed::new(copy.as_raw_fd());
    let copy = Copy(copy, listed);
    let over = Arc::new(Notify::new());
    let ended = over.clone();
    let watching = async move {
        // SAFETY: `Copy` owns its descriptor and always gives the same one.
        let socket = unsafe { AsyncFd::register_with_interest(copy, Interest::READABLE) }
            .map_err(|error| Error::io("watching", &error.into()))?;
        loop {
            tokio::select! {
                () = ended.notified() => return Ok(()),
                ready = socket.readable() => {
                    let mut ready = ready.map_err(|error| Error::io("watching", &error))?;
                    // Cleared before the loop is told: what arrives while it reads makes a new event.
                    ready.clear_ready();
                    if !readable() {
                        return Ok(());
                    }
                }
            }
        }
    };
    super::spawn(watching, |_: Result<(), Error>| {});
    Ok(Watch(over))
}
