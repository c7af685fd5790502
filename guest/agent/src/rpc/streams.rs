//! Methods for the standard streams.

use std::rc::Rc;

use bytes::Bytes;

use super::{Found, empty, now, wait};
use crate::agent::Agent;
use crate::container::Process;
use crate::r#gen::grpc as pb;
use crate::stdio::Until;
use crate::ttrpc::{Code, Context, Reply, Result, Status};

pub(super) fn find(agent: &Rc<Agent>, method: &str, payload: &Bytes) -> Found {
    let agent = agent.clone();
    match method {
        "ReadStdout" => wait(payload, |r| async move { read(&agent, r, false).await }),
        "ReadStderr" => wait(payload, |r| async move { read(&agent, r, true).await }),
        // It only waits for the process to take the data: when the host is gone, nobody needs to know how much it took.
        "WriteStdin" => wait(payload, |r| async move { write(&agent, r).await }),
        "CloseStdin" => now(payload, move |r: pb::CloseStdinRequest| {
            process(&agent, &r.container_id, &r.exec_id)?.streams.stdin.close();
            empty(Ok(()))
        }),
        "TtyWinResize" => now(payload, move |r| empty(resize(&agent, &r))),
        _ => None,
    }
}

fn process(agent: &Agent, container_id: &str, exec_id: &str) -> Result<Rc<Process>> {
    agent.containers.get(container_id)?.process(exec_id)
}

async fn read(agent: &Agent, request: pb::ReadStreamRequest, stderr: bool) -> Result<Reply> {
    let process = process(agent, &request.container_id, &request.exec_id)?;
    let stream = if stderr { &process.streams.stderr } else { &process.streams.stdout };
    let until = match request.to_end {
        true => Until::End { released: &process.released, exit: &process.exit },
        false => Until::Exit(&process.exit),
    };
    stream.read(request.len as usize, until).await.context(|| "read output")
}

async fn write(agent: &Agent, request: pb::WriteStreamRequest) -> Result<Reply> {
    let process = process(agent, &request.container_id, &request.exec_id)?;
    let len = request.data.len() as u32;
    if len == 0 {
        process.streams.stdin.close();
    } else {
        process.streams.stdin.write(request.data, &process.exit).await?;
    }
    Ok(Reply::message(&pb::WriteStreamResponse { len }))
}

fn resize(agent: &Agent, request: &pb::TtyWinResizeRequest) -> Result<()> {
    let process = process(agent, &request.container_id, &request.exec_id)?;
    let terminal = process.streams.terminal.as_ref().ok_or_else(|| Status::new(Code::Unavailable, "no tty"))?;
    let size = |n: u32| u16::try_from(n).map_err(|_| Status::invalid("the size is too large"));
    terminal.resize(size(request.row)?, size(request.column)?)
}
