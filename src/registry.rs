//! The process's nodes, one for each configuration.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;

use crate::config::Config;
use crate::node::Node;

static NODES: LazyLock<Mutex<HashMap<Arc<Config>, Arc<Node>>>> = LazyLock::new(Mutex::default);

/// The node for `config`: the same for equal configurations.
pub(crate) fn node(config: &Arc<Config>) -> Arc<Node> {
    NODES.lock().entry(config.clone()).or_insert_with(|| Arc::new(Node::new(config.clone()))).clone()
}

pub(crate) fn lock_for_fork() {
    std::mem::forget(NODES.lock());
}

pub(crate) fn unlock_after_fork() {
    // SAFETY: this thread locked it in `lock_for_fork`.
    unsafe { NODES.force_unlock() };
}

/// In a forked child: every node starts anew, without the parent's connections.
pub(crate) fn renew() {
    for node in NODES.lock().values() {
        node.renew();
    }
}
