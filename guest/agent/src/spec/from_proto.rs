//! The protocol's form of the specification to JSON. Zero means "not set" there.

use serde_json::{Map, Value, json};

use crate::r#gen::grpc as pb;

/// A JSON object that leaves out what is not set.
#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    fn put(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.into(), value.into());
        self
    }
    /// Leaves out null, zero, false, and empty texts, lists and objects.
    fn set(self, key: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let empty = match &value {
            Value::Null => true,
            Value::Bool(b) => !b,
            Value::Number(n) => n.as_i64() == Some(0),
            Value::String(s) => s.is_empty(),
            Value::Array(a) => a.is_empty(),
            Value::Object(o) => o.is_empty(),
        };
        if empty { self } else { self.put(key, value) }
    }
    fn done(self) -> Value {
        Value::Object(self.0)
    }
}

fn list<T>(items: &[T], convert: impl Fn(&T) -> Value) -> Value {
    items.iter().map(convert).collect()
}

fn optional<T>(item: &Option<T>, convert: impl Fn(&T) -> Value) -> Value {
    item.as_ref().map_or(Value::Null, convert)
}

fn texts(items: &[String]) -> Value {
    list(items, |s| json!(s))
}

/// The whole specification.
pub fn spec_from_proto(spec: &pb::Spec) -> Value {
    Object::default()
        .put("ociVersion", if spec.version.is_empty() { "1.0.2" } else { &spec.version })
        .set("process", optional(&spec.process, process_from_proto))
        .set("root", optional(&spec.root, |r| json!({"path": r.path, "readonly": r.readonly})))
        .set("hostname", spec.hostname.as_str())
        .set("mounts", list(&spec.mounts, mount))
        .set("annotations", map(&spec.annotations))
        .set("linux", optional(&spec.linux, linux))
        .done()
}

fn map(entries: &std::collections::HashMap<String, String>) -> Value {
    Value::Object(entries.iter().map(|(k, v)| (k.clone(), json!(v))).collect())
}

fn mount(mount: &pb::Mount) -> Value {
    Object::default()
        .put("destination", mount.destination.as_str())
        .set("source", mount.source.as_str())
        .set("type", mount.r#type.as_str())
        .set("options", texts(&mount.options))
        .done()
}

/// One process: a container's or that of an exec.
pub fn process_from_proto(process: &pb::Process) -> Value {
    let user = process.user.clone().unwrap_or_default();
    let user = Object::default()
        .put("uid", user.uid)
        .put("gid", user.gid)
        .set("additionalGids", list(&user.additional_gids, |g| json!(g)))
        .done();
    Object::default()
        .set("terminal", process.terminal)
        .set("consoleSize", optional(&process.console_size, |s| json!({"height": s.height, "width": s.width})))
        .put("user", user)
        .put("args", texts(&process.args))
        .set("env", texts(&process.env))
        .put("cwd", if process.cwd.is_empty() { "/" } else { &process.cwd })
        .set("capabilities", optional(&process.capabilities, capabilities))
        .set("rlimits", list(&process.rlimits, |r| json!({"type": r.r#type, "hard": r.hard, "soft": r.soft})))
        .set("noNewPrivileges", process.no_new_privileges)
        .set("apparmorProfile", process.apparmor_profile.as_str())
        .set("oomScoreAdj", process.oom_score_adj)
        .set("selinuxLabel", process.selinux_label.as_str())
        .done()
}

fn capabilities(sets: &pb::LinuxCapabilities) -> Value {
    json!({
        "bounding": texts(&sets.bounding),
        "effective": texts(&sets.effective),
        "inheritable": texts(&sets.inheritable),
        "permitted": texts(&sets.permitted),
        "ambient": texts(&sets.ambient),
    })
}

fn linux(linux: &pb::Linux) -> Value {
    Object::default()
        .set("uidMappings", list(&linux.uid_mappings, id_mapping))
        .set("gidMappings", list(&linux.gid_mappings, id_mapping))
        .set("sysctl", map(&linux.sysctl))
        .set("resources", optional(&linux.resources, resources_from_proto))
        .set("cgroupsPath", linux.cgroups_path.as_str())
        .set(
            "namespaces",
            list(&linux.namespaces, |n| {
                Object::default().put("type", n.r#type.as_str()).set("path", n.path.as_str()).done()
            }),
        )
        .set("devices", list(&linux.devices, device))
        .set("seccomp", optional(&linux.seccomp, seccomp))
        .set("rootfsPropagation", linux.rootfs_propagation.as_str())
        .set("maskedPaths", texts(&linux.masked_paths))
        .set("readonlyPaths", texts(&linux.readonly_paths))
        .set("mountLabel", linux.mount_label.as_str())
        .done()
}

fn id_mapping(mapping: &pb::LinuxIdMapping) -> Value {
    json!({"hostID": mapping.host_id, "containerID": mapping.container_id, "size": mapping.size})
}

fn device(device: &pb::LinuxDevice) -> Value {
    Object::default()
        .put("path", device.path.as_str())
        .put("type", device.r#type.as_str())
        .put("major", device.major)
        .put("minor", device.minor)
        .set("fileMode", device.file_mode)
        .put("uid", device.uid)
        .put("gid", device.gid)
        .done()
}

/// Resources of a container.
pub fn resources_from_proto(resources: &pb::LinuxResources) -> Value {
    Object::default()
        .set("devices", list(&resources.devices, device_rule))
        .set("memory", optional(&resources.memory, memory))
        .set("cpu", optional(&resources.cpu, cpu))
        .set("pids", optional(&resources.pids, |p| Object::default().set("limit", p.limit).done()))
        .set("blockIO", optional(&resources.block_io, |b| Object::default().set("weight", b.weight).done()))
        .set("hugepageLimits", list(&resources.hugepage_limits, |h| json!({"pageSize": h.pagesize, "limit": h.limit})))
        .done()
}

fn device_rule(rule: &pb::LinuxDeviceCgroup) -> Value {
    // Zero stands for "any" in the protocol: device number 0:0 names nothing.
    Object::default()
        .put("allow", rule.allow)
        .set("type", rule.r#type.as_str())
        .set("major", rule.major)
        .set("minor", rule.minor)
        .set("access", rule.access.as_str())
        .done()
}

fn memory(memory: &pb::LinuxMemory) -> Value {
    Object::default().set("limit", memory.limit).set("reservation", memory.reservation).set("swap", memory.swap).done()
}

fn cpu(cpu: &pb::LinuxCpu) -> Value {
    Object::default()
        .set("shares", cpu.shares)
        .set("quota", cpu.quota)
        .set("period", cpu.period)
        .set("cpus", cpu.cpus.as_str())
        .set("mems", cpu.mems.as_str())
        .done()
}

fn seccomp(seccomp: &pb::LinuxSeccomp) -> Value {
    Object::default()
        .put("defaultAction", seccomp.default_action.as_str())
        .set("architectures", texts(&seccomp.architectures))
        .set("flags", texts(&seccomp.flags))
        .set("syscalls", list(&seccomp.syscalls, syscall))
        .done()
}

fn syscall(rule: &pb::LinuxSyscall) -> Value {
    let errno = rule.errno_ret.as_ref().map_or(Value::Null, |pb::linux_syscall::ErrnoRet::Errnoret(n)| json!(n));
    let mut object = Object::default().put("names", texts(&rule.names)).put("action", rule.action.as_str()).set(
        "args",
        list(&rule.args, |a| json!({"index": a.index, "value": a.value, "valueTwo": a.value_two, "op": a.op})),
    );
    if !errno.is_null() {
        object = object.put("errnoRet", errno);
    }
    object.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unset_parts_are_left_out_and_zero_ids_kept() {
        let process = pb::Process { args: vec!["sh".into()], user: Some(pb::User::default()), ..Default::default() };
        assert_eq!(process_from_proto(&process), json!({"args": ["sh"], "cwd": "/", "user": {"uid": 0, "gid": 0}}));
    }

    #[test]
    fn a_seccomp_rule_keeps_an_explicit_errno_of_zero() {
        let rule = pb::LinuxSyscall {
            names: vec!["clone3".into()],
            action: "SCMP_ACT_ERRNO".into(),
            errno_ret: Some(pb::linux_syscall::ErrnoRet::Errnoret(0)),
            args: vec![],
        };
        assert_eq!(syscall(&rule)["errnoRet"], json!(0));
    }

    #[test]
    fn namespaces_and_devices_keep_their_names() {
        let spec = pb::Spec {
            linux: Some(pb::Linux {
                namespaces: vec![pb::LinuxNamespace { r#type: "pid".into(), path: String::new() }],
                devices: vec![pb::LinuxDevice {
                    path: "/dev/null".into(),
                    r#type: "c".into(),
                    major: 1,
                    minor: 3,
                    ..Default::default()
                }],
                ..Default::default()
            }),
            ..Default::default()
        };
        let json = spec_from_proto(&spec);
        assert_eq!(json["linux"]["namespaces"], json!([{"type": "pid"}]));
        assert_eq!(json["linux"]["devices"][0]["major"], 1);
        assert_eq!(json["ociVersion"], "1.0.2");
    }
}
