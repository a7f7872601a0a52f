//! The process's nodes, one for each configuration.

use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;

use crate::config::{Address, Config};
use crate::node::Node;

/// Replaced as a whole when a configuration is added, which is rare; a handful is many.
static NODES: LazyLock<ArcSwap<Vec<Arc<Node>>>> = LazyLock::new(ArcSwap::default);

/// So many nodes are kept in any case.
const MANY: usize = 64;

/// Makes what a fork must not find half made.
pub(crate) fn prepare() {
    LazyLock::force(&NODES);
}

fn find(config: &Config, nodes: &[Arc<Node>]) -> Option<Arc<Node>> {
    nodes.iter().find(|node| *node.config == *config).cloned()
}

/// The node for `config`: the same for equal configurations.
pub(crate) fn node(config: &Arc<Config>) -> Arc<Node> {
    if let Some(node) = find(config, &NODES.load()) {
        return node;
    }
    let made = Arc::new(Node::new(config.clone()));
    NODES.rcu(|nodes| {
        // Nodes that no settings, no loop and no cluster's table have any more go, and their idle connections with them.
        // Not at once: a cluster whose table is being looked up anew will want most of them back.
        let is_wanted = |node: &&Arc<Node>| nodes.len() < MANY || Arc::strong_count(node) > 1;
        let mut nodes: Vec<_> = nodes.iter().filter(is_wanted).cloned().collect();
        // Another thread may have been faster.
        if find(config, &nodes).is_none() {
            nodes.push(made.clone());
        }
        nodes
    });
    find(config, &NODES.load()).unwrap_or(made)
}

/// Closes idle connections that servers have closed, wherever they led.
pub(crate) fn close_dead() {
    for node in NODES.load().iter() {
        node.close_dead();
    }
}

/// The nodes that differ from `config` in their addresses only: those of one cluster, or of one service.
pub(crate) fn alike(config: &Config) -> Vec<Arc<Node>> {
    let plain =
        |config: &Config| Config { address: Address::Unknown, name: "".into(), read_only: false, ..config.clone() };
    let wanted = plain(config);
    NODES.load().iter().filter(|node| plain(&node.config) == wanted).cloned().collect()
}
