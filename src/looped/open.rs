//! A connection that the loop has registered: its link, its socket, and the replies that come in.

use std::io;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use super::crowd::Crowd;
use super::waiter::{Done, Waiter};
use crate::control::Watch;
use crate::errors::{Error, Kind};
use crate::node::{Connection, Node};
use crate::reply::{self, Landing};
use crate::transport::{Transport, Wait};
use crate::wire::{Link, Received};

/// So much is received before the loop gets a turn, unless all has to be.
const AT_ONCE: usize = 8 * 1024 * 1024;

pub(super) struct Open {
    pub(super) link: Link<Waiter>,
    pub(super) transport: Transport,
    pub(super) landing: Option<Landing>,
    /// A writer is registered too.
    pub(super) writing: bool,
    /// Requests on the link since the last write.
    pub(super) unsent: usize,
    pub(super) crowd: Crowd,
    /// A PING is on its way (`health_check_interval`); requests wait until it is answered.
    pub(super) checking: bool,
    /// When the server last gave a sign of life, or began to owe one.
    pub(super) progress: Instant,
    /// Watches the socket where the loop itself cannot.
    pub(super) watch: Option<Watch>,
}

impl Open {
    pub(super) fn new(link: Link<Waiter>, transport: Transport, watch: Option<Watch>) -> Self {
        Self {
            link,
            transport,
            landing: None,
            writing: false,
            unsent: 0,
            crowd: Crowd::default(),
            checking: false,
            progress: Instant::now(),
            watch,
        }
    }

    pub(super) fn push(&mut self, mut waiter: Waiter) {
        if self.link.in_flight() == 0 {
            self.progress = Instant::now();
        }
        self.unsent += 1;
        waiter.offset = self.link.output.pushed();
        if waiter.request.waits() {
            // From here on it is the server that waits.
            waiter.left = waiter.deadline.take().map(|deadline| deadline.saturating_duration_since(Instant::now()));
        }
        self.link.push_with(waiter, |waiter| (&waiter.request.payload, waiter.request.replies));
        self.crowd.grown(self.link.in_flight());
    }

    /// Until when the reply that is owed first may go on arriving: its waiter has been told long before.
    pub(super) fn overdue(&self, patience: Option<Duration>) -> Option<Instant> {
        let deadline = self.link.waiters().next()?.deadline?;
        deadline.checked_add(patience?)
    }

    /// Receives once, or until nothing is left, and takes every reply that is complete.
    pub(super) fn read(&mut self, py: Python<'_>, node: &Node, drain: bool, done: &mut Vec<Done>) -> Result<(), Error> {
        let mut taken = 0;
        loop {
            let (n, room) = match self.receive() {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::io("connection lost", &error)),
            };
            if n == 0 {
                // Unless the link says that it had no room.
                self.link.has_reply().map_err(Error::protocol)?;
                return Err(Error::closed());
            }
            self.progress = Instant::now();
            self.take(py, node, done)?;
            if self.link.in_flight() == 0 {
                self.crowd.gone();
            }
            taken += n;
            // The loop has other things to do as well; it comes back for the rest.
            if taken > AT_ONCE && !drain && !self.transport.is_tls() {
                return Ok(());
            }
            // A large value keeps arriving, and the TLS session may hold records that the socket no longer shows.
            if n < room && self.landing.is_none() && !drain && !self.transport.is_tls() {
                return Ok(());
            }
        }
    }

    pub(super) fn receive(&mut self) -> io::Result<(usize, usize)> {
        if let Some(landing) = self.landing.as_mut().filter(|landing| !landing.is_full()) {
            let room = landing.unfilled().len();
            let n = self.transport.receive(landing.unfilled(), Wait::No)?;
            landing.filled(n);
            if landing.is_full() {
                self.link.end_large();
            }
            return Ok((n, room));
        }
        let spare = self.link.spare();
        let room = spare.len();
        let n = self.transport.receive_into(spare, Wait::No)?;
        self.link.filled(n);
        Ok((n, room))
    }

    pub(super) fn take(&mut self, py: Python<'_>, node: &Node, done: &mut Vec<Done>) -> Result<(), Error> {
        let convert = |waiter: &mut Waiter, frame: &[u8]| {
            let reply = reply::convert(py, frame, waiter.origin(node), waiter.reading.as_ref());
            reply::add(py, &waiter.request, &mut waiter.values, reply)
        };
        let landed = |waiter: &mut Waiter, landing: Option<Landing>| {
            let value = landing.map_or_else(|| py.None(), Landing::into_bytes);
            let reply = reply::landed(py, value, waiter.reading.as_ref());
            reply::add(py, &waiter.request, &mut waiter.values, reply)
        };
        // Whoever is off the link must get an answer.
        let incomplete = || Err(Error::new(Kind::Internal, "a reply is missing"));
        while let Some(received) = self.link.receive().map_err(Error::protocol)? {
            match received {
                Received::Part(waiter, frame) => drop(convert(waiter, frame)),
                Received::PartLarge(waiter) => drop(landed(waiter, self.landing.take())),
                Received::Last(mut waiter, frame) => {
                    let outcome = convert(&mut waiter, frame).unwrap_or_else(incomplete);
                    done.push(Done::of(waiter, outcome));
                }
                Received::LastLarge(mut waiter) => {
                    let outcome = landed(&mut waiter, self.landing.take()).unwrap_or_else(incomplete);
                    done.push(Done::of(waiter, outcome));
                }
            }
        }
        if self.landing.is_none()
            && let Some(len) = self.link.large()
        {
            let mut landing = Landing::new(py, len).map_err(Error::foreign)?;
            landing.copy(self.link.begin_large());
            if landing.is_full() {
                self.link.end_large();
            }
            self.landing = Some(landing);
        }
        Ok(())
    }

    pub(super) fn into_connection(self) -> Option<Connection> {
        let Self { link, transport, progress, .. } = self;
        if !transport.is_ours() || transport.is_writing() || !link.is_clean() {
            return None;
        }
        let link = link.handover()?;
        // uvloop leaves O_NONBLOCK set.
        transport.make_blocking().ok()?;
        Some(Connection { transport, link, used: progress })
    }
}
