//! How many files a guest holds. The guest's kernel caches files for as long as it likes, and for that long this
//! process holds them: a descriptor and some KiB of the host's memory each, which the host cannot reclaim. When there
//! are many the shim is notified, which asks the guest to forget some; a guest that goes on is throttled, and in the
//! end the library gives it ENFILE.

use std::collections::HashMap;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

/// Notices to the shim, a line each (src/vm/files.ts).
const MANY: &[u8] = b"many\n";
/// After an earlier notice the guest holds even more.
const MORE: &[u8] = b"more\n";

/// Delay of each new file when there is hardly any room left, so that the guest has time to forget others.
const BRAKE: Duration = Duration::from_millis(1);

/// What a guest holds, and how much it may hold.
pub struct Bounds {
    most: u64,
    held: Mutex<Held>,
}

struct Held {
    /// By inode: how often the guest has looked it up since it last forgot it.
    lookups: HashMap<u64, u64>,
    handles: u64,
    /// The total at which to notify the shim next.
    next: u64,
    notices: UnixStream,
}

impl Bounds {
    /// Allows at most `most` files, including open ones.
    ///
    /// # Errors
    ///
    /// When the socket cannot be made non-blocking.
    pub fn new(most: u64, notices: UnixStream) -> std::io::Result<Self> {
        notices.set_nonblocking(true)?;
        let held = Held { lookups: HashMap::new(), handles: 0, next: mark(most), notices };
        Ok(Self { most, held: Mutex::new(held) })
    }

    /// The guest has looked up a file, which it now knows by its inode number.
    pub fn learned(&self, number: u64) {
        let total = {
            let mut held = self.held();
            let count = held.lookups.entry(number).or_default();
            *count += 1;
            if *count > 1 {
                return;
            }
            held.grown(self.most)
        };
        self.brake(total);
    }

    /// The guest forgets this many of its look-ups.
    pub fn forgotten(&self, number: u64, times: u64) {
        let mut held = self.held();
        let Some(count) = held.lookups.get_mut(&number) else { return };
        *count = count.saturating_sub(times);
        if *count == 0 {
            held.lookups.remove(&number);
            held.shrunk(self.most);
        }
    }

    /// The guest has opened a file.
    pub fn opened(&self) {
        let total = {
            let mut held = self.held();
            held.handles += 1;
            held.grown(self.most)
        };
        self.brake(total);
    }

    /// The guest has closed a file.
    pub fn closed(&self) {
        let mut held = self.held();
        held.handles = held.handles.saturating_sub(1);
        held.shrunk(self.most);
    }

    /// The guest mounts the file system again.
    pub fn clear(&self) {
        let mut held = self.held();
        held.lookups = HashMap::new();
        held.handles = 0;
        held.next = mark(self.most);
    }

    fn brake(&self, total: u64) {
        if total > self.most / 8 * 7 {
            sleep(BRAKE);
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The total from which the shim is notified.
fn mark(most: u64) -> u64 {
    most / 4 * 3
}

/// How many more files until the next notice.
fn step(most: u64) -> u64 {
    (most / 32).max(1)
}

impl Held {
    fn total(&self) -> u64 {
        self.lookups.len() as u64 + self.handles
    }

    fn grown(&mut self, most: u64) -> u64 {
        let total = self.total();
        if total >= self.next {
            let word = if self.next == mark(most) { MANY } else { MORE };
            // If its buffer is full, the shim has notices to read anyway.
            let _ = self.notices.write(word);
            self.next = total + step(most);
        }
        total
    }

    /// Hysteresis: a guest that hovers around the mark must not cause a flood of notices.
    fn shrunk(&mut self, most: u64) {
        if self.next != mark(most) && self.total() + step(most) < mark(most) {
            self.next = mark(most);
            if self.lookups.len() < self.lookups.capacity() / 4 {
                self.lookups.shrink_to_fit();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read};

    fn bounds(most: u64) -> (Bounds, UnixStream) {
        let (ours, shims) = UnixStream::pair().unwrap();
        shims.set_nonblocking(true).unwrap();
        (Bounds::new(most, ours).unwrap(), shims)
    }

    fn said(shims: &mut UnixStream) -> String {
        let mut bytes = [0; 64];
        match shims.read(&mut bytes) {
            Ok(length) => String::from_utf8_lossy(&bytes[..length]).into_owned(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => String::new(),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn the_shim_is_notified_at_the_mark_and_at_each_step() {
        let (bounds, mut shims) = bounds(320);
        (0..239).for_each(|number| bounds.learned(number));
        bounds.learned(0);
        assert_eq!(said(&mut shims), "");
        bounds.learned(239);
        assert_eq!(said(&mut shims), "many\n");
        (240..249).for_each(|number| bounds.learned(number));
        assert_eq!(said(&mut shims), "");
        bounds.opened();
        assert_eq!(said(&mut shims), "more\n");
    }

    #[test]
    fn what_is_forgotten_makes_room() {
        let (bounds, mut shims) = bounds(320);
        (0..240).for_each(|number| bounds.learned(number));
        bounds.learned(7);
        assert_eq!(said(&mut shims), "many\n");
        (0..240).for_each(|number| bounds.forgotten(number, 1));
        bounds.forgotten(99_999, 1);
        assert_eq!(bounds.held().total(), 1, "7 was looked up twice");
        bounds.forgotten(7, u64::MAX);
        assert_eq!(bounds.held().total(), 0);
        (0..240).for_each(|number| bounds.learned(number));
        assert_eq!(said(&mut shims), "many\n");
        bounds.clear();
        assert_eq!(bounds.held().total(), 0);
    }

    #[test]
    fn a_shim_that_does_not_read_blocks_nothing() {
        let (bounds, _shims) = bounds(4);
        for number in 0..2_000 {
            bounds.held().next = mark(4);
            bounds.held().lookups.insert(number, 1);
            bounds.held().grown(4);
        }
    }
}
