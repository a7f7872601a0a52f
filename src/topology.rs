//! Which node serves a request? The only thing in which backends differ.

use std::sync::Arc;

use crate::node::Node;
use crate::request::Place;

pub(crate) trait Topology: Send + Sync {
    /// Whether keys are spread over several servers.
    fn is_sharded(&self) -> bool {
        false
    }

    /// The node for a place, for writing or for reading.
    fn route(&self, place: &Place, write: bool) -> Arc<Node>;
}

/// The first server takes the writes, the others share the reads. A single server takes both.
pub(crate) struct Standalone {
    nodes: Vec<Arc<Node>>,
}

impl Standalone {
    /// `None` without any node.
    pub(crate) fn new(nodes: Vec<Arc<Node>>) -> Option<Self> {
        (!nodes.is_empty()).then_some(Self { nodes })
    }
}

impl Topology for Standalone {
    fn route(&self, place: &Place, write: bool) -> Arc<Node> {
        let index = match place {
            Place::Node(node) => return node.clone(),
            Place::Index(index) if *index < self.nodes.len() => *index,
            _ if write || self.nodes.len() == 1 => 0,
            _ => fastrand::usize(1..self.nodes.len()),
        };
        self.nodes[index].clone()
    }
}
