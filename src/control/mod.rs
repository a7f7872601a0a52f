//! The control plane: what is slow and rare, on one tokio thread that lives only while there is work.
//!
//! The thread ends soon after its last task, because a process with a lingering thread is warned at every fork.

mod answer;
mod connect;
mod handshake;
mod hooks;
mod visit;
mod watch;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::errors::{Error, Kind, Result};
use crate::sync::{Mutex, PerProcess};

pub(crate) use answer::Answer;
pub(crate) use connect::{ask, ask_and_subscribe, connect};
pub(crate) use hooks::{BoundConnection, remap};
pub(crate) use visit::{_end, attach};
pub(crate) use watch::{Watch, watch};

/// How long the thread waits for more work.
const LINGER: Duration = Duration::from_millis(20);

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where to send tasks to, while the thread lives.
type Tasks = Mutex<Option<UnboundedSender<Task>>>;

static TASKS: LazyLock<PerProcess<Tasks>> = LazyLock::new(PerProcess::default);

/// Makes what a fork must not find half made.
pub(crate) fn prepare() {
    LazyLock::force(&TASKS);
    visit::prepare();
}

thread_local! {
    /// Why this thread drops tasks that were never begun.
    static REASON: RefCell<Option<Error>> = const { RefCell::new(None) };
    static HERE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this is the control plane's thread, which must not wait for itself.
pub(crate) fn is_here() -> bool {
    HERE.try_with(Cell::get).unwrap_or(false)
}

/// Calls back exactly once: with an internal error if the task died of a panic.
struct Completion<T, F: FnOnce(Result<T>)> {
    done: Option<F>,
    result: std::marker::PhantomData<fn(T)>,
}

impl<T, F: FnOnce(Result<T>)> Completion<T, F> {
    fn finish(mut self, result: Result<T>) {
        if let Some(done) = self.done.take() {
            done(result);
        }
    }
}

impl<T, F: FnOnce(Result<T>)> Drop for Completion<T, F> {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            let reason = REASON.try_with(|reason| reason.borrow().clone()).unwrap_or_default();
            done(Err(reason.unwrap_or_else(|| Error::new(Kind::Internal, "internal failure of a background task"))));
        }
    }
}

/// Runs `task` on the control plane and hands its result to `done`, there.
pub(crate) fn spawn<T: Send + 'static>(
    task: impl Future<Output = Result<T>> + Send + 'static,
    done: impl FnOnce(Result<T>) + Send + 'static,
) {
    let completion = Completion { done: Some(done), result: std::marker::PhantomData };
    enqueue(Box::pin(async move {
        let result = task.await;
        completion.finish(result);
    }));
}

fn enqueue(task: Task) {
    let process = TASKS.get();
    let mut tasks = process.1.lock();
    let task = match &*tasks {
        Some(sender) => match sender.send(task) {
            Ok(()) => return,
            // The thread died of something; another takes over.
            Err(unsent) => unsent.0,
        },
        None => task,
    };
    let (sender, receiver) = unbounded_channel();
    // The receiver is right here, so this cannot fail.
    let _ = sender.send(task);
    *tasks = Some(sender);
    drop(tasks);
    // Not in the thread's closure, or it would be dropped there before we know that there is no thread.
    let receiver = Arc::new(Mutex::new(Some(receiver)));
    let threads = receiver.clone();
    let work = move || {
        let receiver = threads.lock().take();
        if let Some(receiver) = receiver {
            run(receiver);
        }
    };
    if let Err(error) = std::thread::Builder::new().name("django-cachex".to_owned()).spawn(work) {
        process.1.lock().take();
        let receiver = receiver.lock().take();
        give_up(receiver, &error);
    }
}

/// Drops the tasks, which completes each of them with an error. That may run Python code: no lock is held here.
fn give_up(receiver: Option<UnboundedReceiver<Task>>, error: &io::Error) {
    REASON.set(Some(Error::io("connecting failed", error)));
    drop(receiver);
    REASON.set(None);
}

fn run(mut receiver: UnboundedReceiver<Task>) {
    HERE.set(true);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().thread_keep_alive(LINGER).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            TASKS.get().1.lock().take();
            return give_up(Some(receiver), &error);
        }
    };
    runtime.block_on(async {
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                task = receiver.recv() => match task {
                    Some(task) => { running.spawn(task); }
                    None => break,
                },
                Some(_) = running.join_next(), if !running.is_empty() => {}
                () = tokio::time::sleep(LINGER), if running.is_empty() => {
                    let process = TASKS.get();
                    let mut tasks = process.1.lock();
                    if receiver.is_empty() {
                        tasks.take();
                        break;
                    }
                }
            }
        }
    });
    // A resolver that hangs must not hold the thread up.
    runtime.shutdown_background();
}
