//! The guest's network, set up over rtnetlink.

mod address;
mod link;
mod neighbor;
mod netlink;
mod route;
mod statistics;

pub use link::{list_interfaces, set_up_loopback, update_interface};
pub use neighbor::add_neighbors;
pub use route::{list_routes, update_routes};
pub use statistics::statistics;

use std::net::IpAddr;

use crate::ttrpc::{Context, Result};

fn parse_ip(text: &str) -> Result<IpAddr> {
    text.parse().context(|| format!("address {text:?}"))
}

fn octets(address: &IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn ip_of(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(octets).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(octets).ok()?)),
        _ => None,
    }
}

fn family(address: &IpAddr) -> u8 {
    if address.is_ipv4() { libc::AF_INET as u8 } else { libc::AF_INET6 as u8 }
}
