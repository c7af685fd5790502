//! Devices that a container gets: waits for them, and puts the numbers that they have in the guest into the
//! specification, where the host could only write its own.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{block_device, device_node, scsi_device};
use crate::r#gen::grpc::Device;
use crate::ttrpc::{Context, Result, Status};

/// Waits for all devices and enters them in `linux.devices` and the device rules.
pub async fn prepare(devices: &[Device], spec: &mut Value) -> Result<()> {
    for device in devices {
        let node = node_of(device).await?;
        enter(device, &node, spec)?;
    }
    Ok(())
}

async fn node_of(device: &Device) -> Result<PathBuf> {
    match device.r#type.as_str() {
        "blk" if device.id.is_empty() => block_device(&device.vm_path).await,
        "blk" => block_device(&device.id).await,
        "mmioblk" | "nvdimm" | "char" => device_node(Path::new(&device.vm_path)).await,
        "scsi" => scsi_device(&device.id).await,
        other => Err(Status::unimplemented(format!("devices of type {other:?} are not supported by this guest"))),
    }
}

fn enter(device: &Device, node: &Path, spec: &mut Value) -> Result<()> {
    let about = fs::metadata(node).context(|| node.display())?;
    let (major, minor) = (nix::sys::stat::major(about.rdev()), nix::sys::stat::minor(about.rdev()));
    let kind = if about.file_type().is_block_device() { "b" } else { "c" };
    let linux = &mut spec["linux"];
    let listed = linux["devices"]
        .as_array()
        .and_then(|all| all.iter().position(|d| d["path"] == device.container_path.as_str()));
    let Some(index) = listed else {
        return Err(Status::invalid(format!("the specification lists no device {}", device.container_path)));
    };
    let old = linux["devices"][index].clone();
    linux["devices"][index]["type"] = json!(kind);
    linux["devices"][index]["major"] = json!(major);
    linux["devices"][index]["minor"] = json!(minor);
    for rule in linux["resources"]["devices"].as_array_mut().into_iter().flatten() {
        if rule["type"] == old["type"] && rule["major"] == old["major"] && rule["minor"] == old["minor"] {
            rule["type"] = json!(kind);
            rule["major"] = json!(major);
            rule["minor"] = json!(minor);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guests_numbers_replace_the_hosts() {
        let mut spec = json!({"linux": {
            "devices": [{"path": "/dev/data", "type": "b", "major": 8, "minor": 1}],
            "resources": {"devices": [
                {"allow": false, "access": "rwm"}, {"allow": true, "type": "b", "major": 8, "minor": 1, "access": "rw"},
            ]},
        }});
        let device = Device { container_path: "/dev/data".into(), ..Default::default() };
        enter(&device, Path::new("/dev/null"), &mut spec).unwrap();
        assert_eq!(spec["linux"]["devices"][0], json!({"path": "/dev/data", "type": "c", "major": 1, "minor": 3}));
        assert_eq!(spec["linux"]["resources"]["devices"][1]["minor"], 3);
        assert_eq!(spec["linux"]["resources"]["devices"][0], json!({"allow": false, "access": "rwm"}));
        let unknown = Device { container_path: "/dev/other".into(), ..Default::default() };
        assert!(enter(&unknown, Path::new("/dev/null"), &mut spec).is_err());
    }
}
