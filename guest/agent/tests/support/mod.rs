//! What the tests of a running agent share: its client, specifications, and short forms of the calls.
#![allow(dead_code)]

pub mod client;
pub mod host;
pub mod machine;
pub mod sandbox_scenarios;
pub mod scenarios;
pub mod silent;

use std::time::Duration;

use client::{Client, Failure};
use pb::*;
use serde_json::{Value, json};

#[path = "../../src/gen/mod.rs"]
mod r#gen;
pub use r#gen::grpc as pb;
pub use r#gen::guest;
#[allow(unused_imports)]
pub use r#gen::types;

/// An agent that runs somewhere, and where containers find their root file system there.
pub struct Guest {
    pub client: Client,
    pub rootfs: String,
    /// The machine is the agent's own: limits, mounts and devices can be tried.
    pub is_machine: bool,
}

/// The devices and mounts that every runtime gives a container.
pub fn spec(rootfs: &str, args: &[&str]) -> Value {
    let caps =
        ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SYS_CHROOT"];
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": args,
            "env": ["PATH=/bin", "HOME=/root"],
            "cwd": "/",
            "capabilities": {"bounding": caps, "effective": caps, "permitted": caps},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": true,
        },
        "root": {"path": rootfs, "readonly": true},
        "hostname": "inside",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"]},
        ],
        "linux": {
            "namespaces": [{"type": "pid"}, {"type": "network", "path": "/var/run/netns/none"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}],
            "resources": {"devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"}, {"allow": true, "type": "c", "major": 5, "minor": 0, "access": "rwm"}]},
            "maskedPaths": ["/proc/kcore"],
            "readonlyPaths": ["/proc/sys"],
        },
    })
}

impl Guest {
    pub fn call<M: prost::Message + Default>(&self, method: &str, request: &impl prost::Message) -> Result<M, Failure> {
        self.client.call(method, request)
    }

    pub fn create(&self, id: &str, spec: &Value) -> Result<(), Failure> {
        self.create_with(id, spec, |_| {})
    }

    pub fn create_with(
        &self,
        id: &str,
        spec: &Value,
        more: impl FnOnce(&mut CreateContainerRequest),
    ) -> Result<(), Failure> {
        let mut spec = spec.clone();
        spec["linux"]["cgroupsPath"] = json!(format!("/bulkhead-test/{id}"));
        let mut request = CreateContainerRequest {
            container_id: id.into(),
            spec_json: spec.to_string().into(),
            ..Default::default()
        };
        more(&mut request);
        self.call("CreateContainer", &request)
    }

    pub fn start(&self, id: &str) -> Result<(), Failure> {
        self.call("StartContainer", &StartContainerRequest { container_id: id.into() })
    }

    /// Creates and starts a container that runs a shell command.
    pub fn run(&self, id: &str, command: &str) {
        self.create(id, &spec(&self.rootfs, &["sh", "-c", command])).unwrap();
        self.start(id).unwrap();
    }

    pub fn remove(&self, id: &str) -> Result<(), Failure> {
        self.call("RemoveContainer", &RemoveContainerRequest { container_id: id.into(), timeout: 0 })
    }

    pub fn wait(&self, id: &str, exec: &str) -> Result<i32, Failure> {
        let request = WaitProcessRequest { container_id: id.into(), exec_id: exec.into() };
        self.call::<WaitProcessResponse>("WaitProcess", &request).map(|r| r.status)
    }

    pub fn exec(&self, id: &str, exec: &str, process: &Value) -> Result<(), Failure> {
        let request = ExecProcessRequest {
            container_id: id.into(),
            exec_id: exec.into(),
            process_json: process.to_string().into(),
            ..Default::default()
        };
        self.call("ExecProcess", &request)
    }

    pub fn exec_shell(&self, id: &str, exec: &str, command: &str) -> Result<(), Failure> {
        self.exec(id, exec, &process(&["sh", "-c", command]))
    }

    pub fn read(&self, method: &str, id: &str, exec: &str, len: u32) -> Result<Vec<u8>, Failure> {
        let request = ReadStreamRequest { container_id: id.into(), exec_id: exec.into(), len, to_end: false };
        self.call::<ReadStreamResponse>(method, &request).map(|r| r.data.to_vec())
    }

    pub fn release(&self, id: &str, exec: &str) -> Result<(), Failure> {
        self.call("ReleaseOutput", &guest::ReleaseOutputRequest { container_id: id.into(), exec_id: exec.into() })
    }

    /// Everything that a process writes to a stream.
    pub fn read_all(&self, method: &str, id: &str, exec: &str) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let data = self.read(method, id, exec, 1 << 20).unwrap();
            if data.is_empty() {
                return all;
            }
            all.extend(data);
        }
    }

    pub fn stdout(&self, id: &str, exec: &str) -> String {
        String::from_utf8(self.read_all("ReadStdout", id, exec)).unwrap()
    }

    pub fn write(&self, id: &str, exec: &str, data: &[u8]) -> Result<u32, Failure> {
        let request = WriteStreamRequest { container_id: id.into(), exec_id: exec.into(), data: data.to_vec().into() };
        self.call::<WriteStreamResponse>("WriteStdin", &request).map(|r| r.len)
    }

    pub fn signal(&self, id: &str, exec: &str, signal: u32) -> Result<(), Failure> {
        self.call("SignalProcess", &SignalProcessRequest { container_id: id.into(), exec_id: exec.into(), signal })
    }

    /// Output and exit code of a command in a running container.
    pub fn exec_output(&self, id: &str, exec: &str, command: &str) -> (String, i32) {
        self.exec_shell(id, exec, command).unwrap();
        (self.stdout(id, exec), self.wait(id, exec).unwrap())
    }
}

pub fn process(args: &[&str]) -> Value {
    json!({"user": {"uid": 0, "gid": 0}, "args": args, "env": ["PATH=/bin"], "cwd": "/"})
}

/// Tries until it holds; tests never wait without a limit.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("not reached: {what}");
}
