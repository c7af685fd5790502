//! The agent as the first process of a real virtual machine.

mod support;

use support::machine::{Machine, create_sandbox, obstacle, wait_for_end};
use support::pb::*;
use support::{sandbox_scenarios as sandbox, scenarios};

#[test]
fn containers_run_in_a_machine() {
    if let Some(why) = obstacle() {
        eprintln!("SKIPPED: containers_run_in_a_machine: {why}");
        return;
    }
    let (mut machine, guest) = Machine::start("all", &[]);
    create_sandbox(&guest);
    scenarios::all(&guest);
    sandbox::limits_and_statistics(&guest);
    sandbox::memory_shortage_is_reported(&guest);
    sandbox::memory_volumes_belong_to_the_sandbox(&guest);
    sandbox::folders_binds_and_overlays(&guest);
    sandbox::folders_of_volumes_cannot_lead_out(&guest);
    sandbox::changes_in_watched_folders_arrive(&guest);
    sandbox::namespaces_are_the_sandboxes(&guest);
    sandbox::the_specification_is_enforced(&guest);
    sandbox::devices_are_plugged_in(&guest, &machine);
    sandbox::the_network_is_set_up(&guest, &machine);
    sandbox::the_machine_answers(&guest);
    guest.call::<()>("DestroySandbox", &DestroySandboxRequest {}).unwrap();
    wait_for_end(&mut machine);
}
