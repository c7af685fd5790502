//! Methods of bulkhead's own guest service.

use std::rc::Rc;

use bytes::Bytes;

use super::{Found, complete, empty, now, wait};
use crate::agent::Agent;
use crate::r#gen::guest as pb;
use crate::guest;
use crate::ttrpc::Reply;

pub(super) fn find(agent: &Rc<Agent>, method: &str, payload: &Bytes) -> Found {
    let agent = agent.clone();
    match method {
        "Dial" => {
            complete(
                payload,
                |r: pb::DialRequest| async move { empty(agent.connections.dial(r.id, r.port, r.ipv6).await) },
            )
        }
        "ReadConnection" => wait(payload, |r: pb::ReadConnectionRequest| async move {
            Ok(Reply::stream_data(agent.connections.read(r.id, r.len).await?))
        }),
        "WriteConnection" => wait(payload, |r: pb::WriteConnectionRequest| async move {
            empty(agent.connections.write(r.id, r.data, r.end).await)
        }),
        "CloseConnection" => now(payload, move |r: pb::CloseConnectionRequest| {
            agent.connections.close(r.id);
            empty(Ok(()))
        }),
        "ServeNames" => {
            complete(payload, |r: pb::ServeNamesRequest| async move { empty(agent.names.serve(&r.address).await) })
        }
        "NextQuery" => wait(payload, |(): ()| async move { Ok(Reply::message(&agent.names.next().await)) }),
        "AnswerQuery" => now(payload, move |r: pb::AnswerQueryRequest| {
            agent.names.answer(r.id, r.message);
            empty(Ok(()))
        }),
        "RefreshVolume" => {
            now(payload, move |r: pb::RefreshVolumeRequest| empty(agent.storages.refresh(&r.mount_point)))
        }
        "ForgetFiles" => {
            complete(
                payload,
                |r: pb::ForgetFilesRequest| async move { empty(guest::forget_files(r.with_content).await) },
            )
        }
        "AdjustClock" => now(payload, move |r: pb::AdjustClockRequest| {
            let time_ns = guest::adjust(r.add_ns, !agent.containers.all().is_empty())?;
            Ok(Reply::message(&pb::AdjustClockResponse { time_ns }))
        }),
        "ReleaseOutput" => now(payload, move |r: pb::ReleaseOutputRequest| {
            if let Ok(process) = agent.containers.get(&r.container_id).and_then(|c| c.process(&r.exec_id)) {
                process.release_output();
            }
            empty(Ok(()))
        }),
        _ => None,
    }
}
