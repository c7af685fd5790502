//! Run by the shim: mounts what lies at one place at another one, where owners of files are other ids.
//!
//! mount(8) can do it from util-linux 2.39 on, and only for a mapping that it is given in another form; this one ends
//! after less than a millisecond of its own work.

mod mapping;
mod mounts;

use std::io;
use std::process::ExitCode;

use mapping::Mapping;

const USAGE: &str =
    "usage: bulkhead-mount UIDS GIDS SOURCE TARGET [SOURCE TARGET]...   (UIDS: inside:outside:count,...)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> io::Result<()> {
    let usage = || io::Error::new(io::ErrorKind::InvalidInput, USAGE);
    let [uids, gids, pairs @ ..] = arguments else { return Err(usage()) };
    let (pairs, []) = pairs.as_chunks::<2>() else { return Err(usage()) };
    let users = mapping::user_namespace(&Mapping::parse(uids)?, &Mapping::parse(gids)?)
        .map_err(|e| context("a user namespace with the mapping", &e))?;
    for [source, target] in pairs {
        mounts::mount_mapped(source, target, &users).map_err(|e| context(target, &e))?;
    }
    Ok(())
}

/// In the form of mount(8), which the shim reads.
fn context(what: &str, error: &io::Error) -> io::Error {
    let text = match error.raw_os_error() {
        Some(libc::EINVAL) => "its file system, or this kernel, cannot show files with mapped owners".to_owned(),
        _ => error.to_string(),
    };
    io::Error::new(error.kind(), format!("mount: {what}: {text}."))
}
