//! Resource limits: takes out what names things of the host or what cgroup v2 does not have, since crun would refuse
//! the container for it.

use serde_json::{Map, Value};

/// Members of `resources` that crun can apply in the guest.
const KEPT: [&str; 7] = ["devices", "memory", "cpu", "pids", "blockIO", "hugepageLimits", "unified"];
const MEMORY: [&str; 4] = ["limit", "reservation", "swap", "checkBeforeUpdate"];
const CPU: [&str; 5] = ["shares", "quota", "period", "burst", "idle"];
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

/// Removes from `resources` what must not reach crun.
pub fn fit_resources(resources: &mut Value, support: Support) {
    let Value::Object(all) = resources else { return };
    all.retain(|key, _| KEPT.contains(&key.as_str()));
    keep(all, "memory", &MEMORY);
    keep(all, "cpu", &CPU);
    keep(all, "blockIO", &BLOCK_IO);
    if !support.hugetlb {
        all.remove("hugepageLimits");
    }
    if !support.io {
        all.remove("blockIO");
    }
    if let Some(Value::Object(memory)) = all.get_mut("memory") {
        if !support.swap {
            memory.remove("swap");
        }
        // crun refuses a swap limit without a memory limit, which containerd never means.
        if !memory.contains_key("limit") {
            memory.remove("swap");
        }
    }
    if all.get("pids").is_some_and(|pids| pids["limit"].as_i64().unwrap_or(0) == 0) {
        all.remove("pids");
    }
    all.retain(|_, value| !value.is_null());
}

fn keep(all: &mut Map<String, Value>, key: &str, kept: &[&str]) {
    if let Some(Value::Object(part)) = all.get_mut(key) {
        part.retain(|key, value| kept.contains(&key.as_str()) && !value.is_null());
        if part.is_empty() {
            all.remove(key);
        }
    }
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
        fit_resources(&mut resources, all);
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
        fit_resources(&mut few, Support { swap: false, hugetlb: false, io: false });
        assert_eq!(
            few,
            json!({"devices": [{"allow": false, "access": "rwm"}], "memory": {"limit": 1}, "cpu": {"shares": 1024}})
        );
    }
}
