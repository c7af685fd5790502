//! Run by the shim for each batch of mounts: mounts, unmounts and removes below a folder, by descriptor. The request is
//! JSON on standard input (request.rs); a failure is JSON on standard error.

#[cfg(test)]
mod attacks;
mod failure;
mod file_system;
mod loop_device;
mod mapping;
mod options;
mod removal;
mod request;
mod root;
mod staging;
#[cfg(test)]
mod stand;
mod tree;

use std::io::{self, Read};
use std::os::unix::process::parent_id;
use std::path::Path;
use std::process::ExitCode;

use bulkhead_kernel as kernel;
use failure::{Context, Failure};
use request::{Request, Step};
use root::Root;

/// More than any container's mounts take.
const MAX_REQUEST_BYTES: u64 = 16 << 20;

fn main() -> ExitCode {
    let Err((step, Failure(reason))) = run() else { return ExitCode::SUCCESS };
    eprintln!("{}", serde_json::json!({ "step": step, "reason": reason }));
    ExitCode::FAILURE
}

/// Returns what failed, and at which step.
fn run() -> Result<(), (Option<usize>, Failure)> {
    let request = read_request().map_err(|failure| (None, failure))?;
    for (number, step) in request.steps.iter().enumerate() {
        perform(&request.root, step).map_err(|failure| (Some(number), failure))?;
    }
    Ok(())
}

fn read_request() -> Result<Request, Failure> {
    // SAFETY: no pointers. Done first, so that nothing outlives the shim.
    kernel::checked(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) }.into())
        .context(|| "cannot ask to die with the shim".to_owned())?;
    // SAFETY: cannot fail.
    unsafe { libc::umask(0o022) };
    let mut text = Vec::new();
    io::stdin().take(MAX_REQUEST_BYTES).read_to_end(&mut text).context(|| "cannot read the request".to_owned())?;
    let request: Request =
        serde_json::from_slice(&text).map_err(|error| Failure(format!("invalid request: {error}")))?;
    // If the shim died before that, the signal will never come.
    if parent_id() != request.parent {
        return Err(Failure::new("the process that asked is gone"));
    }
    Ok(request)
}

fn perform(root: &Path, step: &Step) -> Result<(), Failure> {
    match step {
        Step::Share => tree::share(&Root::open(root)?),
        Step::Bind(bind) => tree::bind(&Root::open_own_mount(root)?, bind),
        Step::Mount(wanted) => file_system::mount(&Root::open_own_mount(root)?, wanted),
        Step::Remove(target) => removal::remove(root, target),
        Step::UnmountAll => removal::unmount_all(root),
        Step::Clear => removal::clear(root),
    }
}
