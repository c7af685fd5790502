//! How many files a guest holds. The guest's kernel remembers a file for as long as it likes, and as long this process holds
//! it: a descriptor and some KiB of the host's memory that nobody can take back. When many are held the shim is told, which
//! asks the guest to forget; a guest that goes on is slowed down, and the library gives it ENFILE at the end.

use std::collections::HashMap;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

/// What the shim is told, a line each (src/vm/files.ts).
const MANY: &[u8] = b"many\n";
/// It has been told before, and the guest holds yet more.
const MORE: &[u8] = b"more\n";

/// How long each further file takes when there is hardly room: the time to forget others.
const BRAKE: Duration = Duration::from_millis(1);

/// What a guest holds, and how much it may.
pub struct Bounds {
    most: u64,
    held: Mutex<Held>,
}

struct Held {
    /// How often the guest was told the number of a file that it has not forgotten.
    lookups: HashMap<u64, u64>,
    handles: u64,
    /// When to tell the shim the next time.
    next: u64,
    notices: UnixStream,
}

impl Bounds {
    /// For at most `most` files, open ones among them.
    ///
    /// # Errors
    ///
    /// When writing cannot be made not to wait.
    pub fn new(most: u64, notices: UnixStream) -> std::io::Result<Self> {
        notices.set_nonblocking(true)?;
        let held = Held { lookups: HashMap::new(), handles: 0, next: mark(most), notices };
        Ok(Self { most, held: Mutex::new(held) })
    }

    /// The guest is told of a file, by its number.
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

    /// The guest forgets as many of the times that it was told.
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

    /// And closed it.
    pub fn closed(&self) {
        let mut held = self.held();
        held.handles = held.handles.saturating_sub(1);
        held.shrunk(self.most);
    }

    /// The guest starts anew.
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

/// From here on the shim is told.
fn mark(most: u64) -> u64 {
    most / 4 * 3
}

/// And again after so many more.
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
            // With its buffer full the shim has enough to read.
            let _ = self.notices.write(word);
            self.next = total + step(most);
        }
        total
    }

    /// Some room below the mark, so that a guest that comes and goes around it is no storm of notices.
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
    fn the_shim_is_told_at_the_mark_and_at_each_step() {
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
        assert_eq!(bounds.held().total(), 1, "7 was told twice");
        bounds.forgotten(7, u64::MAX);
        assert_eq!(bounds.held().total(), 0);
        (0..240).for_each(|number| bounds.learned(number));
        assert_eq!(said(&mut shims), "many\n");
        bounds.clear();
        assert_eq!(bounds.held().total(), 0);
    }

    #[test]
    fn a_shim_that_does_not_read_holds_nothing_up() {
        let (bounds, _shims) = bounds(4);
        for number in 0..2_000 {
            bounds.held().next = mark(4);
            bounds.held().lookups.insert(number, 1);
            bounds.held().grown(4);
        }
    }
}
