//! The control plane: what is slow and rare, on one tokio thread that lives only while there is work.
//!
//! The thread ends soon after its last task, because a process with a lingering thread is warned at every fork.

mod answer;
mod connect;
mod handshake;
mod hooks;
mod watch;

use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::errors::{Error, Kind, Result};
use crate::sync::{Mutex, PerProcess};

pub(crate) use answer::Answer;
pub(crate) use connect::{ask, ask_and_subscribe, connect};
pub(crate) use hooks::{BoundConnection, remap};
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
            done(Err(Error::new(Kind::Internal, "internal failure of a background task")));
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
    // Without a thread the receiver is dropped, which completes every task with an error. That may run Python code, so
    // the lock is not held here.
    if std::thread::Builder::new().name("django-cachex".to_owned()).spawn(move || run(receiver)).is_err() {
        process.1.lock().take();
    }
}

fn run(mut receiver: UnboundedReceiver<Task>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().thread_keep_alive(LINGER).build()
    else {
        TASKS.get().1.lock().take();
        return;
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
