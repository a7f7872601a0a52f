//! The receive buffer.

/// Bytes that are asked of the socket at once.
const CHUNK: usize = 64 * 1024;
/// A buffer that had to grow beyond this for one reply is given back afterwards.
const KEEP: usize = 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Room for at least one more chunk, or for what a frame of `need` bytes still lacks. It grows no faster than
    /// data came, so that a length that a server merely claims costs nothing.
    ///
    /// Nothing, if there is no memory for that.
    pub(super) fn spare(&mut self, need: usize) -> &mut [u8] {
        self.settle();
        let held = self.end - self.start;
        let room = need.saturating_sub(held).clamp(CHUNK, held.max(CHUNK));
        if self.buffer.len() - self.end < room {
            // Only what stands behind consumed replies is moved, so a frame that grows in many pieces moves once.
            if self.start > 0 {
                #[cfg(test)]
                super::tests::work::count(held);
                self.buffer.copy_within(self.start..self.end, 0);
                self.start = 0;
                self.end = held;
            }
            if self.buffer.is_empty() {
                // Memory that is zero already need not be written to, as it would be to grow.
                self.buffer = vec![0; room];
            } else if self.buffer.len() - held < room {
                #[cfg(test)]
                super::tests::work::count(held + room - self.buffer.len());
                let more = held + room - self.buffer.len();
                if self.buffer.try_reserve_exact(more).is_err() {
                    return &mut [];
                }
                self.buffer.resize(held + room, 0);
            }
        }
        &mut self.buffer[self.end..]
    }

    pub(super) fn filled(&mut self, n: usize) {
        self.end = self.end.saturating_add(n).min(self.buffer.len());
    }

    /// Takes the first `n` bytes; they stay readable until the buffer is next changed.
    pub(super) fn take(&mut self, n: usize) -> &[u8] {
        let from = self.start;
        self.start = from.saturating_add(n).min(self.end);
        &self.buffer[from..self.start]
    }

    /// Gives back the memory of an exceptional reply once it is consumed.
    pub(super) fn settle(&mut self) {
        if self.is_empty() {
            self.start = 0;
            self.end = 0;
            if self.buffer.len() > KEEP {
                self.buffer = Vec::new();
            }
        }
    }
}
