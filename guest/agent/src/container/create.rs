//! CreateContainer and StartContainer.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;
use tokio::task::spawn_local;

use super::home::Users;
use super::{Container, Process, Reservation, sources, targets};
use crate::agent::Agent;
use crate::cgroup::Cgroup;
use crate::r#gen::grpc::CreateContainerRequest;
use crate::spec;
use crate::stdio::{ConsoleSocket, Streams};
use crate::ttrpc::{Code, Context, Result, Status};

const TERMINATION_MESSAGE: [&str; 2] =
    ["io.kubernetes.container.terminationMessagePath", "io.kubernetes.cri-o.TerminationMessagePath"];

/// The network is the guest's own, in which processes of another user namespace have no capabilities: what needs them
/// on a host, though every pod does it, needs none in a pod with mapped ids.
const MAPPED_NET_SYSCTLS: [(&str, &str); 2] =
    [("net.ipv4.ip_unprivileged_port_start", "0"), ("net.ipv4.ping_group_range", "0 2147483647")];

/// Creates the container: afterwards its first process exists and waits for the start.
pub async fn create(agent: &Rc<Agent>, request: CreateContainerRequest) -> Result<()> {
    let place = agent.containers.reserve(&request.container_id)?;
    let mut spec = spec::spec_of(&request)?;
    crate::device::prepare(&request.devices, &mut spec).await?;
    let storages = agent.storages.add_all(&request.storages).await?;
    let bundle = agent.options.state.join("containers").join(&request.container_id);
    match create_from(agent, place, &request, &mut spec, &bundle, &storages).await {
        Ok(()) => Ok(()),
        Err(status) => {
            remove_bundle(&bundle);
            agent.storages.release_all(&storages);
            Err(status)
        }
    }
}

async fn create_from(
    agent: &Rc<Agent>,
    place: Reservation<'_>,
    request: &CreateContainerRequest,
    spec: &mut Value,
    bundle: &Path,
    storages: &[String],
) -> Result<()> {
    let termination_message = termination_message(spec);
    let pid_namespace = agent.pid_namespace(request.sandbox_pidns, spec)?;
    let owns_users = crate::agent::has_user_namespace(spec) && agent.mapped_namespaces().is_none();
    let fitted = agent.fit(spec, &request.container_id, pid_namespace.as_deref())?;
    crate::device::open_all(spec);
    let users = Users::of(spec);
    users.give_home(&mut spec["process"]);
    sources::check(spec)?;
    sources::protect_copies(spec, &request.storages);
    let opened = MAPPED_NET_SYSCTLS.map(|(key, value)| (key.to_owned(), value.to_owned()));
    for (key, value) in opened.iter().filter(|_| owns_users).chain(&fitted.net_sysctls) {
        crate::guest::set_sysctl(key, value)?;
    }
    fs::create_dir_all(bundle).context(|| format!("make {}", bundle.display()))?;
    let _held = sources::hold(agent, spec, bundle)?;
    targets::resolve(spec)?;
    fs::write(bundle.join("config.json"), spec.to_string()).context(|| "write config.json")?;

    let (streams, ends) = if fitted.terminal {
        (Streams::terminal(), None)
    } else {
        let (streams, ends) = Streams::pipes()?;
        (streams, Some(ends))
    };
    let init = Rc::new(Process::new(streams));
    let pid_file = bundle.join("pid");
    let mut arguments: Vec<OsString> = vec!["create".into(), "--bundle".into(), bundle.into()];
    arguments.extend(["--pid-file".into(), pid_file.clone().into()]);
    let id = request.container_id.as_str();
    let launch = Launch { agent, container: id, process: &init, pid_file: &pid_file, oom_score_adj: None };
    if let Err(status) = launch.run(arguments, ends).await {
        // crun has usually undone everything itself; this is for what it leaves when it was interrupted.
        let _ = agent.crun.run(&["delete", "--force", id], None).await;
        return Err(status);
    }
    let cgroup = Cgroup::new(spec["linux"]["cgroupsPath"].as_str().unwrap_or(""));
    agent.oom.watch(id, &cgroup);
    place.fill(Rc::new(Container {
        id: id.to_owned(),
        init,
        cgroup,
        termination_message,
        users,
        bundle: bundle.to_owned(),
        storages: storages.to_owned(),
        execs: RefCell::new(HashMap::new()),
        started: Cell::new(false),
    }));
    if owns_users {
        agent.sandbox.borrow_mut().user_owner = Some(id.to_owned());
    }
    if pid_namespace.is_none() {
        agent.has_own_pid_namespace(id);
    }
    Ok(())
}

/// Removes a bundle, but never what might still be mounted in it.
pub(super) fn remove_bundle(bundle: &Path) {
    for entry in fs::read_dir(bundle).into_iter().flatten().flatten() {
        let path = entry.path();
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
    }
    let _ = fs::remove_dir(bundle);
}

fn termination_message(spec: &Value) -> Option<PathBuf> {
    let named = TERMINATION_MESSAGE.iter().find_map(|key| spec["annotations"][*key].as_str())?;
    let mounts = spec["mounts"].as_array()?;
    let mount = mounts.iter().find(|mount| mount["destination"] == named)?;
    mount["source"].as_str().map(PathBuf::from)
}

/// One run of crun that makes a process, and what ties the process to its table entry.
pub(super) struct Launch<'a> {
    pub agent: &'a Rc<Agent>,
    pub container: &'a str,
    pub process: &'a Rc<Process>,
    pub pid_file: &'a Path,
    /// Of what crun starts, where it does not set that itself.
    pub oom_score_adj: Option<i64>,
}

impl Launch<'_> {
    /// Runs crun with the console socket when there is a terminal, and claims the new process.
    pub async fn run(&self, mut arguments: Vec<OsString>, ends: Option<crate::stdio::ChildEnds>) -> Result<()> {
        let crun = &self.agent.crun;
        let watch = crun.reaper().watch();
        match &self.process.streams.terminal {
            None => {
                arguments.push(self.container.into());
                crun.run_scored(&arguments, ends, self.oom_score_adj).await?;
            }
            Some(terminal) => {
                let socket = ConsoleSocket::bind(crun.scratch_file("tty"))?;
                arguments.extend(["--console-socket".into(), socket.path().into()]);
                arguments.push(self.container.into());
                let running = crun.run_scored(&arguments, None, self.oom_score_adj);
                tokio::pin!(running);
                // crun ends only after it has sent the terminal, so its end without one is its failure. A failure that comes
                // later, or in the middle, is crun's to tell: all that the socket knows is that nothing came.
                let master = tokio::select! {
                    biased;
                    master = socket.receive() => {
                        running.await?;
                        master?
                    }
                    ended = &mut running => {
                        ended?;
                        return Err(Status::internal("crun has sent no terminal"));
                    }
                };
                terminal.connect(master)?;
            }
        }
        let text = fs::read_to_string(self.pid_file).context(|| "pid file of crun")?;
        let _ = fs::remove_file(self.pid_file);
        let pid = text.trim().parse().context(|| format!("pid file of crun: {text:?}"))?;
        let exit = watch.claim(pid);
        self.process.started(pid);
        let process = self.process.clone();
        let (agent, container) = (self.agent.clone(), self.container.to_owned());
        spawn_local(async move {
            let status = exit.await.unwrap_or(255);
            // Before the exit is known, so that who hears of the exit can already know that memory was its cause.
            agent.oom.check(&container);
            let _ = process.exit.set(status);
            process.streams.ended();
        });
        Ok(())
    }
}

/// Lets the first process run.
pub async fn start(agent: &Rc<Agent>, id: &str) -> Result<()> {
    let container = agent.containers.get(id)?;
    if container.started.get() || container.init.has_ended() {
        return Err(Status::new(Code::FailedPrecondition, format!("container {id:?} is not waiting for its start")));
    }
    container.started.set(true);
    agent.crun.start(id).await
}
