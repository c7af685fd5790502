//! The sandbox: its name, its shared namespaces, the guest's resolv.conf, and its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::thread;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use crate::agent::Agent;
use crate::r#gen::grpc::CreateSandboxRequest;
use crate::ttrpc::{Code, Context, Result, Status};

const RESOLV_CONF: &str = "/etc/resolv.conf";
/// The kernel's limit for a host name.
const HOSTNAME_LIMIT: usize = 64;

/// Namespaces that all containers of the sandbox share, held by mounts.
struct Namespaces {
    ipc: PathBuf,
    uts: PathBuf,
}

/// What is known of the sandbox.
#[derive(Default)]
pub struct Sandbox {
    id: Option<String>,
    namespaces: Option<Namespaces>,
    storages: Vec<String>,
    /// The container whose pid namespace is the one that is shared.
    pub pid_owner: Option<String>,
    /// The container that has made the user namespace which the others join.
    pub user_owner: Option<String>,
}

impl Sandbox {
    /// Path of the shared ipc namespace.
    pub fn ipc(&self) -> Option<&Path> {
        self.namespaces.as_ref().map(|n| n.ipc.as_path())
    }

    /// Path of the shared uts namespace.
    pub fn uts(&self) -> Option<&Path> {
        self.namespaces.as_ref().map(|n| n.uts.as_path())
    }
}

/// Makes the sandbox: namespaces, storages, DNS.
pub async fn create(agent: &Rc<Agent>, request: CreateSandboxRequest) -> Result<()> {
    if let Some(id) = &agent.sandbox.borrow().id {
        return Err(Status::new(Code::AlreadyExists, format!("this guest already is the sandbox {id:?}")));
    }
    for module in &request.kernel_modules {
        crate::guest::load_module(agent.crun.reaper(), &module.name, &module.parameters).await?;
    }
    let namespaces = make_namespaces(&agent.options.state.join("ns"), &request.hostname)?;
    let mut storages = Vec::new();
    let added = agent.storages.add_all(agent.crun.reaper(), &request.storages, &mut storages).await;
    if let Err(status) = added.and_then(|()| set_dns(&agent.options.state, &request.dns)) {
        agent.storages.release_all(&storages).await;
        release(&namespaces);
        return Err(status);
    }
    let mut sandbox = agent.sandbox.borrow_mut();
    sandbox.id = Some(request.sandbox_id);
    sandbox.namespaces = Some(namespaces);
    sandbox.storages = storages;
    Ok(())
}

/// Ends everything in the sandbox; the machine is switched off after the response.
pub async fn destroy(agent: &Rc<Agent>) -> Result<()> {
    for id in agent.containers.ids() {
        if let Err(status) = crate::container::remove(agent, &id, 5).await {
            eprintln!("bulkhead-agent: remove {id}: {status}");
        }
    }
    let sandbox = agent.sandbox.take();
    agent.storages.release_all(&sandbox.storages).await;
    if let Some(namespaces) = &sandbox.namespaces {
        release(namespaces);
    }
    Ok(())
}

/// A thread enters new namespaces and mounts keep them after its end.
fn make_namespaces(dir: &Path, hostname: &str) -> Result<Namespaces> {
    let namespaces = Namespaces { ipc: dir.join("ipc"), uts: dir.join("uts") };
    fs::create_dir_all(dir).context(|| format!("make {}", dir.display()))?;
    let mut hostname = hostname.to_owned();
    hostname.truncate((0..=HOSTNAME_LIMIT).rev().find(|n| hostname.is_char_boundary(*n)).unwrap_or(0));
    let files = [("ipc", namespaces.ipc.clone()), ("uts", namespaces.uts.clone())];
    let enter = move || -> Result<()> {
        unshare(CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS).context(|| "new ipc and uts namespaces")?;
        if !hostname.is_empty() {
            nix::unistd::sethostname(&hostname).context(|| format!("set the host name {hostname:?}"))?;
        }
        for (kind, file) in files {
            fs::write(&file, "").context(|| format!("make {}", file.display()))?;
            let from = format!("/proc/thread-self/ns/{kind}");
            mount(Some(from.as_str()), &file, None::<&str>, MsFlags::MS_BIND, None::<&str>)
                .context(|| format!("keep the {kind} namespace"))?;
        }
        Ok(())
    };
    let made = thread::spawn(enter).join().unwrap_or_else(|_| Err(Status::internal("new namespaces")));
    if made.is_err() {
        release(&namespaces);
    }
    made.map(|()| namespaces)
}

fn release(namespaces: &Namespaces) {
    for file in [&namespaces.ipc, &namespaces.uts] {
        let _ = umount2(file, MntFlags::MNT_DETACH);
        let _ = fs::remove_file(file);
    }
}

/// The guest's own resolver configuration, for what is resolved outside of containers. The image is read-only, so a
/// file in memory is put over it.
fn set_dns(state: &Path, lines: &[String]) -> Result<()> {
    if lines.is_empty() || !Path::new(RESOLV_CONF).exists() {
        return Ok(());
    }
    let file = state.join("resolv.conf");
    fs::write(&file, lines.join("\n") + "\n").context(|| format!("write {}", file.display()))?;
    mount(Some(&file), RESOLV_CONF, None::<&str>, MsFlags::MS_BIND, None::<&str>).context(|| "bind resolv.conf")
}
