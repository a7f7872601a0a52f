//! Zstandard frames (RFC 8878).

use std::cell::Cell;
use std::ops::RangeInclusive;

use zstd_safe::zstd_sys::ZSTD_ErrorCode;
use zstd_safe::{CCtx, CParameter, DCtx};

use super::Fault;
use super::output::{self, Output};

pub(super) const MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();

/// A block of the longest kind and the least header: 128 KiB behind three bytes.
const MOST_PER_BYTE: usize = (128 << 10) / 3 + 1;

/// A context that has grown beyond this is not kept: what the high levels need takes no longer to allocate than to use.
const KEPT: usize = 2 << 20;

// Making a context costs more than a value of usual size. One for each thread, because there is no lock to take then, and
// none that a fork could leave behind taken.
thread_local! {
    static COMPRESSOR: Cell<Option<CCtx<'static>>> = const { Cell::new(None) };
    static DECOMPRESSOR: Cell<Option<DCtx<'static>>> = const { Cell::new(None) };
}

pub(super) fn levels() -> RangeInclusive<i32> {
    zstd_safe::min_c_level()..=zstd_safe::max_c_level()
}

pub(super) fn compress(level: i32, data: &[u8], packed: &mut Vec<u8>) -> Result<(), Fault> {
    let kept = COMPRESSOR.try_with(Cell::take).unwrap_or_default();
    let mut context = kept.or_else(CCtx::try_create).ok_or(Fault::Memory)?;
    packed.try_reserve_exact(zstd_safe::compress_bound(data.len())).map_err(|_| Fault::Memory)?;
    // A context that failed is dropped.
    context.set_parameter(CParameter::CompressionLevel(level)).map_err(|_| Fault::Memory)?;
    context.set_parameter(CParameter::ChecksumFlag(true)).map_err(|_| Fault::Memory)?;
    context.compress2(packed, data).map_err(|_| Fault::Memory)?;
    if context.sizeof() <= KEPT {
        // Where the thread is about to end there is nowhere to keep it.
        _ = COMPRESSOR.try_with(|kept| kept.set(Some(context)));
    }
    Ok(())
}

/// What all frames say they hold; `None` if one of them does not say it.
fn declared(data: &[u8], limit: Option<usize>) -> Result<Option<usize>, Fault> {
    let (mut rest, mut total) = (data, Some(0_u64));
    while !rest.is_empty() {
        let len = zstd_safe::find_frame_compressed_size(rest).map_err(|_| Fault::Damaged)?;
        let size = zstd_safe::get_frame_content_size(rest).map_err(|_| Fault::Damaged)?;
        total = total.zip(size).and_then(|(total, size)| total.checked_add(size));
        rest = rest.get(len.max(1)..).ok_or(Fault::Damaged)?;
    }
    total.map(|total| output::declared(total, data.len().saturating_mul(MOST_PER_BYTE), limit)).transpose()
}

pub(super) fn expected(data: &[u8], limit: Option<usize>) -> Result<usize, Fault> {
    Ok(declared(data, limit)?.unwrap_or_else(|| output::guess(data, limit)))
}

pub(super) fn decompress(
    data: &[u8],
    limit: Option<usize>,
    first: usize,
    output: &mut impl Output,
) -> Result<(), Fault> {
    let kept = DECOMPRESSOR.try_with(Cell::take).unwrap_or_default();
    let mut context = kept.or_else(DCtx::try_create).ok_or(Fault::Memory)?;
    let done = fill(&mut context, data, limit, first, output);
    _ = DECOMPRESSOR.try_with(|kept| kept.set(Some(context)));
    let written = done?;
    if limit.is_some_and(|limit| written > limit) {
        return Err(Fault::TooLarge);
    }
    output.resize(written)?;
    Ok(())
}

/// Decompresses in one go, which needs no window beside the output. Where the size was a guess it may take several.
fn fill(
    context: &mut DCtx<'_>,
    data: &[u8],
    limit: Option<usize>,
    first: usize,
    output: &mut impl Output,
) -> Result<usize, Fault> {
    let most = output::ceiling(limit).min(data.len().saturating_mul(MOST_PER_BYTE));
    let mut size = first;
    loop {
        let room = output.resize(size)?;
        match context.decompress(room, data) {
            Ok(written) => return Ok(written),
            Err(code) if !zstd_safe::is_error_kind(code, ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall) => {
                return Err(Fault::Damaged);
            }
            Err(_) if size >= most => {
                let limited = limit.is_some_and(|limit| size > limit);
                return Err(if limited { Fault::TooLarge } else { Fault::Damaged });
            }
            Err(_) => size = size.saturating_mul(2).max(1).min(most),
        }
    }
}
