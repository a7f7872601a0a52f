use proptest::prelude::*;

use super::{Fault, Format, Output};

const MIB: usize = 1 << 20;

/// Compressed, or nothing where that failed: then the test that asks for it fails as well.
fn compressed(format: Format, level: i32, data: &[u8]) -> Vec<u8> {
    let mut packed = b"what was there before".to_vec();
    format.compress(level, data, &mut packed).map(|()| packed).unwrap_or_default()
}

fn unpacked(format: Format, data: &[u8], limit: Option<usize>) -> Result<Vec<u8>, Fault> {
    let mut output = Vec::new();
    format.decompress(data, limit, &mut output).map(|()| output)
}

/// Refuses a buffer of more than so many bytes: who asks for one asks for memory that a limit forbids.
struct Bounded {
    buffer: Vec<u8>,
    most: usize,
}

impl Output for Bounded {
    fn resize(&mut self, size: usize) -> Result<&mut [u8], Fault> {
        assert!(size <= self.most, "{size} bytes are more than {}", self.most);
        Output::resize(&mut self.buffer, size)
    }
}

fn bounded(format: Format, data: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
    let mut output = Bounded { buffer: Vec::new(), most: limit + 1 };
    format.decompress(data, Some(limit), &mut output).map(|()| output.buffer)
}

fn samples() -> Vec<Vec<u8>> {
    let mut noise = 1_u32;
    let mut random = |len: usize| {
        let next = |_| {
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            noise.to_le_bytes()[1]
        };
        (0..len).map(next).collect::<Vec<u8>>()
    };
    let page = b"<li class=\"item\"><a href=\"/products/4711/\">A product of ours</a></li>\n".repeat(1500);
    vec![
        Vec::new(),
        vec![7],
        b"abc".to_vec(),
        random(300),
        page,
        random(70_000),
        vec![0; 9 * MIB / 2],
        random(9 * MIB / 2),
    ]
}

#[test]
fn what_is_compressed_comes_back() {
    for format in Format::ALL {
        let levels = format.levels();
        for level in [*levels.start(), -1, 0, 3, 6, *levels.end()] {
            if !levels.contains(&level) {
                continue;
            }
            for sample in samples() {
                if sample.len() > MIB && !(0..=3).contains(&level) {
                    continue;
                }
                let packed = compressed(format, level, &sample);
                assert!(format.fits(&packed), "{format:?} {level}");
                for limit in [None, Some(sample.len()), Some(usize::MAX)] {
                    let found = unpacked(format, &packed, limit);
                    assert!(found.as_ref() == Ok(&sample), "{format:?} {level} {} {:?}", sample.len(), found.err());
                }
                assert!(bounded(format, &packed, sample.len()) == Ok(sample), "{format:?} {level}");
            }
        }
    }
}

#[test]
fn repeated_data_becomes_small() {
    for format in Format::ALL {
        let level = 3.min(*format.levels().end());
        let packed = compressed(format, level, &vec![b'a'; 100_000]);
        assert!(packed.len() < 1000, "{format:?}: {}", packed.len());
    }
}

#[test]
fn names() {
    for format in Format::ALL {
        assert_eq!(Format::named(format.name()), Some(format));
    }
    assert_eq!(Format::named("brotli"), None);
}

#[test]
fn no_format_takes_another_for_its_own() {
    for format in Format::ALL {
        let packed = compressed(format, 0, &[1; 1000]);
        for other in Format::ALL {
            assert_eq!(other.fits(&packed), other == format, "{other:?} {format:?}");
        }
        for data in [&b""[..], b"1", b"\x80\x05\x95", b"{\"a\": 1}", b"[1]", b"\x82\xa1a"] {
            assert!(!format.fits(data));
            assert_eq!(unpacked(format, data, None), Err(Fault::Damaged));
        }
    }
}

#[test]
fn every_truncation_is_noticed() {
    for format in Format::ALL {
        let data: Vec<u8> = (0..2000_u32).flat_map(|n| (n * n % 77).to_le_bytes()).collect();
        let packed = compressed(format, 0, &data);
        for end in 0..packed.len() {
            assert!(unpacked(format, &packed[..end], Some(MIB)).is_err(), "{format:?} cut at {end}");
        }
    }
}

#[test]
fn every_flipped_bit_is_noticed_or_does_no_harm() {
    for format in Format::ALL {
        let data: Vec<u8> = (0..400_u32).flat_map(|n| (n * n % 77).to_le_bytes()).collect();
        let packed = compressed(format, 0, &data);
        for bit in 0..packed.len() * 8 {
            let mut flipped = packed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // A few bits of headers mean nothing to a reader: the level, the operating system, a time.
            if let Ok(found) = bounded(format, &flipped, MIB) {
                assert_eq!(found, data, "{format:?} bit {bit}");
            }
        }
    }
}

#[test]
fn bombs_stop_at_the_limit() {
    let zeros = vec![0; 16 * MIB];
    for format in Format::ALL {
        let packed = compressed(format, 1.min(*format.levels().end()), &zeros);
        assert!(packed.len() < MIB);
        for limit in [0, 1000, MIB, 16 * MIB - 1] {
            assert!(bounded(format, &packed, limit) == Err(Fault::TooLarge), "{format:?} {limit}");
        }
        assert!(bounded(format, &packed, 16 * MIB).is_ok_and(|found| found == zeros), "{format:?}");
    }
}

#[test]
fn members_and_frames_follow_each_other_within_one_limit() {
    for format in [Format::Gzip, Format::Lzma, Format::Lz4, Format::Zstd] {
        let (one, two) = (vec![b'1'; 5000], vec![b'2'; 7000]);
        let mut packed = compressed(format, 0, &one);
        packed.extend(compressed(format, 0, &two));
        assert!(bounded(format, &packed, 12_000) == Ok([one, two].concat()), "{format:?}");
        assert_eq!(bounded(format, &packed, 11_999).err(), Some(Fault::TooLarge), "{format:?}");
        assert_eq!(bounded(format, &packed, 4_999).err(), Some(Fault::TooLarge), "{format:?}");
        packed.push(b'?');
        assert_eq!(bounded(format, &packed, MIB).err(), Some(Fault::Damaged), "{format:?}");
    }
    let mut packed = compressed(Format::Zlib, 6, b"abc");
    packed.push(0);
    assert_eq!(unpacked(Format::Zlib, &packed, None), Err(Fault::Damaged));
}

#[test]
fn padding_after_gzip_is_no_damage() {
    let mut packed = compressed(Format::Gzip, 6, b"abc");
    packed.extend([0; 500]);
    assert_eq!(unpacked(Format::Gzip, &packed, None), Ok(b"abc".to_vec()));
}

#[test]
fn frames_to_be_skipped_are_skipped() {
    for format in [Format::Lz4, Format::Zstd] {
        let packed = compressed(format, 0, b"abc");
        let skipped = [&packed[..], b"\x53\x2a\x4d\x18\x04\0\0\0note", &packed[..]].concat();
        assert_eq!(unpacked(format, &skipped, None), Ok(b"abcabc".to_vec()));
        assert_eq!(unpacked(format, &skipped[..packed.len() + 10], None), Err(Fault::Damaged));
    }
}

#[test]
fn sizes_that_so_few_bytes_cannot_have_are_lies() {
    // A frame that declares 60 MiB and ends.
    let header = b"\x04\x22\x4d\x18\x68\x40\0\0\xc0\x03\0\0\0\0";
    let mut lz4 = header.to_vec();
    lz4.push(twox_hash::XxHash32::oneshot(0, &header[4..]).to_le_bytes()[1]);
    lz4.extend([0; 4]);
    assert_eq!(bounded(Format::Lz4, &lz4, 64 * MIB), Err(Fault::Damaged));
    let zstd = b"\x28\xb5\x2f\xfd\xa0\0\0\xc0\x03\x01\0\0";
    assert_eq!(bounded(Format::Zstd, zstd, 64 * MIB), Err(Fault::Damaged));
    assert_eq!(bounded(Format::Zstd, zstd, MIB), Err(Fault::Damaged));
    // The trailer of gzip: the checksum is right, the size is not.
    let mut gzip = compressed(Format::Gzip, 6, &[b'x'; 1000]);
    let end = gzip.len();
    gzip[end - 4..].copy_from_slice(&(60 * 1024 * 1024_u32).to_le_bytes());
    assert_eq!(bounded(Format::Gzip, &gzip, MIB), Err(Fault::Damaged));
}

#[test]
fn a_dictionary_of_gibibytes_is_not_allocated() {
    let mut packed = compressed(Format::Lzma, 0, &[b'x'; 1000]);
    // Block header: size, flags, filter 0x21, one byte of properties: the dictionary's size.
    assert_eq!(packed[14..16], [0x21, 1]);
    packed[16] = 40;
    let crc = crc32(&packed[12..20]);
    packed[20..24].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(unpacked(Format::Lzma, &packed, None), Err(Fault::TooLarge));
    packed[16] = 28; // 64 MiB, as level 9 has it
    let crc = crc32(&packed[12..20]);
    packed[20..24].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(unpacked(Format::Lzma, &packed, None), Ok(vec![b'x'; 1000]));
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[test]
fn a_zstd_frame_without_a_size() {
    let data = vec![b'z'; 300_000];
    let mut context = zstd_safe::CCtx::create();
    let sized = zstd_safe::CParameter::ContentSizeFlag(false);
    let mut packed = Vec::with_capacity(100_000);
    let done = context.set_parameter(sized).and_then(|_| context.compress2(&mut packed, &data));
    assert!(done.is_ok());
    assert!(bounded(Format::Zstd, &packed, 300_000) == Ok(data));
    assert_eq!(bounded(Format::Zstd, &packed, 299_999), Err(Fault::TooLarge));
}

/// A frame as other writers make them: its blocks refer to each other, and it has no size or checksum.
#[test]
fn linked_lz4_blocks() {
    let text = b"All the world's a stage, and all the men and women merely players. ".repeat(40);
    let halves = text.split_at(1000);
    let mut frame = vec![0x04, 0x22, 0x4d, 0x18, 0x40, 0x40];
    frame.push(twox_hash::XxHash32::oneshot(0, &frame[4..6]).to_le_bytes()[1]);
    let mut second = vec![0; 5000];
    let len = lz4_flex::block::compress_into_with_dict(halves.1, &mut second, halves.0).unwrap_or_default();
    assert!(len < 100);
    for block in [&lz4_flex::block::compress(halves.0), &second[..len]] {
        frame.extend(u32::try_from(block.len()).unwrap_or_default().to_le_bytes());
        frame.extend(block);
    }
    frame.extend([0; 4]);
    assert!(bounded(Format::Lz4, &frame, text.len()) == Ok(text.clone()));
    assert_eq!(bounded(Format::Lz4, &frame, text.len() - 1), Err(Fault::TooLarge));
    // What the blocks of one frame refer to is not in the frame before.
    let independent = [&compressed(Format::Lz4, 0, halves.0)[..], &frame[..7]].concat();
    let mut torn = independent;
    torn.extend(u32::try_from(len).unwrap_or_default().to_le_bytes());
    torn.extend(&second[..len]);
    torn.extend([0; 4]);
    assert_eq!(bounded(Format::Lz4, &torn, MIB), Err(Fault::Damaged));
}

fn any_format() -> impl Strategy<Value = Format> {
    prop::sample::select(Format::ALL.to_vec())
}

proptest! {
    #[test]
    fn anything_comes_back(format in any_format(), data: Vec<u8>, times in 1_usize..50) {
        let data = data.repeat(times);
        let level = 1.min(*format.levels().end());
        prop_assert_eq!(bounded(format, &compressed(format, level, &data), data.len()), Ok(data));
    }

    #[test]
    fn garbage_behind_a_magic_number_is_harmless(format in any_format(), data: Vec<u8>, keep in 0_usize..40) {
        let mut packed = compressed(format, 0, &[b'g'; 600]);
        packed.truncate(keep.max(6));
        packed.extend(data);
        let found = bounded(format, &packed, 4096).unwrap_or_default();
        prop_assert!(found.len() <= 4096);
    }
}
