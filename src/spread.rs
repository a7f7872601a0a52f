//! A batch on several servers: which part goes where, and what is sent again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::batch::Batch;
use crate::errors::{Error, Kind};
use crate::node::Node;
use crate::request::{Place, Request};
use crate::retry::{self, Again, Attempts, Failure, Form, Nature};
use crate::topology::{Detour, Topology};

/// A command of the batch that is still to be sent.
struct Pending {
    index: usize,
    detour: Option<Detour>,
}

/// Commands by number, and whether an ASKING goes before each.
type Asked = Vec<(usize, bool)>;

/// A server's answer to one of the commands.
struct Answer<'py> {
    index: usize,
    reply: Bound<'py, PyAny>,
    /// The refusal that the reply is, as long as the command may be sent again.
    refused: Option<Error>,
}

impl Answer<'_> {
    /// The server may carry it out later.
    fn is_put_off(&self) -> bool {
        self.refused.as_ref().is_some_and(Error::is_transient_refusal)
    }
}

/// What goes to one server in one write.
pub(crate) struct Group {
    pub(crate) node: Arc<Node>,
    pub(crate) request: Request,
    commands: Asked,
}

impl Group {
    /// The refusal that a reply is, if the server did not carry the command out and another attempt may fare better.
    fn refusal(&self, reply: &Bound<'_, PyAny>) -> Option<Error> {
        if !reply.is_instance_of::<PyBaseException>() {
            return None;
        }
        let error = Error::refusal(reply.py(), reply);
        (error.is_transient_refusal() || error.redirect(&self.node.config.address).is_some()).then_some(error)
    }
}

/// A batch, and what has come of it.
pub(crate) struct Spread {
    batch: Batch,
    topology: Arc<dyn Topology>,
    deadline: Option<Instant>,
    /// Reads go to primaries too, so that they see what was written before them.
    on_primaries: bool,
    replies: Vec<Option<Py<PyAny>>>,
    attempts: Vec<Attempts>,
    pending: Vec<Pending>,
    /// How long to wait before what is pending is sent.
    delay: Duration,
    /// The servers that it was meant for, if that is all of them.
    everywhere: Option<Vec<Arc<str>>>,
    /// Why a server did not answer to part of a pipeline.
    lost: Option<Error>,
    /// The servers have to be looked for before what is pending is sent.
    searching: bool,
}

impl Spread {
    pub(crate) fn new(batch: Batch, topology: Arc<dyn Topology>, shape: &Shape, deadline: Option<Instant>) -> Self {
        let mut this = Self {
            batch,
            topology,
            deadline,
            on_primaries: matches!(shape, Shape::List),
            replies: Vec::new(),
            attempts: Vec::new(),
            pending: Vec::new(),
            delay: Duration::ZERO,
            everywhere: if let Shape::Everywhere(names) = shape { Some(names.clone()) } else { None },
            lost: None,
            searching: false,
        };
        this.begin();
        this
    }

    /// Nothing of the batch has been sent.
    fn begin(&mut self) {
        let count = self.batch.len();
        self.replies = (0..count).map(|_| None).collect();
        self.attempts = vec![Attempts::default(); count];
        self.pending = (0..count).map(|index| Pending { index, detour: None }).collect();
    }

    /// Begins anew if all servers were meant and these are others by now; `None` if they are not known.
    fn check_everywhere(&mut self) -> Option<()> {
        let Some(names) = self.everywhere.take() else { return Some(()) };
        let Some(primaries) = self.topology.primaries() else {
            self.everywhere = Some(names);
            return None;
        };
        let now: Vec<_> = primaries.iter().map(|(_, node)| node.config.name.clone()).collect();
        let in_time = self.deadline.is_none_or(|deadline| Instant::now() < deadline);
        if now != names && in_time {
            self.batch.again_everywhere(primaries.into_iter().map(|(place, _)| place).collect());
            self.begin();
            self.everywhere = Some(now);
        }
        Some(())
    }

    /// What is to be sent now, in order for each server; `None` if the servers are not known. Empty when all is done.
    pub(crate) fn groups(&mut self) -> Option<Vec<Group>> {
        if std::mem::take(&mut self.searching) {
            return None;
        }
        if self.pending.is_empty() {
            self.check_everywhere()?;
        }
        // Groups do not answer in the order of their commands.
        self.pending.sort_by_key(|pending| pending.index);
        let mut parts: Vec<(Arc<Node>, Asked)> = Vec::new();
        for Pending { index, detour } in &self.pending {
            let (node, asking) = if let Some(detour) = detour {
                (detour.node.clone(), detour.asking)
            } else {
                let (place, write) = self.batch.route(*index);
                (self.topology.route(place, write || self.on_primaries)?, false)
            };
            match parts.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &node)) {
                Some((_, commands)) => commands.push((*index, asking)),
                None => parts.push((node, vec![(*index, asking)])),
            }
        }
        // Callers that need connections to several servers take them in the same order: else two might wait for each other.
        parts.sort_by(|one, other| one.0.config.name.cmp(&other.0.config.name));
        self.pending.clear();
        self.delay = Duration::ZERO;
        let groups = parts.into_iter().map(|(node, commands)| {
            let request = self.batch.part(&commands, Place::Node(node.clone()));
            Group { node, request, commands }
        });
        Some(groups.collect())
    }

    /// How long to wait before the next round.
    pub(crate) fn delay(&self) -> Duration {
        self.delay
    }

    /// Takes the list of replies to a group.
    pub(crate) fn arrived(&mut self, py: Python<'_>, group: &Group, replies: &Bound<'_, PyAny>) {
        let mut replies = replies.cast::<PyList>().into_iter().flatten();
        let mut answers = Vec::with_capacity(group.commands.len());
        for &(index, asking) in &group.commands {
            if asking {
                replies.next();
            }
            let missing = || Error::new(Kind::Internal, "a reply is missing").into_exception(py).into_bound(py);
            let reply = replies.next().unwrap_or_else(missing);
            let refused = group.refusal(&reply).filter(|error| {
                // A script may answer with what looks like a refusal.
                error.is_genuine() || self.batch.form(index) != Form::Script
            });
            answers.push(Answer { index, reply, refused });
        }
        if self.on_primaries && answers.iter().any(Answer::is_put_off) {
            self.forbid_overtaking(&mut answers);
        }
        let mut put_off = HashSet::new();
        for answer in answers {
            let is_put_off = answer.is_put_off();
            let Answer { index, reply, refused } = answer;
            let place = self.batch.route(index).0.slot();
            if self.on_primaries && !is_put_off && put_off.contains(&place) {
                // It was meant to see what has not been done yet, wherever that will be. It ends when that one ends.
                self.attempts[index] = Attempts::default();
                self.pending.push(Pending { index, detour: None });
            } else if let Some(error) = refused
                && self.go_on(index, &group.node, self.batch.form(index), &Failure::sent(error))
            {
                if is_put_off {
                    put_off.insert(place);
                }
            } else {
                self.replies[index] = Some(reply.unbind());
            }
        }
    }

    /// A command of a pipeline that is put off is not sent again once a later one in its slot has written: it would come too
    /// late.
    fn forbid_overtaking(&self, answers: &mut [Answer<'_>]) {
        let mut written = HashSet::new();
        for answer in answers.iter_mut().rev() {
            let place = self.batch.route(answer.index).0.slot();
            if answer.is_put_off() {
                if written.contains(&place) {
                    answer.refused = None;
                }
            } else if answer.refused.is_none() && self.batch.changes(answer.index) {
                written.insert(place);
            }
        }
    }

    /// Takes note that a group got no replies.
    pub(crate) fn failed(&mut self, py: Python<'_>, group: &Group, failure: &Failure) {
        let repeatable = group.commands.iter().all(|(index, _)| self.batch.is_repeatable(*index));
        // In a pipeline, later commands may count on earlier ones, and on these not being repeated.
        let is_over = failure.sent && self.on_primaries && !repeatable;
        for &(index, _) in &group.commands {
            if is_over || !self.go_on(index, &group.node, Form::Many, failure) {
                let error = failure.error.clone().at(&group.node.config.name).during(self.batch.name_of(index));
                self.lost.get_or_insert_with(|| error.clone());
                self.replies[index] = Some(error.into_exception(py));
            }
        }
    }

    /// Whether a command is sent again.
    fn go_on(&mut self, index: usize, node: &Arc<Node>, form: Form, failure: &Failure) -> bool {
        let (place, write) = self.batch.route(index);
        let write = write || self.on_primaries;
        let nature = Nature { write, repeatable: self.batch.is_repeatable(index), form };
        let attempts = &mut self.attempts[index];
        let again = retry::again(&*self.topology, node, place, nature, failure, attempts, self.deadline);
        let Some(Again { delay, detour, search }) = again else { return false };
        self.searching |= search;
        self.delay = self.delay.max(delay);
        self.pending.push(Pending { index, detour });
        true
    }

    /// The caller's results, once all is done. A pipeline has none if a server did not answer.
    pub(crate) fn results(&self, py: Python<'_>) -> PyResult<Py<PyList>> {
        if let Some(lost) = self.lost.as_ref().filter(|_| self.on_primaries) {
            return Err(lost.clone().into());
        }
        let replies: Vec<_> = self
            .replies
            .iter()
            .map(|reply| reply.as_ref().map_or_else(|| py.None(), |reply| reply.clone_ref(py)))
            .collect();
        self.batch.items(py, &replies)
    }

    pub(crate) fn visit(&self, visit: &pyo3::gc::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        self.replies.iter().flatten().try_for_each(|reply| visit.call(reply))
    }

    /// The name of the first command, for errors that concern all.
    pub(crate) fn command(&self) -> Arc<str> {
        self.batch.name()
    }
}

/// What becomes of the results.
#[derive(Clone)]
pub(crate) enum Shape {
    /// All of them, as a list.
    List,
    /// The only one; raised if it is an exception.
    Only,
    /// The only one, which is for all of these servers.
    Everywhere(Vec<Arc<str>>),
    /// The only one, a page of keys.
    Page(Cursor),
}

/// Where a walk through the keys of all primaries stands: at which of them, and at which cursor of that one's. In numbers
/// that callers see, the upper half is the primary's place and a mark that tells it from others.
#[derive(Clone)]
pub(crate) struct Cursor {
    pub(crate) index: usize,
    pub(crate) low: u64,
    /// Marks of all primaries, in their order.
    marks: Vec<u32>,
}

impl Cursor {
    /// What a number means while `primaries` are the servers.
    pub(crate) fn of(number: Option<u128>, primaries: &[(Place, Arc<Node>)]) -> Result<Self, Error> {
        let invalid = || Error::new(Kind::Response, "ERR invalid cursor");
        let marks: Vec<_> = primaries.iter().map(|(_, node)| node.mark()).collect();
        let bytes = number.ok_or_else(invalid)?.to_be_bytes();
        let [m0, m1, m2, m3, i0, i1, i2, i3, low @ ..] = bytes;
        let (marked, low) = (u32::from_be_bytes([m0, m1, m2, m3]), u64::from_be_bytes(low));
        let index = usize::try_from(u32::from_be_bytes([i0, i1, i2, i3])).map_err(|_| invalid())?;
        let Some(known) = marks.get(index) else { return Err(invalid()) };
        if (index, low, marked) != (0, 0, 0) && marked != *known {
            return Err(Error::new(Kind::Response, "ERR invalid cursor: the cluster's servers are others now"));
        }
        Ok(Self { index, low, marks })
    }

    /// The number to go on with, when the server has answered with `low`.
    fn next(&self, low: u64) -> u128 {
        let index = if low == 0 { self.index + 1 } else { self.index };
        match self.marks.get(index) {
            Some(mark) => (u128::from(*mark) << 96) | ((index as u128) << 64) | u128::from(low),
            None => 0,
        }
    }
}

impl Shape {
    pub(crate) fn of<'py>(&self, py: Python<'py>, results: Py<PyList>) -> PyResult<Bound<'py, PyAny>> {
        let results = results.into_bound(py);
        let only = match self {
            Self::List => return Ok(results.into_any()),
            Self::Only | Self::Everywhere(_) | Self::Page(_) => results.get_item(0)?,
        };
        if only.is_instance_of::<PyBaseException>() {
            return Err(PyErr::from_value(only));
        }
        if let Self::Page(cursor) = self
            && let Ok(page) = only.cast::<PyList>()
            && let Ok(low) = page.get_item(0)?.extract::<Vec<u8>>()
        {
            let low = std::str::from_utf8(&low).ok().and_then(|digits| digits.parse::<u64>().ok());
            let low = low.ok_or_else(|| PyErr::from(Error::new(Kind::Response, "unexpected cursor")))?;
            let next = cursor.next(low);
            page.set_item(0, pyo3::types::PyBytes::new(py, next.to_string().as_bytes()))?;
        }
        Ok(only)
    }
}
