//! What a privileged container finds in /dev beyond what every container has: the nodes of this guest, as on a host.
//!
//! They are those at the container's start. There are no events for later ones in a container, so the loop devices that
//! programs expect to find are made before.

use std::collections::BTreeSet;
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

/// Capabilities that every Linux since 3.16 has; managers name those that they know.
const ALL_CAPABILITIES: usize = 38;

/// Enters the guest's devices in `linux.devices` if the container may use every device, or is privileged in all else: with
/// `privileged_without_host_devices` containerd and CRI-O give it the rules of a plain container, to keep the host's devices
/// from it, and there are none of the host here. Then it may use them too.
pub fn open_all(spec: &mut Value) {
    if !may_use_all(spec) {
        if !is_privileged(spec) {
            return;
        }
        let resources = &mut spec["linux"]["resources"];
        if !resources["devices"].is_array() {
            resources["devices"] = json!([]);
        }
        let Some(rules) = resources["devices"].as_array_mut() else { return };
        rules.push(json!({"allow": true, "access": "rwm"}));
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

/// Whether nothing else is kept from the container: all capabilities in the guest's own user namespace, no filter of system
/// calls, all of /proc, and a /sys to write to. By these it can change the rules of devices itself (the guest's kernel obeys
/// it), so more devices give it no more power. What Kubernetes calls privileged has all of them, anything less is
/// a container that asks for some of these one by one.
fn is_privileged(spec: &Value) -> bool {
    let (process, linux) = (&spec["process"], &spec["linux"]);
    let has_all = |set: &str| {
        let named = process["capabilities"][set].as_array();
        named.is_some_and(|all| {
            let names: BTreeSet<&str> = all.iter().filter_map(Value::as_str).collect();
            names.len() >= ALL_CAPABILITIES
        })
    };
    let is_empty = |member: &Value| member.as_array().is_none_or(Vec::is_empty);
    let has_users = linux["namespaces"].as_array().is_some_and(|all| all.iter().any(|one| one["type"] == "user"));
    let writes_sys = spec["mounts"].as_array().into_iter().flatten().any(|mount| {
        let is_read_only = mount["options"].as_array().is_some_and(|all| all.iter().any(|one| one == "ro"));
        mount["destination"] == "/sys" && mount["type"] == "sysfs" && !is_read_only
    });
    ["bounding", "effective", "permitted"].into_iter().all(has_all)
        && linux["seccomp"].is_null()
        && is_empty(&linux["maskedPaths"])
        && is_empty(&linux["readonlyPaths"])
        && !has_users
        && writes_sys
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

    /// What containerd makes of a privileged container with `privileged_without_host_devices`.
    fn privileged() -> Value {
        let all: Vec<String> = (0..ALL_CAPABILITIES).map(|number| format!("CAP_{number}")).collect();
        let mut spec = spec(json!([{"allow": false, "access": "rwm"}]));
        spec["process"]["capabilities"] = json!({"bounding": all, "effective": all, "permitted": all});
        spec["mounts"] = json!([{"destination": "/sys", "type": "sysfs", "options": ["nosuid", "rw"]}]);
        spec["linux"]["namespaces"] = json!([{"type": "mount"}]);
        spec["linux"]["maskedPaths"] = json!([]);
        spec
    }

    #[test]
    fn who_is_privileged_in_all_else_may_use_every_device() {
        let mut spec = privileged();
        assert!(is_privileged(&spec));
        open_all(&mut spec);
        assert!(may_use_all(&spec));
        assert!(spec["linux"]["devices"].as_array().unwrap().len() > 1);
    }

    #[test]
    fn who_lacks_any_of_it_gets_what_is_asked_for() {
        let changes: [(&str, Value); 8] = [
            ("/process/capabilities/bounding", json!(["CAP_SYS_ADMIN"])),
            ("/process/capabilities/effective", json!(vec!["CAP_SYS_ADMIN"; 50])),
            ("/process/capabilities/permitted", json!(null)),
            ("/linux/maskedPaths", json!(["/proc/kcore"])),
            ("/linux/namespaces", json!([{"type": "user"}])),
            ("/mounts/0/options", json!(["ro"])),
            ("/mounts/0/type", json!("bind")),
            ("/mounts", json!([])),
        ];
        for (place, value) in changes {
            let mut spec = privileged();
            *spec.pointer_mut(place).unwrap() = value;
            let before = spec.clone();
            open_all(&mut spec);
            assert_eq!(spec, before, "{place}");
        }
        for (member, value) in [("seccomp", json!({})), ("readonlyPaths", json!(["/proc/sys"]))] {
            let mut spec = privileged();
            spec["linux"][member] = value;
            assert!(!is_privileged(&spec), "{member}");
        }
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
