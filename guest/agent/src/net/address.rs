//! Addresses of an interface.

use std::io;
use std::net::IpAddr;

use super::netlink::{Message, Netlink, REPLACE};
use super::{family, ip_of, octets};

const FIXED: usize = 8;

/// One address.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct Address {
    /// The address itself.
    pub ip: IpAddr,
    /// Length of its prefix.
    pub prefix: u8,
}

fn fixed(family: u8, prefix: u8, flags: u8, index: u32) -> Vec<u8> {
    let mut fixed = vec![family, prefix, flags, 0];
    fixed.extend(index.to_ne_bytes());
    fixed
}

/// The addresses of an interface.
pub fn list(netlink: &Netlink, index: u32) -> io::Result<Vec<Address>> {
    let answers = netlink.list(Message::new(libc::RTM_GETADDR, &fixed(0, 0, 0, 0)))?;
    let own = answers.iter().filter(|a| a.fixed(FIXED).get(4..) == Some(&index.to_ne_bytes()));
    Ok(own
        .filter_map(|a| {
            // On IPv4 the local address counts: the other one is the peer's where there is a peer.
            let value = a.attribute(FIXED, libc::IFA_LOCAL).or_else(|| a.attribute(FIXED, libc::IFA_ADDRESS))?;
            Some(Address { ip: ip_of(value)?, prefix: a.fixed(FIXED)[1] })
        })
        .collect())
}

/// Adds an address.
pub fn add(netlink: &Netlink, index: u32, address: &Address) -> io::Result<()> {
    let bytes = octets(&address.ip);
    // The host has already made sure that nobody else has it.
    let flags = if address.ip.is_ipv6() { libc::IFA_F_NODAD as u8 } else { 0 };
    let mut message = Message::new(libc::RTM_NEWADDR, &fixed(family(&address.ip), address.prefix, flags, index))
        .attribute(libc::IFA_LOCAL, &bytes)
        .attribute(libc::IFA_ADDRESS, &bytes);
    // The shortest networks have no broadcast address.
    if let (IpAddr::V4(ip), 0..31) = (address.ip, address.prefix) {
        let broadcast = u32::from(ip) | u32::MAX.checked_shr(address.prefix.into()).unwrap_or(0);
        message = message.attribute(libc::IFA_BROADCAST, &broadcast.to_be_bytes());
    }
    netlink.change(message, REPLACE)
}

/// Removes an address.
pub fn remove(netlink: &Netlink, index: u32, address: &Address) -> io::Result<()> {
    let message = Message::new(libc::RTM_DELADDR, &fixed(family(&address.ip), address.prefix, 0, index))
        .attribute(libc::IFA_LOCAL, &octets(&address.ip));
    netlink.change(message, 0)
}
