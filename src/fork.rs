//! What must not be shared with a forked child.
//!
//! The child closes its copies of the parent's sockets (no shutdown, no TLS close-notify: the conversation is the
//! parent's) and everything else finds by the generation that it has to start anew. It is the C library that tells us,
//! not Python's `os.register_at_fork`: application servers written in C, as uWSGI, fork without a word to Python. No lock
//! is involved, nor anything else that a signal handler must not do: that is what holds in a forked child.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Descriptors beyond this are not tracked; Linux allows a process so many unless it is told otherwise.
const DESCRIPTORS: usize = 1 << 20;

/// How long to wait for a fork that is under way; it takes the kernel about as long.
const PAUSE: Duration = Duration::from_millis(1);

static GENERATION: AtomicU64 = AtomicU64::new(0);
/// Forks of this process that have begun, and that are over.
static BEGUN: AtomicU64 = AtomicU64::new(0);
static OVER: AtomicU64 = AtomicU64::new(0);
/// The identity of each descriptor that is a socket of ours. The memory is the system's until it is written to.
static SOCKETS: [AtomicU64; DESCRIPTORS] = [const { AtomicU64::new(0) }; DESCRIPTORS];
/// The highest number in use so far.
static HIGHEST: AtomicUsize = AtomicUsize::new(0);

/// How many forks lie between this process and the one that loaded the module.
pub(crate) fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// A descriptor's place on the list. It is left after the descriptor is closed: then the number may be somebody else's,
/// but not the identity.
pub(crate) struct Listed {
    fd: RawFd,
    identity: u64,
}

impl Listed {
    pub(crate) fn new(fd: RawFd) -> Self {
        let identity = identity(fd);
        if let Some(place) = place(fd) {
            place.store(identity, Ordering::SeqCst);
            HIGHEST.fetch_max(usize::try_from(fd).unwrap_or_default(), Ordering::SeqCst);
        }
        Self { fd, identity }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        // The kernel copies the descriptors before the memory: what is closed in between is still the child's to close.
        // A place that is kept does no harm: the number is soon somebody else's, but never the identity.
        if !is_under_way()
            && let Some(place) = place(self.fd)
        {
            // Whoever has the number by now keeps its place.
            let _ = place.compare_exchange(self.identity, 0, Ordering::SeqCst, Ordering::SeqCst);
        }
    }
}

fn place(fd: RawFd) -> Option<&'static AtomicU64> {
    SOCKETS.get(usize::try_from(fd).ok()?)
}

/// Whether this process is being forked.
fn is_under_way() -> bool {
    // No handler is called without the other, but if it were: better unprotected than waiting for ever.
    OVER.load(Ordering::SeqCst) < BEGUN.load(Ordering::SeqCst)
}

/// The inode of an open descriptor, and that it is one. Where sockets have none, it is the same for all of them.
fn identity(fd: RawFd) -> u64 {
    let mut status = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `status` is as large as the call needs, and is read only if the call has filled it.
    let inode = unsafe {
        if libc::fstat(fd, status.as_mut_ptr()) != 0 {
            return 0;
        }
        status.assume_init().st_ino
    };
    inode << 1 | 1
}

/// What `open` makes, on the list before any child can have it: threads without the GIL go on while another one forks.
/// Bound in this order, the place is given up last.
pub(crate) async fn listed<T: AsRawFd>(open: impl Fn() -> io::Result<T>) -> io::Result<(Listed, T)> {
    loop {
        let begun = BEGUN.load(Ordering::SeqCst);
        if !is_under_way() {
            let made = open()?;
            let listed = Listed::new(made.as_raw_fd());
            if BEGUN.load(Ordering::SeqCst) == begun {
                return Ok((listed, made));
            }
            // A child may have it that does not know of it: it is to be a copy of nothing.
            drop(made);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Has the C library call us at every fork.
pub(crate) fn prepare() -> io::Result<()> {
    // SAFETY: the handlers live as long as the process, for Python never unloads a module. They touch atomics, and in the
    // child call `fstat` and `close`.
    match unsafe { libc::pthread_atfork(Some(before_fork), Some(after_fork_in_parent), Some(after_fork_in_child)) } {
        0 => Ok(()),
        number => Err(io::Error::from_raw_os_error(number)),
    }
}

extern "C" fn before_fork() {
    BEGUN.fetch_add(1, Ordering::SeqCst);
}

/// Called too when no child came about.
extern "C" fn after_fork_in_parent() {
    OVER.fetch_add(1, Ordering::SeqCst);
}

extern "C" fn after_fork_in_child() {
    OVER.store(BEGUN.load(Ordering::SeqCst), Ordering::SeqCst);
    GENERATION.fetch_add(1, Ordering::Relaxed);
    for (fd, place) in SOCKETS.iter().enumerate().take(HIGHEST.load(Ordering::SeqCst) + 1) {
        let known = place.swap(0, Ordering::SeqCst);
        if let Ok(fd) = RawFd::try_from(fd)
            && known != 0
            && known == identity(fd)
        {
            // SAFETY: a descriptor of a socket that this module opened; its owner sees the new generation and leaves
            // it be.
            unsafe { libc::close(fd) };
        }
    }
}
