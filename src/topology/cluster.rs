//! A Redis or Valkey Cluster: every slot has a primary, and perhaps replicas.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::cmd;

use super::finder::{Finder, first_of};
use super::{Detour, Done, Lesson, Topology, healthy, node_at, picked};
use crate::config::{Address, Config, Hook};
use crate::control::{self, Answer};
use crate::errors::{Error, Kind, Redirect, Result};
use crate::node::Node;
use crate::request::Place;
use crate::retry::Failure;
use crate::slots::SLOTS;

/// No shard has the slot.
const NONE: u16 = u16::MAX;

#[derive(Clone)]
struct Shard {
    primary: Arc<Node>,
    replicas: Vec<Arc<Node>>,
}

/// Who has which slot.
#[derive(Clone)]
struct Table {
    /// For each slot the number of its shard.
    owners: Vec<u16>,
    /// In the order of their first slots.
    shards: Vec<Shard>,
    /// Nodes by the addresses that servers announce.
    announced: HashMap<(String, u16), Arc<Node>>,
    /// When it should be looked up anew.
    due: Option<Instant>,
}

impl Table {
    fn shard(&self, slot: u16) -> Option<&Shard> {
        self.shards.get(usize::from(self.owners[usize::from(slot % SLOTS)]))
    }

    fn is_at(&self, slot: u16, node: &Arc<Node>) -> bool {
        self.shard(slot).is_some_and(|shard| Arc::ptr_eq(&shard.primary, node))
    }

    /// The same table, with `slot` at `node`.
    fn moved(&self, slot: u16, node: &Arc<Node>) -> Self {
        let mut table = self.clone();
        let known = table.shards.iter().position(|shard| Arc::ptr_eq(&shard.primary, node));
        let number = known.unwrap_or_else(|| {
            table.shards.push(Shard { primary: node.clone(), replicas: Vec::new() });
            table.shards.len() - 1
        });
        table.owners[usize::from(slot % SLOTS)] = u16::try_from(number).unwrap_or(NONE);
        table
    }
}

pub(crate) struct Options {
    pub(crate) read_from_replicas: bool,
    pub(crate) remap: Option<Hook>,
    pub(crate) max_redirects: u32,
    pub(crate) refresh: Option<Duration>,
}

pub(crate) struct Cluster {
    seeds: Vec<Arc<Config>>,
    options: Arc<Options>,
    finder: Arc<Finder<Table>>,
}

impl Cluster {
    /// `None` without any seed. All nodes get the settings of the first.
    pub(crate) fn new(seeds: Vec<Arc<Config>>, options: Options) -> Option<Self> {
        let finder = Arc::new(Finder::new(seeds.first()?.reconnect_backoff));
        Some(Self { seeds, options: Arc::new(options), finder })
    }

    /// Looks the table up while callers go on with the one they have.
    fn refresh(&self) {
        if self.finder.is_due() {
            self.find(Box::new(drop));
        }
    }

    /// The node that announces this address, if it can be told without a search.
    fn announced(&self, host: &str, port: u16) -> Option<Arc<Node>> {
        if let Some(node) = self.finder.found().as_ref()?.announced.get(&(host.to_owned(), port)) {
            return Some(node.clone());
        }
        self.options.remap.is_none().then(|| node_at(&self.seeds[0], host, port, false))
    }
}

impl Topology for Cluster {
    fn is_sharded(&self) -> bool {
        true
    }

    fn route(&self, place: &Place, write: bool) -> Option<Arc<Node>> {
        let slot = match place {
            Place::Node(node) => return Some(node.clone()),
            Place::Slot(slot) | Place::Pinned(slot, _) => *slot,
            Place::Any | Place::Index(_) => 0,
        };
        let found = self.finder.found();
        let table = found.as_ref()?;
        if table.due.is_some_and(|due| Instant::now() >= due) {
            self.refresh();
        }
        // Of a slot that nobody has, any server says so.
        let shard = table.shard(slot).or_else(|| table.shards.first())?;
        // What has no key concerns the server that has the first slot.
        if write || matches!(place, Place::Any) || !self.options.read_from_replicas {
            return Some(shard.primary.clone());
        }
        let replica = match place {
            Place::Pinned(_, 0) => None,
            // A cursor belongs to one server, whatever its state.
            Place::Pinned(_, number) => picked(&shard.replicas, *number),
            _ => healthy(&shard.replicas),
        };
        Some(replica.unwrap_or(&shard.primary).clone())
    }

    fn primaries(&self) -> Option<Vec<(Place, Arc<Node>)>> {
        let found = self.finder.found();
        let table = found.as_ref()?;
        let mut primaries: Vec<(Place, Arc<Node>)> = Vec::new();
        for (number, shard) in table.shards.iter().enumerate() {
            // What has no slots has no keys.
            let slot = table.owners.iter().position(|owner| usize::from(*owner) == number);
            if let Some(slot) = slot.and_then(|slot| u16::try_from(slot).ok()) {
                primaries.push((Place::Slot(slot), shard.primary.clone()));
            }
        }
        // An order that does not depend on which slots they have.
        primaries.sort_by(|one, other| one.1.config.name.cmp(&other.1.config.name));
        Some(primaries)
    }

    fn find(&self, done: Done) {
        let mut servers: Vec<Arc<Config>> = Vec::new();
        if let Some(table) = self.finder.found().as_ref() {
            servers.extend(table.shards.iter().map(|shard| shard.primary.config.clone()));
            servers.extend(table.shards.iter().flat_map(|shard| &shard.replicas).map(|node| node.config.clone()));
            fastrand::shuffle(&mut servers);
        }
        for seed in &self.seeds {
            if !servers.iter().any(|server| server.address == seed.address) {
                servers.push(seed.clone());
            }
        }
        let (template, options) = (self.seeds[0].clone(), self.options.clone());
        self.finder.find(|| search(servers, template, options), done);
    }

    fn learn(&self, node: &Arc<Node>, failure: &Failure) -> Lesson {
        let error = &failure.error;
        match error.redirect(&node.config.address) {
            Some(Redirect::Moved { slot, host, port }) => {
                let Some(target) = self.announced(&host, port) else {
                    self.finder.forget();
                    return Lesson::Later;
                };
                let known = self.finder.found().as_ref().is_some_and(|table| table.is_at(slot, &target));
                if !known {
                    self.finder.change(|table| table.moved(slot, &target));
                }
                self.refresh();
                Lesson::Elsewhere(Detour { node: target, asking: false })
            }
            Some(Redirect::Ask { host, port }) => match self.announced(&host, port) {
                Some(node) => Lesson::Elsewhere(Detour { node, asking: true }),
                None => Lesson::Later,
            },
            Some(Redirect::Later) => {
                self.refresh();
                Lesson::Later
            }
            // It is a replica now, of whom the search will tell.
            None if error.kind == Kind::ReadOnly => {
                self.finder.forget();
                Lesson::Later
            }
            None => {
                if failure.connecting && self.finder.is_promising() {
                    return Lesson::Search;
                }
                if error.is_lost_connection() || error.is_timeout() {
                    self.refresh();
                }
                Lesson::Nothing
            }
        }
    }

    fn max_redirects(&self) -> u32 {
        self.options.max_redirects
    }
}

async fn search(servers: Vec<Arc<Config>>, template: Arc<Config>, options: Arc<Options>) -> Result<Table> {
    let names: Vec<_> = servers.iter().map(|server| server.name.clone()).collect();
    let asked = first_of(servers, |server| {
        let (template, options) = (template.clone(), options.clone());
        async move { table_of(&server, &template, &options).await }
    });
    asked
        .await
        .map_err(|errors| super::nobody(Kind::ClusterUnreachable, "no node of the cluster answers", &names, &errors))
}

/// What CLUSTER SLOTS says of one range.
struct Range {
    first: u16,
    last: u16,
    /// The primary, then the replicas, as they are announced.
    nodes: Vec<(String, u16)>,
}

impl Range {
    /// `asked`: the host that the answer is from, which it does not repeat.
    fn of(answer: &Answer, asked: &str) -> Option<Self> {
        let [first, last, nodes @ ..] = answer.list()? else { return None };
        let nodes = nodes.iter().map(|node| {
            let [host, port, ..] = node.list()? else { return None };
            let host = host.text().filter(|host| !host.is_empty() && *host != "?").unwrap_or(asked);
            Some((host.to_owned(), port.number()?))
        });
        let range = Self { first: first.number()?, last: last.number()?, nodes: nodes.collect::<Option<_>>()? };
        (range.first <= range.last && range.last < SLOTS && !range.nodes.is_empty()).then_some(range)
    }
}

async fn table_of(server: &Arc<Config>, template: &Config, options: &Options) -> Result<Table> {
    let mut question = cmd("CLUSTER");
    question.arg("SLOTS");
    let (connection, answers) = control::ask(server, &[question]).await?;
    let Address::Tcp { host: asked, .. } = &server.address else {
        return Err(Error::new(Kind::ClusterUnreachable, "it has no host name"));
    };
    let ranges = match answers.first() {
        Some(Answer::Error(text)) => return Err(super::refused(Kind::ClusterUnreachable, text)),
        Some(Answer::List(ranges)) => ranges.iter().map(|range| Range::of(range, asked)).collect::<Option<Vec<_>>>(),
        _ => None,
    };
    let mut ranges = ranges.ok_or_else(|| Error::new(Kind::ClusterUnreachable, "unexpected reply to CLUSTER SLOTS"))?;
    if ranges.is_empty() {
        return Err(Error::new(Kind::ClusterUnreachable, "it knows of no slots"));
    }
    ranges.sort_by_key(|range| range.first);
    let mut table = Table {
        owners: vec![NONE; usize::from(SLOTS)],
        shards: Vec::new(),
        announced: HashMap::new(),
        due: options.refresh.map(|interval| Instant::now() + interval.mul_f64(0.75 + 0.5 * fastrand::f64())),
    };
    let mut announced: Vec<_> = ranges.iter().flat_map(|range| range.nodes.iter().cloned()).collect();
    announced.sort();
    announced.dedup();
    let addresses = match &options.remap {
        Some(remap) => control::remap(remap, announced.clone(), template).await?,
        None => announced.clone(),
    };
    let addresses: HashMap<_, _> = announced.into_iter().zip(addresses).collect();
    let node = |announced: &(String, u16), read_only| {
        let (host, port) = addresses.get(announced).unwrap_or(announced);
        node_at(template, host, *port, read_only)
    };
    for Range { first, last, nodes } in ranges {
        let primary = node(&nodes[0], false);
        let number = table.shards.iter().position(|shard| Arc::ptr_eq(&shard.primary, &primary)).unwrap_or_else(|| {
            let replicas = nodes[1..].iter().map(|address| node(address, true)).collect();
            table.shards.push(Shard { primary, replicas });
            table.shards.len() - 1
        });
        let number = u16::try_from(number).unwrap_or(NONE);
        table.owners[usize::from(first)..=usize::from(last)].fill(number);
        for address in nodes {
            let target = node(&address, false);
            table.announced.insert(address, target);
        }
    }
    // A start-up node may be announced under another name; then nobody would use its connection.
    if let Some(shard) = table.shards.iter().find(|shard| shard.primary.config == *server) {
        shard.primary.state().give_spare(connection, Some(1));
    }
    Ok(table)
}

#[cfg(test)]
// What fails here fails the test.
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    fn text(text: &str) -> Answer {
        Answer::Text(text.to_owned())
    }

    fn node(host: Answer, port: i64) -> Answer {
        Answer::List(vec![host, Answer::Integer(port), text("id")])
    }

    fn range(first: i64, last: i64, nodes: Vec<Answer>) -> Option<Range> {
        let items = [Answer::Integer(first), Answer::Integer(last)].into_iter().chain(nodes).collect();
        Range::of(&Answer::List(items), "asked")
    }

    #[test]
    fn a_range_names_its_nodes() {
        let nodes = vec![node(text("one"), 1), node(Answer::Null, 2), node(text(""), 3), node(text("?"), 4)];
        let range = range(0, 5460, nodes).expect("a range");
        assert_eq!((range.first, range.last), (0, 5460));
        let expected = [("one", 1), ("asked", 2), ("asked", 3), ("asked", 4)];
        assert_eq!(range.nodes, expected.map(|(host, port)| (host.to_owned(), port)));
    }

    #[test]
    fn what_is_no_range() {
        let one = || vec![node(text("one"), 1)];
        assert!(range(0, 16_384, one()).is_none());
        assert!(range(2, 1, one()).is_none());
        assert!(range(-1, 1, one()).is_none());
        assert!(range(0, 1, Vec::new()).is_none());
        assert!(range(0, 1, vec![node(text("one"), 65_536)]).is_none());
        assert!(Range::of(&Answer::Null, "asked").is_none());
    }
}
