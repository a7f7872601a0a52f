//! What a sentinel tells unasked: that another server is the master now.
//!
//! Nobody waits for it, so no thread has to live for it: who is about to send a request looks, every now and then, whether
//! something has come.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::{Cmd, cmd};

use crate::config::Config;
use crate::control::{self, Answer};
use crate::errors::Result;
use crate::fork;
use crate::node::Connection;
use crate::sync::Mutex;
use crate::transport::Wait;
use crate::wire::Received;

/// Not looked at more often than that: looking is a system call.
const EVERY: Duration = Duration::from_millis(5);
/// The sentinel that leads a failover tells first that it has promoted a replica, and is believed from then on; the others
/// hear it from the leader and tell that they have switched.
const CHANNELS: [&str; 2] = ["+switch-master", "+promoted-slave"];

/// As sentinels announce it.
pub(super) type Announced = (String, u16);

pub(super) enum News {
    Nothing,
    /// Another server is the master of the service.
    Switch {
        old: Announced,
        new: Announced,
    },
    /// The sentinel has gone.
    Lost,
    /// It tells the process that this one was forked from, and has told it who knows what.
    Inherited,
}

impl News {
    /// What a connection that is lost has told at its end.
    fn or_lost(self) -> Self {
        if let Self::Nothing = self { Self::Lost } else { self }
    }
}

pub(super) struct Subscription {
    service: String,
    connection: Mutex<Connection>,
    generation: u64,
    since: Instant,
    /// When to look next, in milliseconds after `since`.
    next: AtomicU64,
}

impl Subscription {
    /// Asks a sentinel, and has it tell when its answers are no longer true.
    pub(super) async fn open(
        sentinel: &Arc<Config>,
        questions: &[Cmd],
        service: &str,
    ) -> Result<(Arc<Self>, Vec<Answer>)> {
        let mut subscribe = cmd("SUBSCRIBE");
        subscribe.arg(&CHANNELS);
        let (connection, answers) = control::ask_and_subscribe(sentinel, questions, &subscribe).await?;
        let subscription = Self {
            service: service.to_owned(),
            connection: Mutex::new(connection),
            generation: fork::generation(),
            since: Instant::now(),
            next: AtomicU64::new(0),
        };
        Ok((Arc::new(subscription), answers))
    }

    /// What has come, if it is time to look; never waits.
    pub(super) fn news(&self, now: Instant) -> News {
        if self.generation != fork::generation() {
            return News::Inherited;
        }
        let now = now.saturating_duration_since(self.since);
        let next = self.next.load(Ordering::Relaxed);
        if now < Duration::from_millis(next) {
            return News::Nothing;
        }
        let later = u64::try_from((now + EVERY).as_millis()).unwrap_or(u64::MAX);
        if self.next.compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return News::Nothing;
        }
        self.connection.try_lock().map_or(News::Nothing, |mut connection| self.read(&mut connection))
    }

    fn read(&self, connection: &mut Connection) -> News {
        let Connection { transport, link, .. } = connection;
        // Nobody may have looked for a long time: only the last that it has told is true.
        let mut news = News::Nothing;
        loop {
            loop {
                match link.receive() {
                    // Refused, it stays silent: then the next error tells.
                    Ok(Some(Received::Part((), frame))) => {
                        if let Some((old, new)) = self.switch(&Answer::of(frame)) {
                            news = News::Switch { old, new };
                        }
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => return news.or_lost(),
                }
            }
            match transport.receive_into(link.spare(), Wait::No) {
                Ok(0) => return news.or_lost(),
                Ok(n) => link.filled(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return news,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return news.or_lost(),
            }
        }
    }

    /// The old and the new master, if a message is about our service.
    fn switch(&self, message: &Answer) -> Option<(Announced, Announced)> {
        let [kind, channel, text] = message.list()? else { return None };
        let words: Vec<_> = text.text()?.split(' ').collect();
        let (service, old, new) = match (channel.text()?, words.as_slice()) {
            ("+switch-master", [service, host, port, new_host, new_port]) => {
                (service, address(host, port)?, address(new_host, new_port)?)
            }
            ("+promoted-slave", ["slave", _, host, port, "@", service, old_host, old_port]) => {
                (service, address(old_host, old_port)?, address(host, port)?)
            }
            _ => return None,
        };
        (kind.text() == Some("message") && *service == self.service).then_some((old, new))
    }
}

fn address(host: &str, port: &str) -> Option<Announced> {
    Some((host.to_owned(), port.parse().ok()?))
}
