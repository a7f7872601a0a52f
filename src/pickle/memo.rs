//! Which values have been written: those that a pickle can refer to.

/// How many places there are at first: enough for most values.
const PLACES: usize = 32;

/// Numbers of values by address, which is their identity while all of them are alive, being part of one value.
///
/// Open addressing in a power of two of places, half of which stay empty: a value is often written in less time than a
/// general hash table takes to grow.
#[derive(Default)]
pub(super) struct Memo {
    /// Addresses and numbers; nothing has the address 0.
    places: Vec<(usize, u32)>,
    taken: usize,
}

impl Memo {
    /// The number of the value at this address.
    pub(super) fn find(&self, address: usize) -> Option<u32> {
        if self.places.is_empty() {
            return None;
        }
        let (found, number) = self.places[self.place(address)];
        (found == address).then_some(number)
    }

    /// The number of the value at this address, or `None` if it had none: now it is `number`.
    pub(super) fn enter(&mut self, address: usize, number: u32) -> Option<u32> {
        if 2 * self.taken >= self.places.len() {
            let count = PLACES.max(2 * self.places.len());
            // Not `vec!`: zeroed memory takes the allocator longer than memory and zeroes.
            let mut bigger = Vec::with_capacity(count);
            bigger.resize(count, (0, 0));
            for (address, number) in std::mem::replace(&mut self.places, bigger) {
                if address != 0 {
                    let place = self.place(address);
                    self.places[place] = (address, number);
                }
            }
        }
        let place = self.place(address);
        if self.places[place].0 == address {
            return Some(self.places[place].1);
        }
        self.places[place] = (address, number);
        self.taken += 1;
        None
    }

    /// Where the address is, or would be.
    fn place(&self, address: usize) -> usize {
        let hash = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let last = self.places.len() - 1;
        let mut place = usize::try_from(hash).unwrap_or_default() & last;
        while self.places[place].0 != 0 && self.places[place].0 != address {
            place = (place + 1) & last;
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_inserted_and_nothing_else() {
        let mut memo = Memo::default();
        assert_eq!(memo.find(16), None);
        for number in 1..=1000_u32 {
            assert_eq!(memo.enter(number as usize * 16, number), None);
        }
        assert_eq!(memo.enter(16, 7), Some(1));
        for number in 1..=1000_u32 {
            assert_eq!(memo.find(number as usize * 16), Some(number));
        }
        assert_eq!(memo.find(1001 * 16), None);
        assert_eq!(memo.taken, 1000);
    }
}
