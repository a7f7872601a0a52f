//! A batch on several servers: which part goes where, and what is sent again.

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

/// What goes to one server in one write.
pub(crate) struct Group {
    pub(crate) node: Arc<Node>,
    pub(crate) request: Request,
    asking: bool,
    indexes: Vec<usize>,
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
}

impl Spread {
    pub(crate) fn new(batch: Batch, topology: Arc<dyn Topology>, shape: &Shape, deadline: Option<Instant>) -> Self {
        let count = batch.len();
        Self {
            batch,
            topology,
            deadline,
            on_primaries: matches!(shape, Shape::List),
            replies: (0..count).map(|_| None).collect(),
            attempts: vec![Attempts::default(); count],
            pending: (0..count).map(|index| Pending { index, detour: None }).collect(),
            delay: Duration::ZERO,
        }
    }

    /// What is to be sent now, in order for each server; `None` if the servers are not known. Empty when all is done.
    pub(crate) fn groups(&mut self) -> Option<Vec<Group>> {
        let mut parts: Vec<(Arc<Node>, bool, Vec<usize>)> = Vec::new();
        for Pending { index, detour } in &self.pending {
            let (node, asking) = if let Some(detour) = detour {
                (detour.node.clone(), detour.asking)
            } else {
                let (place, write) = self.batch.route(*index);
                (self.topology.route(place, write || self.on_primaries)?, false)
            };
            let same = |part: &&mut (Arc<Node>, bool, Vec<usize>)| Arc::ptr_eq(&part.0, &node) && part.1 == asking;
            match parts.iter_mut().find(same) {
                Some((_, _, indexes)) => indexes.push(*index),
                None => parts.push((node, asking, vec![*index])),
            }
        }
        // Callers that need connections to several servers take them in the same order: else two might wait for each other.
        parts.sort_by(|one, other| one.0.config.name.cmp(&other.0.config.name));
        self.pending.clear();
        self.delay = Duration::ZERO;
        let groups = parts.into_iter().map(|(node, asking, indexes)| {
            let request = self.batch.part(&indexes, Place::Node(node.clone()), asking);
            Group { node, request, asking, indexes }
        });
        Some(groups.collect())
    }

    /// How long to wait before the next round.
    pub(crate) fn delay(&self) -> Duration {
        self.delay
    }

    /// Takes the list of replies to a group.
    pub(crate) fn arrived(&mut self, py: Python<'_>, group: &Group, replies: &Bound<'_, PyAny>) {
        let replies: Vec<Bound<'_, PyAny>> =
            replies.cast::<PyList>().map(|list| list.iter().collect()).unwrap_or_default();
        let step = if group.asking { 2 } else { 1 };
        let mut last = replies.into_iter().skip(step - 1).step_by(step);
        for &index in &group.indexes {
            let Some(reply) = last.next() else {
                self.replies[index] = Some(Error::new(Kind::Internal, "a reply is missing").into_exception(py));
                continue;
            };
            if reply.is_instance_of::<PyBaseException>() {
                let error = Error::refusal(py, &reply);
                // The server did not carry this one out.
                let refused = error.is_transient_refusal() || error.redirect(&group.node.config.address).is_some();
                if refused && self.go_on(index, &group.node, Form::One, &Failure::sent(error)) {
                    continue;
                }
            }
            self.replies[index] = Some(reply.unbind());
        }
    }

    /// Takes note that a group got no replies.
    pub(crate) fn failed(&mut self, py: Python<'_>, group: &Group, failure: &Failure) {
        for (nth, &index) in group.indexes.iter().enumerate() {
            if !self.go_on(index, &group.node, Form::Many, failure) {
                let error = failure.error.clone().at(&group.node.config.name);
                let error = error.during(group.request.name(if group.asking { 2 * nth + 1 } else { nth }));
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
        let Some(Again { delay, detour }) = again else { return false };
        self.delay = self.delay.max(delay);
        self.pending.push(Pending { index, detour });
        true
    }

    /// The caller's results, once all is done.
    pub(crate) fn results(&self, py: Python<'_>) -> PyResult<Py<PyList>> {
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
    /// The only one, a page of keys from this primary out of so many; the cursor says so.
    Page { index: usize, count: usize },
}

impl Shape {
    pub(crate) fn of<'py>(&self, py: Python<'py>, results: Py<PyList>) -> PyResult<Bound<'py, PyAny>> {
        let results = results.into_bound(py);
        let only = match self {
            Self::List => return Ok(results.into_any()),
            Self::Only | Self::Page { .. } => results.get_item(0)?,
        };
        if only.is_instance_of::<PyBaseException>() {
            return Err(PyErr::from_value(only));
        }
        if let Self::Page { index, count } = *self
            && let Ok(page) = only.cast::<PyList>()
            && let Ok(cursor) = page.get_item(0)?.extract::<Vec<u8>>()
        {
            let cursor = std::str::from_utf8(&cursor).ok().and_then(|digits| digits.parse::<u64>().ok());
            let cursor = cursor.ok_or_else(|| PyErr::from(Error::new(Kind::Response, "unexpected cursor")))?;
            let next = match cursor {
                0 if index + 1 < count => (index as u128 + 1) << 64,
                0 => 0,
                cursor => ((index as u128) << 64) | u128::from(cursor),
            };
            page.set_item(0, pyo3::types::PyBytes::new(py, next.to_string().as_bytes()))?;
        }
        Ok(only)
    }
}
