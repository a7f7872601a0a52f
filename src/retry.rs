//! May a command be sent again, when, and where to? Decided here for both drivers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::errors::Error;
use crate::node::Node;
use crate::request::Place;
use crate::topology::{Detour, Lesson, Topology};

/// What part of the limit on the whole operation must be left for an attempt.
const ROOM: u32 = 10;

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
        let connecting = error.is_lost_connection() || error.is_timeout();
        Self { error, sent: false, connecting, silent: false }
    }

    pub(crate) fn sent(error: Error) -> Self {
        Self { error, sent: true, connecting: false, silent: false }
    }
}

/// What has been tried.
#[derive(Default, Clone, Copy)]
pub(crate) struct Attempts {
    failed: u32,
    redirected: u32,
    put_off: u32,
    /// A read went to the primary after a replica had failed.
    fell_back: bool,
}

/// What of a request matters here.
#[derive(Clone, Copy)]
pub(crate) struct Nature {
    pub(crate) write: bool,
    pub(crate) repeatable: bool,
    pub(crate) form: Form,
}

/// How many commands a request is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    One,
    /// One that may answer with whatever it likes.
    Script,
    Many,
    Transaction,
}

/// How to go on.
pub(crate) struct Again {
    pub(crate) delay: Duration,
    pub(crate) detour: Option<Detour>,
    /// After a search for the servers.
    pub(crate) search: bool,
}

/// What to do after an attempt at `node`; `None` if the failure is final.
pub(crate) fn again(
    topology: &dyn Topology,
    node: &Arc<Node>,
    place: &Place,
    nature: Nature,
    failure: &Failure,
    attempts: &mut Attempts,
    deadline: Option<Instant>,
) -> Option<Again> {
    let config = &node.config;
    let is_answer = !failure.error.is_lost_connection() && !failure.error.is_timeout();
    if nature.form == Form::Script && failure.sent && is_answer && !failure.error.is_genuine() {
        return None;
    }
    let in_time = |delay: Duration| {
        // Who waits first needs time for the attempt as well: else a clear refusal would become a time-out.
        let room = if delay.is_zero() { delay } else { config.operation_timeout.unwrap_or_default() / ROOM };
        deadline.is_none_or(|deadline| Instant::now() + delay + room < deadline)
    };
    let search = match topology.learn(node, failure) {
        Lesson::Elsewhere(detour) => {
            attempts.redirected += 1;
            let allowed = attempts.redirected <= topology.max_redirects() && in_time(Duration::ZERO);
            return allowed.then_some(Again { delay: Duration::ZERO, detour: Some(detour), search: false });
        }
        Lesson::Later => {
            let delay = config.retry_backoff.delay(attempts.put_off).max(config.retry_backoff.first);
            attempts.put_off += 1;
            // Who is sent there and put off there is in no circle.
            attempts.redirected = 0;
            // Without a deadline there is an end too.
            let allowed = in_time(delay) && (deadline.is_some() || attempts.put_off <= topology.max_redirects());
            return allowed.then_some(Again { delay, detour: None, search: false });
        }
        Lesson::Nothing => false,
        Lesson::Search => true,
    };
    let error = &failure.error;
    let harmless = !failure.sent || nature.repeatable;
    let unanswered = error.is_lost_connection() || error.is_timeout();
    // A cursor belongs to one server.
    let anywhere = matches!(place, Place::Any | Place::Slot(_));
    if !nature.write
        && !attempts.fell_back
        && unanswered
        && harmless
        && anywhere
        && let Some(primary) = topology.route(place, true)
        && !Arc::ptr_eq(&primary, node)
    {
        attempts.fell_back = true;
        let detour = Some(Detour { node: primary, asking: false });
        return in_time(Duration::ZERO).then_some(Again { delay: Duration::ZERO, detour, search: false });
    }
    // Of several commands some may have been carried out; a transaction that is refused was not.
    let allowed = error.is_transient_refusal() && nature.form != Form::Many
        || error.is_lost_connection() && harmless
        || error.is_timeout() && harmless && (config.retry_on_timeout || !failure.sent);
    if !allowed || attempts.failed >= config.retry {
        return None;
    }
    let delay = if failure.sent && error.is_lost_connection() || failure.connecting {
        // The node's own reconnect backoff paces this.
        Duration::ZERO
    } else {
        config.retry_backoff.delay(attempts.failed)
    };
    attempts.failed += 1;
    in_time(delay).then_some(Again { delay, detour: None, search })
}
