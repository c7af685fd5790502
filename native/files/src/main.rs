//! Serves the folder that a sandbox shares with its guest: the file system of the crate `virtiofsd`, with a cache
//! policy for each kind of file and a bound on how many files a guest may hold.
//!
//! Started by the shim through `bulkhead-jail` (src/vm/files.ts): descriptor 0 is a listening socket; on descriptor 3
//! it notifies the shim when the guest holds many files. It serves one connection and exits when that closes.

mod bounds;
mod fs;
mod kind;
mod logger;
mod names;

use std::fs::File;
use std::os::fd::FromRawFd;
use std::os::unix::fs::{OpenOptionsExt, chroot};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;

use capng::{Action, Set, Type};
use vhost::vhost_user::Listener;
use vhost_user_backend::{Error::HandleRequest, VhostUserDaemon};
use virtiofsd::limits::setup_rlimit_nofile;
use virtiofsd::passthrough::xattrmap::XattrMap;
use virtiofsd::passthrough::{CachePolicy, Config, NegotiationMode, PassthroughFs};
use virtiofsd::vhost_user::VhostUserFsBackendBuilder;
use vm_memory::{GuestMemoryAtomic, GuestMemoryMmap};

use bounds::Bounds;
use fs::Files;

const USAGE: &str =
    "usage: bulkhead-files FOLDER MOST-FILES, with a listening socket as descriptor 0 and a connected one as 3";

/// Descriptors not for the guest's files: sockets, events, the VM's memory regions, and those of requests in progress.
const OWN_DESCRIPTORS: u64 = 128;

/// No thread pool: requests are processed one at a time. Two and four threads were not faster, and four were slower at
/// creating files (docs/performance.md).
const THREADS: usize = 0;

/// How extended attributes that a guest sets are mapped. Those that mean something to the host (`trusted.*`, which
/// overlayfs reads, and labels of security modules) are stored under a name that means nothing to it; file capabilities
/// and ACLs pass, as in any container, and so does `user.*`, except under that name.
const XATTR_MAP: &str = ":ok:all:security.capability:security.capability:\
    :ok:all:system.posix_acl_:system.posix_acl_:\
    :bad:client:user.virtiofs.::\
    :prefix:client:trusted.:user.virtiofs.:\
    :prefix:client:security.:user.virtiofs.:\
    :prefix:server::user.virtiofs.:\
    :ok:all:user.:user.:\
    :unsupported:all:::";

fn main() -> ExitCode {
    logger::install();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bulkhead-files: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, most] = args.as_slice() else { return Err(USAGE.into()) };
    let planned: u64 = most.parse().map_err(|_| format!("{most:?} is not a number of files; {USAGE}"))?;
    let descriptors = setup_rlimit_nofile(None).map_err(said("cannot raise the limit on descriptors"))?;
    let most = planned.min(descriptors.saturating_sub(OWN_DESCRIPTORS));
    let proc_fds = enter(folder)?;
    // SAFETY: the shim passes both, and nothing else uses them.
    let (mut listener, notices) = unsafe { (Listener::from_raw_fd(0), UnixStream::from_raw_fd(3)) };
    let inner = PassthroughFs::new(config(proc_fds, most)?).map_err(said("cannot serve the folder"))?;
    let bounds = Bounds::new(most, notices).map_err(said("cannot use descriptor 3"))?;
    let backend = VhostUserFsBackendBuilder::default()
        .set_thread_pool_size(THREADS)
        .build(Files::new(inner, bounds))
        .map_err(said("cannot make the device"))?;
    let memory = GuestMemoryAtomic::new(GuestMemoryMmap::new());
    let mut daemon = VhostUserDaemon::new("files".into(), Arc::new(backend), memory)
        .map_err(|error| format!("cannot make the device: {error:?}"))?;
    daemon.start(&mut listener).map_err(|error| format!("cannot accept the VMM's connection: {error:?}"))?;
    match daemon.wait() {
        Ok(()) | Err(HandleRequest(vhost::vhost_user::Error::Disconnected)) => Ok(()),
        Err(error) => Err(format!("the VMM's connection failed: {error:?}")),
    }
}

fn said<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> String {
    move |error| format!("{what}: {error}")
}

/// Makes the folder this process's root and drops the capabilities for that. Returns `/proc/self/fd`, through which
/// files held with O_PATH are opened.
fn enter(folder: &str) -> Result<File, String> {
    let proc_fds =
        File::options().read(true).custom_flags(libc::O_PATH).open("/proc/self/fd").map_err(said("/proc/self/fd"))?;
    chroot(folder).and_then(|()| std::env::set_current_dir("/")).map_err(said(folder))?;
    let dropped = || -> capng::Result<()> {
        capng::get_caps_process()?;
        // SETPCAP is needed to change the bounding set.
        capng::updatev(
            Action::DROP,
            Type::EFFECTIVE | Type::PERMITTED | Type::BOUNDING_SET,
            vec!["SYS_CHROOT", "SETPCAP"],
        )?;
        capng::apply(Set::BOTH)
    };
    dropped().map_err(|error| format!("cannot give up capabilities: {error:?}"))?;
    Ok(proc_fds)
}

/// Cache times and flags are not set here: they depend on the kind (kind.rs).
fn config(proc_fds: File, most: u64) -> Result<Config, String> {
    Ok(Config {
        cache_policy: CachePolicy::Auto,
        proc_sfd_rawfd: Some(proc_fds),
        announce_submounts: true,
        xattr: true,
        xattrmap: Some(XattrMap::try_from(XATTR_MAP).map_err(|error| format!("xattr map: {error}"))?),
        // Clears setuid and setgid bits when a user other than root writes to or truncates a file.
        killpriv_v2: true,
        posix_acl: NegotiationMode::Auto,
        readdirplus: true,
        allow_direct_io: true,
        guest_fd_limit: most,
        ..Config::default()
    })
}
