//! Which node serves a request? The only thing in which backends differ.

use std::sync::Arc;

use crate::node::Node;
use crate::request::Request;

pub(crate) trait Topology: Send + Sync {
    /// The node for `request`; `at` asks for a certain one by its index.
    fn route(&self, request: &Request, at: Option<usize>) -> &Arc<Node>;
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
    fn route(&self, request: &Request, at: Option<usize>) -> &Arc<Node> {
        let index = match at {
            Some(index) if index < self.nodes.len() => index,
            _ if request.write || self.nodes.len() == 1 => 0,
            _ => fastrand::usize(1..self.nodes.len()),
        };
        &self.nodes[index]
    }
}
