//! ExecProcess: one more process in a running container.

use std::ffi::OsString;
use std::fs;
use std::rc::Rc;

use serde_json::Value;

use super::create::Launch;
use super::{Container, Process, check_id};
use crate::agent::Agent;
use crate::r#gen::grpc::ExecProcessRequest;
use crate::spec;
use crate::stdio::Streams;
use crate::ttrpc::{Context, Result};

/// Starts the process; an error means that nothing runs, and says why.
pub async fn exec(agent: &Rc<Agent>, request: ExecProcessRequest) -> Result<()> {
    let container = agent.containers.get(&request.container_id)?;
    check_id(&request.exec_id)?;
    let mut description = spec::process_of(&request)?;
    agent.fit_process(&mut description);
    container.users.give_home(&mut description);
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
    let outcome = launch(agent, &container, &process, &description, ends).await;
    if outcome.is_err() {
        container.execs.borrow_mut().remove(&request.exec_id);
        // Whoever waits for it or its output already must not wait for ever.
        let _ = process.exit.set(255);
    }
    outcome
}

async fn launch(
    agent: &Rc<Agent>,
    container: &Container,
    process: &Rc<Process>,
    description: &Value,
    ends: Option<crate::stdio::ChildEnds>,
) -> Result<()> {
    let file = agent.crun.scratch_file("process");
    let pid_file = agent.crun.scratch_file("pid");
    fs::write(&file, description.to_string()).context(|| "write the process file")?;
    let mut arguments: Vec<OsString> = vec!["exec".into(), "--detach".into()];
    arguments.extend(["--process".into(), file.clone().into(), "--pid-file".into(), pid_file.clone().into()]);
    let oom_score_adj = description["oomScoreAdj"].as_i64();
    let launch = Launch { agent, container: &container.id, process, pid_file: &pid_file, oom_score_adj };
    let outcome = launch.run(arguments, ends).await;
    let _ = fs::remove_file(&file);
    outcome
}
