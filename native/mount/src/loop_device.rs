//! Loop devices for file systems in a file, which some snapshotters use.

use std::ffi::c_ulong;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use crate::failure::{Context, Failure};
use crate::options::Options;
use crate::request::FileSystem;
use bulkhead_kernel::checked;

const LOOP_CTL_GET_FREE: c_ulong = 0x4C82;
const LOOP_CONFIGURE: c_ulong = 0x4C0A;
const LO_FLAGS_READ_ONLY: u32 = 1;
/// The kernel frees the device after its last use: once unmounted, or if this process is killed before it is mounted.
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// How often another process may take the free device first.
const TRIES: usize = 32;

/// `struct loop_config` of linux/loop.h; only the flags of its `struct loop_info64` are used.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    before_flags: [u8; 52],
    flags: u32,
    after_flags: [u8; 176],
    reserved: [u64; 8],
}

/// A device that stays in use while this exists.
pub struct LoopDevice {
    pub path: PathBuf,
    _device: File,
}

/// Sets up a device if the source is a file with a file system in it.
pub fn for_source(wanted: &FileSystem, options: &Options) -> Result<Option<LoopDevice>, Failure> {
    let is_file = fs::metadata(&wanted.source).is_ok_and(|found| found.is_file());
    if !options.wants_loop && (!is_file || needs_no_device(&wanted.kind)) {
        return Ok(None);
    }
    let source = OpenOptions::new().read(true).write(!options.is_read_only()).open(&wanted.source);
    source
        .and_then(|file| attach(&file, options.is_read_only()))
        .context(|| format!("cannot set up a loop device for {}", wanted.source.display()))
        .map(Some)
}

/// Whether the kernel lists it as a file system without a block device; only loaded file systems are listed.
fn needs_no_device(kind: &str) -> bool {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    known.lines().any(|line| line.strip_prefix("nodev\t") == Some(kind))
}

fn attach(file: &File, is_read_only: bool) -> io::Result<LoopDevice> {
    let control = OpenOptions::new().read(true).write(true).open("/dev/loop-control")?;
    let flags = LO_FLAGS_AUTOCLEAR | if is_read_only { LO_FLAGS_READ_ONLY } else { 0 };
    let config = LoopConfig {
        fd: file.as_raw_fd() as u32,
        block_size: 0,
        before_flags: [0; 52],
        flags,
        after_flags: [0; 176],
        reserved: [0; 8],
    };
    for _ in 0..TRIES {
        // SAFETY: no pointers.
        let number = checked(unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE as _) }.into())?;
        let path = PathBuf::from(format!("/dev/loop{number}"));
        let device = OpenOptions::new().read(true).write(!is_read_only).open(&path)?;
        // SAFETY: the structure is as large as the kernel expects and outlives the call.
        match checked(unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE as _, &raw const config) }.into()) {
            Ok(_) => return Ok(LoopDevice { path, _device: device }),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("other processes take every free one first"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_is_as_large_as_the_kernels() {
        assert_eq!(size_of::<LoopConfig>(), 304);
        assert_eq!(std::mem::offset_of!(LoopConfig, flags), 8 + 52);
    }
}
