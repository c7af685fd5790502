//! Work on file systems that somebody else serves: the share, volumes in it, disks. Their server may never answer, and
//! what waits for it in the kernel cannot be stopped. So such work has threads of its own, of which a bounded number
//! can hang, and whoever asks for it waits for a bounded time.

use std::fmt::Display;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::task::{spawn_blocking, spawn_local};
use tokio::time::{Instant, timeout_at};

use crate::ttrpc::{Code, Result, Status};

/// How long a file system may take. Below what the host waits for the call (30 s), so that it hears the reason.
pub const LIMIT: Duration = Duration::from_secs(25);
/// Threads of the runtime. One takes 8 to 16 KiB while it has something to do.
pub const THREADS: usize = 64;
/// What makes something leaves so many of them to what takes something away.
const MAKING: usize = THREADS - 16;

static MAKERS: Semaphore = Semaphore::const_new(MAKING);

/// Runs `work` on a thread. After [`LIMIT`] the answer is `DeadlineExceeded` with `what`; what `work` gives later is
/// dropped on a thread, which must undo it.
pub async fn run<T: Send + 'static>(
    what: impl Display,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    Ok(keeping(what, (), work).await?.0)
}

/// As [`run`], with something that stays until `work` is over and, if nobody waits any more, undone.
pub async fn keeping<G: 'static, T: Send + 'static>(
    what: impl Display,
    guard: G,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<(T, G)> {
    within(LIMIT, what, guard, work).await
}

/// As [`keeping`], for what may take another time.
pub async fn within<G: 'static, T: Send + 'static>(
    limit: Duration,
    what: impl Display,
    guard: G,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<(T, G)> {
    let end = Instant::now() + limit;
    let late = |why: &str| Status::new(Code::DeadlineExceeded, format!("{what}: {why} within {limit:?}"));
    let Ok(turn) = timeout_at(end, MAKERS.acquire()).await else {
        return Err(late(&format!("none of {MAKING} calls of file systems that do not answer has ended")));
    };
    let counted = move || {
        let _turn = turn;
        work()
    };
    match timeout_at(end, start(guard, counted)).await {
        Ok(Ok((done, guard))) => Ok((done?, guard)),
        _ => Err(late("the file system did not answer")),
    }
}

/// Runs what takes something away. The guard stays until it is over, also when nobody waits any more.
pub async fn undo<G: 'static>(what: impl Display, guard: G, work: impl FnOnce() + Send + 'static) {
    if timeout_at(Instant::now() + LIMIT, start(guard, work)).await.is_err() {
        eprintln!("bulkhead-agent: {what}: the file system did not answer within {LIMIT:?}");
    }
}

fn start<G: 'static, T: Send + 'static>(
    guard: G,
    work: impl FnOnce() -> T + Send + 'static,
) -> oneshot::Receiver<(T, G)> {
    let (sender, receiver) = oneshot::channel();
    spawn_local(async move {
        let Ok(done) = spawn_blocking(work).await else { return };
        if let Err((late, guard)) = sender.send((done, guard)) {
            let _ = spawn_blocking(move || drop(late)).await;
            drop(guard);
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Condvar, Mutex};
    use tokio::task::LocalSet;

    /// A file system that answers when it is told to.
    #[derive(Default)]
    struct Server(Mutex<bool>, Condvar);

    impl Server {
        fn ask(&self) {
            drop(self.1.wait_while(self.0.lock().unwrap(), |answers| !*answers).unwrap());
        }

        fn answer(&self) {
            *self.0.lock().unwrap() = true;
            self.1.notify_all();
        }
    }

    struct Made(Arc<AtomicBool>);

    impl Drop for Made {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    fn run_all(work: impl Future<Output = ()>) {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).max_blocking_threads(THREADS).build().unwrap();
        runtime.block_on(LocalSet::new().run_until(work));
    }

    #[test]
    fn calls_that_hang_end_for_their_callers_and_leave_threads_for_what_takes_away() {
        run_all(async {
            let server = Arc::new(Server::default());
            let (undone, guard) = (Arc::new(AtomicBool::new(false)), Rc::new(()));
            let mut hanging = tokio::task::JoinSet::new();
            for _ in 0..2 * MAKING {
                let (server, made, guard) = (server.clone(), undone.clone(), guard.clone());
                hanging.spawn_local(async move {
                    let work = move || {
                        server.ask();
                        Ok(Made(made))
                    };
                    keeping("mount /x", guard, work).await.map(drop).unwrap_err()
                });
            }
            // The clock of the test stands still while threads work, so it is moved on by hand.
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            tokio::time::advance(LIMIT + Duration::from_millis(1)).await;
            let mut messages = Vec::new();
            while let Some(error) = hanging.join_next().await {
                let error = error.unwrap();
                assert_eq!(error.code, Code::DeadlineExceeded);
                messages.push(error.message);
            }
            messages.sort();
            messages.dedup();
            assert_eq!(messages.len(), 2, "{messages:?}");
            assert!(messages.iter().all(|message| message.starts_with("mount /x: ")));
            assert_eq!(Rc::strong_count(&guard), 1 + MAKING, "kept for those that hang, and for no other");
            undo("unmount /x", (), || ()).await;
            server.answer();
            while Rc::strong_count(&guard) > 1 {
                tokio::task::yield_now().await;
            }
            assert!(undone.load(Ordering::SeqCst), "what came too late was taken back, before the guard went");
            assert!(run("again", || Ok(1)).await == Ok(1));
        });
    }
}
