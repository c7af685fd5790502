//! Takes hot-plugged processors and memory into use.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::device::names_in;
use crate::r#gen::grpc::{MemHotplugByProbeRequest, OnlineCpuMemRequest};
use crate::ttrpc::{Code, Context, Result, Status};

const CPUS: &str = "/sys/devices/system/cpu";
const MEMORY: &str = "/sys/devices/system/memory";
const LIMIT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// Brings `nb_cpus` processors and, unless told otherwise, all memory online.
pub async fn online(request: &OnlineCpuMemRequest) -> Result<()> {
    let wanted = request.nb_cpus as usize;
    let end = Instant::now() + LIMIT;
    loop {
        let online = online_all(CPUS, "cpu", Some(wanted))?;
        if online >= wanted {
            break;
        }
        if Instant::now() > end {
            let message = format!("{online} of {wanted} processors came online within {LIMIT:?}");
            return Err(Status::new(Code::DeadlineExceeded, message));
        }
        sleep(POLL).await;
    }
    if !request.cpu_only {
        online_all(MEMORY, "memory", None)?;
    }
    Ok(())
}

/// Brings numbered devices online, up to a number of those that can be switched; returns how many are.
fn online_all(dir: &str, prefix: &str, limit: Option<usize>) -> Result<usize> {
    let numbered = |name: &String| name.strip_prefix(prefix).is_some_and(|n| n.parse::<u32>().is_ok());
    let mut count = 0;
    for name in names_in(Path::new(dir)).into_iter().filter(numbered) {
        let switch = Path::new(dir).join(&name).join("online");
        // The first processor cannot be switched, has no such file, and is online.
        let state = fs::read_to_string(&switch).unwrap_or_else(|_| "1".into());
        if state.trim() == "1" {
            count += 1;
        } else if limit.is_none_or(|limit| count < limit) {
            fs::write(&switch, "1").context(|| format!("bring {name} online"))?;
            count += 1;
        }
    }
    Ok(count)
}

/// Tells the kernel of new memory that it does not notice by itself.
pub fn probe_memory(request: &MemHotplugByProbeRequest) -> Result<()> {
    let file = Path::new(MEMORY).join("probe");
    for address in &request.mem_hotplug_probe_addr {
        fs::write(&file, format!("{address:#x}")).context(|| format!("probe memory at {address:#x}"))?;
    }
    Ok(())
}
