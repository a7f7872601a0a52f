//! What `pickle.loads` gives for plain values.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyList, PyString, PyTuple, PyType};

use super::names::Names;
use super::{LONGEST, PROTOCOLS, objects, text};

/// What most values need: the lists below grow beyond it.
const ROOM: usize = 32;
/// Large values have about so many bytes for each that is in the memo.
const BYTES_EACH: usize = 16;

/// The value that `data` is the pickle of, if it consists of plain values.
pub(crate) fn read<'py>(py: Python<'py>, data: &[u8]) -> Option<Bound<'py, PyAny>> {
    let [0x80, protocol, ops @ ..] = data else { return None };
    if data.len() > LONGEST || !PROTOCOLS.contains(protocol) {
        return None;
    }
    let (stack, memo) = (Vec::with_capacity(ROOM), Vec::with_capacity(ROOM.max(data.len() / BYTES_EACH)));
    let mut machine = Machine { py, rest: ops, stack, marks: Vec::with_capacity(8), memo, names: Names::take() };
    let value = machine.run();
    machine.names.put_back();
    value
}

struct Machine<'py, 'a> {
    py: Python<'py>,
    rest: &'a [u8],
    stack: Vec<Bound<'py, PyAny>>,
    /// How high the stack was.
    marks: Vec<usize>,
    /// `None` for what was not made, because nothing ever refers to it.
    memo: Vec<Option<Bound<'py, PyAny>>>,
    names: Names,
}

impl<'py, 'a> Machine<'py, 'a> {
    fn run(&mut self) -> Option<Bound<'py, PyAny>> {
        let py = self.py;
        loop {
            match self.byte()? {
                b'.' => return if self.stack.len() == 1 && self.marks.is_empty() { self.stack.pop() } else { None },
                // FRAME
                0x95 => {
                    let length = u64::from_le_bytes(*self.array::<8>()?);
                    if u64::try_from(self.rest.len()).ok()? < length {
                        return None;
                    }
                }
                // MEMOIZE
                0x94 => {
                    self.above_mark(1)?;
                    self.memo.push(self.stack.last().cloned());
                }
                // BINGET
                b'h' => {
                    let index = usize::from(self.byte()?);
                    self.recall(index)?;
                }
                // LONG_BINGET
                b'j' => {
                    let index = u32::from_le_bytes(*self.array()?);
                    self.recall(usize::try_from(index).ok()?)?;
                }
                b'(' => self.marks.push(self.stack.len()),
                b'N' => self.stack.push(py.None().into_bound(py)),
                0x88 => self.stack.push(PyBool::new(py, true).to_owned().into_any()),
                0x89 => self.stack.push(PyBool::new(py, false).to_owned().into_any()),
                // BININT1, BININT2, BININT, LONG1
                b'K' => {
                    let value = i64::from(self.byte()?);
                    self.integer(value)?;
                }
                b'M' => {
                    let value = i64::from(u16::from_le_bytes(*self.array()?));
                    self.integer(value)?;
                }
                b'J' => {
                    let value = i64::from(i32::from_le_bytes(*self.array()?));
                    self.integer(value)?;
                }
                0x8a => {
                    let bytes = self.sized_by_byte()?;
                    let value = signed(bytes)?;
                    self.integer(value)?;
                }
                b'G' => {
                    let value = f64::from_be_bytes(*self.array()?);
                    self.stack.push(PyFloat::new(py, value).into_any());
                }
                // SHORT_BINUNICODE, BINUNICODE
                0x8c => {
                    let bytes = self.sized_by_byte()?;
                    self.text(bytes)?;
                }
                b'X' => {
                    let bytes = self.sized_by_word()?;
                    self.text(bytes)?;
                }
                // SHORT_BINBYTES, BINBYTES
                b'C' => {
                    let bytes = self.sized_by_byte()?;
                    if self.moment(bytes).is_none() {
                        self.stack.push(PyBytes::new(py, bytes).into_any());
                    }
                }
                b'B' => {
                    let bytes = self.sized_by_word()?;
                    self.stack.push(PyBytes::new(py, bytes).into_any());
                }
                b')' => self.stack.push(PyTuple::empty(py).into_any()),
                0x85 => self.tuple(1)?,
                0x86 => self.tuple(2)?,
                0x87 => self.tuple(3)?,
                b't' => {
                    let mark = self.marks.pop()?;
                    let count = self.stack.len().checked_sub(mark)?;
                    self.tuple(count)?;
                }
                b']' => self.stack.push(PyList::empty(py).into_any()),
                b'}' => self.stack.push(PyDict::new(py).into_any()),
                // APPEND, APPENDS
                b'a' => {
                    let mark = self.above_mark(1)?;
                    self.append(mark)?;
                }
                b'e' => {
                    let mark = self.marks.pop()?;
                    self.append(mark)?;
                }
                // STACK_GLOBAL, REDUCE
                0x93 => self.class()?,
                b'R' => self.object()?,
                // SETITEM, SETITEMS
                b's' => {
                    let mark = self.above_mark(2)?;
                    self.set_items(mark)?;
                }
                b'u' => {
                    let mark = self.marks.pop()?;
                    self.set_items(mark)?;
                }
                _ => return None,
            }
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (array, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(array)
    }

    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(bytes)
    }

    fn sized_by_byte(&mut self) -> Option<&'a [u8]> {
        let count = usize::from(self.byte()?);
        self.bytes(count)
    }

    fn sized_by_word(&mut self) -> Option<&'a [u8]> {
        let count = u32::from_le_bytes(*self.array()?);
        self.bytes(usize::try_from(count).ok()?)
    }

    fn integer(&mut self, value: i64) -> Option<()> {
        self.stack.push(value.into_pyobject(self.py).ok()?.into_any());
        Some(())
    }

    fn text(&mut self, bytes: &[u8]) -> Option<()> {
        // Lone surrogates are `pickle`'s business.
        let text = if self.is_at_key() { self.names.get(self.py, bytes)? } else { text::make(self.py, bytes)? };
        let text = text.into_any();
        // Nearly always what comes next: MEMOIZE.
        if let [0x94, rest @ ..] = self.rest {
            self.memo.push(Some(text.clone()));
            self.rest = rest;
        }
        self.stack.push(text);
        Some(())
    }

    /// Whether what comes next is, most likely, a key of a dict.
    fn is_at_key(&self) -> bool {
        let height = self.stack.len();
        let is_dict = |height: usize| {
            let top = height.checked_sub(1).and_then(|index| self.stack.get(index));
            top.is_some_and(PyAnyMethods::is_exact_instance_of::<PyDict>)
        };
        let begun = self.marks.last().is_some_and(|mark| height.saturating_sub(*mark) % 2 == 0 && is_dict(*mark));
        begun || is_dict(height)
    }

    /// Where the last `count` values begin, which all have to be above the last mark.
    fn above_mark(&self, count: usize) -> Option<usize> {
        let begin = self.stack.len().checked_sub(count)?;
        (begin >= self.marks.last().copied().unwrap_or_default()).then_some(begin)
    }

    /// What stands before `mark`.
    fn container(&self, mark: usize) -> Option<&Bound<'py, PyAny>> {
        let index = mark.checked_sub(1)?;
        self.stack.get(index).filter(|_| index >= self.marks.last().copied().unwrap_or_default())
    }

    /// What was pushed since `mark`, which is the last one or above it.
    fn since(&self, mark: usize) -> Option<&[Bound<'py, PyAny>]> {
        self.stack.get(mark..)
    }

    /// The last two, off the stack.
    fn pair(&mut self) -> Option<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        self.above_mark(2)?;
        let second = self.stack.pop()?;
        Some((self.stack.pop()?, second))
    }

    fn tuple(&mut self, count: usize) -> Option<()> {
        let mark = self.above_mark(count)?;
        let tuple = PyTuple::new(self.py, self.since(mark)?).ok()?;
        self.stack.truncate(mark);
        self.stack.push(tuple.into_any());
        Some(())
    }

    fn append(&mut self, mark: usize) -> Option<()> {
        let list = self.container(mark)?.cast_exact::<PyList>().ok()?;
        for item in self.since(mark)? {
            list.append(item).ok()?;
        }
        self.stack.truncate(mark);
        Some(())
    }

    fn recall(&mut self, index: usize) -> Option<()> {
        let value = self.memo.get(index)?.clone()?;
        self.stack.push(value);
        Some(())
    }

    /// A date or a moment whose state is `bytes`, if that is all that they are for: its class is on the stack, and what
    /// follows puts them into a tuple and calls it. Neither they nor the tuple is made then.
    fn moment(&mut self, bytes: &[u8]) -> Option<()> {
        // MEMOIZE, TUPLE1, MEMOIZE, REDUCE
        let rest = self.rest.strip_prefix(&[0x94, 0x85, 0x94, b'R'])?;
        self.above_mark(1)?;
        let class = self.stack.last()?.cast_exact::<PyType>().ok()?;
        let moment = objects::moment(class, bytes)?;
        self.stack.pop();
        self.stack.push(moment);
        self.memo.extend([None, None]);
        self.rest = rest;
        Some(())
    }

    fn class(&mut self) -> Option<()> {
        let (module, name) = self.pair()?;
        let (module, name) = (module.cast_exact::<PyString>().ok()?, name.cast_exact::<PyString>().ok()?);
        let class = objects::class(self.py, module.to_str().ok()?, name.to_str().ok()?)?;
        self.stack.push(class);
        Some(())
    }

    /// A class is called: only those of `class` are ever on the stack.
    fn object(&mut self) -> Option<()> {
        let (class, arguments) = self.pair()?;
        let (class, arguments) = (class.cast_exact::<PyType>().ok()?, arguments.cast_exact::<PyTuple>().ok()?);
        self.stack.push(class.call1(arguments).ok()?);
        Some(())
    }

    fn set_items(&mut self, mark: usize) -> Option<()> {
        let dict = self.container(mark)?.cast_exact::<PyDict>().ok()?;
        let (pairs, []) = self.since(mark)?.as_chunks() else { return None };
        for [key, value] in pairs {
            // Keys of plain types: no code of theirs runs. What cannot be hashed is told by `pickle`.
            dict.set_item(key, value).ok()?;
        }
        self.stack.truncate(mark);
        Some(())
    }
}

/// An integer of up to eight bytes, the least significant first.
fn signed(bytes: &[u8]) -> Option<i64> {
    let negative = bytes.last().is_some_and(|last| *last >= 0x80);
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(wide))
}
