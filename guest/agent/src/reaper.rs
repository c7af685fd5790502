//! Collects the exit status of every process below the agent: its own children (crun), the containers' processes,
//! which fall to it when crun ends, and orphans that nobody asks for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// What [`Reaper`] remembers of processes that ended before anybody knew their pid, at most.
const UNCLAIMED_LIMIT: usize = 4096;

#[derive(Default)]
struct Table {
    waiting: HashMap<i32, oneshot::Sender<i32>>,
    /// Ended processes that nobody waited for, with the number of the watch that was newest at that time.
    unclaimed: HashMap<i32, (u64, i32)>,
    watches: u64,
    open_watches: usize,
}

/// The table of awaited processes.
#[derive(Clone, Default)]
pub struct Reaper(Rc<RefCell<Table>>);

/// While one exists, the exit of processes whose pid is not known yet is kept for [`Watch::claim`].
pub struct Watch {
    reaper: Reaper,
    number: u64,
}

impl Reaper {
    /// The exit of a direct child. Must be called before the next await after the child was started.
    pub fn child(&self, pid: i32) -> oneshot::Receiver<i32> {
        let (sender, receiver) = oneshot::channel();
        self.0.borrow_mut().waiting.insert(pid, sender);
        receiver
    }

    /// Starts keeping unknown exits; take it before starting the program that will make the process.
    pub fn watch(&self) -> Watch {
        let mut table = self.0.borrow_mut();
        table.watches += 1;
        table.open_watches += 1;
        Watch { reaper: self.clone(), number: table.watches }
    }

    fn ended(&self, pid: i32, status: i32) {
        let mut table = self.0.borrow_mut();
        if let Some(waiter) = table.waiting.remove(&pid) {
            let _ = waiter.send(status);
        } else if table.open_watches > 0 && table.unclaimed.len() < UNCLAIMED_LIMIT {
            let newest = table.watches;
            table.unclaimed.insert(pid, (newest, status));
        }
    }

    fn collect(&self) {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => self.ended(pid.as_raw(), code),
                Ok(WaitStatus::Signaled(pid, signal, _)) => self.ended(pid.as_raw(), 128 + signal as i32),
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(e) => {
                    eprintln!("bulkhead-agent: waitpid: {e}");
                    return;
                }
            }
        }
    }

    /// Reaps for ever.
    pub async fn run(self) -> std::io::Result<()> {
        let mut child = signal(SignalKind::child())?;
        loop {
            self.collect();
            child.recv().await;
        }
    }
}

impl Watch {
    /// The exit of the process, also when it has already been collected.
    pub fn claim(self, pid: i32) -> oneshot::Receiver<i32> {
        let mut table = self.reaper.0.borrow_mut();
        let (sender, receiver) = oneshot::channel();
        match table.unclaimed.remove(&pid) {
            // An entry from before this watch belongs to an earlier process with the same number.
            Some((newest, status)) if newest >= self.number => drop(sender.send(status)),
            _ => drop(table.waiting.insert(pid, sender)),
        }
        drop(table);
        receiver
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut table = self.reaper.0.borrow_mut();
        table.open_watches -= 1;
        if table.open_watches == 0 {
            table.unclaimed = HashMap::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_before_the_claim_are_kept_only_while_watched() {
        let reaper = Reaper::default();
        reaper.ended(7, 1);
        let watch = reaper.watch();
        reaper.ended(8, 3);
        assert_eq!(watch.claim(8).try_recv(), Ok(3));
        assert!(reaper.0.borrow().unclaimed.is_empty());
        let late = reaper.watch().claim(7);
        reaper.ended(7, 143);
        assert_eq!({ late }.try_recv(), Ok(143));
    }

    #[test]
    fn an_earlier_process_with_the_same_number_is_not_taken() {
        let reaper = Reaper::default();
        let _open = reaper.watch();
        reaper.ended(9, 1);
        let mut exit = reaper.watch().claim(9);
        assert!(exit.try_recv().is_err());
        reaper.ended(9, 2);
        assert_eq!(exit.try_recv(), Ok(2));
    }
}
