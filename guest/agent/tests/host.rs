//! The agent on this machine: everything that needs no machine of its own.

mod support;

use support::host::{HostAgent, obstacle};
use support::pb::*;
use support::scenarios;

#[test]
fn containers_run_on_the_host() {
    if let Some(why) = obstacle() {
        eprintln!("SKIPPED: containers_run_on_the_host: {why}");
        return;
    }
    let (mut agent, guest) = HostAgent::start("host");
    scenarios::all(&guest);

    // A host that goes away takes nothing along, and another one finds everything.
    guest.run("stay", "read line; echo $line; exit 9");
    let pending = guest.client.start::<ReadStreamResponse>(
        "ReadStdout",
        &ReadStreamRequest { container_id: "stay".into(), ..Default::default() },
        std::time::Duration::ZERO,
    );
    guest.client.disconnect();
    assert!(pending.finish().is_err());
    let guest = support::Guest { client: agent.connect(), ..guest };
    guest.write("stay", "", b"back\n").unwrap();
    assert_eq!(guest.stdout("stay", ""), "back\n");
    assert_eq!(guest.wait("stay", ""), Ok(9));

    guest.call::<()>("DestroySandbox", &DestroySandboxRequest {}).unwrap();
    support::eventually("the agent ends", || agent.ended());
}
