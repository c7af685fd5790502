//! How full a volume is.

use nix::sys::statvfs::statvfs;

use crate::r#gen::grpc::volume_usage::Unit;
use crate::r#gen::grpc::{VolumeCondition, VolumeStatsResponse, VolumeUsage};
use crate::ttrpc::{Context, Result};

/// Answers GetVolumeStats for a path in the guest.
pub fn volume_stats(path: &str) -> Result<VolumeStatsResponse> {
    let about = statvfs(path).context(|| format!("statistics of {path}"))?;
    let block = about.fragment_size();
    let usage = |total: u64, free: u64, available: u64, unit: Unit| VolumeUsage {
        total,
        used: total.saturating_sub(free),
        available,
        unit: unit as i32,
    };
    let (blocks, free, available) = (about.blocks(), about.blocks_free(), about.blocks_available());
    Ok(VolumeStatsResponse {
        usage: vec![
            usage(blocks * block, free * block, available * block, Unit::Bytes),
            usage(about.files(), about.files_free(), about.files_available(), Unit::Inodes),
        ],
        volume_condition: Some(VolumeCondition { abnormal: false, message: "OK".into() }),
    })
}
