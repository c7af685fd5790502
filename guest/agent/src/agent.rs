//! The agent's state: what the sandbox consists of.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;

use crate::cgroup::OomEvents;
use crate::container::Containers;
use crate::crun::Crun;
use crate::forward::Connections;
use crate::names::Names;
use crate::reaper::Reaper;
use crate::sandbox::Sandbox;
use crate::spec::{self, Fitted, Guest, Support};
use crate::storage::Storages;
use crate::ttrpc::{Code, Context, Result, Status};

/// How the agent was started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder of the agent's own state and of crun's.
    pub state: PathBuf,
    /// The container runtime.
    pub crun: PathBuf,
    /// Whether the machine is the agent's to switch off.
    pub is_init: bool,
}

/// Everything that requests work on.
pub struct Agent {
    /// How the agent was started.
    pub options: Options,
    /// The container runtime.
    pub crun: Crun,
    /// The containers.
    pub containers: Containers,
    /// Prepared mounts.
    pub storages: Storages,
    /// Out-of-memory events.
    pub oom: OomEvents,
    /// Connections of the host to programs in the sandbox.
    pub connections: Connections,
    /// Name queries that the host answers.
    pub names: Names,
    /// The sandbox's name and shared namespaces.
    pub sandbox: RefCell<Sandbox>,
    support: Support,
    security_modules: String,
}

impl Agent {
    /// An agent without a sandbox.
    pub fn new(options: Options, reaper: Reaper) -> Result<Rc<Self>> {
        let unified = Path::new(crate::cgroup::ROOT).join("cgroup.controllers").exists();
        let manager = if unified { "cgroupfs" } else { "disabled" };
        let crun = Crun::new(options.crun.clone(), &options.state, manager, reaper)?;
        Ok(Rc::new(Self {
            crun,
            containers: Containers::default(),
            storages: Storages::default(),
            oom: OomEvents::new().context(|| "inotify")?,
            connections: Connections::default(),
            names: Names::default(),
            sandbox: RefCell::default(),
            support: Support::detect(),
            security_modules: std::fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default(),
            options,
        }))
    }

    /// Fits a container's specification to this guest.
    pub fn fit(&self, spec: &mut Value, id: &str, pid: Option<&Path>) -> Result<Fitted> {
        let sandbox = self.sandbox.borrow();
        // A pod with a user namespace has its other namespaces in that one, those of its first container: the
        // sandbox's own belong to the guest's root, whose settings a process in a user namespace may not change.
        let mapped = if has_user_namespace(spec) { Some(self.mapped_namespaces()) } else { None };
        let of = |kind: &str| mapped.as_ref()?.as_ref().map(|dir| dir.join(kind));
        let (user, ipc, uts) = (of("user"), of("ipc"), of("uts"));
        let guest = Guest {
            id,
            ipc: if mapped.is_some() { ipc.as_deref() } else { sandbox.ipc() },
            uts: if mapped.is_some() { uts.as_deref() } else { sandbox.uts() },
            user: user.as_deref(),
            pid,
            support: self.support,
            security_modules: &self.security_modules,
        };
        spec::fit(spec, &guest)
    }

    /// Fits an additional process to this guest.
    pub fn fit_process(&self, process: &mut Value) {
        spec::fit_process(process, &self.security_modules);
    }

    /// What limits the guest can apply.
    pub fn support(&self) -> Support {
        self.support
    }

    /// The pid namespace that a new container joins, if not its own. The specification may name a container whose
    /// processes it wants to see (`"path": "container:<id>"`); a shared one belongs to the first container that lives.
    pub fn pid_namespace(&self, shared: bool, spec: &Value) -> Result<Option<PathBuf>> {
        let namespaces = spec["linux"]["namespaces"].as_array();
        let asked = namespaces.and_then(|all| all.iter().find(|n| n["type"] == "pid")?["path"].as_str());
        if let Some(target) = asked.and_then(|path| path.strip_prefix("container:")) {
            return self.pid_namespace_of(target).map(Some);
        }
        let owner = self.sandbox.borrow().pid_owner.clone();
        match owner.and_then(|id| self.pid_namespace_of(&id).ok()) {
            Some(path) if shared => Ok(Some(path)),
            _ => Ok(None),
        }
    }

    /// Notes a container that has a pid namespace of its own: it becomes the owner of the shared one if that has none.
    pub fn has_own_pid_namespace(&self, id: &str) {
        let owner = self.sandbox.borrow().pid_owner.clone();
        if owner.is_none_or(|owner| self.pid_namespace_of(&owner).is_err()) {
            self.sandbox.borrow_mut().pid_owner = Some(id.to_owned());
        }
    }

    /// Where the namespaces of the container are that has made the pod's user namespace, if it lives.
    pub fn mapped_namespaces(&self) -> Option<PathBuf> {
        let owner = self.sandbox.borrow().user_owner.clone()?;
        let init = &self.containers.get(&owner).ok()?.init;
        (!init.has_ended()).then(|| PathBuf::from(format!("/proc/{}/ns", init.pid())))
    }

    fn pid_namespace_of(&self, id: &str) -> Result<PathBuf> {
        let container = self.containers.get(id)?;
        if container.init.has_ended() {
            let message = format!("container {id:?}, whose pid namespace is to be shared, has stopped");
            return Err(Status::new(Code::FailedPrecondition, message));
        }
        Ok(PathBuf::from(format!("/proc/{}/ns/pid", container.init.pid())))
    }
}

/// Whether a specification asks for ids that are mapped.
pub fn has_user_namespace(spec: &Value) -> bool {
    spec["linux"]["namespaces"].as_array().is_some_and(|all| all.iter().any(|one| one["type"] == "user"))
}
