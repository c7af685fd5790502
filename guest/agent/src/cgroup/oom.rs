//! Tells which containers had a process killed for lack of memory.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

use super::{Cgroup, keyed};
use crate::poll;

/// Events that the host does not fetch are bounded by this.
const QUEUE_LIMIT: usize = 1024;

/// Lets the runtime poll it.
struct Pollable(Inotify);

impl AsFd for Pollable {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Pollable {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

struct Watched {
    cgroup: Cgroup,
    seen: u64,
    descriptor: Option<WatchDescriptor>,
}

/// The watched containers and the events that the host has yet to fetch.
pub struct OomEvents {
    inotify: AsyncFd<Pollable>,
    watched: RefCell<BTreeMap<String, Watched>>,
    queue: RefCell<VecDeque<String>>,
    filled: Notify,
}

impl OomEvents {
    /// Watches nothing yet.
    pub fn new() -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        Ok(Self {
            inotify: poll::watch(Pollable(inotify))?,
            watched: RefCell::default(),
            queue: RefCell::default(),
            filled: Notify::new(),
        })
    }

    /// Begins to watch a container.
    pub fn watch(&self, id: &str, cgroup: &Cgroup) {
        let descriptor =
            self.inotify.get_ref().0.add_watch(&cgroup.file("memory.events"), AddWatchFlags::IN_MODIFY).ok();
        let watched = Watched { cgroup: cgroup.clone(), seen: 0, descriptor };
        self.watched.borrow_mut().insert(id.to_owned(), watched);
    }

    /// Ends the watch.
    pub fn forget(&self, id: &str) {
        if let Some(Watched { descriptor: Some(descriptor), .. }) = self.watched.borrow_mut().remove(id) {
            let _ = self.inotify.get_ref().0.rm_watch(descriptor);
        }
    }

    /// Looks at one container's counter now.
    pub fn check(&self, id: &str) {
        let mut watched = self.watched.borrow_mut();
        let Some(entry) = watched.get_mut(id) else { return };
        let Ok(text) = entry.cgroup.read("memory.events") else { return };
        let kills = keyed(&text, "oom_kill").unwrap_or(0);
        if kills > entry.seen {
            entry.seen = kills;
            let mut queue = self.queue.borrow_mut();
            if queue.len() < QUEUE_LIMIT {
                queue.push_back(id.to_owned());
            }
            self.filled.notify_one();
        }
    }

    /// Follows the kernel's notifications for ever.
    pub async fn run(&self) -> io::Result<()> {
        loop {
            let mut guard = self.inotify.readable().await?;
            let events = guard.try_io(|inotify| inotify.get_ref().0.read_events().map_err(io::Error::from));
            let Ok(events) = events else { continue };
            let changed: Vec<_> = events?.into_iter().map(|event| event.wd).collect();
            let ids: Vec<String> = {
                let watched = self.watched.borrow();
                let hit = |w: &Watched| w.descriptor.is_some_and(|d| changed.contains(&d));
                watched.iter().filter(|(_, w)| hit(w)).map(|(id, _)| id.clone()).collect()
            };
            ids.iter().for_each(|id| self.check(id));
        }
    }

    /// The next container that ran out of memory.
    pub async fn next(&self) -> String {
        loop {
            if let Some(id) = self.queue.borrow_mut().pop_front() {
                return id;
            }
            self.filled.notified().await;
        }
    }
}
