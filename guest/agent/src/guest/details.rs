//! What the host may want to know of the guest.

use std::fs;
use std::path::Path;

use crate::r#gen::grpc::{AgentDetails, GuestDetailsRequest, GuestDetailsResponse};
use crate::storage::DRIVERS;

const BLOCK_SIZE: &str = "/sys/devices/system/memory/block_size_bytes";
const PROBE: &str = "/sys/devices/system/memory/probe";
/// A kernel without memory hot-plug has no block size; this one keeps every rounding harmless.
const DEFAULT_BLOCK_SIZE: u64 = 128 << 20;
const DEVICES: [&str; 4] = ["blk", "mmioblk", "nvdimm", "scsi"];

/// Answers GetGuestDetails.
pub fn details(request: &GuestDetailsRequest, is_init: bool) -> GuestDetailsResponse {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    GuestDetailsResponse {
        mem_block_size_bytes: if request.mem_block_size { block_size() } else { 0 },
        support_mem_hotplug_probe: request.mem_hotplug_probe && Path::new(PROBE).exists(),
        agent_details: Some(AgentDetails {
            version: crate::version(),
            init_daemon: is_init,
            device_handlers: owned(&DEVICES),
            storage_handlers: owned(&DRIVERS),
            supports_seccomp: supports_seccomp(),
            extra_features: Vec::new(),
        }),
    }
}

fn block_size() -> u64 {
    let text = fs::read_to_string(BLOCK_SIZE).unwrap_or_default();
    u64::from_str_radix(text.trim(), 16).ok().filter(|n| *n > 0).unwrap_or(DEFAULT_BLOCK_SIZE)
}

fn supports_seccomp() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|text| text.lines().any(|line| line.starts_with("Seccomp:")))
}
