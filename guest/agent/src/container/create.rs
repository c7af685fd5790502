//! CreateContainer and StartContainer.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use tokio::task::spawn_local;

use super::home::Users;
use super::{Container, Process, Reservation, late, sources, targets};
use crate::agent::Agent;
use crate::blocking;
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

/// Creates the container: afterwards its first process exists and waits for the start. A creation that takes longer than
/// its `limit`, or whose container is removed meanwhile, leaves nothing.
pub async fn create(agent: &Rc<Agent>, request: CreateContainerRequest, limit: Option<Duration>) -> Result<()> {
    let id = request.container_id.as_str();
    let place = agent.containers.reserve(id)?;
    // A folder of its own for each attempt: what hangs of an earlier one may come back to its.
    let bundle = agent.crun.scratch_file("bundle");
    let mut storages = Vec::new();
    let created = tokio::select! {
        biased;
        _ = place.change.given_up.wait() => {
            let message = format!("container {id:?} was removed while it was being created");
            Err(Status::new(Code::FailedPrecondition, message))
        }
        status = late("the creation", limit) => Err(status),
        created = create_from(agent, &request, &bundle, &mut storages) => created,
    };
    match created {
        Ok(created) => {
            enter(agent, place, created, bundle, storages);
            Ok(())
        }
        Err(status) => {
            // crun has usually undone everything itself; this is for what it leaves when it was interrupted.
            if agent.crun.knows(id) {
                let _ = agent.crun.run(&["delete", "--force", id], None).await;
            }
            remove_bundle(&bundle);
            agent.storages.release_all(&storages).await;
            Err(status)
        }
    }
}

/// What a creation gives.
struct Created {
    users: Users,
    init: Rc<Process>,
    cgroup: Cgroup,
    termination_message: Option<PathBuf>,
    owns_users: bool,
    owns_pids: bool,
}

/// Can be dropped at any time.
async fn create_from(
    agent: &Rc<Agent>,
    request: &CreateContainerRequest,
    bundle: &Path,
    storages: &mut Vec<String>,
) -> Result<Created> {
    let id = request.container_id.as_str();
    let mut spec = spec::spec_of(request)?;
    crate::device::prepare(&request.devices, &mut spec).await?;
    agent.storages.add_all(agent.crun.reaper(), &request.storages, storages).await?;
    let termination_message = termination_message(&spec);
    let pid_namespace = agent.pid_namespace(request.sandbox_pidns, &spec)?;
    let owns_users = crate::agent::has_user_namespace(&spec) && agent.mapped_namespaces().is_none();
    let fitted = agent.fit(&mut spec, id, pid_namespace.as_deref())?;
    crate::device::open_all(&mut spec);
    sources::protect_copies(&mut spec, &request.storages);
    let opened = MAPPED_NET_SYSCTLS.map(|(key, value)| (key.to_owned(), value.to_owned()));
    for (key, value) in opened.iter().filter(|_| owns_users).chain(&fitted.net_sysctls) {
        crate::guest::set_sysctl(key, value)?;
    }
    fs::create_dir_all(bundle).context(|| format!("make {}", bundle.display()))?;
    let (spec, users, _held) = look_at_files(agent, spec, bundle).await?;
    fs::write(bundle.join("config.json"), spec.to_string()).context(|| "write config.json")?;

    let (streams, ends) = if fitted.terminal {
        (Streams::terminal(), None)
    } else {
        let (streams, ends) = Streams::pipes()?;
        (streams, Some(ends))
    };
    let init = Rc::new(Process::new(streams));
    let cgroup = Cgroup::new(spec["linux"]["cgroupsPath"].as_str().unwrap_or(""));
    let unfinished = Unfinished(Some(cgroup.clone()));
    let pid_file = bundle.join("pid");
    let mut arguments: Vec<OsString> = vec!["create".into(), "--bundle".into(), bundle.into()];
    arguments.extend(["--pid-file".into(), pid_file.clone().into()]);
    Launch { agent, container: id, process: &init, pid_file: &pid_file, oom_score_adj: None }
        .run(arguments, ends)
        .await?;
    unfinished.finish();
    Ok(Created { users, init, cgroup, termination_message, owns_users, owns_pids: pid_namespace.is_none() })
}

/// What looks at the root file system and the sources of mounts, whose server may not answer.
async fn look_at_files(agent: &Agent, mut spec: Value, bundle: &Path) -> Result<(Value, Users, Vec<sources::Held>)> {
    let (volumes, bundle) = (agent.storages.volumes(), bundle.to_owned());
    let look = move || {
        sources::check(&spec)?;
        let users = Users::of(&spec);
        users.give_home(&mut spec["process"]);
        let held = sources::hold(&volumes, &mut spec, &bundle)?;
        targets::resolve(&mut spec)?;
        Ok((spec, users, held))
    };
    blocking::run("the container's root file system or the source of one of its mounts", look).await
}

/// The control group of a container whose creation may be dropped: what is in it then ends.
struct Unfinished(Option<Cgroup>);

impl Unfinished {
    fn finish(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(cgroup) = &self.0 {
            cgroup.abandon();
        }
    }
}

fn enter(agent: &Rc<Agent>, place: Reservation<'_>, created: Created, bundle: PathBuf, storages: Vec<String>) {
    let id = place.id.clone();
    let Created { users, init, cgroup, termination_message, owns_users, owns_pids } = created;
    agent.oom.watch(&id, &cgroup);
    place.fill(Rc::new(Container {
        id: id.clone(),
        init,
        cgroup,
        termination_message,
        users,
        bundle,
        storages,
        execs: RefCell::new(HashMap::new()),
        started: Cell::new(false),
    }));
    if owns_users {
        agent.sandbox.borrow_mut().user_owner = Some(id.clone());
    }
    if owns_pids {
        agent.has_own_pid_namespace(&id);
    }
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
