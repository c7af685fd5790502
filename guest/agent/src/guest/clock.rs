//! Time and entropy, which a machine that was restored from a snapshot needs anew.

use std::fs::OpenOptions;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};

use crate::ttrpc::{Context, Result, Status};

/// Programs would rather have a clock that is this much ahead run slower for a while than go back.
const MAX_SLOWED_US: i64 = 1_000_000;
const SECOND: i64 = 1_000_000_000;

/// Sets the clock. While it `is_in_use` it does not go back by a second or less: the kernel slows it down by 0.5 ms each
/// second instead, until it is right.
pub fn set_time(seconds: i64, microseconds: i64, is_in_use: bool) -> Result<()> {
    let now = clock_gettime(ClockId::CLOCK_REALTIME).context(|| "read the clock")?;
    let ahead = (now.tv_sec() - seconds).saturating_mul(1_000_000).saturating_add(now.tv_nsec() / 1000 - microseconds);
    if is_in_use && (1..=MAX_SLOWED_US).contains(&ahead) {
        return slow_down(ahead);
    }
    let time = libc::timeval { tv_sec: seconds, tv_usec: microseconds };
    // SAFETY: reads one timeval; no time zone.
    Errno::result(unsafe { libc::settimeofday(&time, std::ptr::null()) }).context(|| "set the clock")?;
    Ok(())
}

/// Moves the clock by a difference in nanoseconds and says what it shows then. While it `is_in_use` it goes back by a
/// second or less as with [`set_time`].
pub fn adjust(add: i64, is_in_use: bool) -> Result<i64> {
    if is_in_use && (-MAX_SLOWED_US * 1000..0).contains(&add) {
        slow_down(-add / 1000)?;
    } else if add != 0 {
        // SAFETY: a structure of numbers.
        let mut change: libc::timex = unsafe { std::mem::zeroed() };
        // In microseconds: ADJ_NANO would change what other programs read.
        change.modes = libc::ADJ_SETOFFSET;
        change.time = libc::timeval { tv_sec: add.div_euclid(SECOND), tv_usec: add.rem_euclid(SECOND) / 1000 };
        // SAFETY: reads and fills in the structure.
        Errno::result(unsafe { libc::adjtimex(&mut change) }).context(|| "move the clock")?;
    }
    let now = clock_gettime(ClockId::CLOCK_REALTIME).context(|| "read the clock")?;
    Ok(now.tv_sec().saturating_mul(SECOND).saturating_add(now.tv_nsec()))
}

/// Replaces what an earlier call has left to be done.
fn slow_down(microseconds: i64) -> Result<()> {
    // SAFETY: a structure of numbers.
    let mut change: libc::timex = unsafe { std::mem::zeroed() };
    change.modes = libc::ADJ_OFFSET_SINGLESHOT;
    change.offset = -microseconds;
    // SAFETY: reads and fills in the structure.
    Errno::result(unsafe { libc::adjtimex(&mut change) }).context(|| "slow the clock down")?;
    Ok(())
}

/// What RNDADDENTROPY takes: counts of bits and bytes, then the bytes.
#[repr(C)]
struct Entropy {
    bits: libc::c_int,
    bytes: libc::c_int,
    data: [u8; 1024],
}

const RNDADDENTROPY: libc::c_ulong = 0x4008_5203;
const RNDRESEEDCRNG: libc::c_ulong = 0x5207;

/// Adds the host's random bytes to the kernel's pool and has the generator seeded from it.
pub fn reseed(data: &[u8]) -> Result<()> {
    if data.is_empty() {
        return Err(Status::invalid("no random data was given"));
    }
    let random = OpenOptions::new().write(true).open("/dev/random").context(|| "open /dev/random")?;
    for part in data.chunks(1024) {
        let mut entropy = Entropy { bits: part.len() as i32 * 8, bytes: part.len() as i32, data: [0; 1024] };
        entropy.data[..part.len()].copy_from_slice(part);
        // SAFETY: the structure is what the request expects, with `bytes` not beyond its data.
        Errno::result(unsafe { libc::ioctl(random.as_raw_fd(), RNDADDENTROPY as _, &entropy) })
            .context(|| "add entropy")?;
    }
    // SAFETY: takes no argument.
    Errno::result(unsafe { libc::ioctl(random.as_raw_fd(), RNDRESEEDCRNG as _, 0) }).context(|| "reseed")?;
    Ok(())
}
