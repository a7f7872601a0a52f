//! Which node serves a request? The only thing in which backends differ.

mod cluster;
mod finder;
mod sentinel;
mod standalone;
mod subscription;

use std::sync::Arc;

use fastrand::Rng;

use crate::config::Config;
use crate::errors::{Error, Kind, Result};
use crate::node::Node;
use crate::registry;
use crate::request::Place;
use crate::retry::Failure;

pub(crate) use cluster::{Cluster, Options as ClusterOptions};
pub(crate) use sentinel::Sentinel;
pub(crate) use standalone::Standalone;

/// Called once, on the control plane or at once.
pub(crate) type Done = Box<dyn FnOnce(Result<()>) + Send>;

/// Where a server has sent us.
pub(crate) struct Detour {
    pub(crate) node: Arc<Node>,
    /// That server serves the request only if it is asked to.
    pub(crate) asking: bool,
}

/// What a failure teaches.
pub(crate) enum Lesson {
    Nothing,
    /// Another node serves the request.
    Elsewhere(Detour),
    /// The same request will be served in a while.
    Later,
    /// Another node may have taken over: a search would tell.
    Search,
}

pub(crate) trait Topology: Send + Sync {
    /// Whether keys are spread over several servers.
    fn is_sharded(&self) -> bool {
        false
    }

    /// Whether another server may take a server's part while we use it.
    fn changes(&self) -> bool {
        true
    }

    /// The node for a place, for writing or for reading; `None` while the servers are not known.
    fn route(&self, place: &Place, write: bool) -> Option<Arc<Node>>;

    /// The nodes that take writes, in the order of their names, each with a place that it and its successors have; `None`
    /// while they are not known.
    fn primaries(&self) -> Option<Vec<(Place, Arc<Node>)>> {
        self.route(&Place::Any, true).map(|node| vec![(Place::Any, node)])
    }

    /// Finds out which servers there are.
    fn find(&self, done: Done) {
        done(Ok(()));
    }

    /// Takes note of a failure.
    fn learn(&self, _node: &Arc<Node>, _failure: &Failure) -> Lesson {
        Lesson::Nothing
    }

    /// How many times a request may be sent elsewhere.
    fn max_redirects(&self) -> u32 {
        0
    }
}

/// What a caller is told whose time is over while the servers are searched for.
pub(crate) fn late() -> Error {
    Error::timeout("the servers were not found in time", None)
}

/// What a server says that refuses to tell what it knows.
fn refused(kind: Kind, text: &str) -> Error {
    let mut error = Error::reply(text.as_bytes());
    if error.kind == Kind::Response {
        error.kind = kind;
    }
    error
}

/// One of `nodes` that is not known to be out of order, at random.
fn healthy(nodes: &[Arc<Node>]) -> Option<&Arc<Node>> {
    let start = fastrand::usize(..nodes.len().max(1));
    let (before, after) = nodes.split_at(start.min(nodes.len()));
    after.iter().chain(before).find(|node| !node.is_out_of_order())
}

/// The one of `nodes` that a number picks: always the same while it is among them, whoever else comes and goes.
fn picked(nodes: &[Arc<Node>], number: usize) -> Option<&Arc<Node>> {
    nodes.iter().max_by_key(|node| Rng::with_seed(u64::from(node.mark()) << 32 ^ number as u64).u64(..))
}

/// The node at an address, with the settings of `like`.
fn node_at(like: &Config, host: &str, port: u16, read_only: bool) -> Arc<Node> {
    registry::node(&Arc::new(Config { read_only, ..like.at(host, port) }))
}

/// Why none of several servers was of use.
fn nobody(kind: Kind, what: &str, names: &[Arc<str>], errors: &[Error]) -> Error {
    // What the application's hooks raise passes unchanged, and wrong credentials say more than what follows from them.
    let telling =
        |error: &&Error| error.is_foreign() || matches!(error.kind, Kind::Authentication | Kind::NoPermission);
    if let Some(error) = errors.iter().find(telling) {
        return error.clone();
    }
    let reasons: Vec<_> = names.iter().zip(errors).map(|(name, error)| format!("{name}: {}", error.text())).collect();
    Error::new(kind, format!("{what}: {}", reasons.join("; "))).because(errors)
}
