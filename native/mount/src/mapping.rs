//! An id mapping as a user namespace, the only form that the kernel accepts.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

/// Lines of a uid_map.
pub struct Mapping(String);

impl Mapping {
    /// Reads `inside:outside:count,...`.
    pub fn parse(text: &str) -> io::Result<Self> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidInput, format!("{text:?} is not an id mapping"));
        let mut lines = String::new();
        for range in text.split(',') {
            let numbers: Vec<u32> = range.split(':').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
            let [inside, outside, count] = numbers[..] else { return Err(wrong()) };
            lines += &format!("{inside} {outside} {count}\n");
        }
        Ok(Self(lines))
    }
}

/// A user namespace with the mapping. It lives as long as the descriptor and the mounts that use it.
pub fn user_namespace(uids: &Mapping, gids: &Mapping) -> io::Result<File> {
    let (mut ours, theirs) = UnixStream::pair()?;
    // SAFETY: this program has one thread; the child only makes system calls, and exits without running destructors.
    let child = unsafe { libc::fork() };
    if child < 0 {
        return Err(io::Error::last_os_error());
    }
    if child == 0 {
        drop(ours);
        enter(theirs);
    }
    drop(theirs);
    let outcome = ours.read_exact(&mut [0]).and_then(|()| {
        fs::write(format!("/proc/{child}/uid_map"), &uids.0)?;
        fs::write(format!("/proc/{child}/gid_map"), &gids.0)?;
        File::open(format!("/proc/{child}/ns/user"))
    });
    // The child waits for this end to close.
    drop(ours);
    // SAFETY: waits for our own child.
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    outcome
}

/// The child: reports that it is in a new user namespace and waits until it is no longer needed.
fn enter(mut parent: UnixStream) -> ! {
    // SAFETY: no pointers; `_exit` runs no destructors.
    unsafe {
        if libc::unshare(libc::CLONE_NEWUSER) == 0 && parent.write_all(b"!").is_ok() {
            let _ = parent.read(&mut [0]);
        }
        libc::_exit(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_lines_of_three_numbers() {
        assert_eq!(Mapping::parse("0:100000:65536,65536:5:1").unwrap().0, "0 100000 65536\n65536 5 1\n");
        for wrong in ["", "0:1", "0:1:2:3", "a:1:2", "0:-1:2"] {
            assert!(Mapping::parse(wrong).is_err(), "{wrong}");
        }
    }
}
