//! Runs the guest's small programs (modprobe, mkfs, iptables) to their end.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};
use tokio::time::timeout;

use crate::reaper::Reaper;
use crate::ttrpc::{Code, Context, Result, Status};

const LIMIT: Duration = Duration::from_secs(60);
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs a program with `input` as its stdin and returns its stdout. A program that the image does not have is
/// `Unimplemented`; one that fails is `Internal` with its stderr.
pub async fn run(reaper: &Reaper, program: &str, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>> {
    let memory = || memfd_create(c"tool", MFdFlags::MFD_CLOEXEC).map(File::from).context(|| "memfd");
    let (mut stdin, mut stdout, mut stderr) = (memory()?, memory()?, memory()?);
    stdin.write_all(input).and_then(|()| stdin.rewind()).context(|| "input")?;
    let handle = |file: &File| file.try_clone().map(Stdio::from).context(|| "memfd");
    let spawned = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .stdin(handle(&stdin)?)
        .stdout(handle(&stdout)?)
        .stderr(handle(&stderr)?)
        .spawn();
    let child = match spawned {
        Ok(child) => child,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(Status::unimplemented(format!("this guest image has no {program}")));
        }
        Err(e) => return Err(Status::internal(format!("start {program}: {e}"))),
    };
    let ended = reaper.child(child.id() as i32);
    let Ok(status) = timeout(LIMIT, ended).await else {
        // SAFETY: plain system call on our own child, which has not been collected.
        unsafe { libc::kill(child.id() as i32, libc::SIGKILL) };
        return Err(Status::new(Code::DeadlineExceeded, format!("{program} did not end within {LIMIT:?}")));
    };
    let status = status.unwrap_or(255);
    if status == 0 {
        return content(&mut stdout);
    }
    let said = content(&mut stderr)?;
    Err(Status::internal(format!("{program} ended with status {status}: {}", String::from_utf8_lossy(&said).trim())))
}

fn content(file: &mut File) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).context(|| "output")?;
    Ok(bytes)
}
