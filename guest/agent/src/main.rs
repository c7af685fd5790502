//! bulkhead-agent: the first process of a bulkhead machine. It serves the guest agent protocol to the host and runs
//! the sandbox's containers through crun.

mod agent;
mod blocking;
mod cgroup;
mod container;
mod copy_file;
mod crun;
mod device;
mod emulation;
mod endpoint;
mod forward;
mod r#gen;
mod guest;
mod init;
mod iptables;
mod names;
mod net;
mod pause;
mod poll;
mod reaper;
mod rpc;
mod safe_path;
mod sandbox;
mod spec;
mod stdio;
mod storage;
mod tool;
mod ttrpc;

use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;

use agent::{Agent, Options};
use endpoint::Endpoint;
use reaper::Reaper;
use rpc::Services;
use ttrpc::{Context, Result};

const FILE_LIMIT: libc::rlim_t = 1 << 20;
const USAGE: &str = "usage: bulkhead-agent [--listen unix://PATH|vsock://[CID:]PORT] [--state DIR] [--crun FILE]";

/// Name and version, by which a host recognises an agent with bulkhead's extensions.
pub fn version() -> String {
    concat!("bulkhead-agent/", env!("CARGO_PKG_VERSION")).into()
}

struct Arguments {
    listen: Option<String>,
    options: Options,
}

fn main() -> ExitCode {
    if std::env::args().next().is_some_and(|name| name.ends_with("/pause")) {
        return pause::run();
    }
    let is_init = std::process::id() == 1;
    let arguments = match parse(std::env::args().skip(1), is_init) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => return ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("bulkhead-agent: {message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if is_init {
        init::set_up();
    } else if let Err(error) = nix::sys::prctl::set_child_subreaper(true) {
        eprintln!("bulkhead-agent: cannot become the reaper of containers: {error}");
        return ExitCode::FAILURE;
    }
    let outcome = run(arguments);
    if let Err(status) = &outcome {
        eprintln!("bulkhead-agent: {status}");
    }
    if is_init {
        init::power_off();
    }
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The kernel hands words of its command line that it does not know to the first process, so there they are no error.
fn parse(mut words: impl Iterator<Item = String>, is_init: bool) -> std::result::Result<Option<Arguments>, String> {
    let mut listen = None;
    let mut options = Options { state: PathBuf::from("/run/bulkhead"), crun: PathBuf::from("/usr/bin/crun"), is_init };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--listen" => listen = Some(value()?),
            "--state" => options.state = value()?.into(),
            "--crun" => options.crun = value()?.into(),
            "--version" => {
                println!("{}", version());
                return Ok(None);
            }
            _ if is_init => {}
            _ => return Err(format!("unknown argument {word:?}")),
        }
    }
    Ok(Some(Arguments { listen, options }))
}

fn run(arguments: Arguments) -> Result<()> {
    raise_limits();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(blocking::THREADS)
        .thread_stack_size(256 << 10)
        .build()
        .context(|| "runtime")?;
    let tasks = tokio::task::LocalSet::new();
    let outcome = tasks.block_on(&runtime, async {
        let reaper = Reaper::default();
        let agent = Agent::new(arguments.options, reaper.clone())?;
        let endpoint = match &arguments.listen {
            Some(address) => Endpoint::listen(address)?,
            None => Endpoint::port().await?,
        };
        let watching = agent.clone();
        tokio::select! {
            ended = reaper.run() => ended.context(|| "reaper"),
            () = watching.oom.run() => unreachable!("it goes on for ever"),
            ended = endpoint.serve(Rc::new(Services(agent))) => ended.context(|| "connection"),
        }
    });
    // Threads that hang in a file system would be waited for.
    runtime.shutdown_background();
    outcome
}

/// Many processes at once mean many pipes. Containers whose specification names no limits inherit these: a service of a
/// host has as many files and, other than what the kernel derives from its memory, any number of processes for each user.
fn raise_limits() {
    for (kind, most) in [(libc::RLIMIT_NOFILE, FILE_LIMIT), (libc::RLIMIT_NPROC, libc::RLIM_INFINITY)] {
        let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
        // SAFETY: reads one rlimit.
        if unsafe { libc::setrlimit(kind, &limit) } != 0 {
            eprintln!("bulkhead-agent: cannot raise limit {kind} to {most}: {}", std::io::Error::last_os_error());
        }
    }
}
