//! What must hold of an agent that has a machine of its own: limits, volumes, devices, namespaces, network.

use std::time::Duration;

use serde_json::{Value, json};

use super::machine::Machine;
use super::pb::*;
use super::types;
use super::{Guest, eventually, process, spec};

fn shell(guest: &Guest, command: &str) -> Value {
    spec(&guest.rootfs, &["sh", "-c", command])
}

fn with_mount(mut spec: Value, source: &str, destination: &str, kind: &str, options: &[&str]) -> Value {
    let mount = json!({"destination": destination, "type": kind, "source": source, "options": options});
    spec["mounts"].as_array_mut().unwrap().push(mount);
    spec
}

fn run_with(guest: &Guest, id: &str, spec: &Value, storages: Vec<Storage>) {
    guest.create_with(id, spec, |request| request.storages = storages).unwrap();
    guest.start(id).unwrap();
}

fn storage(driver: &str, mount_point: &str, options: &[&str]) -> Storage {
    Storage {
        driver: driver.into(),
        mount_point: mount_point.into(),
        options: options.iter().map(|o| (*o).to_owned()).collect(),
        ..Default::default()
    }
}

pub fn limits_and_statistics(guest: &Guest) {
    let mut limited = shell(guest, "exec sleep 1000");
    limited["linux"]["resources"]["memory"] = json!({"limit": 64 << 20, "swap": 64 << 20, "swappiness": 60});
    limited["linux"]["resources"]["cpu"] = json!({"shares": 512, "quota": 50000, "period": 100000, "cpus": "0-7"});
    limited["linux"]["resources"]["pids"] = json!({"limit": 50});
    guest.create("lim", &limited).unwrap();
    guest.start("lim").unwrap();
    let stats = |guest: &Guest| {
        let request = StatsContainerRequest { container_id: "lim".into() };
        guest.call::<StatsContainerResponse>("StatsContainer", &request).unwrap().cgroup_stats.unwrap()
    };
    let before = stats(guest);
    let memory = before.memory_stats.unwrap();
    assert_eq!(memory.usage.unwrap().limit, 64 << 20);
    assert!(memory.usage.unwrap().usage > 0 && memory.stats.contains_key("anon"));
    assert_eq!(before.pids_stats, Some(PidsStats { current: 1, limit: 50 }));
    assert!(before.cpu_stats.unwrap().cpu_usage.unwrap().total_usage > 0);
    assert!(before.blkio_stats.is_some());

    let resources = LinuxResources {
        memory: Some(LinuxMemory { limit: 96 << 20, ..Default::default() }),
        cpu: Some(LinuxCpu { quota: 80000, period: 100000, ..Default::default() }),
        pids: Some(LinuxPids { limit: 60 }),
        ..Default::default()
    };
    let update = UpdateContainerRequest {
        container_id: "lim".into(),
        resources: Some(resources),
        resources_json: Default::default(),
    };
    guest.call::<()>("UpdateContainer", &update).unwrap();
    let after = stats(guest);
    assert_eq!(after.memory_stats.unwrap().usage.unwrap().limit, 96 << 20);
    assert_eq!(after.pids_stats.unwrap().limit, 60);

    // What the protocol's own form has no place for.
    let update = |resources: Value| {
        let resources_json = resources.to_string().into();
        let update = UpdateContainerRequest { container_id: "lim".into(), resources_json, ..Default::default() };
        guest.call::<()>("UpdateContainer", &update).unwrap();
    };
    let files = "cat /cgroup/cpu.max /cgroup/cpu.max.burst /cgroup/cpu.idle /cgroup/memory.high /cgroup/pids.max";
    let mut looking = shell(guest, files);
    let group = json!({"destination": "/cgroup", "type": "bind", "source": "/sys/fs/cgroup/bulkhead-test/lim", "options": ["rbind", "ro"]});
    looking["mounts"].as_array_mut().unwrap().push(group);
    let look = || {
        guest.create("look", &looking).unwrap();
        guest.start("look").unwrap();
        let text = guest.stdout("look", "");
        guest.remove("look").unwrap();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let unified = json!({"memory.high": "50331648", "pids.max": "70"});
    update(json!({"cpu": {"quota": 70000, "period": 100000, "burst": 5000}, "unified": unified}));
    assert_eq!(look(), "70000 100000 5000 0 50331648 70");
    update(json!({"cpu": {"burst": 0, "idle": 1}, "unified": {"memory.high": "max"}}));
    assert_eq!(look(), "70000 100000 0 1 max 70");
    update(json!({"cpu": {"idle": 0}}));
    assert_eq!(look(), "70000 100000 0 0 max 70");
    guest.remove("lim").unwrap();
}

pub fn memory_shortage_is_reported(guest: &Guest) {
    let waiting = guest.client.start::<OomEvent>("GetOOMEvent", &GetOomEventRequest {}, Duration::ZERO);
    let mut hungry = shell(guest, "exec dd if=/dev/zero of=/dev/null bs=200M");
    hungry["linux"]["resources"]["memory"] = json!({"limit": 32 << 20});
    guest.create("oom", &hungry).unwrap();
    guest.start("oom").unwrap();
    assert_eq!(guest.wait("oom", ""), Ok(137));
    let event = waiting.finish_within(Duration::from_millis(500)).expect("the event comes before the exit");
    assert_eq!(event.unwrap().container_id, "oom");
    guest.remove("oom").unwrap();
}

pub fn memory_volumes_belong_to_the_sandbox(guest: &Guest) {
    let volume = || {
        let mut volume = storage(
            "ephemeral",
            "/run/kata-containers/sandbox/ephemeral/v",
            &["size=8m", "mode=0777", "fsgid=44", "nosuid"],
        );
        (volume.source, volume.fstype) = ("tmpfs".into(), "tmpfs".into());
        volume
    };
    let mounted = |command| with_mount(shell(guest, command), &volume().mount_point, "/data", "ephemeral", &["rw"]);
    run_with(guest, "e1", &mounted("echo kept > /data/file; exec sleep 1000"), vec![volume()]);
    run_with(guest, "e2", &mounted("exec sleep 1000"), vec![volume()]);
    eventually("the other container sees the file", || guest.exec_output("e2", "x", "cat /data/file").0 == "kept\n");
    assert_eq!(
        guest.exec_output("e2", "x", "stat -c '%a %g' /data; grep ' /data ' /proc/mounts").0.lines().next(),
        Some("2777 44")
    );
    let size = guest.exec_output("e2", "x", "df -k /data | tail -1").0;
    assert!(size.contains(" 8192 "), "{size}");
    let mut larger = volume();
    larger.options = vec!["size=16m".into()];
    guest.call::<()>("UpdateEphemeralMounts", &UpdateEphemeralMountsRequest { storages: vec![larger] }).unwrap();
    assert!(guest.exec_output("e1", "x", "df -k /data | tail -1").0.contains(" 16384 "));
    guest.remove("e1").unwrap();
    guest.remove("e2").unwrap();
    run_with(guest, "e3", &mounted("cat /data/file"), vec![volume()]);
    assert_eq!(guest.stdout("e3", ""), "kept\n", "a container that is made anew finds the data");
    guest.remove("e3").unwrap();
}

pub fn folders_binds_and_overlays(guest: &Guest) {
    let local = storage("local", "/run/kata-containers/sandbox/local/v", &["mode=0770", "fsgid=55"]);
    let mut overlay = storage("overlayfs", "/run/test/over/rootfs", &["io.katacontainers.fs-opt.overlay-rw"]);
    overlay.options.push(format!("lowerdir={}", guest.rootfs));
    (overlay.source, overlay.fstype) = ("none".into(), "overlay".into());
    let mut writable =
        spec(&overlay.mount_point, &["sh", "-c", "echo w > /written && stat -c '%a %g' /data && cat /written"]);
    writable["root"]["readonly"] = json!(false);
    let writable = with_mount(writable, &local.mount_point, "/data", "local", &[]);
    run_with(guest, "over", &writable, vec![local, overlay]);
    assert_eq!(guest.stdout("over", ""), "2770 55\nw\n");
    guest.remove("over").unwrap();

    let mut bind = storage("bind", "/run/test/bound", &["rbind", "ro"]);
    bind.source = guest.rootfs.clone();
    let bound = with_mount(shell(guest, "ls /data/bin/sh"), "/run/test/bound", "/data", "bind", &["rbind", "ro"]);
    run_with(guest, "bound", &bound, vec![bind]);
    assert_eq!(guest.stdout("bound", ""), "/data/bin/sh\n");
    guest.remove("bound").unwrap();

    let mut bad = storage("ephemeral", "/run/test/bad", &["size=nonsense"]);
    (bad.source, bad.fstype) = ("tmpfs".into(), "tmpfs".into());
    let failed = guest.create_with("bad", &shell(guest, "true"), |request| {
        request.storages = vec![storage("local", "/run/test/good", &[]), bad];
    });
    assert!(failed.unwrap_err().message.contains("/run/test/bad"));
}

pub fn folders_of_volumes_cannot_lead_out(guest: &Guest) {
    let mut volume = storage("ephemeral", "/run/kata-containers/sandbox/ephemeral/sub", &["mode=0777"]);
    (volume.source, volume.fstype) = ("tmpfs".into(), "tmpfs".into());
    let folder = |name: &str| storage("local", &format!("{}/{name}", volume.mount_point), &["mode=0750", "fsgid=9"]);
    let of_folder = |name: &str, command: &str| {
        with_mount(shell(guest, command), &folder(name).mount_point, "/data", "bind", &["rbind"])
    };
    run_with(guest, "sub1", &of_folder("good/deep", "echo in > /data/file"), vec![volume.clone(), folder("good/deep")]);
    assert_eq!(guest.wait("sub1", ""), Ok(0));
    let root = with_mount(
        shell(guest, "cat /data/good/deep/file; stat -c %a-%g /data/good/deep; ln -s /run/bulkhead /data/evil"),
        &volume.mount_point,
        "/data",
        "bind",
        &["rbind"],
    );
    run_with(guest, "sub2", &root, vec![volume.clone()]);
    assert_eq!(guest.stdout("sub2", ""), "in\n2770-9\n");
    assert_eq!(guest.wait("sub2", ""), Ok(0));
    for name in ["evil", "evil/ns"] {
        let failed =
            guest.create_with("sub3", &of_folder(name, "true"), |r| r.storages = vec![volume.clone(), folder(name)]);
        assert!(failed.is_err(), "a folder through a link");
        let failed = guest.create_with("sub3", &of_folder(name, "true"), |r| r.storages = vec![volume.clone()]);
        assert!(failed.is_err(), "a source through a link");
    }
    guest.remove("sub1").unwrap();
    guest.remove("sub2").unwrap();
}

pub fn changes_in_watched_folders_arrive(guest: &Guest) {
    // The source is written through another container, as the host would do it through the share.
    let source = storage("local", "/run/kata-containers/sandbox/local/config", &[]);
    let writer =
        with_mount(shell(guest, "echo one > /data/key; exec sleep 1000"), &source.mount_point, "/data", "local", &[]);
    run_with(guest, "writer", &writer, vec![source.clone()]);
    eventually("the file is there", || guest.exec_output("writer", "x", "cat /data/key").0 == "one\n");
    let mut watched = storage("watchable-bind", "/run/test/watchable/config", &["ro"]);
    (watched.source, watched.fstype) = (source.mount_point, "bind".into());
    let reader = with_mount(shell(guest, "exec sleep 1000"), &watched.mount_point, "/data", "bind", &["rbind", "rw"]);
    run_with(guest, "reader", &reader, vec![watched]);
    // A file system in memory, where the kernel reports changes, and which the container cannot change itself.
    assert!(guest.exec_output("reader", "x", "grep ' /data ' /proc/mounts").0.contains("tmpfs ro"));
    assert_eq!(guest.exec_output("reader", "x", "cat /data/key").0, "one\n");
    guest.exec_output("writer", "x", "echo two > /data/new; mv /data/new /data/key");
    eventually("the change arrives", || guest.exec_output("reader", "x", "cat /data/key").0 == "two\n");
    guest.remove("reader").unwrap();
    guest.remove("writer").unwrap();
}

pub fn namespaces_are_the_sandboxes(guest: &Guest) {
    guest.run("ns1", "exec sleep 1000");
    guest.run("ns2", "exec sleep 1000");
    let of = |id: &str, kind: &str| guest.exec_output(id, "x", &format!("readlink /proc/self/ns/{kind}")).0;
    for shared in ["ipc", "uts", "net"] {
        assert_eq!(of("ns1", shared), of("ns2", shared), "{shared}");
    }
    for own in ["pid", "mnt", "cgroup"] {
        assert_ne!(of("ns1", own), of("ns2", own), "{own}");
    }
    assert_eq!(guest.exec_output("ns1", "x", "cat /proc/self/cgroup").0, "0::/\n");
    // The first container that lives owns the pid namespace of all that want to share one.
    guest.create_with("ns3", &shell(guest, "exec sleep 1000"), |request| request.sandbox_pidns = true).unwrap();
    guest.start("ns3").unwrap();
    assert_eq!(of("ns1", "pid"), of("ns3", "pid"));
    let mut target = shell(guest, "exec sleep 1000");
    target["linux"]["namespaces"][0] = json!({"type": "pid", "path": "container:ns2"});
    guest.create("ns4", &target).unwrap();
    guest.start("ns4").unwrap();
    assert_eq!(of("ns2", "pid"), of("ns4", "pid"));
    // A container that shares a namespace dies alone, with all its processes.
    guest.exec_shell("ns3", "bg", "exec sleep 1000").unwrap();
    guest.signal("ns3", "", 9).unwrap();
    assert_eq!(guest.wait("ns3", ""), Ok(137));
    assert_eq!(guest.wait("ns3", "bg"), Ok(137));
    guest.exec_shell("ns1", "alive", "true").unwrap();
    for id in ["ns4", "ns3", "ns2", "ns1"] {
        guest.remove(id).unwrap();
    }
}

pub fn the_specification_is_enforced(guest: &Guest) {
    let mut strict = shell(guest, "exec sleep 1000");
    strict["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]});
    strict["linux"]["sysctl"] = json!({"net.ipv4.ip_unprivileged_port_start": "80", "kernel.shmmax": "123456"});
    strict["process"]["apparmorProfile"] = json!("cri-containerd.apparmor.d");
    strict["process"]["oomScoreAdj"] = json!(500);
    strict["linux"]["devices"] =
        json!([{"path": "/dev/kmsg2", "type": "c", "major": 1, "minor": 11, "fileMode": 438, "uid": 0, "gid": 0}]);
    guest.create("strict", &strict).unwrap();
    guest.start("strict").unwrap();
    let said = |command: &str| guest.exec_output("strict", "x", &format!("{{ {command}; }} 2>&1")).0;
    assert!(said("mkdir /tmp/x").contains("Function not implemented"), "seccomp");
    assert!(said("touch /x").contains("Read-only"), "root");
    assert!(
        said("mount -t tmpfs none /tmp").contains("denied")
            || said("mount -t tmpfs none /tmp").contains("not permitted")
    );
    assert_eq!(said("cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shmmax"), "80\n123456\n");
    assert_eq!(said("cat /proc/1/oom_score_adj; grep -c 'open files *1024 *1024' /proc/1/limits"), "500\n1\n");
    assert!(said("cat /proc/kcore | head -c 1 | wc -c").ends_with("0\n"), "masked path");
    assert!(said("echo 1 > /proc/sys/vm/drop_caches").contains("Read-only"), "read-only path");
    assert!(said("cat /dev/kmsg2").contains("not permitted"), "device rules");
    let mut user = process(&["sh", "-c", "id -u; id -g; id -G; echo visible > /dev/stdout; cat /dev/kmsg2"]);
    user["user"] = json!({"uid": 1000, "gid": 1001, "additionalGids": [7]});
    guest.exec("strict", "user", &user).unwrap();
    assert_eq!(guest.stdout("strict", "user"), "1000\n1001\n1001 7\nvisible\n");
    assert_ne!(guest.wait("strict", "user"), Ok(0));
    let start = "grep '\\[stack\\]' /proc/self/maps | cut -d- -f1";
    assert_ne!(said(start), said(start), "addresses are not predictable");
    guest.remove("strict").unwrap();
}

pub fn devices_are_plugged_in(guest: &Guest, machine: &Machine) {
    let disk = machine.make_file("disk.img", 64 << 20);
    machine.monitor(&format!("drive_add 0 if=none,id=hot,file={disk},format=raw"));
    let device =
        Device { id: "06/00".into(), r#type: "blk".into(), container_path: "/dev/data".into(), ..Default::default() };
    let mut with_device = shell(guest, "dd if=/dev/data bs=1M 2>/dev/null | wc -c");
    with_device["linux"]["devices"] = json!([{"path": "/dev/data", "type": "b", "major": 8, "minor": 99}]);
    with_device["linux"]["resources"]["devices"]
        .as_array_mut()
        .unwrap()
        .push(json!({"allow": true, "type": "b", "major": 8, "minor": 99, "access": "r"}));
    let request = CreateContainerRequest {
        container_id: "disk".into(),
        devices: vec![device],
        spec_json: with_device.to_string().into(),
        ..Default::default()
    };
    // The request comes first: the agent has to wait for the device.
    let pending = guest.client.start::<()>("CreateContainer", &request, Duration::ZERO);
    assert!(pending.finish_within(Duration::from_millis(300)).is_none());
    machine.monitor("device_add virtio-blk-pci,drive=hot,id=hot,bus=port0,serial=hotdisk");
    pending.finish().unwrap();
    guest.start("disk").unwrap();
    assert_eq!(guest.stdout("disk", ""), format!("{}\n", 64 << 20));
    guest.remove("disk").unwrap();

    let mut by_serial = storage("blk", "/run/test/serial", &[]);
    (by_serial.source, by_serial.fstype) = ("serial:rootfs".into(), "erofs".into());
    by_serial.options = vec!["ro".into()];
    run_with(
        guest,
        "serial",
        &with_mount(shell(guest, "ls /data/bin/sh"), "/run/test/serial", "/data", "bind", &["rbind"]),
        vec![by_serial],
    );
    assert_eq!(guest.stdout("serial", ""), "/data/bin/sh\n");
    guest.remove("serial").unwrap();
}

pub fn the_network_is_set_up(guest: &Guest, machine: &Machine) {
    machine.monitor("netdev_add user,id=net0,restrict=on");
    let address = |ip: &str, mask: &str| types::IpAddress {
        family: i32::from(ip.contains(':')),
        address: ip.into(),
        mask: mask.into(),
    };
    let interface = types::Interface {
        device: "eth0".into(),
        name: "eth0".into(),
        ip_addresses: vec![address("10.88.0.5", "16"), address("fd00::5", "64")],
        mtu: 1400,
        hw_addr: "52:54:00:aa:bb:01".into(),
        ..Default::default()
    };
    let update = UpdateInterfaceRequest { interface: Some(interface.clone()) };
    let pending = guest.client.start::<types::Interface>("UpdateInterface", &update, Duration::ZERO);
    assert!(pending.finish_within(Duration::from_millis(200)).is_none());
    machine.monitor("device_add virtio-net-pci,netdev=net0,id=net0,bus=port1,mac=52:54:00:aa:bb:01");
    assert_eq!(pending.finish().unwrap(), interface);
    // Twice is the same as once.
    guest.call::<types::Interface>("UpdateInterface", &update).unwrap();
    let listed = guest.call::<Interfaces>("ListInterfaces", &ListInterfacesRequest {}).unwrap().interfaces;
    let eth0 = listed.iter().find(|i| i.name == "eth0").unwrap();
    assert_eq!((eth0.mtu, eth0.hw_addr.as_str()), (1400, "52:54:00:aa:bb:01"));
    for wanted in &interface.ip_addresses {
        assert!(eth0.ip_addresses.contains(wanted), "{wanted:?} in {:?}", eth0.ip_addresses);
    }
    let route = |dest: &str, gateway: &str, family: i32| types::Route {
        dest: dest.into(),
        gateway: gateway.into(),
        device: "eth0".into(),
        family,
        ..Default::default()
    };
    let link = types::Route { scope: 253, mtu: 1300, ..route("10.99.0.0/24", "", 0) };
    let routes = vec![route("", "10.88.0.1", 0), link, route("", "fd00::1", 1), route("192.0.2.0/24", "10.99.0.1", 0)];
    for _ in 0..2 {
        let update = UpdateRoutesRequest { routes: Some(Routes { routes: routes.clone() }) };
        guest.call::<Routes>("UpdateRoutes", &update).unwrap();
    }
    let listed = guest.call::<Routes>("ListRoutes", &ListRoutesRequest {}).unwrap().routes;
    for (dest, gateway, mtu) in
        [("", "10.88.0.1", 0), ("10.99.0.0/24", "", 1300), ("", "fd00::1", 0), ("192.0.2.0/24", "10.99.0.1", 0)]
    {
        let found = listed.iter().any(|r| r.dest == dest && r.gateway == gateway && r.mtu == mtu && r.device == "eth0");
        assert!(found, "{dest} via {gateway} in {listed:?}");
    }
    let neighbor = types::ArpNeighbor {
        to_ip_address: Some(address("10.88.0.1", "")),
        device: "eth0".into(),
        lladdr: "52:54:00:aa:bb:99".into(),
        ..Default::default()
    };
    let neighbors = ArpNeighbors { arp_neighbors: vec![neighbor] };
    guest.call::<()>("AddARPNeighbors", &AddArpNeighborsRequest { neighbors: Some(neighbors) }).unwrap();
    guest.run("net", "grep 10.88.0.1 /proc/net/arp; ip -o addr show lo | grep -c 127.0.0.1");
    let seen = guest.stdout("net", "");
    assert!(seen.contains("52:54:00:aa:bb:99") && seen.ends_with("1\n"), "{seen}");
    guest.remove("net").unwrap();
    let unknown = types::Interface { name: "eth9".into(), ..Default::default() };
    let failed =
        guest.call::<types::Interface>("UpdateInterface", &UpdateInterfaceRequest { interface: Some(unknown) });
    assert!(failed.unwrap_err().message.contains("Link not found"));
}

pub fn the_machine_answers(guest: &Guest) {
    let version = guest.call::<VersionCheckResponse>("Version", &CheckRequest::default()).unwrap();
    assert!(version.agent_version.starts_with("bulkhead-agent/"));
    let request = GuestDetailsRequest { mem_block_size: true, mem_hotplug_probe: true };
    let details = guest.call::<GuestDetailsResponse>("GetGuestDetails", &request).unwrap();
    assert!(details.mem_block_size_bytes >= 1 << 20);
    assert!(details.agent_details.unwrap().init_daemon);
    guest.call::<()>("ReseedRandomDev", &ReseedRandomDevRequest { data: vec![7; 512].into() }).unwrap();
    let set_clock = |sec, usec| {
        guest.call::<()>("SetGuestDateTime", &SetGuestDateTimeRequest { sec, usec }).unwrap();
    };
    let date = |id: &str| {
        guest.run(id, "date +%s");
        guest.stdout(id, "")
    };
    set_clock(2_000_000_000, 5);
    assert!(date("date").starts_with("20000000"));
    // While there is a container it goes back only when it is far ahead.
    set_clock(2_000_000_100, 0);
    set_clock(2_000_000_099, 500_000);
    assert!(date("ahead").starts_with("20000001"));
    set_clock(2_000_000_050, 0);
    assert!(date("back").starts_with("20000000"));
    for id in ["date", "ahead", "back"] {
        guest.remove(id).unwrap();
    }
    guest.call::<()>("OnlineCPUMem", &OnlineCpuMemRequest { nb_cpus: 1, ..Default::default() }).unwrap();
    let rules = guest.call::<GetIpTablesResponse>("GetIPTables", &GetIpTablesRequest::default());
    assert!(rules.is_ok() || rules.unwrap_err().code == 12);
    let usage =
        guest.call::<VolumeStatsResponse>("GetVolumeStats", &VolumeStatsRequest { volume_guest_path: "/run".into() });
    assert_eq!(usage.unwrap().usage.len(), 2);
    let file = CopyFileRequest {
        path: "/run/kata-containers/shared/containers/a/b".into(),
        file_size: 3,
        file_mode: 0o644,
        data: b"abc".to_vec().into(),
        ..Default::default()
    };
    guest.call::<()>("CopyFile", &file).unwrap();
    assert_eq!(guest.call::<()>("ResizeVolume", &ResizeVolumeRequest::default()).unwrap_err().code, 12);
    assert_eq!(guest.call::<()>("SetPolicy", &SetPolicyRequest::default()).unwrap_err().code, 12);
}
