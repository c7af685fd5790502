//! Figures of the agent in a machine: memory, round trip, exec latency, output throughput.
//!
//!     cargo bench --bench measure [-- DIR ...]
//!
//! Each DIR holds a kernel `vmlinux` and an `image` (without one: the built guest image). Several are measured in turns,
//! so that what else the computer does falls on all of them alike. Behind every time stands the processor time that the
//! whole emulated machine used for it, which a busy computer changes less.

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use support::machine::{Machine, create_sandbox, obstacle};
use support::pb::*;
use support::scenarios::metric;
use support::{Guest, process, spec};

const MIB: usize = 1 << 20;
const ROUNDS: usize = 12;

struct Subject {
    name: String,
    machine: Machine,
    guest: Guest,
}

fn main() {
    if let Some(why) = obstacle() {
        eprintln!("SKIPPED: {why}");
        return;
    }
    let built = || format!("{}/../../build/share/bulkhead", env!("CARGO_MANIFEST_DIR"));
    let mut dirs: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if dirs.is_empty() {
        dirs.push(built());
    }
    let subjects: Vec<Subject> = dirs.iter().enumerate().map(boot).collect();
    in_turns(&subjects, "Health.Check round trip", 200, |guest, _| {
        guest.call::<HealthCheckResponse>("Check", &CheckRequest::default()).unwrap();
    });
    subjects.iter().for_each(|subject| start_container(&subject.guest));
    in_turns(&subjects, "exec /bin/true to its exit", ROUNDS, |guest, n| {
        let id = format!("t{n}");
        guest.exec("c", &id, &process(&["/bin/true"])).unwrap();
        guest.wait("c", &id).unwrap();
    });
    // The difference between these is what the start of crun's program alone costs.
    in_turns(&subjects, "exec crun --version to its exit", ROUNDS, |guest, n| {
        let id = format!("v{n}");
        guest.exec("c", &id, &process(&["/usr/bin/crun", "--version"])).unwrap();
        guest.wait("c", &id).unwrap();
    });
    in_turns(&subjects, "create", ROUNDS, |guest, n| {
        guest.create(&format!("k{n}"), &spec(&guest.rootfs, &["/bin/true"])).unwrap();
    });
    in_turns(&subjects, "start to exit", ROUNDS, |guest, n| {
        guest.start(&format!("k{n}")).unwrap();
        guest.wait(&format!("k{n}"), "").unwrap();
    });
    in_turns(&subjects, "remove", ROUNDS, |guest, n| guest.remove(&format!("k{n}")).unwrap());
    for ahead in [1, 2] {
        in_turns(&subjects, &format!("50 MiB of output, {ahead} reads ahead"), 5, |guest, n| {
            read_output(guest, &format!("d{ahead}{n}"), ahead, 50);
        });
    }
    for subject in &subjects {
        let rss = metric(&subject.guest, "kata_agent_total_rss") / MIB as f64;
        println!("{}: agent RSS at the end {rss:.2} MiB", subject.name);
    }
}

fn boot((number, dir): (usize, &String)) -> Subject {
    let (machine, guest) = Machine::start_from(Path::new(dir), &format!("measure{number}"), &[]);
    create_sandbox(&guest);
    let name = dir.rsplit('/').next().unwrap_or(dir).to_owned();
    println!("{name}: agent RSS idle {:.2} MiB", metric(&guest, "kata_agent_total_rss") / MIB as f64);
    Subject { name, machine, guest }
}

/// A container in which the guest's own programs can be run, too.
fn start_container(guest: &Guest) {
    let mut spec = spec(&guest.rootfs, &["sleep", "100000"]);
    for (source, destination) in [("/usr", "/usr"), ("/usr/lib", "/lib"), ("/usr/lib64", "/lib64")] {
        let mount = serde_json::json!({"destination": destination, "type": "bind", "source": source, "options": ["rbind", "ro"]});
        spec["mounts"].as_array_mut().unwrap().push(mount);
    }
    guest.create("c", &spec).unwrap();
    guest.start("c").unwrap();
}

/// Reads all output of a process with several reads under way.
fn read_output(guest: &Guest, id: &str, ahead: usize, mebibytes: usize) {
    guest.exec_shell("c", id, &format!("exec dd if=/dev/zero bs=1M count={mebibytes} 2>/dev/null")).unwrap();
    let request = ReadStreamRequest { container_id: "c".into(), exec_id: id.into(), len: MIB as u32, to_end: false };
    let start = || guest.client.start::<ReadStreamResponse>("ReadStdout", &request, Duration::ZERO);
    let mut pending: std::collections::VecDeque<_> = (0..ahead).map(|_| start()).collect();
    let mut total = 0;
    while let Some(next) = pending.pop_front() {
        let data = next.finish().unwrap().data;
        if data.is_empty() {
            break;
        }
        total += data.len();
        pending.push_back(start());
    }
    pending.into_iter().for_each(|rest| drop(rest.finish()));
    assert_eq!(total, mebibytes * MIB);
    assert_eq!(guest.wait("c", id), Ok(0));
}

fn in_turns(subjects: &[Subject], what: &str, rounds: usize, mut run: impl FnMut(&Guest, usize)) {
    let mut took = vec![(Vec::new(), Vec::new()); subjects.len()];
    for round in 0..rounds {
        for (subject, (wall, cpu)) in subjects.iter().zip(&mut took) {
            let (began, used) = (Instant::now(), subject.machine.cpu());
            run(&subject.guest, round);
            wall.push(began.elapsed());
            cpu.push(subject.machine.cpu().saturating_sub(used));
        }
    }
    for (subject, (wall, cpu)) in subjects.iter().zip(took) {
        println!("{what} [{}]: {}; processor {}", subject.name, summary(wall), summary(cpu));
    }
}

fn summary(mut took: Vec<Duration>) -> String {
    took.sort();
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    format!("median {:.2} ms, best {:.2} ms", ms(took[took.len() / 2]), ms(took[0]))
}
