//! A master and its replicas, whom sentinels watch over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use redis::cmd;

use super::finder::{Finder, first_of};
use super::subscription::{Announced, News, Subscription};
use super::{Done, Lesson, Topology, healthy, node_at, picked};
use crate::config::{Config, Hook};
use crate::control::{self, Answer};
use crate::errors::{Error, Kind, Result};
use crate::node::Node;
use crate::request::Place;
use crate::retry::Failure;

/// How often the sentinels are asked though nothing has gone wrong, so that new replicas are found.
const REFRESH: Duration = Duration::from_secs(60);
/// The same while some replica cannot be read from, or the sentinel that would tell news is gone: that may be over soon.
const SOON: Duration = Duration::from_secs(2);
/// For how long after one sentinel has announced a new master the others are not believed if they still name the old one.
/// They tell each other every second or two.
const SPREADS: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Servers {
    /// `None` once it has failed.
    master: Option<Arc<Node>>,
    announced: Announced,
    replicas: Vec<Arc<Node>>,
    /// Of the sentinel that named them; `None` once it is gone.
    subscription: Option<Arc<Subscription>>,
    due: Instant,
}

/// The sentinels that we know: those of the settings, and those that they know.
type Known = Arc<ArcSwap<Vec<Arc<Config>>>>;

/// What is asked, and how the answers are read.
struct Question {
    service: String,
    /// The settings of the master and its replicas, without an address.
    template: Arc<Config>,
    remap: Option<Hook>,
    /// Who is no longer the master, as a sentinel has told, and until when others may not know.
    deposed: ArcSwapOption<(Announced, Instant)>,
}

impl Question {
    fn is_deposed(&self, server: &Announced) -> bool {
        self.deposed.load().as_ref().is_some_and(|deposed| deposed.0 == *server && Instant::now() < deposed.1)
    }
}

pub(crate) struct Sentinel {
    known: Known,
    question: Arc<Question>,
    finder: Arc<Finder<Servers>>,
}

impl Sentinel {
    pub(crate) fn new(
        service: String,
        sentinels: Vec<Arc<Config>>,
        template: Arc<Config>,
        remap: Option<Hook>,
    ) -> Self {
        let finder = Arc::new(Finder::new(template.reconnect_backoff));
        Self {
            known: Arc::new(ArcSwap::from_pointee(sentinels)),
            question: Arc::new(Question { service, template, remap, deposed: ArcSwapOption::empty() }),
            finder,
        }
    }

    /// Takes note of what the sentinel has told since the last time.
    fn listen(&self, servers: &Servers, now: Instant) {
        let Some(subscription) = &servers.subscription else { return };
        let outdated = |found: &Servers| found.subscription.as_ref().is_some_and(|one| Arc::ptr_eq(one, subscription));
        let forget = || {
            self.finder.change(|found| match found.clone() {
                found if outdated(&found) => Servers { master: None, subscription: None, due: now, ..found },
                found => found,
            });
        };
        match subscription.news(now) {
            News::Nothing => {}
            // The leader of a failover tells twice.
            News::Switch { new, .. } if new == servers.announced => {}
            News::Switch { old, .. } => {
                self.question.deposed.store(Some(Arc::new((old, now + SPREADS))));
                forget();
            }
            News::Inherited => forget(),
            News::Lost => self.finder.change(|found| match found.clone() {
                found if outdated(&found) => Servers { subscription: None, due: found.due.min(now + SOON), ..found },
                found => found,
            }),
        }
    }
}

impl Topology for Sentinel {
    fn route(&self, place: &Place, write: bool) -> Option<Arc<Node>> {
        let now = Instant::now();
        self.listen(self.finder.found().as_deref()?, now);
        let found = self.finder.found();
        let servers = found.as_ref()?;
        if now >= servers.due && self.finder.is_due() {
            self.find(Box::new(drop));
        }
        let master = servers.master.as_ref();
        let node = match place {
            Place::Node(node) => Some(node),
            Place::Index(0) => master,
            // A cursor belongs to one server, whatever its state.
            Place::Index(number) => picked(&servers.replicas, *number).or(master),
            _ if write => master,
            _ => healthy(&servers.replicas).or(master),
        };
        node.cloned()
    }

    fn find(&self, done: Done) {
        let (known, question) = (self.known.clone(), self.question.clone());
        self.finder.find(|| search(known, question), done);
    }

    fn learn(&self, node: &Arc<Node>, failure: &Failure) -> Lesson {
        let error = &failure.error;
        let lost = error.is_lost_connection() || error.is_timeout() || failure.connecting;
        if lost || error.kind == Kind::ReadOnly {
            let is_master = self
                .finder
                .found()
                .as_ref()
                .is_some_and(|found| found.master.as_ref().is_some_and(|master| Arc::ptr_eq(master, node)));
            if is_master {
                self.finder.change(|servers| Servers { master: None, ..servers.clone() });
            } else if self.finder.is_due() {
                self.find(Box::new(drop));
            }
        }
        Lesson::Nothing
    }
}

async fn search(known: Known, question: Arc<Question>) -> Result<Servers> {
    let found = search_once(&known, &question).await;
    // If all sentinels still name the server that one has announced as deposed, it may be the master again.
    if found.is_err() && question.deposed.swap(None).is_some() { search_once(&known, &question).await } else { found }
}

async fn search_once(known: &Known, question: &Arc<Question>) -> Result<Servers> {
    let mut sentinels = Vec::clone(&known.load());
    fastrand::shuffle(&mut sentinels);
    let names: Vec<_> = sentinels.iter().map(|sentinel| sentinel.name.clone()).collect();
    let asked = first_of(sentinels, |sentinel| {
        let (question, known) = (question.clone(), known.clone());
        async move { servers_of(&sentinel, &known, &question).await }
    });
    asked.await.map_err(|errors| {
        let what = format!("no sentinel knows a usable master of {}", question.service);
        super::nobody(Kind::MasterNotFound, &what, &names, &errors)
    })
}

fn useless(text: impl Into<String>) -> Error {
    Error::new(Kind::MasterNotFound, text)
}

async fn servers_of(sentinel: &Arc<Config>, known: &Known, question: &Question) -> Result<Servers> {
    let about = |what: &str| {
        let mut command = cmd("SENTINEL");
        command.arg(what).arg(&question.service);
        command
    };
    let questions = [about("GET-MASTER-ADDR-BY-NAME"), about("REPLICAS"), about("SENTINELS")];
    let (subscription, answers) = Subscription::open(sentinel, &questions, &question.service).await?;
    let [master, replicas, others] = answers.as_slice() else { return Err(useless("unexpected reply")) };
    let master = match master {
        Answer::Null => return Err(useless("it does not know the service")),
        Answer::Error(text) => return Err(super::refused(Kind::MasterNotFound, text)),
        address => address_of(address).ok_or_else(|| useless("unexpected reply"))?,
    };
    let mut announced = vec![master.clone()];
    let replicas = replicas.list().unwrap_or_default();
    announced.extend(replicas.iter().filter_map(replica));
    let servers = announced.len();
    announced.extend(others.list().unwrap_or_default().iter().filter_map(peer));
    let refresh = if servers == 1 + replicas.len() { REFRESH } else { SOON };
    let addresses = match &question.remap {
        Some(remap) => control::remap(remap, announced.clone(), &question.template).await?,
        None => announced.clone(),
    };
    let (servers, peers) = addresses.split_at(servers.min(addresses.len()));
    let mut nodes = servers.iter().map(|(host, port)| node_at(&question.template, host, *port, false));
    let node = nodes.next().ok_or_else(|| useless("it names no master"))?;
    let mut replicas: Vec<_> = nodes.collect();
    replicas.sort_by(|one, other| one.config.name.cmp(&other.config.name));
    // The sentinel may not have noticed yet that another is master by now.
    let (connection, role) = control::ask(&node.config, &[cmd("ROLE")]).await?;
    if let Some(Answer::Error(text)) = role.first() {
        return Err(super::refused(Kind::MasterNotFound, text).at(&node.config.name));
    }
    let role = role.first().and_then(Answer::list).and_then(|role| role.first()).and_then(Answer::text);
    if role != Some("master") {
        let role = role.unwrap_or("no server that tells its role");
        return Err(useless(format!("it names {} as master, which is {role}", node.config.name)));
    }
    if question.is_deposed(&master) {
        return Err(useless(format!(
            "it names {} as master, which another sentinel has told is none",
            node.config.name
        )));
    }
    node.state().give_spare(connection, Some(1));
    known.rcu(|known| {
        let mut known = Vec::clone(known);
        for (host, port) in peers {
            let config = Arc::new(sentinel.at(host, *port));
            if !known.iter().any(|other| other.address == config.address) {
                known.push(config);
            }
        }
        known
    });
    let due = Instant::now() + refresh.mul_f64(0.75 + 0.5 * fastrand::f64());
    Ok(Servers { master: Some(node), announced: master, replicas, subscription: Some(subscription), due })
}

fn address_of(answer: &Answer) -> Option<(String, u16)> {
    let [host, port] = answer.list()? else { return None };
    Some((host.text()?.to_owned(), port.number()?))
}

/// The address of another sentinel.
fn peer(answer: &Answer) -> Option<(String, u16)> {
    Some((answer.field("ip")?.text()?.to_owned(), field_port(answer)?))
}

fn field_port(server: &Answer) -> Option<u16> {
    server.field("port")?.number()
}

/// The address of a replica that can be read from.
fn replica(answer: &Answer) -> Option<(String, u16)> {
    let flags = answer.field("flags")?.text()?;
    let down = ["s_down", "o_down", "disconnected"].iter().any(|flag| flags.split(',').any(|word| word == *flag));
    let linked = answer.field("master-link-status").and_then(Answer::text).is_none_or(|status| status == "ok");
    if down || !linked {
        return None;
    }
    Some((answer.field("ip")?.text()?.to_owned(), field_port(answer)?))
}
