//! The agent as the first process of a real virtual machine.

mod support;

use support::machine::{Machine, create_sandbox, obstacle, wait_for_end};
use support::pb::*;
use support::scenarios;

#[test]
fn containers_run_in_a_machine() {
    if let Some(why) = obstacle() {
        eprintln!("SKIPPED: containers_run_in_a_machine: {why}");
        return;
    }
    let (mut machine, guest) = Machine::start("all", &[]);
    create_sandbox(&guest);
    scenarios::all(&guest);
    guest.call::<()>("DestroySandbox", &DestroySandboxRequest {}).unwrap();
    wait_for_end(&mut machine);
}
