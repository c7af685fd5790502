//! Packet filter rules, through the tools of the image if it has them.

use crate::reaper::Reaper;
use crate::ttrpc::Result;

/// The rules in the form of `iptables-save`.
pub async fn get(reaper: &Reaper, v6: bool) -> Result<Vec<u8>> {
    crate::tool::run(reaper, if v6 { "ip6tables-save" } else { "iptables-save" }, &[], b"").await
}

/// Replaces the rules by those in the form of `iptables-save`.
pub async fn set(reaper: &Reaper, v6: bool, rules: &[u8]) -> Result<Vec<u8>> {
    let program = if v6 { "ip6tables-restore" } else { "iptables-restore" };
    // Waits for another user of the tables instead of failing.
    crate::tool::run(reaper, program, &["--wait", "5"], rules).await
}
