//! What a privileged container finds in /dev beyond what every container has: the nodes of this guest, as on a host.
//!
//! They are those at the container's start. There are no events for later ones in a container, so the loop devices that
//! programs expect to find are made before.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::sys::stat::{major, minor};
use serde_json::{Value, json};

const DEV: &str = "/dev";
/// As many as Linux makes by itself on most hosts.
const LOOP_DEVICES: libc::c_int = 8;
/// linux/loop.h
const LOOP_CTL_ADD: libc::c_ulong = 0x4C80;
/// Folders and nodes that a container has of its own.
const OWN: [&str; 6] = ["pts", "shm", "mqueue", "console", "ptmx", "tty"];
/// The ports through which the host speaks with this agent: a program that scans /dev must not end the sandbox.
const PORTS: &str = "vport";

/// Enters the guest's devices in `linux.devices` if the container may use every device.
pub fn open_all(spec: &mut Value) {
    if !may_use_all(spec) {
        return;
    }
    make_loop_devices();
    let mut found = Vec::new();
    collect(Path::new(DEV), true, &mut found);
    let linux = &mut spec["linux"];
    if !linux["devices"].is_array() {
        linux["devices"] = json!([]);
    }
    let Some(devices) = linux["devices"].as_array_mut() else { return };
    found.retain(|node| devices.iter().all(|listed| listed["path"] != node["path"]));
    devices.append(&mut found);
}

/// Whether the last rule about all devices allows everything.
fn may_use_all(spec: &Value) -> bool {
    let rules = spec["linux"]["resources"]["devices"].as_array();
    let about_all = |rule: &&Value| {
        let names_none = ["major", "minor"].iter().all(|key| rule[*key].as_i64().is_none_or(|number| number < 0));
        names_none && matches!(rule["type"].as_str(), None | Some("" | "a"))
    };
    let last = rules.and_then(|rules| rules.iter().rfind(about_all));
    let access = last.and_then(|rule| rule["access"].as_str()).unwrap_or("");
    // Without access the rule is about all of it.
    let is_full = access.is_empty() || ["r", "w", "m"].iter().all(|kind| access.contains(kind));
    is_full && last.is_some_and(|rule| rule["allow"] == true)
}

/// A kernel without loop devices, or one that has them already, is fine.
fn make_loop_devices() {
    let Ok(control) = File::open(Path::new(DEV).join("loop-control")) else { return };
    for number in 0..LOOP_DEVICES {
        // SAFETY: takes a number.
        unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_ADD as _, number) };
    }
}

fn collect(dir: &Path, is_top: bool, found: &mut Vec<Value>) {
    for name in super::names_in(dir) {
        if is_top && (OWN.contains(&name.as_str()) || name.starts_with(PORTS)) {
            continue;
        }
        let path = dir.join(&name);
        let Ok(about) = fs::symlink_metadata(&path) else { continue };
        let kind = about.file_type();
        if kind.is_dir() {
            collect(&path, false, found);
        } else if kind.is_char_device() || kind.is_block_device() {
            found.push(json!({
                "path": path.display().to_string(),
                "type": if kind.is_block_device() { "b" } else { "c" },
                "major": major(about.rdev()),
                "minor": minor(about.rdev()),
                "fileMode": about.mode() & 0o7777,
                "uid": about.uid(),
                "gid": about.gid(),
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(rules: Value) -> Value {
        json!({"linux": {"devices": [{"path": "/dev/null", "type": "c", "major": 9, "minor": 9}],
            "resources": {"devices": rules}}})
    }

    #[test]
    fn only_who_may_use_every_device_gets_the_guests() {
        let all = json!({"allow": true, "access": "rwm"});
        let none = json!({"allow": false, "access": "rwm"});
        let one = json!({"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"});
        for rules in [json!(null), json!([]), json!([none]), json!([none, one]), json!([all, none])] {
            let mut spec = spec(rules);
            let before = spec.clone();
            open_all(&mut spec);
            assert_eq!(spec, before);
        }
        assert!(!may_use_all(&spec(json!([{"allow": true, "access": "r"}]))));
        assert!(!may_use_all(&spec(json!([{"allow": true, "type": "b", "access": "rwm"}]))));
        assert!(may_use_all(&spec(json!([none, all, one]))));
        assert!(may_use_all(&spec(json!([{"allow": true, "type": "a", "major": -1, "minor": -1, "access": "rwm"}]))));
    }

    #[test]
    fn what_is_listed_or_the_containers_own_is_left_alone() {
        let mut found = Vec::new();
        collect(Path::new(DEV), true, &mut found);
        assert!(found.iter().any(|node| node["path"] == "/dev/null" && node["major"] == 1));
        assert!(found.iter().all(|node| node["path"] != "/dev/ptmx" && node["path"] != "/dev/tty"));
        assert!(found.iter().all(|node| !node["path"].as_str().unwrap().starts_with("/dev/pts")));
    }
}
