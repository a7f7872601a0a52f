//! Commands on their way to a server.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::argument::{self, SHARE};
use crate::config::Config;
use crate::errors::{self, Error, Kind};
use crate::node::Node;
use crate::reply::Origin;
use crate::retry::{Form, Nature};
use crate::slots;
use crate::spec::{Slots, Spec};
use crate::wire::Payload;

/// Which node of a topology a request needs.
#[derive(Clone)]
pub(crate) enum Place {
    /// Any that serves it.
    Any,
    /// The one with this index.
    Index(usize),
    /// The one that has this slot.
    Slot(u16),
    /// Of those that serve this slot always the same, whichever this number picks: 0 the one that takes writes.
    Pinned(u16, usize),
    /// This one and no other.
    Node(Arc<Node>),
}

impl Place {
    /// The slot, if it is one.
    pub(crate) fn slot(&self) -> Option<u16> {
        match self {
            Self::Slot(slot) | Self::Pinned(slot, _) => Some(*slot),
            Self::Any | Self::Index(_) | Self::Node(_) => None,
        }
    }
}

/// What the commands of a request are called.
#[derive(Clone)]
enum Names {
    One(Arc<str>),
    /// One for each reply; the result is a list of replies, errors included.
    Many(Vec<Arc<str>>),
    /// The same, with MULTI and EXEC around them; the result is what EXEC gives.
    Transaction(Vec<Arc<str>>),
}

/// What is sent in one go to one server.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) payload: Payload,
    pub(crate) replies: usize,
    names: Names,
    pub(crate) write: bool,
    pub(crate) repeatable: bool,
    pub(crate) place: Place,
    /// How long the server may wait before it answers, zero for ever. `None`: it is an ordinary command.
    wait: Option<Duration>,
    /// ASKING goes before it, whose reply comes first.
    asking: bool,
}

impl Request {
    /// One command. `sharded`: it matters in which slot its keys are.
    pub(crate) fn one(spec: &Spec, args: &Bound<'_, PyTuple>, limit: Option<usize>, sharded: bool) -> PyResult<Self> {
        let size: usize = args.iter_borrowed().map(|arg| room(&arg)).sum();
        let mut payload = Payload::with_capacity(spec.packed.len() + 16 + size);
        pack(&mut payload, spec, args, limit)?;
        let place =
            if sharded { place(spec.slots(args)?).map_err(|error| error.during(&spec.name))? } else { Place::Any };
        Ok(Self { place, ..Self::single(spec, payload) })
    }

    fn new(payload: Payload, names: Names, write: bool, repeatable: bool, place: Place) -> Self {
        let replies = match &names {
            Names::One(_) => 1,
            Names::Many(names) | Names::Transaction(names) => names.len(),
        };
        Self { payload, replies, names, write, repeatable, place, wait: None, asking: false }
    }

    fn single(spec: &Spec, payload: Payload) -> Self {
        Self::new(payload, Names::One(spec.name.clone()), spec.write, spec.repeatable, Place::Any)
    }

    /// The same request for the server with this index, if there is one; where its key says who serves it, the index picks
    /// one of these.
    pub(crate) fn at(self, index: Option<usize>) -> Self {
        match (index, &self.place) {
            (Some(index), Place::Any) => Self { place: Place::Index(index), ..self },
            (Some(index), Place::Slot(slot)) => Self { place: Place::Pinned(*slot, index), ..self },
            _ => self,
        }
    }

    /// The same request, which lets the server wait. It is not sent twice: it would wait twice.
    pub(crate) fn waiting(self, wait: Option<Duration>) -> Self {
        match wait {
            Some(_) => Self { wait, repeatable: false, ..self },
            None => self,
        }
    }

    pub(crate) fn ping() -> Self {
        let mut payload = Payload::default();
        payload.command(1);
        payload.word(b"PING");
        Self::new(payload, Names::One("PING".into()), false, true, Place::Any)
    }

    /// GET of a made key; `spec` says so.
    pub(crate) fn get(spec: &Spec, key: &str) -> Self {
        let mut payload = Payload::with_capacity(spec.packed.len() + 32 + key.len());
        get_words(&mut payload, spec, key);
        Self::single(spec, payload)
    }

    /// SET of a made key to an encoded value, for so many seconds; `spec` says so.
    pub(crate) fn set(
        spec: &Spec,
        key: &str,
        value: &Bound<'_, PyAny>,
        timeout: Option<i64>,
        limit: Option<usize>,
    ) -> PyResult<Self> {
        let mut payload = Payload::with_capacity(spec.packed.len() + 64 + key.len() + room(value));
        set_words(&mut payload, spec, key, value, timeout, limit)?;
        Ok(Self::single(spec, payload))
    }

    /// EVALSHA of a script with one key, a made one, and one argument; `spec` says so.
    pub(crate) fn script(
        spec: &Spec,
        digest: &str,
        key: &str,
        arg: &Bound<'_, PyAny>,
        limit: Option<usize>,
    ) -> PyResult<Self> {
        let mut payload = Payload::with_capacity(spec.packed.len() + 96 + key.len() + room(arg));
        payload.command(5);
        payload.packed(&spec.packed);
        payload.word(digest.as_bytes());
        payload.integer(1);
        payload.word(key.as_bytes());
        argument::pack(&mut payload, &spec.name, arg, limit)?;
        Ok(Self::single(spec, payload))
    }

    /// The same request for the server that has `key`.
    pub(crate) fn for_key(self, key: &str) -> Self {
        Self { place: Place::Slot(slots::slot(key.as_bytes())), ..self }
    }

    /// MGET of made keys; `spec` says so.
    pub(crate) fn mget(spec: &Spec, keys: &[String]) -> Self {
        let size: usize = keys.iter().map(|key| key.len() + 16).sum();
        let mut payload = Payload::with_capacity(spec.packed.len() + 16 + size);
        payload.command(1 + keys.len());
        payload.packed(&spec.packed);
        for key in keys {
            payload.word(key.as_bytes());
        }
        Self::single(spec, payload)
    }

    /// MSET of made keys to encoded values; `spec` says so.
    pub(crate) fn mset(spec: &Spec, items: &[(String, Bound<'_, PyAny>)], limit: Option<usize>) -> PyResult<Self> {
        let size: usize = items.iter().map(|(key, value)| key.len() + 16 + room(value)).sum();
        let mut payload = Payload::with_capacity(spec.packed.len() + 16 + size);
        payload.command(1 + 2 * items.len());
        payload.packed(&spec.packed);
        for (key, value) in items {
            payload.word(key.as_bytes());
            argument::pack(&mut payload, &spec.name, value, limit)?;
        }
        Ok(Self::single(spec, payload))
    }

    /// Several commands that are packed already.
    pub(crate) fn many(payload: Payload, names: Vec<Arc<str>>, write: bool, repeatable: bool, place: Place) -> Self {
        Self::new(payload, Names::Many(names), write, repeatable, place)
    }

    /// The same, in a transaction.
    pub(crate) fn transaction(commands: &Payload, names: Vec<Arc<str>>, place: Place) -> Self {
        let mut payload = Payload::default();
        payload.command(1);
        payload.word(b"MULTI");
        payload.extend(commands);
        payload.command(1);
        payload.word(b"EXEC");
        let names: Vec<_> =
            std::iter::once("MULTI".into()).chain(names).chain(std::iter::once("EXEC".into())).collect();
        Self::new(payload, Names::Transaction(names), true, false, place)
    }

    /// The same request for a node that serves it only if it is asked to.
    pub(crate) fn asked(&self) -> Self {
        let mut payload = Payload::default();
        payload.command(1);
        payload.word(b"ASKING");
        payload.extend(&self.payload);
        Self { payload, replies: self.replies + 1, asking: true, ..self.clone() }
    }

    /// Whether the first reply is that to ASKING.
    pub(crate) fn is_asking(&self) -> bool {
        self.asking
    }

    /// Whether the result is a list of replies.
    pub(crate) fn is_many(&self) -> bool {
        !matches!(self.names, Names::One(_))
    }

    pub(crate) fn is_transaction(&self) -> bool {
        matches!(self.names, Names::Transaction(_))
    }

    pub(crate) fn nature(&self) -> Nature {
        let form = match &self.names {
            Names::One(name) => form_of(name),
            Names::Many(_) => Form::Many,
            Names::Transaction(_) => Form::Transaction,
        };
        Nature { write: self.write, repeatable: self.repeatable, form }
    }

    /// Whether the server may wait before it answers.
    pub(crate) fn waits(&self) -> bool {
        self.wait.is_some()
    }

    /// How long a reply may take.
    pub(crate) fn patience(&self, config: &Config) -> Option<Duration> {
        match self.wait {
            None => config.socket_timeout,
            Some(Duration::ZERO) => None,
            Some(wait) => config.socket_timeout.map(|limit| limit.saturating_add(wait)),
        }
    }

    /// Where reply number `index` comes from.
    pub(crate) fn origin<'a>(&'a self, address: &'a Arc<str>, index: usize) -> Origin<'a> {
        let queued = match &self.names {
            Names::Transaction(names) if index + 1 == self.replies => &names[1..],
            _ => &[],
        };
        Origin { address, command: self.name(index), queued }
    }

    /// The name of the command that reply number `index` answers.
    pub(crate) fn name(&self, index: usize) -> &Arc<str> {
        match &self.names {
            Names::One(name) => name,
            Names::Many(names) | Names::Transaction(names) => {
                &names[index.saturating_sub(usize::from(self.asking)).min(names.len() - 1)]
            }
        }
    }
}

/// How many bytes an argument takes, most likely.
fn room(arg: &Bound<'_, PyAny>) -> usize {
    16 + arg.cast_exact::<PyBytes>().map_or(24, |bytes| bytes.as_bytes().len().min(SHARE))
}

/// What a single command is.
pub(crate) fn form_of(name: &str) -> Form {
    if name.starts_with("EVAL") || name.starts_with("FCALL") { Form::Script } else { Form::One }
}

/// Where a command goes whose keys are in these slots.
pub(crate) fn place(slots: Slots) -> Result<Place, Error> {
    match slots {
        Slots::None => Ok(Place::Any),
        Slots::One(slot) => Ok(Place::Slot(slot)),
        Slots::Several => Err(Error::new(Kind::CrossSlot, "CROSSSLOT keys of one command are in different slots")),
    }
}

/// GET of a made key.
pub(crate) fn get_words(payload: &mut Payload, spec: &Spec, key: &str) {
    payload.command(2);
    payload.packed(&spec.packed);
    payload.word(key.as_bytes());
}

/// SET of a made key to an encoded value, for so many seconds.
pub(crate) fn set_words(
    payload: &mut Payload,
    spec: &Spec,
    key: &str,
    value: &Bound<'_, PyAny>,
    timeout: Option<i64>,
    limit: Option<usize>,
) -> PyResult<()> {
    payload.command(if timeout.is_some() { 5 } else { 3 });
    payload.packed(&spec.packed);
    payload.word(key.as_bytes());
    argument::pack(payload, &spec.name, value, limit)?;
    if let Some(timeout) = timeout {
        payload.word(b"EX");
        payload.integer(timeout);
    }
    Ok(())
}

/// One command.
pub(crate) fn pack(
    payload: &mut Payload,
    spec: &Spec,
    args: &Bound<'_, PyTuple>,
    limit: Option<usize>,
) -> PyResult<()> {
    payload.command(spec.words + args.len());
    payload.packed(&spec.packed);
    // A script is no value, nor is the name of one.
    let scripts = usize::from(form_of(&spec.name) == Form::Script);
    args.iter_borrowed().enumerate().try_for_each(|(index, arg)| {
        argument::pack(payload, &spec.name, &arg, limit.filter(|_| index >= scripts)).or_else(|error| {
            // Nor is a key.
            let too_large = error.is_instance(arg.py(), errors::class(arg.py(), Kind::ValueTooLarge)?.as_any());
            if too_large && spec.key_positions(args)?.contains(&index) {
                return argument::pack(payload, &spec.name, &arg, None);
            }
            Err(error)
        })
    })
}
