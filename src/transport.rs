//! A connected socket, plain or TLS, that either driver can use.

use std::io::{self, IoSlice, Read, Write};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use rustls::ClientConnection;

use crate::fork::{self, Listed};
use crate::wire::Output;

/// A file descriptor that is closed when dropped, except in a forked child: there it is the parent's, and
/// [`fork::after_fork_in_child`] has closed the child's copy already.
pub(crate) struct Socket {
    inner: ManuallyDrop<socket2::Socket>,
    generation: u64,
    /// Dropped after the socket is closed.
    _listed: Listed,
}

impl Socket {
    pub(crate) fn new(socket: socket2::Socket, listed: Listed) -> Self {
        Self { inner: ManuallyDrop::new(socket), generation: fork::generation(), _listed: listed }
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.inner.as_raw_fd()
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.generation == fork::generation()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.is_ours() {
            // SAFETY: dropped once, here, and not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.inner) };
        }
    }
}

impl std::ops::Deref for Socket {
    type Target = socket2::Socket;

    fn deref(&self) -> &socket2::Socket {
        &self.inner
    }
}

/// Whether a call may wait for the peer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// As long as the socket's receive timeout.
    Yes,
    No,
}

pub(crate) struct Transport {
    socket: Socket,
    tls: Option<Box<ClientConnection>>,
    /// What `SO_RCVTIMEO` is set to; `None` waits for ever.
    receive_timeout: Option<Duration>,
}

/// The socket as rustls wants to see it.
struct Raw<'a> {
    socket: &'a socket2::Socket,
    wait: Wait,
}

impl Read for Raw<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // SAFETY: `u8` and `MaybeUninit<u8>` have the same layout, and recv writes only initialised bytes.
        receive(self.socket, unsafe { &mut *(std::ptr::from_mut(buffer) as *mut [MaybeUninit<u8>]) }, self.wait)
    }
}

impl Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if let [bytes] = slices {
            return self.socket.send_with_flags(bytes, libc::MSG_DONTWAIT | NO_SIGNAL);
        }
        self.socket.send_vectored_with_flags(slices, libc::MSG_DONTWAIT | NO_SIGNAL)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(target_os = "macos")]
const NO_SIGNAL: libc::c_int = 0; // socket2 sets SO_NOSIGPIPE
#[cfg(not(target_os = "macos"))]
const NO_SIGNAL: libc::c_int = libc::MSG_NOSIGNAL;

/// Per-call `MSG_DONTWAIT` instead of `O_NONBLOCK`: the same socket serves a blocking call now and a loop later.
fn receive(socket: &socket2::Socket, buffer: &mut [MaybeUninit<u8>], wait: Wait) -> io::Result<usize> {
    socket.recv_with_flags(buffer, if wait == Wait::Yes { 0 } else { libc::MSG_DONTWAIT })
}

/// A TLS record's largest content: more than this never comes out of rustls at once.
const RECORD: usize = 16 * 1024;

impl Transport {
    pub(crate) fn new(socket: Socket, tls: Option<ClientConnection>) -> Self {
        Self { socket, tls: tls.map(Box::new), receive_timeout: None }
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.socket.fd()
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.socket.is_ours()
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Another descriptor of the same socket.
    pub(crate) fn duplicate(&self) -> io::Result<OwnedFd> {
        self.socket.try_clone().map(OwnedFd::from)
    }

    /// Makes the socket fit for the blocking driver, whatever a loop or tokio did to it.
    pub(crate) fn make_blocking(&self) -> io::Result<()> {
        self.socket.set_nonblocking(false)
    }

    /// How long a receive that waits may wait. Asked for before every receive; costs a system call only on change.
    pub(crate) fn set_receive_timeout(&mut self, limit: Option<Duration>) -> io::Result<()> {
        // A zero SO_RCVTIMEO would mean for ever.
        let limit = limit.map(|limit| limit.max(Duration::from_millis(1)));
        let near = match (self.receive_timeout, limit) {
            (None, None) => true,
            // Rather a little too long than too short.
            (Some(set), Some(wanted)) => set.checked_sub(wanted).is_some_and(|over| over < Duration::from_millis(20)),
            _ => false,
        };
        if !near {
            self.socket.set_read_timeout(limit)?;
            self.receive_timeout = limit;
        }
        Ok(())
    }

    /// Fills the start of `buffer`, of which it need not be initialised; `Ok(0)` is the end of the stream.
    pub(crate) fn receive(&mut self, buffer: &mut [MaybeUninit<u8>], wait: Wait) -> io::Result<usize> {
        let Self { socket, tls, .. } = self;
        let Some(tls) = tls else { return receive(socket, buffer, wait) };
        let len = buffer.len().min(RECORD);
        let buffer = &mut buffer[..len];
        buffer.fill(MaybeUninit::new(0));
        // SAFETY: just initialised.
        let buffer = unsafe { &mut *(std::ptr::from_mut(buffer) as *mut [u8]) };
        let mut waited = false;
        loop {
            match tls.reader().read(buffer) {
                // The caller has to see how much time is left before it waits for the rest of a record.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && waited => {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => waited = wait == Wait::Yes,
                // A peer that closes without a close-notify is just gone.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                done => return done,
            }
            if tls.read_tls(&mut Raw { socket, wait })? == 0 {
                // Let rustls say whether that end was announced.
                let _ = tls.process_new_packets();
                return match tls.reader().read(buffer) {
                    Ok(n) => Ok(n),
                    Err(_) => Ok(0),
                };
            }
            tls.process_new_packets().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            if tls.wants_write() {
                match tls.write_tls(&mut Raw { socket, wait: Wait::No }) {
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                    _ => {}
                }
            }
        }
    }

    /// As [`Transport::receive`], into initialised memory.
    pub(crate) fn receive_into(&mut self, buffer: &mut [u8], wait: Wait) -> io::Result<usize> {
        // SAFETY: `u8` and `MaybeUninit<u8>` have the same layout, and `receive` writes only initialised bytes.
        self.receive(unsafe { &mut *(std::ptr::from_mut(buffer) as *mut [MaybeUninit<u8>]) }, wait)
    }

    /// The TLS session holds records that the socket did not take.
    pub(crate) fn is_writing(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Writes as much as the socket takes without waiting; true when nothing is left.
    pub(crate) fn send(&mut self, output: &mut Output) -> io::Result<bool> {
        let Self { socket, tls, .. } = self;
        let mut raw = Raw { socket, wait: Wait::No };
        loop {
            let written = match tls {
                None if output.is_empty() => return Ok(true),
                None => output.offer(|slices| raw.write_vectored(slices)),
                Some(tls) => {
                    if !output.is_empty() {
                        let taken = output.offer(|slices| tls.writer().write_vectored(slices))?;
                        output.wrote(taken);
                    }
                    if !tls.wants_write() {
                        return Ok(output.is_empty());
                    }
                    tls.write_tls(&mut raw).map(|_| 0)
                }
            };
            match written {
                Ok(n) => output.wrote(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until the socket is readable (or writable, if asked for). False: the time is over.
    pub(crate) fn poll(&self, write: bool, limit: Option<Duration>) -> io::Result<bool> {
        let events = if write { libc::POLLIN | libc::POLLOUT } else { libc::POLLIN };
        let mut entry = libc::pollfd { fd: self.fd(), events, revents: 0 };
        let millis = limit.map_or(-1, |limit| {
            i32::try_from(limit.as_millis()).unwrap_or(i32::MAX).saturating_add(i32::from(!limit.is_zero()))
        });
        // SAFETY: one valid pollfd, counted as one.
        match unsafe { libc::poll(&raw mut entry, 1, millis) } {
            -1 => Err(io::Error::last_os_error()),
            0 => Ok(false),
            _ => Ok(true),
        }
    }

    /// An idle connection on which something arrived is a dead one: nobody is owed anything.
    pub(crate) fn is_stale(&self) -> bool {
        self.poll(false, Some(Duration::ZERO)).unwrap_or(true)
    }
}
