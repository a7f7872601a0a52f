//! One server, or a primary and its read replicas.

use std::sync::Arc;

use super::{Topology, healthy};
use crate::node::Node;
use crate::request::Place;

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
    fn changes(&self) -> bool {
        false
    }

    fn route(&self, place: &Place, write: bool) -> Option<Arc<Node>> {
        let node = match place {
            Place::Node(node) => node,
            Place::Index(index) if *index < self.nodes.len() => &self.nodes[*index],
            _ if write || self.nodes.len() == 1 => &self.nodes[0],
            // When all of them are out of order, the primary has the data too.
            _ => healthy(&self.nodes[1..]).unwrap_or(&self.nodes[0]),
        };
        Some(node.clone())
    }
}
