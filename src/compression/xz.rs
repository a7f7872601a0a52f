//! The .xz format with LZMA2, as Python's `lzma` writes it.

use std::ops::RangeInclusive;

use liblzma::stream::{Action, CONCATENATED, Check, Error, Filters, LzmaOptions, Status, Stream};

use super::Fault;
use super::output::{self, Output, Step, taken};

pub(super) const LEVELS: RangeInclusive<i32> = 0..=9;

pub(super) const MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];

/// Data says how large a dictionary it wants: up to 4 GiB. The highest level's, 64 MiB, and the decoder's own needs.
const MOST_MEMORY: u64 = 68 << 20;

/// The smallest dictionary that LZMA2 knows.
const SMALLEST_DICTIONARY: u32 = 4096;

/// The dictionary of a level, in bytes.
fn dictionary(level: u32) -> u32 {
    match level {
        0 => 1 << 18,
        1 => 1 << 20,
        2 => 1 << 21,
        3 | 4 => 1 << 22,
        5 | 6 => 1 << 23,
        7 => 1 << 24,
        8 => 1 << 25,
        _ => 1 << 26,
    }
}

pub(super) fn compress(level: i32, data: &[u8], packed: &mut Vec<u8>) -> Result<(), Fault> {
    let level = level.unsigned_abs();
    let mut options = LzmaOptions::new_preset(level).map_err(|_| Fault::Memory)?;
    // What is longer than the data does not help, but is paid for: 48 MB for a page at level 4.
    let enough = u32::try_from(data.len()).unwrap_or(u32::MAX).max(SMALLEST_DICTIONARY);
    options.dict_size(dictionary(level).min(enough));
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let mut encoder = Stream::new_stream_encoder(&filters, Check::Crc64).map_err(|_| Fault::Memory)?;
    let mut read = 0;
    loop {
        packed.try_reserve((data.len() - read) / 2 + 1024).map_err(|_| Fault::Memory)?;
        let before = encoder.total_in();
        let status = encoder.process_vec(&data[read..], packed, Action::Finish);
        if matches!(status.map_err(|_| Fault::Memory)?, Status::StreamEnd) {
            return Ok(());
        }
        read += taken(before, encoder.total_in());
    }
}

pub(super) fn decompress(
    data: &[u8],
    limit: Option<usize>,
    first: usize,
    output: &mut impl Output,
) -> Result<(), Fault> {
    let mut decoder = Stream::new_stream_decoder(MOST_MEMORY, CONCATENATED).map_err(|_| Fault::Memory)?;
    output::run(data, limit, first, output, |input, room| {
        let (read, written) = (decoder.total_in(), decoder.total_out());
        let ended = match decoder.process(input, room, Action::Finish) {
            Ok(Status::StreamEnd) => true,
            Ok(_) => false,
            Err(Error::Mem) => return Err(Fault::Memory),
            Err(Error::MemLimit) => return Err(Fault::TooLarge),
            Err(_) => return Err(Fault::Damaged),
        };
        Ok(Step { read: taken(read, decoder.total_in()), written: taken(written, decoder.total_out()), ended })
    })?;
    Ok(())
}
