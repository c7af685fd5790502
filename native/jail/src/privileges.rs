//! What the program may do, apart from its root and its system calls: user, capabilities, limits; and when it dies.

use std::io;

use bulkhead_kernel::checked;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Pid, Uid, getppid, setgroups, setresgid, setresuid};

use crate::request::{Capability, Request};
use crate::said;

/// Descriptor limit of a program without one in the request, if the limit can be raised.
const MANY_FILES: u64 = 1_048_576;

/// Makes the kernel kill this process when its parent dies.
pub fn die_with(parent: i32) -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // If the parent died before that, the signal will never come.
    if getppid() == Pid::from_raw(parent) { Ok(()) } else { Err(io::Error::other("the shim is gone")) }
}

/// Drops everything that the request does not name. The last step before the program, except for the seccomp filter.
pub fn drop_all(request: &Request) -> Result<(), String> {
    limit(request).map_err(said("cannot set limits"))?;
    let wanted = request.capabilities.iter().fold(0, |set, one| set | bit(*one));
    bound(wanted).map_err(said("cannot drop capabilities"))?;
    let (uid, gid) = (Uid::from_raw(request.uid), Gid::from_raw(request.gid));
    setgroups(&[])
        .and_then(|()| setresgid(gid, gid, gid))
        .and_then(|()| setresuid(uid, uid, uid))
        .map_err(said("cannot become the VM's user"))?;
    set_capabilities(wanted).map_err(said("cannot drop capabilities"))?;
    prctl::set_no_new_privs().map_err(said("cannot forbid new privileges"))
}

/// CAP_KILL of linux/capability.h.
const KILL: u64 = 1 << 5;

/// Keeps what the launcher needs while it waits: CAP_KILL, so that its death may kill a program of another user,
/// because the kernel checks whether the dying parent could have sent the signal itself.
pub fn drop_own() -> Result<(), String> {
    set_capabilities(KILL).map_err(said("cannot drop capabilities"))?;
    prctl::set_no_new_privs().map_err(said("cannot forbid new privileges"))
}

fn limit(request: &Request) -> nix::Result<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    match request.nofile {
        Some(files) => {
            let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
            let files = files.min(most);
            setrlimit(Resource::RLIMIT_NOFILE, files, files)?;
        }
        None => {
            if setrlimit(Resource::RLIMIT_NOFILE, MANY_FILES, MANY_FILES).is_err() {
                let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
                setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
            }
        }
    }
    match request.nproc {
        Some(processes) => setrlimit(Resource::RLIMIT_NPROC, processes, processes),
        None => Ok(()),
    }
}

fn bit(capability: Capability) -> u64 {
    1 << capability as u32
}

/// Drops all other capabilities from the bounding set, so that no program regains them, whoever owns its file.
fn bound(wanted: u64) -> io::Result<()> {
    for number in 0..64 {
        if wanted & (1 << number) != 0 {
            continue;
        }
        // SAFETY: no pointers.
        let result = checked(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) }.into());
        match result {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break, // past the last capability
            other => other?,
        };
    }
    Ok(())
}

/// capset(2), version 3: two words of 32 bits each. Nothing is inheritable, so a program run as uid 0 has exactly
/// these, and one run as another user none.
fn set_capabilities(wanted: u64) -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    // The change to another user has already dropped them all.
    let wanted = if Uid::effective().is_root() { wanted } else { 0 };
    let word = |shift: u32| {
        let bits = (wanted >> shift) as u32;
        Data { effective: bits, permitted: bits, inheritable: 0 }
    };
    let (header, data) = (Header { version: VERSION_3, pid: 0 }, [word(0), word(32)]);
    // SAFETY: both structures have version 3's layout and outlive the call.
    checked(unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) })?;
    Ok(())
}
