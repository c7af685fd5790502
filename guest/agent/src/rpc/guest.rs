//! Methods for the sandbox and the machine, and the health service.

use std::rc::Rc;

use bytes::Bytes;

use super::{Found, complete, empty, now};
use crate::agent::Agent;
use crate::r#gen::grpc as pb;
use crate::r#gen::grpc::health_check_response::ServingStatus;
use crate::r#gen::types::Interface;
use crate::ttrpc::{Call, Reply, Result, Status};
use crate::{blocking, copy_file, device, guest, iptables, net, sandbox};

pub(super) fn find(agent: &Rc<Agent>, method: &str, payload: &Bytes) -> Found {
    let agent = agent.clone();
    match method {
        "CreateSandbox" => complete(payload, |r| async move { empty(sandbox::create(&agent, r).await) }),
        "DestroySandbox" => Some(Ok(Call::Last(Box::pin(async move { empty(sandbox::destroy(&agent).await) })))),
        "UpdateEphemeralMounts" => complete(payload, |r: pb::UpdateEphemeralMountsRequest| async move {
            empty(agent.storages.remount_ephemeral(r.storages).await)
        }),
        // Mounts of the share are the host's; what the guest has cached of removed ones goes away by itself.
        "RemoveStaleVirtiofsShareMounts" => {
            now(payload, move |_: pb::RemoveStaleVirtiofsShareMountsRequest| empty(Ok(())))
        }
        "CopyFile" => complete(payload, |r: pb::CopyFileRequest| async move {
            empty(blocking::run(format!("copy {}", r.path), move || copy_file::copy(&r)).await)
        }),
        "GetVolumeStats" => complete(payload, |r: pb::VolumeStatsRequest| async move {
            let path = r.volume_guest_path;
            let what = format!("statistics of {path}");
            Ok(Reply::message(&blocking::run(what, move || guest::volume_stats(&path)).await?))
        }),
        "ResizeVolume" => {
            now(payload, move |_: pb::ResizeVolumeRequest| Err(Status::unimplemented("volumes cannot be resized")))
        }
        _ => find_machine(agent.clone(), method, payload).or_else(|| find_network(agent, method, payload)),
    }
}

fn find_machine(agent: Rc<Agent>, method: &str, payload: &Bytes) -> Found {
    match method {
        "GetGuestDetails" => now(payload, move |r: pb::GuestDetailsRequest| {
            Ok(Reply::message(&guest::details(&r, agent.options.is_init)))
        }),
        "GetMetrics" => now(payload, move |_: pb::GetMetricsRequest| {
            Ok(Reply::message(&pb::Metrics { metrics: guest::metrics(agent.containers.all().len()) }))
        }),
        "SetGuestDateTime" => now(payload, move |r: pb::SetGuestDateTimeRequest| {
            empty(guest::set_time(r.sec, r.usec, !agent.containers.all().is_empty()))
        }),
        "ReseedRandomDev" => now(payload, move |r: pb::ReseedRandomDevRequest| empty(guest::reseed(&r.data))),
        "OnlineCPUMem" => complete(payload, |r: pb::OnlineCpuMemRequest| async move { empty(guest::online(&r).await) }),
        "MemHotplugByProbe" => now(payload, move |r: pb::MemHotplugByProbeRequest| empty(guest::probe_memory(&r))),
        "AddSwap" => complete(payload, |r: pb::AddSwapRequest| async move {
            let path: Vec<String> = r.pci_path.iter().map(|slot| format!("{slot:02x}")).collect();
            empty(guest::add_swap(device::block_device(&path.join("/")).await?).await)
        }),
        "AddSwapPath" => complete(payload, |r: pb::AddSwapPathRequest| async move {
            empty(guest::add_swap(device::device_node(std::path::Path::new(&r.path)).await?).await)
        }),
        "MemAgentMemcgSet" | "MemAgentCompactSet" => {
            Some(Err(Status::internal("mem-agent is disabled: this agent has none")))
        }
        _ => None,
    }
}

fn find_network(agent: Rc<Agent>, method: &str, payload: &Bytes) -> Found {
    match method {
        "UpdateInterface" => complete(payload, |r: pb::UpdateInterfaceRequest| async move {
            let interface = r.interface.ok_or_else(|| Status::invalid("the request carries no interface"))?;
            net::update_interface(&interface).await?;
            Ok(Reply::message(&interface))
        }),
        "UpdateRoutes" => now(payload, move |r: pb::UpdateRoutesRequest| {
            net::update_routes(&r.routes.unwrap_or_default().routes)?;
            routes()
        }),
        "ListInterfaces" => now(payload, move |_: pb::ListInterfacesRequest| {
            let interfaces: Vec<Interface> = net::list_interfaces()?;
            Ok(Reply::message(&pb::Interfaces { interfaces }))
        }),
        "ListRoutes" => now(payload, move |_: pb::ListRoutesRequest| routes()),
        "AddARPNeighbors" => now(payload, move |r: pb::AddArpNeighborsRequest| {
            empty(net::add_neighbors(&r.neighbors.unwrap_or_default().arp_neighbors))
        }),
        "GetIPTables" => complete(payload, |r: pb::GetIpTablesRequest| async move {
            let data = iptables::get(agent.crun.reaper(), r.is_ipv6).await?.into();
            Ok(Reply::message(&pb::GetIpTablesResponse { data }))
        }),
        "SetIPTables" => complete(payload, |r: pb::SetIpTablesRequest| async move {
            let data = iptables::set(agent.crun.reaper(), r.is_ipv6, &r.data).await?.into();
            Ok(Reply::message(&pb::SetIpTablesResponse { data }))
        }),
        _ => None,
    }
}

fn routes() -> Result<Reply> {
    Ok(Reply::message(&pb::Routes { routes: net::list_routes()? }))
}

pub(super) fn find_health(method: &str) -> Found {
    let reply = match method {
        "Check" => Reply::message(&pb::HealthCheckResponse { status: ServingStatus::Serving as i32 }),
        "Version" => {
            Reply::message(&pb::VersionCheckResponse { grpc_version: "0.0.1".into(), agent_version: crate::version() })
        }
        _ => return None,
    };
    Some(Ok(Call::Complete(Box::pin(async move { Ok(reply) }))))
}
