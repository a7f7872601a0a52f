//! Arbitrary bytes as a compressed value: a result within the limit or a fault, in no more memory than that; and what
//! is compressed comes back.

#![no_main]

use _core::compression::{Fault, Format, Output};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1 << 20;

/// A buffer that nobody enlarges beyond the limit.
#[derive(Default)]
struct Bounded(Vec<u8>);

impl Output for Bounded {
    fn resize(&mut self, size: usize) -> Result<&mut [u8], Fault> {
        assert!(size <= LIMIT + 1, "{size} bytes were asked for");
        Output::resize(&mut self.0, size)
    }
}

fn decompress(format: Format, data: &[u8]) -> Option<Vec<u8>> {
    let mut output = Bounded::default();
    let done = format.decompress(data, Some(LIMIT), &mut output);
    assert!(done.is_err() || output.0.len() <= LIMIT, "more than the limit");
    done.is_ok().then_some(output.0)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, data)) = bytes.split_first() else { return };
    let format = Format::ALL[usize::from(choice & 0x7f) % Format::ALL.len()];
    if choice & 0x80 == 0 {
        // Twice: what a thread keeps from the first time must not show.
        assert_eq!(decompress(format, data), decompress(format, data));
    } else {
        let level = 1.min(*format.levels().end());
        let mut packed = Vec::new();
        format.compress(level, data, &mut packed).expect("there is memory");
        assert!(format.fits(&packed));
        assert_eq!(decompress(format, &packed).as_deref(), Some(data));
    }
});
