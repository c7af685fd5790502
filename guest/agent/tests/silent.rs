//! File systems that do not answer any more, and calls that their callers have given up.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use support::host::{HostAgent, obstacle};
use support::pb::*;
use support::silent::SilentFs;
use support::{Guest, eventually, process, spec};

/// What the agent says that a file system may take.
const ANSWERED: Duration = Duration::from_secs(40);
const FAILED_PRECONDITION: i32 = 9;
const DEADLINE_EXCEEDED: i32 = 4;

fn folder(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("bulkhead-{name}-{}", std::process::id()))
}

fn with_mount(guest: &Guest, source: &str) -> Value {
    let mut spec = spec(&guest.rootfs, &["sleep", "1000"]);
    let mount = json!({"destination": "/data", "type": "bind", "source": source, "options": ["rbind", "rw"]});
    spec["mounts"].as_array_mut().unwrap().push(mount);
    spec
}

fn create_request(id: &str, spec: &Value, storages: &[Storage]) -> CreateContainerRequest {
    let mut spec = spec.clone();
    spec["linux"]["cgroupsPath"] = json!(format!("/bulkhead-test/{id}"));
    CreateContainerRequest {
        container_id: id.into(),
        spec_json: spec.to_string().into(),
        storages: storages.to_vec(),
        ..Default::default()
    }
}

fn exec_request(id: &str, exec: &str, process: &Value) -> ExecProcessRequest {
    ExecProcessRequest {
        container_id: id.into(),
        exec_id: exec.into(),
        process_json: process.to_string().into(),
        ..Default::default()
    }
}

fn bind(source: &Path, mount_point: &Path) -> Storage {
    Storage {
        driver: "bind".into(),
        source: source.display().to_string(),
        mount_point: mount_point.display().to_string(),
        fstype: "bind".into(),
        options: vec!["rbind".into()],
        ..Default::default()
    }
}

#[test]
fn a_file_system_that_does_not_answer_stops_nothing_else() {
    if let Some(why) = obstacle() {
        eprintln!("SKIPPED: a_file_system_that_does_not_answer_stops_nothing_else: {why}");
        return;
    }
    let mounted = SilentFs::mount(&folder("silent"));
    let scratch = folder("storages");
    fs::create_dir_all(scratch.join("good")).unwrap();
    let (_agent, guest) = HostAgent::start("silent");
    // Goes before the agent, whose end waits for it.
    let silent = mounted;
    guest.run("well", "exec sleep 1000");
    silent.silence();

    // More of all kinds than there were threads.
    let creating: Vec<_> = (0..6)
        .map(|n| {
            let request = create_request(&format!("hung{n}"), &with_mount(&guest, &silent.folder()), &[]);
            guest.client.start::<()>("CreateContainer", &request, Duration::ZERO)
        })
        .collect();
    let mounting: Vec<_> = (0..6)
        .map(|n| {
            let storage = bind(Path::new(&silent.folder()), &scratch.join(format!("hung{n}")));
            let request = create_request(&format!("mount{n}"), &spec(&guest.rootfs, &["true"]), &[storage]);
            guest.client.start::<()>("CreateContainer", &request, Duration::ZERO)
        })
        .collect();
    let statistics = guest.client.start::<VolumeStatsResponse>(
        "GetVolumeStats",
        &VolumeStatsRequest { volume_guest_path: silent.folder() },
        Duration::ZERO,
    );
    let mut rootless = spec(&guest.rootfs, &["true"]);
    rootless["root"]["path"] = json!(silent.folder());
    let root = guest.client.start::<()>("CreateContainer", &create_request("root", &rootless, &[]), Duration::ZERO);

    // Everything else goes on.
    guest.call::<HealthCheckResponse>("Check", &CheckRequest::default()).unwrap();
    assert_eq!(guest.exec_output("well", "one", "echo on").0, "on\n");
    for n in 0..3 {
        let (id, at) = (format!("new{n}"), scratch.join(format!("good{n}")));
        let storage = bind(&scratch.join("good"), &at);
        guest.create_with(&id, &with_mount(&guest, &at.display().to_string()), |r| r.storages = vec![storage]).unwrap();
        guest.start(&id).unwrap();
        guest.signal(&id, &id, 15).unwrap();
        guest.signal(&id, "", 9).unwrap();
        guest.wait(&id, "").unwrap();
        guest.remove(&id).unwrap();
        assert!(!at.exists());
    }
    guest.signal("well", "well", 9).unwrap();
    assert_eq!(guest.wait("well", ""), Ok(137));

    // What is being created can be removed, twice at once, and the id is free then.
    let again = guest.client.start::<()>(
        "RemoveContainer",
        &RemoveContainerRequest { container_id: "hung0".into(), timeout: 0 },
        Duration::ZERO,
    );
    guest.remove("hung0").unwrap();
    again.finish().unwrap();
    guest.create("hung0", &spec(&guest.rootfs, &["sleep", "1000"])).unwrap();
    guest.start("hung0").unwrap();
    guest.remove("hung0").unwrap();

    // A creation that its caller does not wait for any more undoes itself.
    let request = create_request("short", &with_mount(&guest, &silent.folder()), &[]);
    let short = guest.client.start::<()>("CreateContainer", &request, Duration::from_secs(1)).finish().unwrap_err();
    assert_eq!(short.code, DEADLINE_EXCEEDED, "{short:?}");
    assert!(short.message.contains("given up"), "{short:?}");
    guest.create("short", &spec(&guest.rootfs, &["true"])).unwrap();
    guest.remove("short").unwrap();

    // The rest is told why.
    for (n, pending) in creating.into_iter().chain([root]).enumerate() {
        let failure = pending.finish_within(ANSWERED).expect("an answer").unwrap_err();
        let (code, word) =
            if n == 0 { (FAILED_PRECONDITION, "was removed") } else { (DEADLINE_EXCEEDED, "did not answer") };
        assert_eq!(failure.code, code, "{failure:?}");
        assert!(failure.message.contains(word), "{failure:?}");
    }
    for (n, pending) in mounting.into_iter().enumerate() {
        let failure = pending.finish_within(ANSWERED).expect("an answer").unwrap_err();
        assert_eq!(failure.code, DEADLINE_EXCEEDED, "{failure:?}");
        assert!(failure.message.contains(&format!("hung{n}: mount: the file system did not")), "{failure:?}");
    }
    assert_eq!(statistics.finish_within(ANSWERED).expect("an answer").unwrap_err().code, DEADLINE_EXCEEDED);

    // What comes too late is taken back; then the same can be mounted.
    silent.wake();
    let at = scratch.join("hung0");
    let storage = bind(Path::new(&silent.folder()), &at);
    guest.create_with("late", &with_mount(&guest, &at.display().to_string()), |r| r.storages = vec![storage]).unwrap();
    guest.remove("late").unwrap();
    drop(silent);
    fs::remove_dir_all(&scratch).unwrap();
}

#[test]
fn an_exec_that_its_caller_has_given_up_does_not_run() {
    if let Some(why) = obstacle() {
        eprintln!("SKIPPED: an_exec_that_its_caller_has_given_up_does_not_run: {why}");
        return;
    }
    let mounted = SilentFs::mount(&folder("silent-exec"));
    let evidence = folder("evidence");
    fs::create_dir_all(&evidence).unwrap();
    let (_agent, guest) = HostAgent::start("silent-exec");
    // Goes before the agent, whose end waits for it.
    let silent = mounted;
    let mut spec = with_mount(&guest, &silent.folder());
    let source = evidence.display().to_string();
    let more = json!({"destination": "/more", "type": "bind", "source": source, "options": ["rbind", "rw"]});
    spec["mounts"].as_array_mut().unwrap().push(more);
    guest.create("box", &spec).unwrap();
    guest.start("box").unwrap();
    let in_data = |name: &str, terminal: bool| {
        let mut process = process(&["sh", "-c", &format!("echo >/more/{name}; sleep 1000")]);
        process["cwd"] = json!("/data");
        process["terminal"] = json!(terminal);
        exec_request("box", name, &process)
    };
    silent.silence();
    for (name, terminal) in [("timed", false), ("timed-tty", true)] {
        let request = in_data(name, terminal);
        let failure = guest.client.start::<()>("ExecProcess", &request, Duration::from_secs(2)).finish().unwrap_err();
        assert_eq!(failure.code, DEADLINE_EXCEEDED, "{failure:?}");
    }
    for (name, terminal) in [("killed", false), ("killed-tty", true)] {
        let starting = guest.client.start::<()>("ExecProcess", &in_data(name, terminal), Duration::ZERO);
        eventually("the exec is known", || guest.signal("box", name, 15).is_err_and(|f| f.code == FAILED_PRECONDITION));
        guest.signal("box", name, 9).unwrap();
        let failure = starting.finish().unwrap_err();
        assert_eq!(failure.code, FAILED_PRECONDITION, "{failure:?}");
        assert!(guest.wait("box", name).is_err(), "nothing is left of it");
    }
    silent.wake();
    // The same works now, so whoever had come so far would have written by now, too.
    guest.client.start::<()>("ExecProcess", &in_data("later", false), Duration::ZERO).finish().unwrap();
    eventually("the later one writes", || evidence.join("later").exists());
    std::thread::sleep(Duration::from_millis(500));
    let written: Vec<_> = fs::read_dir(&evidence).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(written, ["later"]);
    guest.remove("box").unwrap();
    drop(silent);
    fs::remove_dir_all(&evidence).unwrap();
}

#[test]
fn what_a_crun_that_hangs_has_started_is_killed_with_it() {
    if let Some(why) = obstacle() {
        eprintln!("SKIPPED: what_a_crun_that_hangs_has_started_is_killed_with_it: {why}");
        return;
    }
    let wrapper = folder("crun");
    let script = r#"#!/bin/sh
case " $* " in *" exec "*) crun "$@"; sleep 1000;; *) exec crun "$@";; esac
"#;
    fs::write(&wrapper, script).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let (_agent, guest) = HostAgent::start_with("hung-crun", &["--crun", &wrapper.display().to_string()]);
    guest.run("box", "exec sleep 1000");
    let mark = format!("{}.5", 100_000 + std::process::id());
    let runs = || {
        let all = fs::read_dir("/proc").unwrap().flatten();
        all.filter(|entry| {
            fs::read_to_string(entry.path().join("cmdline")).is_ok_and(|line| line.split('\0').any(|word| word == mark))
        })
        .count()
    };
    for terminal in [false, true] {
        let mut process = process(&["sleep", &mark]);
        process["terminal"] = json!(terminal);
        let request = exec_request("box", &format!("one-{terminal}"), &process);
        let starting = guest.client.start::<()>("ExecProcess", &request, Duration::from_secs(3));
        eventually("the process runs", || runs() > 0);
        assert_eq!(starting.finish().unwrap_err().code, DEADLINE_EXCEEDED);
        eventually("the process is gone", || runs() == 0);
    }
    guest.remove("box").unwrap();
    fs::remove_file(&wrapper).unwrap();
}
