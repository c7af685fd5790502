//! Resource limits: takes out what names things of the host or what cgroup v2 does not have, since crun would refuse
//! the container for it.

use serde_json::{Map, Value};

/// Members of `resources` that crun can apply in the guest.
const KEPT: [&str; 7] = ["devices", "memory", "cpu", "pids", "blockIO", "hugepageLimits", "unified"];
const MEMORY: [&str; 4] = ["limit", "reservation", "swap", "checkBeforeUpdate"];
const CPU: [&str; 3] = ["shares", "quota", "period"];
const UNREAD_CPU: [(&str, &str); 2] = [("burst", "cpu.max.burst"), ("idle", "cpu.idle")];
const BLOCK_IO: [&str; 1] = ["weight"];

/// What the guest's kernel offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Support {
    /// There are swap limits.
    pub swap: bool,
    /// There is a hugetlb controller.
    pub hugetlb: bool,
    /// There is an io controller.
    pub io: bool,
}

impl Support {
    /// Asks the kernel.
    pub fn detect() -> Self {
        let controllers = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
        let has = |name| controllers.split_whitespace().any(|c| c == name);
        Self { swap: std::path::Path::new("/proc/swaps").exists(), hugetlb: has("hugetlb"), io: has("io") }
    }
}

/// Removes from `resources` what must not reach crun; returns the names of what has gone with its value.
pub fn fit_resources(resources: &mut Value, support: Support) -> Vec<String> {
    let mut dropped = Vec::new();
    let Value::Object(all) = resources else { return dropped };
    let mut part = |all: &mut Map<String, Value>, key: &str, kept: &[&str]| {
        let Some(Value::Object(part)) = all.get_mut(key) else { return };
        part.retain(|name, value| {
            let is_kept = kept.contains(&name.as_str());
            if !is_kept && !is_none(value) {
                dropped.push(format!("{key}.{name}"));
            }
            is_kept && !is_none(value)
        });
        if part.is_empty() {
            all.remove(key);
        }
    };
    say_unified(all);
    let mut memory = MEMORY.to_vec();
    // crun refuses a swap limit without a memory limit, which containerd never means.
    let has_limit = all.get("memory").is_some_and(|memory| !is_none(&memory["limit"]));
    memory.retain(|key| *key != "swap" || (support.swap && has_limit));
    part(all, "memory", &memory);
    part(all, "cpu", &CPU);
    part(all, "pids", &["limit"]);
    part(all, "blockIO", if support.io { &BLOCK_IO } else { &[] });
    all.retain(|key, value| {
        let is_kept = KEPT.contains(&key.as_str()) && (key != "hugepageLimits" || support.hugetlb);
        let is_empty = is_none(value) || value.as_array().is_some_and(Vec::is_empty);
        if !is_kept && !is_empty {
            dropped.push(key.clone());
        }
        is_kept && !value.is_null()
    });
    dropped
}

/// Says as files of the group what crun 1.8 does not read where it belongs.
fn say_unified(all: &mut Map<String, Value>) {
    for (name, file) in UNREAD_CPU {
        let Some(value) = all.get_mut("cpu").and_then(|cpu| cpu.as_object_mut()?.remove(name)) else { continue };
        let Some(number) = value.as_i64() else { continue };
        let unified = all.entry("unified").or_insert(Value::Null);
        if unified.is_null() {
            *unified = Value::Object(Map::new());
        }
        if let Some(unified) = unified.as_object_mut() {
            unified.entry(file).or_insert_with(|| number.to_string().into());
        }
    }
}

/// Whether a value says nothing. A limit of 0 is none.
fn is_none(value: &Value) -> bool {
    value.is_null() || value.as_i64() == Some(0) || value == false || value == ""
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parts_that_name_the_host_or_cgroup_v1_are_removed() {
        let mut resources = json!({
            "devices": [{"allow": false, "access": "rwm"}],
            "memory": {"limit": 1, "swap": 2, "swappiness": 60, "kernel": 3, "disableOOMKiller": false},
            "cpu": {"shares": 1024, "cpus": "0-3", "mems": "0", "realtimeRuntime": 0},
            "pids": {"limit": 0},
            "blockIO": {"weight": 100, "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1}]},
            "hugepageLimits": [{"pageSize": "2MB", "limit": 0}],
            "network": {"classID": 1},
        });
        let all = Support { swap: true, hugetlb: true, io: true };
        let mut few = resources.clone();
        let mut dropped = fit_resources(&mut resources, all);
        dropped.sort();
        let names = "blockIO.throttleReadBpsDevice cpu.cpus cpu.mems memory.kernel memory.swappiness network";
        assert_eq!(dropped.join(" "), names);
        assert_eq!(
            resources,
            json!({
                "devices": [{"allow": false, "access": "rwm"}],
                "memory": {"limit": 1, "swap": 2},
                "cpu": {"shares": 1024},
                "blockIO": {"weight": 100},
                "hugepageLimits": [{"pageSize": "2MB", "limit": 0}],
            })
        );
        let dropped = fit_resources(&mut few, Support { swap: false, hugetlb: false, io: false });
        assert!(
            ["memory.swap", "blockIO.weight", "hugepageLimits"].iter().all(|name| dropped.contains(&(*name).into()))
        );
        assert_eq!(
            few,
            json!({"devices": [{"allow": false, "access": "rwm"}], "memory": {"limit": 1}, "cpu": {"shares": 1024}})
        );
    }

    #[test]
    fn zero_is_no_limit_but_ends_what_was_set_before() {
        let mut resources = json!({
            "memory": {"limit": 0, "reservation": 5},
            "cpu": {"shares": 0, "quota": -1, "period": 0, "burst": 0, "idle": 0},
            "unified": {"memory.high": "max"},
        });
        let dropped = fit_resources(&mut resources, Support { swap: true, hugetlb: true, io: true });
        assert_eq!(
            resources,
            json!({
                "memory": {"reservation": 5},
                "cpu": {"quota": -1},
                "unified": {"memory.high": "max", "cpu.max.burst": "0", "cpu.idle": "0"},
            })
        );
        assert!(dropped.is_empty(), "{dropped:?}");
    }
}
