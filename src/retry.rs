//! May a command be sent again? Decided here for both drivers.

use std::time::{Duration, Instant};

use crate::config::Config;
use crate::errors::Error;
use crate::request::Request;

/// An attempt that failed.
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// Some byte of the command may have reached the server.
    pub(crate) sent: bool,
    /// The server could not be reached: another attempt at once is as good as a later one.
    pub(crate) connecting: bool,
    /// The server owed a reply and said nothing for `socket_timeout`.
    pub(crate) silent: bool,
}

impl Failure {
    pub(crate) fn unsent(error: Error) -> Self {
        Self { error, sent: false, connecting: true, silent: false }
    }

    pub(crate) fn sent(error: Error) -> Self {
        Self { error, sent: true, connecting: false, silent: false }
    }
}

/// The delay before the next attempt, or `None` if `failure` is final. `attempt` counts from 0.
pub(crate) fn delay(
    config: &Config,
    request: &Request,
    failure: &Failure,
    attempt: u32,
    deadline: Option<Instant>,
) -> Option<Duration> {
    if attempt >= config.retry {
        return None;
    }
    let error = &failure.error;
    let harmless = !failure.sent || request.repeatable;
    let again = error.is_transient_refusal() && !request.is_many()
        || error.is_lost_connection() && harmless
        || error.is_timeout() && harmless && (config.retry_on_timeout || !failure.sent);
    if !again {
        return None;
    }
    let delay = if failure.sent && error.is_lost_connection() || failure.connecting {
        // The node's own reconnect backoff paces this.
        Duration::ZERO
    } else {
        config.retry_backoff.delay(attempt)
    };
    let in_time = deadline.is_none_or(|deadline| Instant::now() + delay < deadline);
    in_time.then_some(delay)
}
