//! Devices of the guest: finding them, and waiting for those that the host is plugging in.

mod pci;
mod prepare;
mod privileged;
mod uevent;

pub use pci::PciPath;
pub use prepare::prepare;
pub use privileged::open_all;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use crate::ttrpc::{Code, Result, Status};

/// How long a device may take to appear after the request that names it.
const HOTPLUG_LIMIT: Duration = Duration::from_secs(10);

/// Waits until `find` finds something, looking again whenever the kernel reports a device.
async fn wait_for<T>(what: &str, find: impl Fn() -> Option<T>) -> Result<T> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let events = uevent::Events::open()?;
    let appear = async {
        loop {
            // It may have come before the socket was there.
            if let Some(found) = find() {
                return Ok(found);
            }
            events.next().await?;
        }
    };
    timeout(HOTPLUG_LIMIT, appear).await.unwrap_or_else(|_| {
        let message = format!("{what} did not appear in the guest within {HOTPLUG_LIMIT:?}");
        Err(Status::new(Code::DeadlineExceeded, message))
    })
}

/// The node of a block device named by a path below /dev, by a PCI path (`02/01`), or by `serial:<text>`.
pub async fn block_device(source: &str) -> Result<PathBuf> {
    if source.starts_with("/dev/") {
        return device_node(Path::new(source)).await;
    }
    if let Some(serial) = source.strip_prefix("serial:") {
        return wait_for(&format!("the block device with serial {serial:?}"), || by_serial(serial)).await;
    }
    let path = PciPath::parse(source)?;
    let find = || path.resolve().and_then(|dir| child_of_class(&dir, "block")).map(|name| Path::new("/dev").join(name));
    wait_for(&format!("a block device at PCI path {source}"), || find().filter(|node| node.exists())).await
}

/// A node below /dev, as soon as it exists.
pub async fn device_node(path: &Path) -> Result<PathBuf> {
    wait_for(&path.display().to_string(), || path.exists().then(|| path.to_owned())).await
}

/// A SCSI disk by `ID:LUN`: makes every adapter look for it, then waits.
pub async fn scsi_device(address: &str) -> Result<PathBuf> {
    let parsed =
        address.split_once(':').and_then(|(id, lun)| Some((id.parse::<u32>().ok()?, lun.parse::<u32>().ok()?)));
    let Some((id, lun)) = parsed else { return Err(Status::invalid(format!("{address:?} is no SCSI address ID:LUN"))) };
    for host in names_in(Path::new("/sys/class/scsi_host")) {
        let _ = fs::write(format!("/sys/class/scsi_host/{host}/scan"), format!("0 {id} {lun}"));
    }
    let ending = format!(":0:{id}:{lun}");
    wait_for(&format!("the SCSI disk {address}"), || {
        let devices = Path::new("/sys/bus/scsi/devices");
        let found = names_in(devices).into_iter().find(|name| name.ends_with(&ending))?;
        let disk = names_in(&devices.join(found).join("block")).into_iter().next()?;
        Some(Path::new("/dev").join(disk)).filter(|node| node.exists())
    })
    .await
}

/// Waits for the network device behind a PCI path and returns its name.
pub async fn net_device(source: &str) -> Result<String> {
    let path = PciPath::parse(source)?;
    wait_for(&format!("a network device at PCI path {source}"), || {
        path.resolve().and_then(|dir| child_of_class(&dir, "net"))
    })
    .await
}

/// Waits for the network device with a hardware address and returns its name.
pub async fn net_device_by_address(address: &str) -> Result<String> {
    let wanted = address.to_ascii_lowercase();
    wait_for(&format!("Link not found: a network device with address {address}"), || {
        let class = Path::new("/sys/class/net");
        let has =
            |name: &String| fs::read_to_string(class.join(name).join("address")).is_ok_and(|a| a.trim() == wanted);
        names_in(class).into_iter().find(has)
    })
    .await
}

fn by_serial(serial: &str) -> Option<PathBuf> {
    let class = Path::new("/sys/block");
    let has = |name: &String| fs::read_to_string(class.join(name).join("serial")).is_ok_and(|s| s.trim() == serial);
    let name = names_in(class).into_iter().find(has)?;
    // The node is there before the kernel can open it (ENXIO); it announces the device after that.
    Some(Path::new("/dev").join(name)).filter(|node| fs::File::open(node).is_ok())
}

/// The name of the device of a class (`block`, `net`) below a PCI device, directly or below its virtio device.
fn child_of_class(pci: &Path, class: &str) -> Option<String> {
    let virtio = names_in(pci).into_iter().filter(|name| name.starts_with("virtio")).map(|name| pci.join(name));
    std::iter::once(pci.to_owned()).chain(virtio).find_map(|dir| names_in(&dir.join(class)).into_iter().next())
}

/// Names of a folder's entries, sorted; none if it cannot be read.
pub fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}
