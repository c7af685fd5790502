//! Methods for containers and processes.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::rc::Rc;

use bytes::Bytes;

use super::{Found, complete, empty, now, timely, wait};
use crate::agent::Agent;
use crate::blocking;
use crate::r#gen::grpc as pb;
use crate::ttrpc::{Context, Reply, Result, Status};
use crate::{cgroup, container, spec};

const SIGKILL: u32 = libc::SIGKILL as u32;
/// Of a termination message the host gets this much.
const TERMINATION_MESSAGE_LIMIT: u64 = 4096;

pub(super) fn find(agent: &Rc<Agent>, method: &str, payload: &Bytes) -> Found {
    let agent = agent.clone();
    match method {
        "CreateContainer" => {
            timely(payload, |r, limit| async move { empty(container::create(&agent, r, limit).await) })
        }
        "StartContainer" => complete(payload, |r: pb::StartContainerRequest| async move {
            empty(container::start(&agent, &r.container_id).await)
        }),
        "RemoveContainer" => complete(payload, |r: pb::RemoveContainerRequest| async move {
            empty(container::remove(&agent, &r.container_id, r.timeout).await)
        }),
        "ExecProcess" => timely(payload, |r, limit| async move { empty(container::exec(&agent, r, limit).await) }),
        "SignalProcess" => now(payload, move |r| empty(signal(&agent, &r))),
        "WaitProcess" => wait(payload, |r: pb::WaitProcessRequest| async move {
            let process = agent.containers.get(&r.container_id)?.process(&r.exec_id)?;
            Ok(Reply::message(&pb::WaitProcessResponse { status: process.wait().await }))
        }),
        "UpdateContainer" => complete(payload, |r| async move { empty(update(&agent, r).await) }),
        "StatsContainer" => now(payload, move |r: pb::StatsContainerRequest| {
            let container = agent.containers.get(&r.container_id)?;
            let stats = cgroup::stats(&container.cgroup);
            let network_stats = crate::net::statistics();
            Ok(Reply::message(&pb::StatsContainerResponse { cgroup_stats: Some(stats), network_stats }))
        }),
        "PauseContainer" => complete(payload, |r: pb::PauseContainerRequest| async move {
            empty(agent.containers.get(&r.container_id)?.cgroup.freeze().await)
        }),
        "ResumeContainer" => now(payload, move |r: pb::ResumeContainerRequest| {
            empty(agent.containers.get(&r.container_id)?.cgroup.thaw())
        }),
        "GetOOMEvent" => wait(payload, |_: pb::GetOomEventRequest| async move {
            Ok(Reply::message(&pb::OomEvent { container_id: agent.oom.next().await }))
        }),
        "GetDiagnosticData" => complete(payload, |r| async move { diagnostic_data(&agent, &r).await }),
        _ => None,
    }
}

/// The kill signal without a process means all processes of the container.
fn signal(agent: &Agent, request: &pb::SignalProcessRequest) -> Result<()> {
    let container = agent.containers.get(&request.container_id)?;
    let process = container.process(&request.exec_id)?;
    if request.exec_id.is_empty() && request.signal == SIGKILL {
        return container::kill_all(&container);
    }
    process.signal(request.signal)
}

async fn update(agent: &Agent, request: pb::UpdateContainerRequest) -> Result<()> {
    let container = agent.containers.get(&request.container_id)?;
    let mut resources = spec::resources_of(&request)?;
    let dropped = spec::fit_resources(&mut resources, agent.support());
    if !dropped.is_empty() {
        eprintln!("bulkhead-agent: update of {}: not possible here: {}", container.id, dropped.join(", "));
    }
    let file = agent.crun.scratch_file("resources");
    std::fs::write(&file, resources.to_string()).context(|| "write the resources file")?;
    let path = file.display().to_string();
    let outcome = agent.crun.run(&["update", "--resources", &path, &container.id], None).await;
    let _ = std::fs::remove_file(&file);
    outcome
}

async fn diagnostic_data(agent: &Agent, request: &pb::GetDiagnosticDataRequest) -> Result<Reply> {
    if request.log_type != "termination_log" {
        return Err(Status::invalid(format!("there is no diagnostic data of type {:?}", request.log_type)));
    }
    let container = agent.containers.get(&request.container_id)?;
    let bytes = match container.termination_message.clone() {
        Some(file) => blocking::run("termination message", move || Ok(read_start(&file).unwrap_or_default())).await?,
        None => Vec::new(),
    };
    let data = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Reply::message(&pb::GetDiagnosticDataResponse { data }))
}

fn read_start(file: &Path) -> std::io::Result<Vec<u8>> {
    // The file is the container's: it may be anything, of any size.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(file)?;
    let mut bytes = Vec::new();
    if file.metadata()?.is_file() {
        file.take(TERMINATION_MESSAGE_LIMIT).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
