//! What must hold of an agent wherever it runs.

use std::time::{Duration, Instant};

use serde_json::json;

use super::pb::*;
use super::{Guest, eventually, process, spec};

pub fn output_and_exit_code(guest: &Guest) {
    guest.run("out", "echo hello; echo oops >&2; exit 7");
    assert_eq!(guest.stdout("out", ""), "hello\n");
    assert_eq!(guest.read_all("ReadStderr", "out", "out"), b"oops\n");
    assert_eq!(guest.wait("out", ""), Ok(7));
    assert_eq!(guest.wait("out", "out"), Ok(7), "the status stays answerable");
    guest.remove("out").unwrap();
    assert_eq!(guest.wait("out", "").unwrap_err().code, 3);
    assert_eq!(guest.remove("out").unwrap_err().code, 3);
}

pub fn input_reaches_the_process(guest: &Guest) {
    guest.run("in", "cat");
    let data: Vec<u8> = (0..3_000_000u32).map(|i| i as u8).collect();
    let reader = {
        let guest = Guest { client: guest.client.clone(), rootfs: String::new(), is_machine: false };
        std::thread::spawn(move || guest.read_all("ReadStdout", "in", ""))
    };
    for part in data.chunks(300_000) {
        assert_eq!(guest.write("in", "in", part), Ok(part.len() as u32));
    }
    guest.call::<()>("CloseStdin", &CloseStdinRequest { container_id: "in".into(), exec_id: String::new() }).unwrap();
    assert!(reader.join().unwrap() == data, "what was written comes back");
    assert_eq!(guest.wait("in", ""), Ok(0));
    assert_eq!(guest.write("in", "", b"x").unwrap_err().code, 9);
    guest.remove("in").unwrap();
}

pub fn a_blocked_stdin_blocks_nobody_else(guest: &Guest) {
    guest.run("full", "sleep 1000");
    let write = WriteStreamRequest { container_id: "full".into(), data: vec![0; 1 << 20].into(), ..Default::default() };
    let blocked = guest.client.start::<WriteStreamResponse>("WriteStdin", &write, Duration::ZERO);
    let close = CloseStdinRequest { container_id: "full".into(), exec_id: String::new() };
    guest.call::<()>("CloseStdin", &close).unwrap();
    guest.call::<HealthCheckResponse>("Check", &CheckRequest::default()).unwrap();
    let read = ReadStreamRequest { container_id: "full".into(), ..Default::default() };
    let expired = guest.client.start::<ReadStreamResponse>("ReadStdout", &read, Duration::from_millis(50)).finish();
    assert_eq!(expired.unwrap_err().code, 4);
    assert!(blocked.finish_within(Duration::from_millis(50)).is_none());
    guest.signal("full", "", 9).unwrap();
    assert_eq!(guest.wait("full", ""), Ok(137));
    assert_eq!(blocked.finish().unwrap_err().code, 9);
    guest.remove("full").unwrap();
}

pub fn processes_are_started_in_a_container(guest: &Guest) {
    guest.run("many", "exec sleep 1000");
    assert_eq!(guest.exec_output("many", "one", "echo in; hostname; exit 3"), ("in\ninside\n".into(), 3));
    assert_eq!(guest.wait("many", "one"), Ok(3), "a late wait still gets the status");
    assert_eq!(guest.exec_output("many", "one", "echo again").0, "again\n", "an id can be used again");

    let missing = guest.exec("many", "two", &process(&["/no/such"])).unwrap_err();
    assert!(missing.message.contains("/no/such") || missing.message.contains("No such file"), "{missing:?}");
    let mut elsewhere = process(&["true"]);
    elsewhere["cwd"] = json!("/nowhere");
    let wrong = guest.exec("many", "three", &elsewhere).unwrap_err();
    assert!(wrong.message.contains("nowhere") || wrong.message.contains("chdir"), "{wrong:?}");
    assert_eq!(guest.wait("many", "three").unwrap_err().code, 5, "nothing is left of it");

    guest.exec_shell("many", "sleeper", "sleep 1000").unwrap();
    assert_eq!(guest.exec_shell("many", "sleeper", "true").unwrap_err().code, 6);
    guest.signal("many", "sleeper", 15).unwrap();
    assert_eq!(guest.wait("many", "sleeper"), Ok(143));
    guest.signal("many", "sleeper", 15).unwrap();

    guest.signal("many", "many", 9).unwrap();
    assert_eq!(guest.wait("many", "many"), Ok(137));
    assert_eq!(guest.exec_shell("many", "late", "true").unwrap_err().code, 9);
    guest.remove("many").unwrap();
}

pub fn a_process_left_behind_does_not_hold_the_output(guest: &Guest) {
    guest.run("left", "exec sleep 1000");
    guest.exec_shell("left", "bg", "sleep 1000 & echo done").unwrap();
    assert_eq!(guest.wait("left", "bg"), Ok(0));
    let began = Instant::now();
    assert_eq!(guest.stdout("left", "bg"), "done\n");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    guest.remove("left").unwrap();
}

pub fn what_a_process_left_behind_writes_is_read_until_it_is_released(guest: &Guest) {
    guest.run("later", "exec sleep 1000");
    guest.exec_shell("later", "bg", "(sleep 1; echo late; exec sleep 1000) & echo early").unwrap();
    let read = ReadStreamRequest { container_id: "later".into(), exec_id: "bg".into(), len: 6, to_end: true };
    let next = || guest.client.start::<ReadStreamResponse>("ReadStdout", &read, Duration::ZERO);
    assert_eq!(next().finish().unwrap().data, "early\n".as_bytes());
    assert_eq!(guest.wait("later", "bg"), Ok(0));
    assert_eq!(next().finish().unwrap().data, "late\n".as_bytes());
    let pending = next();
    assert!(pending.finish_within(Duration::from_millis(800)).is_none(), "the writer lives");
    guest.release("later", "bg").unwrap();
    assert!(pending.finish().unwrap().data.is_empty());
    assert!(next().finish().unwrap().data.is_empty());
    guest.release("later", "nobody").unwrap();
    guest.remove("later").unwrap();
}

pub fn a_terminal_works(guest: &Guest) {
    let mut spec = spec(&guest.rootfs, &["sh", "-c", "stty size; read line; echo \"got $line\"; exit 4"]);
    spec["process"]["terminal"] = json!(true);
    guest.create("tty", &spec).unwrap();
    let size = TtyWinResizeRequest { container_id: "tty".into(), exec_id: String::new(), row: 33, column: 99 };
    guest.call::<()>("TtyWinResize", &size).unwrap();
    guest.start("tty").unwrap();
    assert_eq!(guest.read("ReadStderr", "tty", "", 100), Ok(vec![]));
    guest.write("tty", "", b"word\n").unwrap();
    let shown = guest.stdout("tty", "");
    assert!(shown.contains("33 99") && shown.contains("got word"), "{shown:?}");
    assert_eq!(guest.wait("tty", ""), Ok(4));

    guest.run("notty", "exec sleep 1000");
    let size = TtyWinResizeRequest { container_id: "notty".into(), ..size };
    assert_eq!(guest.call::<()>("TtyWinResize", &size).unwrap_err().code, 14);
    let mut shell = process(&["sh", "-c", "tty; exit 5"]);
    shell["terminal"] = json!(true);
    guest.exec("notty", "shell", &shell).unwrap();
    assert!(guest.stdout("notty", "shell").contains("/dev/pts/"));
    assert_eq!(guest.wait("notty", "shell"), Ok(5));
    guest.remove("notty").unwrap();
    guest.remove("tty").unwrap();
}

pub fn failures_to_create_leave_nothing(guest: &Guest) {
    let failed = guest.create("bad", &spec(&guest.rootfs, &["/no/such/program"]));
    match failed {
        Err(failure) => assert!(failure.message.contains("/no/such/program"), "{failure:?}"),
        // Some versions only notice when the process is started.
        Ok(()) => {
            assert!(guest.start("bad").is_err() || guest.wait("bad", "") != Ok(0));
            guest.remove("bad").unwrap();
        }
    }
    let mut no_source = spec(&guest.rootfs, &["true"]);
    let mount = json!({"destination": "/data", "type": "bind", "source": "/no/source", "options": ["rbind"]});
    no_source["mounts"].as_array_mut().unwrap().push(mount);
    let failure = guest.create("bad", &no_source).unwrap_err();
    assert!(failure.message.contains("/no/source"), "{failure:?}");
    assert_eq!(guest.create("../bad", &spec(&guest.rootfs, &["true"])).unwrap_err().code, 3);
    assert!(guest.create("bad", &spec("/no/rootfs", &["true"])).unwrap_err().message.contains("/no/rootfs"));
    // The same id is free, and works.
    guest.run("bad", "exit 1");
    assert_eq!(guest.create("bad", &spec(&guest.rootfs, &["true"])).unwrap_err().code, 6);
    assert_eq!(guest.wait("bad", ""), Ok(1));
    guest.remove("bad").unwrap();
}

pub fn pause_stops_and_resume_continues(guest: &Guest) {
    guest.run("ice", "while true; do echo tick; sleep 0.01; done");
    guest.read("ReadStdout", "ice", "", 100).unwrap();
    guest.call::<()>("PauseContainer", &PauseContainerRequest { container_id: "ice".into() }).unwrap();
    assert_eq!(guest.exec_shell("ice", "x", "true").unwrap_err().code, 9);
    let read = ReadStreamRequest { container_id: "ice".into(), exec_id: String::new(), len: 1 << 20, to_end: false };
    let mut pending = guest.client.start::<ReadStreamResponse>("ReadStdout", &read, Duration::ZERO);
    if pending.finish_within(Duration::from_millis(300)).is_some() {
        // It had written something before; now there is nothing more.
        pending = guest.client.start("ReadStdout", &read, Duration::ZERO);
        assert!(pending.finish_within(Duration::from_millis(300)).is_none());
    }
    guest.call::<()>("ResumeContainer", &ResumeContainerRequest { container_id: "ice".into() }).unwrap();
    assert!(!pending.finish().unwrap().data.is_empty());
    guest.signal("ice", "", 9).unwrap();
    guest.remove("ice").unwrap();
}

pub fn many_processes_leave_nothing(guest: &Guest) {
    guest.run("storm", "exec sleep 1000");
    let before = metric(guest, "kata_agent_fds");
    for round in 0..3 {
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let guest = Guest { client: guest.client.clone(), rootfs: String::new(), is_machine: false };
                std::thread::spawn(move || {
                    let id = format!("e{round}-{n}");
                    guest.exec_shell("storm", &id, &format!("echo {id}; exit {n}")).unwrap();
                    assert_eq!(guest.stdout("storm", &id), format!("{id}\n"));
                    assert_eq!(guest.wait("storm", &id), Ok(n));
                })
            })
            .collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
    }
    eventually("no descriptor is left", || metric(guest, "kata_agent_fds") <= before);
    guest.remove("storm").unwrap();
}

pub fn metric(guest: &Guest, name: &str) -> f64 {
    let text = guest.call::<Metrics>("GetMetrics", &GetMetricsRequest::default()).unwrap().metrics;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()).unwrap()
}

pub fn the_protocols_own_form_works(guest: &Guest) {
    let texts = |all: &[&str]| all.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let mount = |kind: &str| Mount {
        destination: if kind == "proc" { "/proc".into() } else { "/dev".into() },
        source: kind.into(),
        r#type: kind.into(),
        options: vec![],
    };
    let namespace = |kind: &str| LinuxNamespace { r#type: kind.into(), path: String::new() };
    let spec = Spec {
        version: "1.0.2".into(),
        process: Some(Process {
            args: texts(&["sh", "-c", "echo proto $$; id -u"]),
            env: texts(&["PATH=/bin"]),
            cwd: "/".into(),
            user: Some(User { uid: 12, gid: 13, ..Default::default() }),
            capabilities: Some(LinuxCapabilities::default()),
            ..Default::default()
        }),
        root: Some(Root { path: guest.rootfs.clone(), readonly: true }),
        mounts: ["proc", "tmpfs"].map(mount).into(),
        linux: Some(Linux {
            namespaces: ["ipc", "uts", "mount"].map(namespace).into(),
            cgroups_path: "/bulkhead-test/proto".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let request = CreateContainerRequest {
        container_id: "proto".into(),
        exec_id: "proto".into(),
        oci: Some(spec),
        ..Default::default()
    };
    guest.call::<()>("CreateContainer", &request).unwrap();
    guest.start("proto").unwrap();
    assert_eq!(guest.stdout("proto", "proto"), "proto 1\n12\n");
    assert_eq!(guest.wait("proto", "proto"), Ok(0));
    guest.remove("proto").unwrap();
}

pub fn the_host_reaches_programs_in_the_sandbox(guest: &Guest) {
    use super::guest::*;
    guest.run("serve", "exec nc -l -p 47813 -e /bin/cat");
    let dial = DialRequest { id: 5, port: 47813, ipv6: true };
    eventually("the server listens", || match guest.call::<()>("Dial", &dial) {
        Ok(()) => true,
        Err(failure) => {
            assert_eq!(failure.code, 14);
            false
        }
    });
    assert_eq!(guest.call::<()>("Dial", &dial).unwrap_err().code, 6);
    let data: Vec<u8> = (0..500_000u32).map(|i| i as u8).collect();
    let write = WriteConnectionRequest { id: 5, data: data.clone().into(), end: true };
    let writing = guest.client.start::<()>("WriteConnection", &write, Duration::ZERO);
    let mut back = Vec::new();
    let read = ReadConnectionRequest { id: 5, len: 1 << 20 };
    loop {
        let part = guest.call::<ReadConnectionResponse>("ReadConnection", &read).unwrap().data;
        if part.is_empty() {
            break;
        }
        back.extend(part);
    }
    assert!(back == data);
    writing.finish().unwrap();
    assert!(guest.call::<ReadConnectionResponse>("ReadConnection", &read).unwrap().data.is_empty());
    for _ in 0..2 {
        guest.call::<()>("CloseConnection", &CloseConnectionRequest { id: 5 }).unwrap();
    }
    assert_eq!(guest.call::<ReadConnectionResponse>("ReadConnection", &read).unwrap_err().code, 5);
    guest.remove("serve").unwrap();
}

/// All of the above.
pub fn all(guest: &Guest) {
    output_and_exit_code(guest);
    input_reaches_the_process(guest);
    a_blocked_stdin_blocks_nobody_else(guest);
    processes_are_started_in_a_container(guest);
    a_process_left_behind_does_not_hold_the_output(guest);
    what_a_process_left_behind_writes_is_read_until_it_is_released(guest);
    a_terminal_works(guest);
    failures_to_create_leave_nothing(guest);
    if guest.is_machine || std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        pause_stops_and_resume_continues(guest);
    }
    many_processes_leave_nothing(guest);
    the_protocols_own_form_works(guest);
    the_host_reaches_programs_in_the_sandbox(guest);
}
