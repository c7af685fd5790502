//! The control group hierarchy.

use std::fs;
use std::io;

use crate::cgroup::ROOT;

/// Gives every controller of the kernel to the groups below the root. One that cannot be given does not keep back the
/// others.
pub fn enable_controllers() -> io::Result<()> {
    let controllers = fs::read_to_string(format!("{ROOT}/cgroup.controllers"))?;
    let file = format!("{ROOT}/cgroup.subtree_control");
    let all: Vec<String> = controllers.split_whitespace().map(|name| format!("+{name}")).collect();
    if fs::write(&file, all.join(" ")).is_ok() {
        return Ok(());
    }
    let failed: Vec<&str> = all.iter().filter(|name| fs::write(&file, name).is_err()).map(|name| &name[1..]).collect();
    if failed.is_empty() { Ok(()) } else { Err(io::Error::other(format!("not enabled: {}", failed.join(", ")))) }
}
