//! Bytes made smaller and back, without an interpreter: the formats behind `django_cachex.compressors`.
//!
//! What is decompressed may come from anybody who can write to the server. Nothing is believed: declared sizes are held
//! against the limit and against what so many bytes can stand for before memory is asked for, and checksums are looked at.

#![forbid(unsafe_code)]
// As in `wire`: the callers are in this crate, and the fuzz target.
#![allow(clippy::must_use_candidate)]

mod deflate;
mod lz4;
mod output;
#[cfg(test)]
mod tests;
mod xz;
mod zstd;

use std::ops::RangeInclusive;

pub use output::Output;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Zlib,
    Gzip,
    Lzma,
    Lz4,
    Zstd,
}

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// These are not the bytes that a compressor of this format made.
    Damaged,
    /// More would come out than the limit allows.
    TooLarge,
    /// There is no memory, or no interpreter to ask for it.
    Memory,
}

impl Format {
    pub const ALL: [Self; 5] = [Self::Zlib, Self::Gzip, Self::Lzma, Self::Lz4, Self::Zstd];

    pub fn name(self) -> &'static str {
        match self {
            Self::Zlib => "zlib",
            Self::Gzip => "gzip",
            Self::Lzma => "lzma",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    pub fn levels(self) -> RangeInclusive<i32> {
        match self {
            Self::Zlib | Self::Gzip => deflate::LEVELS,
            Self::Lzma => xz::LEVELS,
            Self::Lz4 => 0..=0,
            Self::Zstd => zstd::levels(),
        }
    }

    /// Whether the first bytes are this format's. Those of zlib are two that other data may begin with as well.
    pub fn fits(self, data: &[u8]) -> bool {
        match self {
            Self::Zlib => deflate::fits_zlib(data),
            Self::Gzip => data.starts_with(&deflate::GZIP_MAGIC),
            Self::Lzma => data.starts_with(&xz::MAGIC),
            Self::Lz4 => data.starts_with(&lz4::MAGIC),
            Self::Zstd => data.starts_with(&zstd::MAGIC),
        }
    }

    pub fn has_magic(self) -> bool {
        self != Self::Zlib
    }

    /// Compresses `data` with one of [`levels`](Self::levels). `packed` becomes the result, whatever it was before.
    pub fn compress(self, level: i32, data: &[u8], packed: &mut Vec<u8>) -> Result<(), Fault> {
        packed.clear();
        match self {
            Self::Zlib => deflate::zlib(level, data, packed),
            Self::Gzip => deflate::gzip(level, data, packed),
            Self::Lzma => xz::compress(level, data, packed),
            Self::Lz4 => lz4::compress(data, packed),
            Self::Zstd => zstd::compress(level, data, packed),
        }
    }

    /// The size that the output should have at first: what comes out, where `data` tells.
    pub fn expected(self, data: &[u8], limit: Option<usize>) -> Result<usize, Fault> {
        match self {
            Self::Zlib | Self::Lzma => Ok(output::guess(data, limit)),
            Self::Gzip => deflate::expected_of_gzip(data, limit),
            Self::Lz4 => lz4::expected(data, limit),
            Self::Zstd => zstd::expected(data, limit),
        }
    }

    /// Puts what was compressed to `data` into `output`, but never more than `limit` bytes.
    pub fn decompress(self, data: &[u8], limit: Option<usize>, output: &mut impl Output) -> Result<(), Fault> {
        if !self.fits(data) {
            return Err(Fault::Damaged);
        }
        let first = self.expected(data, limit)?;
        match self {
            Self::Zlib => deflate::decompress_zlib(data, limit, first, output),
            Self::Gzip => deflate::decompress_gzip(data, limit, first, output),
            Self::Lzma => xz::decompress(data, limit, first, output),
            Self::Lz4 => lz4::decompress(data, limit, first, output),
            Self::Zstd => zstd::decompress(data, limit, first, output),
        }
    }
}
