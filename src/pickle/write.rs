//! What `pickle.dumps` gives for plain values, to the byte.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use super::memo::Memo;
use super::{LONGEST, PROTOCOLS, objects};

/// How deep containers may be nested.
const DEEPEST: usize = 16;
/// What most values need.
const ROOM: usize = 256;
/// Fewer bytes stand without a frame around them.
const SMALLEST_FRAME: usize = 4;

/// The pickle of `value`, if it consists of plain values and is short.
pub(crate) fn write<'py>(value: &Bound<'py, PyAny>, protocol: u8) -> Option<Bound<'py, PyBytes>> {
    if !PROTOCOLS.contains(&protocol) {
        return None;
    }
    let (out, memo) = (Vec::with_capacity(ROOM), Memo::default());
    let mut pickler = Pickler { protocol, out, memo, memoized: 0, depth: 0 };
    // A reference of our own, as everything inside has one from its container.
    pickler.save(&value.clone())?;
    pickler.out.push(b'.');
    let Pickler { out, .. } = pickler;
    let framed = out.len() >= SMALLEST_FRAME;
    let length = u64::try_from(out.len()).ok()?.to_le_bytes();
    let total = 2 + if framed { 1 + length.len() } else { 0 } + out.len();
    PyBytes::new_with(value.py(), total, |mut rest| {
        let mut put = |part: &[u8]| {
            let (begin, end) = std::mem::take(&mut rest).split_at_mut(part.len());
            begin.copy_from_slice(part);
            rest = end;
        };
        put(&[0x80, protocol]);
        if framed {
            put(&[0x95]);
            put(&length);
        }
        put(&out);
        Ok(())
    })
    .ok()
}

struct Pickler {
    protocol: u8,
    out: Vec<u8>,
    memo: Memo,
    /// How many values are in the memo of whoever reads this, those among them that nothing can refer to.
    memoized: u32,
    depth: usize,
}

/// `None` says that `pickle` must do it.
impl Pickler {
    fn save(&mut self, value: &Bound<'_, PyAny>) -> Option<()> {
        if self.out.len() > LONGEST {
            return None;
        }
        if let Ok(text) = value.cast_exact::<PyString>() {
            return self.text(text);
        }
        if value.is_none() {
            self.out.push(b'N');
        } else if let Ok(truth) = value.cast_exact::<PyBool>() {
            self.out.push(if truth.is_true() { 0x88 } else { 0x89 });
        } else if let Ok(integer) = value.cast_exact::<PyInt>() {
            self.integer(integer.extract().ok()?);
        } else if let Ok(float) = value.cast_exact::<PyFloat>() {
            self.out.push(b'G');
            self.out.extend(float.value().to_be_bytes());
        } else if !self.recall(value) {
            return self.save_new(value);
        }
        Some(())
    }

    fn save_new(&mut self, value: &Bound<'_, PyAny>) -> Option<()> {
        if let Ok(bytes) = value.cast_exact::<PyBytes>() {
            self.sized(b'C', b'B', bytes.as_bytes())?;
            return self.memoize(value);
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        if let Ok(list) = value.cast_exact::<PyList>() {
            self.out.push(b']');
            self.memoize(value)?;
            // APPEND, APPENDS
            self.items(list.len(), [b'a', b'e'], |this| list.iter().try_for_each(|item| this.save(&item)))?;
        } else if let Ok(dict) = value.cast_exact::<PyDict>() {
            self.out.push(b'}');
            self.memoize(value)?;
            // SETITEM, SETITEMS
            self.items(dict.len(), [b's', b'u'], |this| {
                dict.iter().try_for_each(|(key, value)| {
                    this.save(&key)?;
                    this.save(&value)
                })
            })?;
        } else if let Ok(tuple) = value.cast_exact::<PyTuple>() {
            self.tuple(tuple)?;
        } else {
            self.object(value)?;
        }
        self.depth -= 1;
        Some(())
    }

    fn text(&mut self, text: &Bound<'_, PyString>) -> Option<()> {
        if is_shared(text)
            && let Some(number) = self.memo.enter(text.as_ptr() as usize, self.memoized)
        {
            self.refer(number);
            return Some(());
        }
        // Lone surrogates are `pickle`'s business.
        self.sized(0x8c, b'X', text.to_str().ok()?.as_bytes())?;
        self.memoized()
    }

    fn tuple(&mut self, tuple: &Bound<'_, PyTuple>) -> Option<()> {
        let count = tuple.len();
        if count > 3 {
            self.out.push(b'(');
        }
        tuple.iter().try_for_each(|item| self.save(&item))?;
        if self.memo.find(tuple.as_ptr() as usize).is_some() {
            // It contains itself.
            return None;
        }
        match count {
            0 => {
                self.out.push(b')');
                return Some(());
            }
            1 => self.out.push(0x85),
            2 => self.out.push(0x86),
            3 => self.out.push(0x87),
            _ => self.out.push(b't'),
        }
        self.memoize(tuple)
    }

    fn object(&mut self, value: &Bound<'_, PyAny>) -> Option<()> {
        let (class, arguments) = objects::parts(value, self.protocol)?;
        if !self.recall(&class) {
            let (module, name) = (class.getattr("__module__").ok()?, class.getattr("__qualname__").ok()?);
            let known = objects::class(value.py(), module.extract().ok()?, name.extract().ok()?)?;
            if !known.is(&class) || objects::is_customized(&class) {
                return None;
            }
            self.save(&module)?;
            self.save(&name)?;
            // STACK_GLOBAL
            self.out.push(0x93);
            self.memoize(&class)?;
        }
        self.tuple(&arguments)?;
        // REDUCE
        self.out.push(b'R');
        self.memoize(value)
    }

    /// `count` items and the opcode that puts one, or several, into the container before them.
    fn items(
        &mut self,
        count: usize,
        [one, several]: [u8; 2],
        save: impl FnOnce(&mut Self) -> Option<()>,
    ) -> Option<()> {
        // `pickle` puts in so many at a time; this many do not fit.
        if count >= 1000 {
            return None;
        }
        if count > 1 {
            self.out.push(b'(');
        }
        save(self)?;
        match count {
            0 => {}
            1 => self.out.push(one),
            _ => self.out.push(several),
        }
        Some(())
    }

    /// Refers to what has been written before; returns whether it has been.
    fn recall(&mut self, value: &Bound<'_, PyAny>) -> bool {
        if !is_shared(value) {
            return false;
        }
        let Some(number) = self.memo.find(value.as_ptr() as usize) else { return false };
        self.refer(number);
        true
    }

    fn refer(&mut self, number: u32) {
        if let Ok(number) = u8::try_from(number) {
            // BINGET
            self.out.extend([b'h', number]);
        } else {
            // LONG_BINGET
            self.out.push(b'j');
            self.out.extend(number.to_le_bytes());
        }
    }

    fn memoize(&mut self, value: &Bound<'_, PyAny>) -> Option<()> {
        if is_shared(value) {
            self.memo.enter(value.as_ptr() as usize, self.memoized);
        }
        self.memoized()
    }

    /// The value just written is in the memo of whoever reads this.
    fn memoized(&mut self) -> Option<()> {
        self.memoized = self.memoized.checked_add(1)?;
        self.out.push(0x94);
        Some(())
    }

    /// Bytes after their length, which takes one byte or four.
    fn sized(&mut self, short: u8, long: u8, bytes: &[u8]) -> Option<()> {
        if let Ok(length) = u8::try_from(bytes.len()) {
            self.out.extend([short, length]);
        } else if bytes.len() <= LONGEST {
            self.out.push(long);
            self.out.extend(u32::try_from(bytes.len()).ok()?.to_le_bytes());
        } else {
            return None;
        }
        self.out.extend(bytes);
        Some(())
    }

    fn integer(&mut self, value: i64) {
        if let Ok(byte) = u8::try_from(value) {
            // BININT1
            self.out.extend([b'K', byte]);
        } else if let Ok(two) = u16::try_from(value) {
            // BININT2
            self.out.push(b'M');
            self.out.extend(two.to_le_bytes());
        } else if let Ok(four) = i32::try_from(value) {
            // BININT
            self.out.push(b'J');
            self.out.extend(four.to_le_bytes());
        } else {
            // LONG1: no more bytes than the sign needs.
            let bytes = value.to_le_bytes();
            let spare = if value < 0 { value.leading_ones() } else { value.leading_zeros() }.saturating_sub(1) / 8;
            let used = bytes.len() - usize::try_from(spare).unwrap_or_default();
            self.out.extend([0x8a, u8::try_from(used).unwrap_or_default()]);
            self.out.extend(&bytes[..used]);
        }
    }
}

/// Whether the value may stand at another place too: more than its container and we ourselves refer to it.
fn is_shared(value: &Bound<'_, PyAny>) -> bool {
    // SAFETY: the object is alive, and the GIL is held.
    unsafe { ffi::Py_REFCNT(value.as_ptr()) > 2 }
}
