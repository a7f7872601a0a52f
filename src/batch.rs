//! Commands that are sent together: a pipeline, a transaction, or one command's parts on several shards.

use std::collections::HashMap;
use std::sync::Arc;

use pyo3::Borrowed;
use pyo3::PyTraverseError;
use pyo3::exceptions::{PyBaseException, PyException};
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyList, PyTuple};

use crate::argument;
use crate::command::{Call, Command};
use crate::errors::{Error, Kind};
use crate::request::{self, Place, Request};
use crate::retry::Form;
use crate::slots;
use crate::spec::{Merge, Sharding, Slots, Spec};
use crate::wire::{Mark, Payload};

/// One packed command.
struct Packed {
    name: Arc<str>,
    /// Where it ends in the payload.
    end: Mark,
    place: Place,
    write: bool,
    repeatable: bool,
    /// The caller's command that it belongs to, by number.
    item: usize,
    /// Which of that command's keys it has, if they were split up.
    keys: Vec<usize>,
}

/// What the caller gets for one of the commands.
enum Item {
    /// The reply.
    Reply,
    /// What several replies, for so many keys in all, amount to.
    Merged(Merge, usize),
    /// It cannot be sent.
    Refused(Error),
}

/// Commands, packed as they come.
#[pyclass(module = "django_cachex._core")]
#[derive(Default)]
pub(crate) struct Batch {
    payload: Payload,
    packed: Vec<Packed>,
    items: Vec<Item>,
    /// The calls of a pipeline.
    calls: Vec<Call>,
    limit: Option<usize>,
    sharded: bool,
}

#[pymethods]
impl Batch {
    /// Adds commands, pairs of [`Spec`] and arguments, that belong together: all of them or, if one raises, none.
    #[pyo3(signature = (*commands))]
    fn push(&mut self, commands: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.attempt(|batch| batch.add(commands))
    }

    /// Adds a pipeline's call that is one command; `spec` is the declared one.
    #[pyo3(signature = (spec, built, /))]
    fn call(&mut self, spec: &Bound<'_, Spec>, built: &Bound<'_, Command>) -> PyResult<()> {
        let py = spec.py();
        let command = built.get();
        let spec = command.spec(spec);
        let name = spec.get().name.clone();
        self.attempt(|batch| batch.add_all(&[(spec, command.args.bind(py).clone())]))?;
        self.calls.push(Call {
            name,
            listed: None,
            reply: command.reply.clone_ref(py),
            refused: command.refused.as_ref().map(|refused| refused.clone_ref(py)),
        });
        Ok(())
    }

    /// Adds a pipeline's call `name` that is several commands, or none. `together`: they stay on one server. `reply` gets the
    /// list of replies.
    #[pyo3(signature = (name, reply, commands, /, *, together))]
    fn call_several(
        &mut self,
        name: &str,
        reply: Py<PyAny>,
        commands: &Bound<'_, PyTuple>,
        together: bool,
    ) -> PyResult<()> {
        self.attempt(|batch| {
            if together {
                return batch.add(commands);
            }
            commands.iter().try_for_each(|command| batch.add(&PyTuple::new(commands.py(), [command])?))
        })?;
        self.calls.push(Call { name: name.into(), listed: Some(commands.len()), reply, refused: None });
        Ok(())
    }

    /// The results of the calls, out of the replies to their commands. The first failure is raised, with a note that says
    /// where it was, or all are returned as items.
    #[pyo3(signature = (replies, raise_on_error, /))]
    fn results<'py>(&self, replies: &Bound<'py, PyList>, raise_on_error: bool) -> PyResult<Bound<'py, PyList>> {
        let py = replies.py();
        let replies: Vec<_> = replies.iter().collect();
        let mut rest = replies.as_slice();
        let expected: usize = self.calls.iter().map(Call::replies).sum();
        if rest.len() != expected {
            let text = format!("{} replies came to {expected} commands", rest.len());
            return Err(Error::new(Kind::Response, text).into());
        }
        let mut results = Vec::with_capacity(self.calls.len());
        for (position, call) in self.calls.iter().enumerate() {
            let (mine, others) = rest.split_at(call.replies());
            rest = others;
            results.push(match call.result(py, mine) {
                Ok(result) => result,
                // An interrupt is nobody's result.
                Err(error) if !error.is_instance_of::<PyException>(py) => return Err(error),
                Err(error) if raise_on_error => {
                    call.note(error.value(py).as_any(), position)?;
                    return Err(error);
                }
                Err(error) => {
                    // A traceback would keep frames alive, and with them all results.
                    error.set_traceback(py, None);
                    error.into_value(py).into_bound(py).into_any()
                }
            });
        }
        PyList::new(py, results)
    }

    /// How many commands there are.
    fn __len__(&self) -> usize {
        self.items.len()
    }

    /// How many calls of a pipeline there are.
    #[getter]
    fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Forgets everything.
    fn clear(&mut self) {
        self.calls.clear();
        drop(self.take());
    }

    // The signature is PyO3's.
    #[allow(clippy::needless_pass_by_value)]
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.calls.iter().try_for_each(|call| {
            visit.call(&call.reply)?;
            visit.call(&call.refused)
        })
    }

    fn __clear__(&mut self) {
        self.calls.clear();
    }
}

impl Batch {
    /// `sharded`: it matters in which slots keys are.
    pub(crate) fn new(limit: Option<usize>, sharded: bool) -> Self {
        Self { limit, sharded, ..Self::default() }
    }

    /// The commands so far; none are left here, but what becomes of their replies.
    pub(crate) fn take(&mut self) -> Self {
        let empty = Self { calls: std::mem::take(&mut self.calls), ..Self::new(self.limit, self.sharded) };
        std::mem::replace(self, empty)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many packed commands there are.
    pub(crate) fn len(&self) -> usize {
        self.packed.len()
    }

    /// Adds a pipeline's call that is one packed command.
    pub(crate) fn queue(
        &mut self,
        spec: &Spec,
        place: Place,
        reply: Py<PyAny>,
        pack: impl FnOnce(&mut Payload) -> PyResult<()>,
    ) -> PyResult<()> {
        self.attempt(|batch| batch.command(spec, place, pack))?;
        self.calls.push(Call { name: spec.name.clone(), listed: None, reply, refused: None });
        Ok(())
    }

    pub(crate) fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// The place of a key.
    pub(crate) fn place(&self, key: &str) -> Place {
        if self.sharded { Place::Slot(slots::slot(key.as_bytes())) } else { Place::Any }
    }

    /// The first command's name.
    pub(crate) fn name(&self) -> Arc<str> {
        self.packed.first().map_or_else(|| "PIPELINE".into(), |command| command.name.clone())
    }

    /// Adds something as a whole or not at all.
    fn attempt(&mut self, add: impl FnOnce(&mut Self) -> PyResult<()>) -> PyResult<()> {
        let (mark, packed, items) = (self.payload.mark(), self.packed.len(), self.items.len());
        let added = add(self);
        if added.is_err() {
            self.payload.truncate(mark);
            self.packed.truncate(packed);
            self.items.truncate(items);
        }
        added
    }

    fn add(&mut self, commands: &Bound<'_, PyTuple>) -> PyResult<()> {
        let commands = commands
            .iter_borrowed()
            .map(Borrowed::extract)
            .collect::<PyResult<Vec<(Bound<'_, Spec>, Bound<'_, PyTuple>)>>>()?;
        self.add_all(&commands)
    }

    fn add_all(&mut self, commands: &[(Bound<'_, Spec>, Bound<'_, PyTuple>)]) -> PyResult<()> {
        let mut slots = Slots::None;
        if self.sharded {
            if let [(spec, args)] = commands
                && let Sharding::Split(merge) = spec.get().sharding
            {
                return self.split(spec.get(), args, merge);
            }
            for (spec, args) in commands {
                slots = match spec.get().slots(args)? {
                    Slots::None => slots,
                    Slots::One(slot) => slots.add(slot),
                    Slots::Several => Slots::Several,
                };
            }
        }
        match request::place(slots) {
            Ok(place) => commands.iter().try_for_each(|(spec, args)| {
                let limit = self.limit;
                self.command(spec.get(), place.clone(), |payload| request::pack(payload, spec.get(), args, limit))
            }),
            Err(error) => {
                let refused = |(spec, _): &(Bound<'_, Spec>, _)| Item::Refused(error.clone().during(&spec.get().name));
                self.items.extend(commands.iter().map(refused));
                Ok(())
            }
        }
    }

    /// Adds one command with one reply.
    pub(crate) fn command(
        &mut self,
        spec: &Spec,
        place: Place,
        pack: impl FnOnce(&mut Payload) -> PyResult<()>,
    ) -> PyResult<()> {
        pack(&mut self.payload)?;
        self.note(spec, place, Vec::new());
        self.items.push(Item::Reply);
        Ok(())
    }

    /// Adds one command that every one of these places gets.
    pub(crate) fn everywhere(
        &mut self,
        spec: &Spec,
        args: &Bound<'_, PyTuple>,
        merge: Merge,
        places: Vec<Place>,
    ) -> PyResult<()> {
        for place in places {
            request::pack(&mut self.payload, spec, args, self.limit)?;
            self.note(spec, place, Vec::new());
        }
        self.items.push(Item::Merged(merge, 0));
        Ok(())
    }

    /// Replaces the parts by the same command for other places; replies that have come already are dropped.
    pub(crate) fn again_everywhere(&mut self, places: Vec<Place>) {
        let Some(first) = self.packed.first() else { return };
        let (end, mut payload, mut packed) = (first.end, Payload::default(), Vec::new());
        for place in places {
            payload.extend_from(&self.payload, Mark::default(), end);
            packed.push(Packed {
                name: first.name.clone(),
                end: payload.mark(),
                place,
                write: first.write,
                repeatable: first.repeatable,
                item: first.item,
                keys: Vec::new(),
            });
        }
        (self.payload, self.packed) = (payload, packed);
    }

    /// Adds one command for each slot that its keys are in.
    pub(crate) fn split(&mut self, spec: &Spec, args: &Bound<'_, PyTuple>, merge: Merge) -> PyResult<()> {
        let positions = spec.key_positions(args)?;
        let step = positions.get(1).map_or(args.len(), |second| second - positions[0]);
        let words = positions.iter().map(|position| args.get_item(*position)).collect::<PyResult<Vec<_>>>()?;
        let keys = words.iter().map(argument::text).collect::<PyResult<Vec<_>>>()?;
        let limit = self.limit;
        self.split_keys(spec, merge, step, &keys, |payload, index| {
            let key = positions[index];
            (key..key + step).try_for_each(|position| {
                // A key is no value.
                let limit = limit.filter(|_| position > key);
                argument::pack(payload, &spec.name, &args.get_item(position)?, limit)
            })
        })
    }

    /// The same for keys that are made already; `pack` adds the `step` words of a key by its number.
    pub(crate) fn split_keys(
        &mut self,
        spec: &Spec,
        merge: Merge,
        step: usize,
        keys: &[impl AsRef<[u8]>],
        pack: impl Fn(&mut Payload, usize) -> PyResult<()>,
    ) -> PyResult<()> {
        let mut groups: Vec<(u16, Vec<usize>)> = Vec::new();
        let mut of_slot = HashMap::new();
        for (index, key) in keys.iter().enumerate() {
            let slot = slots::slot(key.as_ref());
            let group = *of_slot.entry(slot).or_insert_with(|| {
                groups.push((slot, Vec::new()));
                groups.len() - 1
            });
            groups[group].1.push(index);
        }
        for (slot, members) in groups {
            self.payload.command(spec.words + step * members.len());
            self.payload.packed(&spec.packed);
            members.iter().try_for_each(|index| pack(&mut self.payload, *index))?;
            self.note(spec, Place::Slot(slot), members);
        }
        self.items.push(Item::Merged(merge, keys.len()));
        Ok(())
    }

    fn note(&mut self, spec: &Spec, place: Place, keys: Vec<usize>) {
        self.packed.push(Packed {
            name: spec.name.clone(),
            end: self.payload.mark(),
            place,
            write: spec.write,
            repeatable: spec.repeatable,
            item: self.items.len(),
            keys,
        });
    }

    /// Everything as one request to one server.
    pub(crate) fn whole(self, transaction: bool) -> Result<Request, Error> {
        let mut slots = Slots::None;
        if self.sharded {
            let refused = self.items.into_iter().find_map(|item| match item {
                Item::Refused(error) => Some(error),
                _ => None,
            });
            if let Some(error) = refused {
                return Err(error);
            }
            for command in &self.packed {
                if let Place::Slot(slot) = command.place {
                    slots = slots.add(slot);
                }
            }
        }
        let place = request::place(slots)?;
        let names = self.packed.iter().map(|command| command.name.clone()).collect();
        if transaction {
            return Ok(Request::transaction(&self.payload, names, place));
        }
        let repeatable = self.packed.iter().all(|command| command.repeatable);
        Ok(Request::many(self.payload, names, true, repeatable, place))
    }

    /// Where packed command number `index` goes, and whether it writes.
    pub(crate) fn route(&self, index: usize) -> (&Place, bool) {
        (&self.packed[index].place, self.packed[index].write)
    }

    pub(crate) fn is_repeatable(&self, index: usize) -> bool {
        self.packed[index].repeatable
    }

    /// Whether packed command number `index` changes data. Some that only read go where writes go, too.
    pub(crate) fn changes(&self, index: usize) -> bool {
        let Packed { name, write, .. } = &self.packed[index];
        *write && !matches!(&**name, "EXISTS" | "GET" | "SCAN" | "SSCAN")
    }

    pub(crate) fn name_of(&self, index: usize) -> &Arc<str> {
        &self.packed[index].name
    }

    pub(crate) fn form(&self, index: usize) -> Form {
        request::form_of(&self.packed[index].name)
    }

    /// Some of the packed commands as one request to `place`, each after an ASKING, whose reply comes too, if it says so.
    pub(crate) fn part(&self, commands: &[(usize, bool)], place: Place) -> Request {
        let mut payload = Payload::default();
        let mut names = Vec::with_capacity(commands.len());
        for &(index, asking) in commands {
            if asking {
                payload.command(1);
                payload.word(b"ASKING");
                names.push("ASKING".into());
            }
            let begin = index.checked_sub(1).map_or_else(Mark::default, |before| self.packed[before].end);
            payload.extend_from(&self.payload, begin, self.packed[index].end);
            names.push(self.packed[index].name.clone());
        }
        let write = commands.iter().any(|(index, _)| self.packed[*index].write);
        Request::many(payload, names, write, false, place)
    }

    /// The caller's results, an exception for what failed, out of the replies to the packed commands in order.
    pub(crate) fn items(&self, py: Python<'_>, replies: &[Py<PyAny>]) -> PyResult<Py<PyList>> {
        let mut of_item: Vec<Vec<usize>> = self.items.iter().map(|_| Vec::new()).collect();
        for (index, command) in self.packed.iter().enumerate() {
            of_item[command.item].push(index);
        }
        let results = self.items.iter().zip(of_item).map(|(item, indexes)| match item {
            Item::Reply => indexes.first().map_or_else(|| py.None(), |index| replies[*index].clone_ref(py)),
            Item::Refused(error) => error.clone().into_exception(py),
            Item::Merged(merge, keys) => self
                .merged(py, *merge, *keys, &indexes, replies)
                .unwrap_or_else(|error| error.into_value(py).into_any()),
        });
        Ok(PyList::new(py, results)?.unbind())
    }

    fn merged(
        &self,
        py: Python<'_>,
        merge: Merge,
        keys: usize,
        indexes: &[usize],
        replies: &[Py<PyAny>],
    ) -> PyResult<Py<PyAny>> {
        let mine = || indexes.iter().map(|index| (*index, replies[*index].bind(py)));
        if let Some((_, failed)) = mine().find(|(_, reply)| reply.is_instance_of::<PyBaseException>()) {
            return Ok(failed.clone().unbind());
        }
        let unexpected = |index: usize| -> PyErr {
            Error::new(Kind::Response, "unexpected reply").during(&self.packed[index].name).into()
        };
        match merge {
            Merge::Done | Merge::Page => {
                Ok(mine().next().map_or_else(|| py.None(), |(_, reply)| reply.clone().unbind()))
            }
            Merge::Sum => {
                let mut sum = 0_i64;
                for (index, reply) in mine() {
                    let count = reply.cast_exact::<PyInt>().map_err(|_| unexpected(index))?.extract::<i64>()?;
                    sum = sum.saturating_add(count);
                }
                Ok(sum.into_pyobject(py)?.into_any().unbind())
            }
            Merge::List => {
                let mut merged: Vec<_> = (0..keys).map(|_| py.None()).collect();
                for (index, reply) in mine() {
                    let reply = reply.cast::<PyList>().map_err(|_| unexpected(index))?;
                    let places = &self.packed[index].keys;
                    if keys == 0 {
                        merged.extend(reply.iter().map(Bound::unbind));
                    } else if reply.len() == places.len() {
                        for (place, value) in places.iter().zip(reply) {
                            merged[*place] = value.unbind();
                        }
                    } else {
                        return Err(unexpected(index));
                    }
                }
                Ok(PyList::new(py, merged)?.into_any().unbind())
            }
        }
    }
}
