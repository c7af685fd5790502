//! Containers and their processes.

mod create;
mod exec;
mod home;
mod process;
mod remove;
mod sources;
mod targets;

pub use create::{create, start};
pub use exec::exec;
pub use process::Process;
pub use remove::{kill_all, remove};

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::SetOnce;
use tokio::time::sleep;

use crate::cgroup::Cgroup;
use crate::ttrpc::{Code, Result, Status};

/// From this number of entries on, processes that nobody needs any more are forgotten.
const KEPT_EXECS: usize = 256;
/// Ended processes are forgotten beyond this number even if nobody has asked for their exit.
const KEPT_EXECS_LIMIT: usize = 4096;

/// A container that crun has created.
pub struct Container {
    /// Its id.
    pub id: String,
    /// The process that the container lives and dies with.
    pub init: Rc<Process>,
    /// Its control group.
    pub cgroup: Cgroup,
    /// Where the file with the termination message is in the guest, if the specification named one.
    pub termination_message: Option<PathBuf>,
    users: home::Users,
    bundle: PathBuf,
    storages: Vec<String>,
    execs: RefCell<HashMap<String, Rc<Process>>>,
    started: Cell<bool>,
}

impl Container {
    /// The process with this exec id; both ways of naming the first process are accepted.
    pub fn process(&self, exec_id: &str) -> Result<Rc<Process>> {
        if exec_id.is_empty() || exec_id == self.id {
            return Ok(self.init.clone());
        }
        let found = self.execs.borrow().get(exec_id).cloned();
        found.ok_or_else(|| Status::not_found(format!("no process {exec_id:?} in container {:?}", self.id)))
    }

    /// Fails unless the first process lives and the container is not paused.
    fn expect_running(&self) -> Result<()> {
        if self.init.has_ended() {
            return Err(Status::new(Code::FailedPrecondition, format!("container {:?} has stopped", self.id)));
        }
        if self.cgroup.is_frozen() {
            return Err(Status::new(Code::FailedPrecondition, format!("container {:?} is paused", self.id)));
        }
        Ok(())
    }

    /// Enters a process that is about to be started. An id can be used again once its process has ended.
    fn enter(&self, exec_id: &str, process: &Rc<Process>) -> Result<()> {
        let mut execs = self.execs.borrow_mut();
        let taken = exec_id.is_empty() || exec_id == self.id || execs.get(exec_id).is_some_and(|p| !p.has_ended());
        if taken {
            return Err(Status::new(Code::AlreadyExists, format!("exec_id '{exec_id}' already exists")));
        }
        if execs.len() >= KEPT_EXECS {
            execs.retain(|_, p| !p.is_settled());
        }
        if execs.len() >= KEPT_EXECS_LIMIT {
            execs.retain(|_, p| !p.has_ended());
        }
        execs.insert(exec_id.to_owned(), process.clone());
        Ok(())
    }

    /// All processes that the agent has started in it.
    pub fn processes(&self) -> Vec<Rc<Process>> {
        let execs = self.execs.borrow();
        std::iter::once(&self.init).chain(execs.values()).cloned().collect()
    }
}

/// One creation or removal under way.
#[derive(Default)]
struct Change {
    /// The container is to be removed: a creation ends and undoes itself.
    given_up: SetOnce<()>,
    over: SetOnce<()>,
}

enum Slot {
    /// Being created or removed: the id is taken.
    Busy(Rc<Change>),
    Ready(Rc<Container>),
}

/// All containers of the sandbox.
#[derive(Default)]
pub struct Containers(RefCell<BTreeMap<String, Slot>>);

impl Containers {
    /// The container with this id.
    pub fn get(&self, id: &str) -> Result<Rc<Container>> {
        check_id(id)?;
        match self.0.borrow().get(id) {
            Some(Slot::Ready(container)) => Ok(container.clone()),
            // The protocol's clients expect InvalidArgument for an unknown container, not NotFound.
            _ => Err(Status::invalid(format!("no container {id:?}"))),
        }
    }

    /// Every container.
    pub fn all(&self) -> Vec<Rc<Container>> {
        let table = self.0.borrow();
        table.values().filter_map(|slot| if let Slot::Ready(c) = slot { Some(c.clone()) } else { None }).collect()
    }

    /// The ids of all, also of those that are being created or removed.
    pub fn ids(&self) -> Vec<String> {
        self.0.borrow().keys().cloned().collect()
    }

    fn reserve(&self, id: &str) -> Result<Reservation<'_>> {
        check_id(id)?;
        if self.0.borrow().contains_key(id) {
            return Err(Status::new(Code::AlreadyExists, format!("container {id:?} already exists")));
        }
        Ok(self.put_busy(id))
    }

    fn put_busy(&self, id: &str) -> Reservation<'_> {
        let change = Rc::new(Change::default());
        self.0.borrow_mut().insert(id.to_owned(), Slot::Busy(change.clone()));
        Reservation { containers: self, id: id.to_owned(), change }
    }

    /// Takes the container out; its id stays taken until the reservation is dropped. One that is being created gives
    /// that up first. Nothing if that, or a removal that was under way, has left no container.
    async fn take(&self, id: &str) -> Result<Option<(Rc<Container>, Reservation<'_>)>> {
        let busy = |id: &str| match self.0.borrow().get(id) {
            Some(Slot::Busy(change)) => Some(change.clone()),
            _ => None,
        };
        let mut was_busy = false;
        while let Some(change) = busy(id) {
            was_busy = true;
            let _ = change.given_up.set(());
            change.over.wait().await;
        }
        match self.get(id) {
            Ok(container) => Ok(Some((container, self.put_busy(id)))),
            Err(_) if was_busy => Ok(None),
            Err(status) => Err(status),
        }
    }
}

/// Keeps an id taken; gives it free when dropped, unless the container was put there.
struct Reservation<'a> {
    containers: &'a Containers,
    id: String,
    change: Rc<Change>,
}

impl Reservation<'_> {
    fn fill(self, container: Rc<Container>) {
        self.containers.0.borrow_mut().insert(self.id.clone(), Slot::Ready(container));
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut table = self.containers.0.borrow_mut();
        if matches!(table.get(&self.id), Some(Slot::Busy(change)) if Rc::ptr_eq(change, &self.change)) {
            table.remove(&self.id);
        }
        let _ = self.change.over.set(());
    }
}

/// What ends with the time that its caller waits: the error says so.
async fn late(what: &str, limit: Option<Duration>) -> Status {
    match limit {
        Some(limit) => sleep(limit).await,
        None => std::future::pending().await,
    }
    let limit = limit.unwrap_or_default();
    Status::new(Code::DeadlineExceeded, format!("{what} took longer than {limit:?}, and was given up"))
}

/// Ids become file names and arguments: at most 128 letters, digits, `_`, `.`, `-`, starting with a letter or digit.
pub fn check_id(id: &str) -> Result<()> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if id.len() <= 128 && id.starts_with(|c: char| c.is_ascii_alphanumeric()) && id.chars().all(fine) {
        return Ok(());
    }
    Err(Status::invalid(format!("{id:?} is not a container id")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_could_leave_their_folder_are_refused() {
        for good in ["a", "0-x_y.z", &"f".repeat(128)] {
            assert!(check_id(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "-a", "a/b", "a\0", "ä", &"f".repeat(129)] {
            assert!(check_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_id_is_free_again_after_a_failed_create() {
        let containers = Containers::default();
        let taken = containers.reserve("a").unwrap();
        assert_eq!(containers.reserve("a").err().unwrap().code, Code::AlreadyExists);
        assert_eq!(containers.get("a").err().unwrap().code, Code::InvalidArgument);
        drop(taken);
        assert!(containers.reserve("a").is_ok());
    }
}
