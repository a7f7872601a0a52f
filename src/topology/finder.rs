//! Finding servers, on the control plane: one search at a time, whoever asks.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::task::JoinSet;

use super::Done;
use crate::config::Backoff;
use crate::control;
use crate::errors::{Error, Kind, Result};
use crate::registry;
use crate::sync::{Mutex, PerProcess};

/// How long the next server is not asked while one has not answered.
const STAGGER: Duration = Duration::from_millis(100);
/// A search that nobody waits for is not begun sooner than this after the last.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Search {
    running: bool,
    waiting: Vec<Done>,
    failures: u32,
    /// Until then who asks is told of the last failure.
    not_before: Option<Instant>,
    last: Option<Error>,
    ended: Option<Instant>,
}

impl Search {
    fn is_due(&self) -> bool {
        self.ended.is_none_or(|ended| ended.elapsed() >= PAUSE)
    }
}

/// What was found last, and the search for it.
pub(super) struct Finder<T> {
    found: ArcSwapOption<T>,
    search: PerProcess<Mutex<Search>>,
    backoff: Backoff,
}

impl<T: Send + Sync + 'static> Finder<T> {
    pub(super) fn new(backoff: Backoff) -> Self {
        Self { found: ArcSwapOption::empty(), search: PerProcess::default(), backoff }
    }

    pub(super) fn found(&self) -> arc_swap::Guard<Option<Arc<T>>> {
        self.found.load()
    }

    /// Replaces what was found by what `change` makes of it.
    pub(super) fn change(&self, change: impl Fn(&T) -> T) {
        self.found.rcu(|found| found.as_ref().map(|found| Arc::new(change(found))));
    }

    /// Forgets what was found: the next who asks waits for a new search.
    pub(super) fn forget(&self) {
        self.found.store(None);
    }

    /// Whether nobody has searched for a while.
    pub(super) fn is_due(&self) -> bool {
        let process = self.search.get();
        let search = process.1.lock();
        !search.running && search.is_due()
    }

    /// Whether it is worth to wait for a search: one is going on, or due.
    pub(super) fn is_promising(&self) -> bool {
        let process = self.search.get();
        let search = process.1.lock();
        search.running || search.is_due()
    }

    /// Searches, or joins the search that is going on; `done` is called at its end.
    pub(super) fn find<F>(self: &Arc<Self>, task: impl FnOnce() -> F, done: Done)
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let process = self.search.get();
        let too_early = {
            let mut search = process.1.lock();
            match (&search.not_before, &search.last) {
                (Some(not_before), Some(last)) if !search.running && Instant::now() < *not_before => Some(last.clone()),
                _ if search.running => {
                    search.waiting.push(done);
                    return;
                }
                _ => {
                    search.running = true;
                    None
                }
            }
        };
        if let Some(error) = too_early {
            return done(Err(error));
        }
        process.1.lock().waiting.push(done);
        let finder = self.clone();
        control::spawn(task(), move |result| finder.end(result));
    }

    fn end(&self, result: Result<T>) {
        let process = self.search.get();
        let (waiting, outcome) = {
            let mut search = process.1.lock();
            search.running = false;
            search.ended = Some(Instant::now());
            let outcome = match result {
                Ok(found) => {
                    self.found.store(Some(Arc::new(found)));
                    (search.failures, search.not_before, search.last) = (0, None, None);
                    Ok(())
                }
                Err(error) => {
                    // The first search after a failure is free.
                    let wait = search.failures.checked_sub(1).map(|nth| self.backoff.delay(nth));
                    search.failures += 1;
                    search.not_before = wait.map(|wait| Instant::now() + wait);
                    search.last = Some(error.clone());
                    Err(error)
                }
            };
            (std::mem::take(&mut search.waiting), outcome)
        };
        // Servers may have left.
        registry::close_dead();
        for done in waiting {
            done(outcome.clone());
        }
    }
}

/// Asks several servers, each a little after the one before unless that one has failed. Returns the first answer that is
/// of use, or why there is none, in the order in which they were asked.
pub(super) async fn first_of<S, T, F>(servers: Vec<S>, ask: impl Fn(S) -> F) -> std::result::Result<T, Vec<Error>>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let mut asked = JoinSet::new();
    let mut errors: Vec<Option<Error>> = servers.iter().map(|_| None).collect();
    let mut servers = servers.into_iter().enumerate();
    let mut next = servers.next();
    loop {
        if let Some((index, server)) = next.take() {
            let answer = ask(server);
            asked.spawn(async move { (index, answer.await) });
            next = servers.next();
        }
        loop {
            let ended = if next.is_some() {
                let Ok(ended) = tokio::time::timeout(STAGGER, asked.join_next()).await else { break };
                ended
            } else {
                asked.join_next().await
            };
            match ended {
                Some(Ok((_, Ok(answer)))) => return Ok(answer),
                Some(Ok((index, Err(error)))) => errors[index] = Some(error),
                Some(Err(_)) => {}
                None => break,
            }
            if next.is_some() {
                break;
            }
        }
        if next.is_none() && asked.is_empty() {
            let lost = || Error::new(Kind::Internal, "internal failure while asking");
            return Err(errors.into_iter().map(|error| error.unwrap_or_else(lost)).collect());
        }
    }
}
