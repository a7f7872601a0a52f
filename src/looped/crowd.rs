//! How many use a connection at once, and so when it is worth a write.
//!
//! Each write costs as much as making two requests, and has a sleeping server woken. So a crowd's requests are best sent
//! in two halves: the server works on the one while the loop makes the other. How many there will be is not known when
//! the first come, but it is most likely as many as the last time.

/// Fewer requests are not worth a write of their own while others are in flight.
const LEAST: usize = 8;
/// From this size on a crowd's first request waits for the others.
const LARGE: usize = 24;
/// The same where each of several servers sees a part of it: another one works while this one waits.
const LARGE_PART: usize = 8;

/// A crowd is sent in so many parts: the server takes longer for scripts than the loop, and is not to wait for them.
const PARTS: usize = 2;
const SCRIPT_PARTS: usize = 6;

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

    /// Whether so many unsent requests are sent at once, and not at the end of the loop's iteration. `first`: nothing
    /// else is in flight. `sharded`: other servers have their part in it.
    pub(super) fn is_ready(&self, unsent: usize, first: bool, script: bool, sharded: bool) -> bool {
        let size = self.before.max(self.now);
        let large = if sharded { LARGE_PART } else { LARGE };
        let parts = if script { SCRIPT_PARTS } else { PARTS };
        first && (script || size < large) || unsent >= LEAST.max(size.div_ceil(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::Crowd;

    /// After which of `requests` requests on an idle connection a write follows.
    fn writes(crowd: &mut Crowd, requests: usize) -> Vec<usize> {
        writes_of(crowd, requests, false, false)
    }

    fn writes_of(crowd: &mut Crowd, requests: usize, scripts: bool, sharded: bool) -> Vec<usize> {
        let mut unsent = 0;
        let mut written = Vec::new();
        for number in 1..=requests {
            unsent += 1;
            crowd.grown(number);
            if crowd.is_ready(unsent, number == 1, scripts, sharded) {
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
    fn a_small_crowd_does_not_let_its_first_wait() {
        let mut crowd = Crowd::default();
        writes(&mut crowd, 20);
        assert_eq!(writes(&mut crowd, 20), [1, 11]);
    }

    #[test]
    fn a_part_of_a_crowd_does_if_there_are_other_servers() {
        let mut crowd = Crowd::default();
        writes_of(&mut crowd, 17, false, true);
        assert_eq!(writes_of(&mut crowd, 17, false, true), [9]);
        writes_of(&mut crowd, 5, false, true);
        assert_eq!(writes_of(&mut crowd, 5, false, true), [1]);
    }

    #[test]
    fn scripts_are_sent_in_smaller_parts_and_the_first_does_not_wait() {
        let mut crowd = Crowd::default();
        writes_of(&mut crowd, 60, true, false);
        assert_eq!(writes_of(&mut crowd, 60, true, false), [1, 11, 21, 31, 41, 51]);
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
