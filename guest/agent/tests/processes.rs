//! The agent and its own processes and descriptors.

mod support;

use std::fs;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use support::host::{HostAgent, obstacle};
use support::pb::*;
use support::spec;

#[test]
fn the_exit_of_every_mkfs_is_known() {
    if let Some(why) = obstacle() {
        eprintln!("SKIPPED: the_exit_of_every_mkfs_is_known: {why}");
        return;
    }
    let (_agent, guest) = HostAgent::start("mkfs");
    let disk = std::env::temp_dir().join(format!("bulkhead-mkfs-{}", std::process::id()));
    // Too small for any file system: each mkfs fails, and each failure has to arrive.
    fs::write(&disk, "small").unwrap();
    let storage = |n: usize| Storage {
        driver: "mmioblk".into(),
        source: disk.display().to_string(),
        driver_options: vec!["create_filesystem".into()],
        mount_point: format!("{}.{n}", disk.display()),
        ..Default::default()
    };
    let pending: Vec<_> = (0..100)
        .map(|n| {
            let request = CreateContainerRequest {
                container_id: format!("disk{n}"),
                spec_json: spec(&guest.rootfs, &["true"]).to_string().into(),
                storages: vec![storage(n)],
                ..Default::default()
            };
            guest.client.start::<()>("CreateContainer", &request, Duration::ZERO)
        })
        .collect();
    for one in pending {
        let failure = one.finish().unwrap_err();
        assert!(failure.message.contains("mkfs.ext4 ended with status 1"), "{failure:?}");
    }
    fs::remove_file(&disk).unwrap();
}

#[test]
fn a_connection_that_cannot_be_taken_costs_no_processor_time() {
    if let Some(why) = obstacle() {
        eprintln!("SKIPPED: a_connection_that_cannot_be_taken_costs_no_processor_time: {why}");
        return;
    }
    let (agent, guest) = HostAgent::start("accept");
    let open = fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap().count() as u64;
    let limit = |soft: u64| {
        let limit = libc::rlimit { rlim_cur: soft, rlim_max: 4096 };
        // SAFETY: reads one rlimit; the agent is our child.
        let done = unsafe { libc::prlimit(agent.pid() as i32, libc::RLIMIT_NOFILE, &limit, std::ptr::null_mut()) };
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    };
    limit(open);
    let waiting = UnixStream::connect(agent.socket()).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let ticks = agent.processor_ticks();
    assert!(ticks < 50, "{ticks} hundredths of a second in two seconds of waiting");
    guest.call::<HealthCheckResponse>("Check", &CheckRequest::default()).unwrap();
    limit(4096);
    support::client::Client::new(waiting).call::<HealthCheckResponse>("Check", &CheckRequest::default()).unwrap();
}
