//! RemoveContainer, and ending all processes of a container.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::Container;
use super::create::remove_bundle;
use crate::agent::Agent;
use crate::ttrpc::{Code, Result, Status};

/// How long a killed container may take to be gone when the request names no time.
const DEFAULT_LIMIT: Duration = Duration::from_secs(30);

/// Kills every process of the container.
pub fn kill_all(container: &Container) -> Result<()> {
    if container.init.has_ended() && container.cgroup.is_gone() {
        return Ok(());
    }
    if container.cgroup.kill().is_ok() {
        return Ok(());
    }
    // Without cgroup.kill (an old kernel): the pid namespace dies with its first process.
    container.processes().iter().filter(|p| p.pid() > 0).try_for_each(|p| p.signal(libc::SIGKILL as u32))
}

/// Ends the container and removes all that was made for it. One that is being created is given up; one whose removal is
/// under way is waited for.
pub async fn remove(agent: &Rc<Agent>, id: &str, seconds: u32) -> Result<()> {
    let limit = if seconds == 0 { DEFAULT_LIMIT } else { Duration::from_secs(seconds.into()) };
    let end = Instant::now() + limit;
    let late = |what: &str| Status::new(Code::DeadlineExceeded, format!("container {id:?} {what} within {limit:?}"));
    let taken = timeout_at(end, agent.containers.take(id)).await;
    let Some((container, place)) = taken.unwrap_or_else(|_| Err(late("was not given up")))? else { return Ok(()) };
    let ended = async {
        kill_all(&container)?;
        container.init.wait().await;
        Ok(())
    };
    let ended = timeout_at(end, ended).await.unwrap_or_else(|_| Err(late("did not end")));
    if let Err(status) = ended {
        place.fill(container);
        return Err(status);
    }
    agent.oom.forget(id);
    let deleted = agent.crun.run(&["delete", "--force", id], None).await;
    remove_bundle(&container.bundle);
    let synced = agent.storages.sync(&container.storages).await;
    agent.storages.release_all(&container.storages).await;
    deleted.and(synced)
}
