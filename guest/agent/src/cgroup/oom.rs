//! Tells which containers had a process killed for lack of memory.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::{Cgroup, keyed};
use crate::poll;

/// Events that the host does not fetch are bounded by this.
const QUEUE_LIMIT: usize = 1024;
/// A pause after an error of the notifications, which could otherwise keep the agent busy.
const PAUSE: Duration = Duration::from_secs(1);

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

    /// Follows the kernel's notifications for ever. An error of theirs costs promptness only: the counters tell what has
    /// happened, and are looked at when a process ends, too.
    pub async fn run(&self) {
        loop {
            let ids = match self.read().await {
                Ok(events) => self.changed(&events),
                Err(error) => {
                    eprintln!("bulkhead-agent: notifications of control groups: {error}");
                    sleep(PAUSE).await;
                    self.watched.borrow().keys().cloned().collect()
                }
            };
            ids.iter().for_each(|id| self.check(id));
        }
    }

    async fn read(&self) -> io::Result<Vec<InotifyEvent>> {
        loop {
            let mut guard = self.inotify.readable().await?;
            if let Ok(events) = guard.try_io(|inotify| inotify.get_ref().0.read_events().map_err(io::Error::from)) {
                return events;
            }
        }
    }

    /// The containers that these are about: all of them when the kernel has thrown some away.
    fn changed(&self, events: &[InotifyEvent]) -> Vec<String> {
        let lost = events.iter().any(|event| event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW));
        let hit = |w: &Watched| lost || events.iter().any(|event| Some(event.wd) == w.descriptor);
        let watched = self.watched.borrow();
        watched.iter().filter(|(_, w)| hit(w)).map(|(id, _)| id.clone()).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_shortage_whose_notification_was_thrown_away_is_told() {
        let limit: usize =
            fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
        let root = std::env::temp_dir().join(format!("bulkhead-oom-{}", std::process::id()));
        let group = |name: &str| {
            let dir = root.join(name);
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("memory.events"), "oom_kill 0\n").unwrap();
            Cgroup { dir }
        };
        let groups = ["one", "other", "last"].map(group);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let events = OomEvents::new().unwrap();
            groups.iter().for_each(|group| events.watch(&group.dir.display().to_string(), group));
            // Two by turns, since the kernel keeps equal ones as one.
            for turn in 0..=limit {
                let file = groups[turn % 2].file("memory.events");
                fs::OpenOptions::new()
                    .write(true)
                    .open(file)
                    .and_then(|mut f| io::Write::write_all(&mut f, b"o"))
                    .unwrap();
            }
            fs::write(groups[2].file("memory.events"), "oom_kill 1\n").unwrap();
            let told = tokio::time::timeout(Duration::from_secs(60), async {
                tokio::select! {
                    id = events.next() => id,
                    () = events.run() => unreachable!(),
                }
            });
            assert_eq!(told.await.unwrap(), groups[2].dir.display().to_string());
        });
        fs::remove_dir_all(root).unwrap();
    }
}
