//! How many use a connection at once, and so when it is worth a write.
//!
//! Each write costs as much as making several requests, and has a sleeping server woken. So a crowd's requests are best sent
//! in parts: the server works on the one while the loop makes the other. How many there will be is not known when the
//! first come, but it is most likely as many as the last time.

use crate::request::Request;
use crate::retry::Form;

/// Fewer requests are not worth a write of their own while others are in flight.
const LEAST: usize = 8;
/// From this size on a crowd's first request waits for the others.
const LARGE: usize = 24;
/// The same where each of several servers sees a part of it: another one works while this one waits.
const LARGE_PART: usize = 8;

/// What the server has to do, and so in how many parts a crowd is best sent: it should neither fall asleep between two of
/// them nor leave the loop waiting for the last.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Less than the loop.
    Read,
    /// A little more than for reading: the last part is to be a small one.
    Write,
    /// More than the loop: it is not to wait for any.
    Script,
}

impl Work {
    pub(super) fn of(request: &Request) -> Self {
        match request.nature().form {
            Form::Script => Self::Script,
            _ if request.write => Self::Write,
            _ => Self::Read,
        }
    }

    /// Into how many parts a crowd is divided by this one. `first`: nothing of it has been sent.
    fn parts(self, first: bool) -> usize {
        match self {
            Self::Read => 2,
            Self::Write => 2 + usize::from(!first),
            Self::Script => 4,
        }
    }
}

/// The most requests that were in flight at once. A run begins with the first request on an idle connection, and ends
/// when nothing is owed any more.
#[derive(Default)]
pub(super) struct Crowd {
    /// In this run so far.
    now: usize,
    /// In the run before.
    before: usize,
}

impl Crowd {
    pub(super) fn grown(&mut self, in_flight: usize) {
        self.now = self.now.max(in_flight);
    }

    pub(super) fn gone(&mut self) {
        self.before = std::mem::take(&mut self.now);
    }

    /// Whether so many unsent requests, the last of which means this work, are sent at once, and not at the end of the
    /// loop's iteration. `sharded`: other servers have their part in it.
    pub(super) fn is_ready(&self, unsent: usize, in_flight: usize, work: Work, sharded: bool) -> bool {
        let size = self.before.max(self.now);
        if in_flight == 1 {
            let large = if sharded { LARGE_PART } else { LARGE };
            return work == Work::Script || size < large;
        }
        // Nobody else is expected after as many as the last time.
        let complete = in_flight == self.before;
        unsent >= LEAST.max(size.div_ceil(work.parts(unsent == in_flight))) || complete && unsent * 2 >= LEAST
    }
}

#[cfg(test)]
mod tests {
    use super::{Crowd, Work};

    /// After which of `requests` requests on an idle connection a write follows.
    fn writes(crowd: &mut Crowd, requests: usize) -> Vec<usize> {
        writes_of(crowd, requests, Work::Read, false)
    }

    fn writes_of(crowd: &mut Crowd, requests: usize, work: Work, sharded: bool) -> Vec<usize> {
        let mut unsent = 0;
        let mut written = Vec::new();
        for number in 1..=requests {
            unsent += 1;
            crowd.grown(number);
            if crowd.is_ready(unsent, number, work, sharded) {
                written.push(number);
                unsent = 0;
            }
        }
        crowd.gone();
        written
    }

    #[test]
    fn a_lone_request_is_sent_at_once() {
        let mut crowd = Crowd::default();
        assert_eq!(writes(&mut crowd, 1), [1]);
        assert_eq!(writes(&mut crowd, 1), [1]);
    }

    #[test]
    fn a_known_crowd_is_sent_in_halves() {
        let mut crowd = Crowd::default();
        writes(&mut crowd, 50);
        assert_eq!(writes(&mut crowd, 50), [25, 50]);
        assert_eq!(writes(&mut crowd, 50), [25, 50]);
    }

    #[test]
    fn what_a_crowd_writes_ends_with_a_small_part() {
        let mut crowd = Crowd::default();
        writes_of(&mut crowd, 50, Work::Write, false);
        assert_eq!(writes_of(&mut crowd, 50, Work::Write, false), [25, 42, 50]);
    }

    #[test]
    fn a_small_crowd_does_not_let_its_first_wait() {
        let mut crowd = Crowd::default();
        writes(&mut crowd, 20);
        assert_eq!(writes(&mut crowd, 20), [1, 11, 20]);
    }

    #[test]
    fn a_part_of_a_crowd_does_if_there_are_other_servers() {
        let mut crowd = Crowd::default();
        writes_of(&mut crowd, 17, Work::Read, true);
        assert_eq!(writes_of(&mut crowd, 17, Work::Read, true), [9, 17]);
        writes_of(&mut crowd, 5, Work::Read, true);
        assert_eq!(writes_of(&mut crowd, 5, Work::Read, true), [1, 5]);
    }

    #[test]
    fn scripts_are_sent_in_smaller_parts_and_the_first_does_not_wait() {
        let mut crowd = Crowd::default();
        writes_of(&mut crowd, 60, Work::Script, false);
        assert_eq!(writes_of(&mut crowd, 60, Work::Script, false), [1, 16, 31, 46, 60]);
    }

    #[test]
    fn an_unexpected_crowd_is_sent_in_growing_parts() {
        let mut crowd = Crowd::default();
        assert_eq!(writes(&mut crowd, 100), [1, 9, 18, 36, 72]);
        // And is forgotten after one run without it.
        writes(&mut crowd, 1);
        assert_eq!(writes(&mut crowd, 100), [1, 9, 18, 36, 72]);
    }
}
