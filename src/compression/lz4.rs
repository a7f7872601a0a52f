//! LZ4 frames: the container around `lz4_flex`'s blocks.
//!
//! That crate's own frames are streams, which buffer every block on its way in and out. Here a value is in memory already
//! and its blocks go straight to where they stay, which is twice as fast for values of the usual size.

use lz4_flex::block::{self, DecompressError};
use twox_hash::XxHash32;

use super::Fault;
use super::output::{self, Output};

pub(super) const MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();

/// Frames of applications, to be skipped: the last four bits are free.
const SKIPPABLE: u32 = 0x184d_2a50;

/// A run is told in bytes of 255 each.
const MOST_PER_BYTE: usize = 255;

/// How far back a match may reach.
const WINDOW: usize = 64 << 10;

/// In place of another block.
const END: [u8; 4] = [0; 4];

/// Set in a block's size if the block is stored as it is.
const STORED: u32 = 1 << 31;

// The flags of a frame.
const VERSION: u8 = 0b0100_0000;
const VERSION_MASK: u8 = 0b1100_0000;
const INDEPENDENT: u8 = 0b0010_0000;
const BLOCK_CHECKSUMS: u8 = 0b0001_0000;
const CONTENT_SIZE: u8 = 0b0000_1000;
const CONTENT_CHECKSUM: u8 = 0b0000_0100;
const RESERVED: u8 = 0b0000_0010;
const DICTIONARY: u8 = 0b0000_0001;

/// The sizes that blocks may have, by their code less four.
const BLOCK_SIZES: [usize; 4] = [64 << 10, 256 << 10, 1 << 20, 4 << 20];

fn checksum(data: &[u8]) -> u32 {
    XxHash32::oneshot(0, data)
}

/// One block if possible: then nothing has to be told twice. What protects it is a checksum of the block, which is as good as
/// one of the content and takes a fraction of its time.
pub(super) fn compress(data: &[u8], packed: &mut Vec<u8>) -> Result<(), Fault> {
    let (code, size) = (4..).zip(BLOCK_SIZES).find(|(_, size)| *size >= data.len()).unwrap_or((7, BLOCK_SIZES[3]));
    let descriptor = [VERSION | INDEPENDENT | BLOCK_CHECKSUMS | CONTENT_SIZE, code << 4];
    let mut header = Vec::with_capacity(19);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&descriptor);
    header.extend_from_slice(&(data.len() as u64).to_le_bytes());
    header.push(header_checksum(&header[4..]));

    let room = header.len() + data.chunks(size).map(|chunk| room(chunk.len())).sum::<usize>() + END.len();
    Output::resize(packed, room)?;
    packed[..header.len()].copy_from_slice(&header);
    let mut end = header.len();
    for chunk in data.chunks(size) {
        let body = end + 4;
        let len = block::compress_into(chunk, &mut packed[body..]).map_err(|_| Fault::Memory)?;
        let (len, flag) = if len < chunk.len() {
            (len, 0)
        } else {
            packed[body..body + chunk.len()].copy_from_slice(chunk);
            (chunk.len(), STORED)
        };
        let word = u32::try_from(len).map_err(|_| Fault::Memory)? | flag;
        packed[end..body].copy_from_slice(&word.to_le_bytes());
        end = body + len;
        let sum = checksum(&packed[body..end]).to_le_bytes();
        packed[end..end + sum.len()].copy_from_slice(&sum);
        end += sum.len();
    }
    packed.truncate(end);
    packed.extend_from_slice(&END);
    Ok(())
}

/// A block with its size and its checksum.
fn room(len: usize) -> usize {
    4 + block::get_maximum_output_size(len) + 4
}

fn header_checksum(descriptor: &[u8]) -> u8 {
    checksum(descriptor).to_le_bytes()[1]
}

/// What stands before the blocks of a frame.
struct Header {
    flags: u8,
    block_size: usize,
    content_size: Option<u64>,
}

/// A place in the data.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, n: usize) -> Result<&'a [u8], Fault> {
        let (head, rest) = self.0.split_at_checked(n).ok_or(Fault::Damaged)?;
        self.0 = rest;
        Ok(head)
    }

    fn word(&mut self) -> Result<u32, Fault> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Fault::Damaged)?;
        self.0 = rest;
        Ok(u32::from_le_bytes(*head))
    }

    /// Goes to the next frame's header and reads it; `None` at the end.
    fn header(&mut self) -> Result<Option<Header>, Fault> {
        while !self.0.is_empty() {
            match self.word()? {
                magic if magic.to_le_bytes() == MAGIC => return self.descriptor().map(Some),
                magic if magic & !0xf == SKIPPABLE => {
                    let len = self.word()?;
                    self.bytes(usize::try_from(len).map_err(|_| Fault::Damaged)?)?;
                }
                _ => return Err(Fault::Damaged),
            }
        }
        Ok(None)
    }

    fn descriptor(&mut self) -> Result<Header, Fault> {
        let [flags, block, ..] = *self.0 else { return Err(Fault::Damaged) };
        // Values that need a dictionary are nobody's here.
        if flags & VERSION_MASK != VERSION || flags & (RESERVED | DICTIONARY) != 0 || block & 0b1000_1111 != 0 {
            return Err(Fault::Damaged);
        }
        let has_size = flags & CONTENT_SIZE != 0;
        let descriptor = self.bytes(if has_size { 10 } else { 2 })?;
        if self.bytes(1)? != [header_checksum(descriptor)] {
            return Err(Fault::Damaged);
        }
        let code = usize::from(block >> 4).checked_sub(4).ok_or(Fault::Damaged)?;
        let content_size = descriptor[2..].first_chunk().map(|size| u64::from_le_bytes(*size));
        Ok(Header { flags, block_size: BLOCK_SIZES[code], content_size })
    }
}

/// The size that the first frame declares; usually there is no other.
pub(super) fn expected(data: &[u8], limit: Option<usize>) -> Result<usize, Fault> {
    let Some(header) = Reader(data).header()? else { return Err(Fault::Damaged) };
    match header.content_size {
        Some(size) => output::declared(size, data.len().saturating_mul(MOST_PER_BYTE), limit),
        None => Ok(output::guess(data, limit)),
    }
}

pub(super) fn decompress(
    data: &[u8],
    limit: Option<usize>,
    first: usize,
    output: &mut impl Output,
) -> Result<(), Fault> {
    let mut reader = Reader(data);
    let mut target = Target { output, limit, size: first, end: 0 };
    target.output.resize(first)?;
    while let Some(header) = reader.header()? {
        frame(&mut reader, &header, &mut target)?;
    }
    target.output.resize(target.end)?;
    Ok(())
}

fn frame<O: Output>(reader: &mut Reader<'_>, header: &Header, target: &mut Target<'_, O>) -> Result<(), Fault> {
    let start = target.end;
    loop {
        let word = reader.word()?;
        if word == 0 {
            break;
        }
        let len = usize::try_from(word & !STORED).map_err(|_| Fault::Damaged)?;
        if len > header.block_size {
            return Err(Fault::Damaged);
        }
        let body = reader.bytes(len)?;
        if header.flags & BLOCK_CHECKSUMS != 0 && reader.word()? != checksum(body) {
            return Err(Fault::Damaged);
        }
        if word & STORED != 0 {
            target.store(body)?;
        } else {
            let from =
                if header.flags & INDEPENDENT == 0 { start.max(target.end.saturating_sub(WINDOW)) } else { target.end };
            target.expand(body, from, header.block_size)?;
        }
    }
    let content = target.since(start)?;
    if header.content_size.is_some_and(|size| size != content.len() as u64) {
        return Err(Fault::Damaged);
    }
    if header.flags & CONTENT_CHECKSUM != 0 && reader.word()? != checksum(content) {
        return Err(Fault::Damaged);
    }
    Ok(())
}

/// The output as far as it is filled.
struct Target<'a, O> {
    output: &'a mut O,
    limit: Option<usize>,
    size: usize,
    end: usize,
}

impl<O: Output> Target<'_, O> {
    fn since(&mut self, start: usize) -> Result<&[u8], Fault> {
        Ok(&self.output.resize(self.size)?[start..self.end])
    }

    fn store(&mut self, body: &[u8]) -> Result<(), Fault> {
        let end = self.end + body.len();
        if self.limit.is_some_and(|limit| end > limit) {
            return Err(Fault::TooLarge);
        }
        self.size = self.size.max(end);
        self.output.resize(self.size)?[self.end..end].copy_from_slice(body);
        self.end = end;
        Ok(())
    }

    /// Expands a block, whose matches may reach back to `from`.
    fn expand(&mut self, body: &[u8], from: usize, block_size: usize) -> Result<(), Fault> {
        let most = block_size.min(body.len().saturating_mul(MOST_PER_BYTE));
        let limit = self.limit.unwrap_or(usize::MAX);
        loop {
            let (before, room) = self.output.resize(self.size)?.split_at_mut(self.end);
            let available = room.len().min(most).min(limit - self.end);
            let room = &mut room[..available];
            let window = &before[from..];
            let expanded = if window.is_empty() {
                block::decompress_into(body, room)
            } else {
                block::decompress_into_with_dict(body, room, window)
            };
            match expanded {
                Ok(len) => {
                    self.end += len;
                    return Ok(());
                }
                Err(DecompressError::OutputTooSmall { .. }) if available < most => {
                    let enough = self.end.saturating_add(most).min(limit);
                    if enough <= self.size {
                        return Err(Fault::TooLarge);
                    }
                    self.size = enough;
                }
                Err(_) => return Err(Fault::Damaged),
            }
        }
    }
}
