//! Counters of the interfaces.

use std::fs;
use std::path::Path;

use crate::device::names_in;
use crate::r#gen::grpc::NetworkStats;

const CLASS: &str = "/sys/class/net";

/// Counters of all interfaces but the loopback. All containers of a sandbox share them.
pub fn statistics() -> Vec<NetworkStats> {
    let names = names_in(Path::new(CLASS)).into_iter().filter(|name| name != "lo");
    names
        .map(|name| {
            let of = |counter: &str| {
                let text = fs::read_to_string(format!("{CLASS}/{name}/statistics/{counter}"));
                text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
            };
            NetworkStats {
                rx_bytes: of("rx_bytes"),
                rx_packets: of("rx_packets"),
                rx_errors: of("rx_errors"),
                rx_dropped: of("rx_dropped"),
                tx_bytes: of("tx_bytes"),
                tx_packets: of("tx_packets"),
                tx_errors: of("tx_errors"),
                tx_dropped: of("tx_dropped"),
                name,
            }
        })
        .collect()
}
