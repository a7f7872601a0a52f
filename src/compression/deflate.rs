//! zlib (RFC 1950) and gzip (RFC 1952).

use std::ops::RangeInclusive;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::Fault;
use super::output::{self, Output, Step, taken};

/// As for Python's `zlib`, -1 is its default.
pub(super) const LEVELS: RangeInclusive<i32> = -1..=9;

pub(super) const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// One bit can stand for 258 bytes at most, and a block that does so has a few bits more.
const MOST_PER_BYTE: usize = 1032;

/// The largest window: the only one that every decoder accepts.
const WINDOW_BITS: u8 = 15;

/// What the header, the trailer and the blocks of incompressible data add at most, rounded up.
fn room(len: usize) -> usize {
    len + len / 1000 + 64
}

pub(super) fn zlib(level: i32, data: &[u8], packed: &mut Vec<u8>) -> Result<(), Fault> {
    compress(Compress::new(compression(level), true), data, packed)
}

pub(super) fn gzip(level: i32, data: &[u8], packed: &mut Vec<u8>) -> Result<(), Fault> {
    compress(Compress::new_gzip(compression(level), WINDOW_BITS), data, packed)
}

fn compression(level: i32) -> Compression {
    u32::try_from(level).map_or_else(|_| Compression::default(), Compression::new)
}

fn compress(mut encoder: Compress, data: &[u8], packed: &mut Vec<u8>) -> Result<(), Fault> {
    let mut read = 0;
    loop {
        packed.try_reserve(room(data.len() - read)).map_err(|_| Fault::Memory)?;
        let before = encoder.total_in();
        let status = encoder.compress_vec(&data[read..], packed, FlushCompress::Finish);
        match status.map_err(|_| Fault::Damaged)? {
            Status::StreamEnd => return Ok(()),
            // It wants more room; there is always more by the time that this loop is here again.
            Status::Ok | Status::BufError => read += taken(before, encoder.total_in()),
        }
    }
}

/// CM is 8, the window at most 32 KiB, the two bytes are a multiple of 31, and there is no preset dictionary.
pub(super) fn fits_zlib(data: &[u8]) -> bool {
    let [method, flags, _, ..] = data else { return false };
    method & 0x0f == 8
        && method >> 4 <= 7
        && flags & 0x20 == 0
        && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
}

/// The size in the trailer is that of the last member only, so it is a first size and no more.
pub(super) fn expected_of_gzip(data: &[u8], limit: Option<usize>) -> Result<usize, Fault> {
    let Some(trailer) = data.last_chunk::<4>() else { return Err(Fault::Damaged) };
    let size = u64::from(u32::from_le_bytes(*trailer));
    match output::declared(size, data.len().saturating_mul(MOST_PER_BYTE), limit) {
        Ok(size) => Ok(size),
        // It may be no trailer: another member or padding can follow it.
        Err(_) => Ok(output::guess(data, limit)),
    }
}

pub(super) fn decompress_zlib(
    data: &[u8],
    limit: Option<usize>,
    first: usize,
    output: &mut impl Output,
) -> Result<(), Fault> {
    let mut decoder = Decompress::new(true);
    let read = output::run(data, limit, first, output, |input, room| inflate(&mut decoder, input, room))?;
    if read == data.len() { Ok(()) } else { Err(Fault::Damaged) }
}

/// Members may follow each other, and zeros may follow the last: `gzip` itself reads both.
pub(super) fn decompress_gzip(
    data: &[u8],
    limit: Option<usize>,
    first: usize,
    output: &mut impl Output,
) -> Result<(), Fault> {
    let mut decoder = Decompress::new_gzip(WINDOW_BITS);
    output::run(data, limit, first, output, |input, room| {
        let mut step = inflate(&mut decoder, input, room)?;
        if step.ended {
            let rest = &input[step.read..];
            step.ended = rest.iter().all(|byte| *byte == 0);
            if !step.ended {
                decoder = Decompress::new_gzip(WINDOW_BITS);
            }
        }
        Ok(step)
    })?;
    Ok(())
}

fn inflate(decoder: &mut Decompress, input: &[u8], room: &mut [u8]) -> Result<Step, Fault> {
    let (read, written) = (decoder.total_in(), decoder.total_out());
    let status = decoder.decompress(input, room, FlushDecompress::None).map_err(|_| Fault::Damaged)?;
    let (read, written) = (taken(read, decoder.total_in()), taken(written, decoder.total_out()));
    Ok(Step { read, written, ended: status == Status::StreamEnd })
}
