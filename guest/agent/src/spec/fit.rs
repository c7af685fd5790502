//! Fits a specification that was made for the host to the guest: namespaces, cgroup, sysctls, mounts, and everything
//! that only means something on the host.

use std::path::Path;

use serde_json::{Value, json};

use super::check_process;
use super::resources::{Support, fit_resources};
use crate::ttrpc::{Result, Status};

/// What of the guest the specification is fitted to.
pub struct Guest<'a> {
    /// The container's id.
    pub id: &'a str,
    /// The sandbox's ipc namespace, when there is a sandbox.
    pub ipc: Option<&'a Path>,
    /// The sandbox's uts namespace, when there is a sandbox.
    pub uts: Option<&'a Path>,
    /// The pid namespace to join; a new one without it.
    pub pid: Option<&'a Path>,
    /// The user namespace to join, if the specification asks for one; a new one without it.
    pub user: Option<&'a Path>,
    /// What the kernel's cgroups offer.
    pub support: Support,
    /// Security modules of the kernel (the list in securityfs).
    pub security_modules: &'a str,
}

/// What the specification asks for that crun cannot do, because the network namespace is the guest's own.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fitted {
    /// net.* sysctls to be set in the guest.
    pub net_sysctls: Vec<(String, String)>,
    /// The process wants a terminal.
    pub terminal: bool,
}

/// Rewrites `spec` for the guest.
pub fn fit(spec: &mut Value, guest: &Guest<'_>) -> Result<Fitted> {
    check_process(&spec["process"])?;
    let Some(root) = spec["root"]["path"].as_str() else {
        return Err(Status::invalid("root.path is missing"));
    };
    if !root.starts_with('/') {
        return Err(Status::invalid(format!("root.path must be an absolute path in the guest, it is {root:?}")));
    }
    let all = spec.as_object_mut().expect("spec is an object");
    for foreign in ["hooks", "annotations", "solaris", "windows", "vm", "zos"] {
        all.remove(foreign);
    }
    let linux = all.entry("linux").or_insert_with(|| json!({}));
    let Some(linux) = linux.as_object_mut() else { return Err(Status::invalid("linux is not an object")) };
    linux.remove("intelRdt");
    let path = cgroup_path(linux.get("cgroupsPath").and_then(Value::as_str).unwrap_or(""), guest.id)?;
    linux.insert("cgroupsPath".into(), json!(path));
    linux.insert("namespaces".into(), namespaces(linux.get("namespaces"), guest));
    if let Some(resources) = linux.get_mut("resources") {
        fit_resources(resources, guest.support);
    }
    let net_sysctls = take_net_sysctls(linux.get_mut("sysctl"));
    if !has_module(guest.security_modules, "selinux") {
        linux.remove("mountLabel");
    }
    fit_process(&mut all["process"], guest.security_modules);
    let terminal = all["process"]["terminal"].as_bool().unwrap_or(false);
    if let Some(mounts) = all.get_mut("mounts").and_then(Value::as_array_mut) {
        mounts.iter_mut().for_each(fit_mount);
    }
    Ok(Fitted { net_sysctls, terminal })
}

/// Takes out of a process what needs a security module that the guest's kernel (`modules`) does not have.
pub fn fit_process(process: &mut Value, modules: &str) {
    let Some(process) = process.as_object_mut() else { return };
    for (module, member) in [("selinux", "selinuxLabel"), ("apparmor", "apparmorProfile")] {
        if !has_module(modules, module) {
            process.remove(member);
        }
    }
}

fn has_module(modules: &str, name: &str) -> bool {
    modules.trim().split(',').any(|module| module == name)
}

/// Types that only the protocol knows become binds of the place that their storage has prepared.
fn fit_mount(mount: &mut Value) {
    let kind = mount["type"].as_str().unwrap_or("");
    if !matches!(kind, "local" | "ephemeral" | "watchable-bind") {
        return;
    }
    mount["type"] = json!("bind");
    let Some(options) = mount["options"].as_array_mut() else {
        mount["options"] = json!(["rbind"]);
        return;
    };
    if !options.iter().any(|o| o == "bind" || o == "rbind") {
        options.push(json!("rbind"));
    }
}

/// The specification's namespaces with the guest's paths. The network is always the guest's own; mount, pid and
/// cgroup namespaces are never the agent's.
fn namespaces(asked: Option<&Value>, guest: &Guest<'_>) -> Value {
    let mut fitted = Vec::new();
    let with_path = |kind: &str, path: Option<&Path>| match path {
        Some(path) => json!({"type": kind, "path": path.display().to_string()}),
        None => json!({"type": kind}),
    };
    for entry in asked.and_then(Value::as_array).into_iter().flatten() {
        match entry["type"].as_str().unwrap_or("") {
            "network" | "time" | "pid" | "cgroup" | "mount" => {}
            "ipc" => fitted.push(with_path("ipc", guest.ipc)),
            "uts" => fitted.push(with_path("uts", guest.uts)),
            "user" => fitted.push(with_path("user", guest.user)),
            other => fitted.push(with_path(other, None)),
        }
    }
    fitted.push(with_path("mount", None));
    fitted.push(with_path("pid", guest.pid));
    fitted.push(with_path("cgroup", None));
    Value::Array(fitted)
}

/// The cgroup's path below the guest's root: `slice:prefix:name` becomes folders, nothing becomes the container's id.
fn cgroup_path(asked: &str, id: &str) -> Result<String> {
    let parts: Vec<&str> = asked.split(['/', ':']).filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err(Status::invalid(format!("linux.cgroupsPath {asked:?} leaves the cgroup root")));
    }
    Ok(if parts.is_empty() { format!("/{id}") } else { format!("/{}", parts.join("/")) })
}

/// crun wants a network namespace of the container's own for these.
fn take_net_sysctls(sysctl: Option<&mut Value>) -> Vec<(String, String)> {
    let Some(Value::Object(all)) = sysctl else { return Vec::new() };
    let is_net = |key: &str| key.starts_with("net.") || key.starts_with("net/");
    let taken = all
        .iter()
        .filter(|(key, _)| is_net(key))
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or("").to_owned()))
        .collect();
    all.retain(|key, _| !is_net(key));
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest<'a>() -> Guest<'a> {
        Guest {
            id: "c1",
            ipc: Some(Path::new("/ns/ipc")),
            uts: None,
            pid: None,
            user: Some(Path::new("/ns/user")),
            support: Support { swap: true, hugetlb: true, io: true },
            security_modules: "capability,landlock",
        }
    }

    fn spec() -> Value {
        json!({
            "process": {"args": ["sh"], "cwd": "/", "terminal": true, "apparmorProfile": "cri", "selinuxLabel": "x"},
            "root": {"path": "/share/c1/rootfs"},
            "hooks": {"prestart": [{"path": "/bin/false"}]},
            "annotations": {"run.oci.handler": "wasm"},
            "mounts": [
                {"destination": "/a", "type": "local", "source": "/l/a"},
                {"destination": "/b", "type": "ephemeral", "source": "/e/b", "options": ["ro"]},
                {"destination": "/proc", "type": "proc", "source": "proc"},
            ],
            "linux": {
                "namespaces": [
                    {"type": "pid", "path": "/proc/77/ns/pid"}, {"type": "network", "path": "/var/run/netns/x"},
                    {"type": "ipc", "path": "/proc/77/ns/ipc"}, {"type": "uts"}, {"type": "mount"},
                    {"type": "user", "path": "/proc/77/ns/user"},
                ],
                "cgroupsPath": "kubepods.slice:cri-containerd:c1",
                "sysctl": {"net.ipv4.ip_forward": "1", "kernel.shmmax": "5"},
            },
        })
    }

    #[test]
    fn host_parts_are_replaced_by_the_guests() {
        let mut spec = spec();
        let fitted = fit(&mut spec, &guest()).unwrap();
        assert_eq!(
            spec["linux"]["namespaces"],
            json!([
                {"type": "ipc", "path": "/ns/ipc"}, {"type": "uts"}, {"type": "user", "path": "/ns/user"},
                {"type": "mount"}, {"type": "pid"}, {"type": "cgroup"},
            ])
        );
        assert_eq!(spec["linux"]["cgroupsPath"], "/kubepods.slice/cri-containerd/c1");
        assert_eq!(spec["linux"]["sysctl"], json!({"kernel.shmmax": "5"}));
        assert_eq!(
            spec["mounts"][0],
            json!({"destination": "/a", "type": "bind", "source": "/l/a", "options": ["rbind"]})
        );
        assert_eq!(spec["mounts"][1]["options"], json!(["ro", "rbind"]));
        assert!(spec.get("hooks").is_none() && spec.get("annotations").is_none());
        assert_eq!(spec["process"], json!({"args": ["sh"], "cwd": "/", "terminal": true}));
        assert_eq!(fitted, Fitted { net_sysctls: vec![("net.ipv4.ip_forward".into(), "1".into())], terminal: true });
    }

    #[test]
    fn cgroup_paths_stay_below_the_root() {
        assert_eq!(cgroup_path("", "c1").unwrap(), "/c1");
        assert_eq!(cgroup_path("/", "c1").unwrap(), "/c1");
        assert_eq!(cgroup_path("/kubepods//burstable/./x", "c1").unwrap(), "/kubepods/burstable/x");
        assert!(cgroup_path("/a/../../b", "c1").is_err());
    }

    #[test]
    fn a_specification_without_the_necessary_is_refused() {
        for remove in ["process", "root"] {
            let mut spec = spec();
            spec.as_object_mut().unwrap().remove(remove);
            assert!(fit(&mut spec, &guest()).is_err());
        }
        let mut relative = spec();
        relative["root"]["path"] = json!("rootfs");
        assert!(fit(&mut relative, &guest()).is_err());
    }
}
