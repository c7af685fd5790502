//! ExecProcess: one more process in a running container.

use std::ffi::OsString;
use std::fs;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use super::create::Launch;
use super::{Container, Process, check_id, late};
use crate::agent::Agent;
use crate::blocking;
use crate::r#gen::grpc::ExecProcessRequest;
use crate::spec;
use crate::stdio::Streams;
use crate::ttrpc::{Code, Context, Result, Status};

/// Starts the process; an error means that nothing runs, and says why. What takes longer than the `limit`, or is killed
/// meanwhile, is ended.
pub async fn exec(agent: &Rc<Agent>, request: ExecProcessRequest, limit: Option<Duration>) -> Result<()> {
    let container = agent.containers.get(&request.container_id)?;
    check_id(&request.exec_id)?;
    let mut description = spec::process_of(&request)?;
    agent.fit_process(&mut description);
    container.expect_running()?;
    let terminal = description["terminal"].as_bool().unwrap_or(false);
    let (streams, ends) = if terminal {
        (Streams::terminal(), None)
    } else {
        let (streams, ends) = Streams::pipes()?;
        (streams, Some(ends))
    };
    let process = Rc::new(Process::new(streams));
    container.enter(&request.exec_id, &process)?;
    let outcome = tokio::select! {
        biased;
        _ = process.given_up.wait() => Err(Status::new(Code::FailedPrecondition, "killed before it was started")),
        status = late("the start of the process", limit) => Err(status),
        outcome = launch(agent, &container, &process, description, ends) => outcome,
    };
    if outcome.is_err() {
        container.execs.borrow_mut().remove(&request.exec_id);
        // Whoever waits for it or its output already must not wait for ever.
        let _ = process.exit.set(255);
    }
    outcome
}

/// Can be dropped at any time.
async fn launch(
    agent: &Rc<Agent>,
    container: &Container,
    process: &Rc<Process>,
    mut description: Value,
    ends: Option<crate::stdio::ChildEnds>,
) -> Result<()> {
    let users = container.users.clone();
    let give_home = move || {
        users.give_home(&mut description);
        Ok(description)
    };
    let description = blocking::run("the container's /etc/passwd", give_home).await?;
    let file = agent.crun.scratch("process");
    let pid_file = agent.crun.scratch("pid");
    fs::write(file.path(), description.to_string()).context(|| "write the process file")?;
    let mut arguments: Vec<OsString> = vec!["exec".into(), "--detach".into()];
    arguments.extend(["--process".into(), file.path().into(), "--pid-file".into(), pid_file.path().into()]);
    let oom_score_adj = description["oomScoreAdj"].as_i64();
    let launch = Launch { agent, container: &container.id, process, pid_file: pid_file.path(), oom_score_adj };
    launch.run(arguments, ends).await
}
