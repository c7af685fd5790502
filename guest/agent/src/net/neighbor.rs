//! Entries of the neighbour (ARP) table.

use super::link;
use super::netlink::{Message, Netlink, REPLACE};
use super::{family, octets, parse_ip};
use crate::r#gen::types::ArpNeighbor;
use crate::ttrpc::{Context, Result, Status};

const NUD_PERMANENT: u16 = 0x80;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;

/// Adds or replaces entries.
pub fn add_neighbors(neighbors: &[ArpNeighbor]) -> Result<()> {
    let netlink = Netlink::open().context(|| "netlink")?;
    for neighbor in neighbors {
        let address = neighbor.to_ip_address.as_ref().map_or("", |to| to.address.as_str());
        // The host may write it with the length of its prefix.
        let ip = parse_ip(address.split('/').next().unwrap_or(address))?;
        let index = link::by_name(&netlink, &neighbor.device)?.index;
        let state = u16::try_from(neighbor.state).ok().filter(|state| *state != 0).unwrap_or(NUD_PERMANENT);
        let mut fixed = vec![family(&ip), 0, 0, 0];
        fixed.extend(index.to_ne_bytes());
        fixed.extend(state.to_ne_bytes());
        fixed.extend([neighbor.flags as u8, libc::RTN_UNICAST]);
        let hardware = hardware_address(&neighbor.lladdr)?;
        let message = Message::new(libc::RTM_NEWNEIGH, &fixed)
            .attribute(NDA_DST, &octets(&ip))
            .optional(NDA_LLADDR, hardware.as_deref());
        netlink.change(message, REPLACE).context(|| format!("neighbour {ip} on {}", neighbor.device))?;
    }
    Ok(())
}

fn hardware_address(text: &str) -> Result<Option<Vec<u8>>> {
    if text.is_empty() {
        return Ok(None);
    }
    let bytes: Option<Vec<u8>> = text.split(':').map(|part| u8::from_str_radix(part, 16).ok()).collect();
    bytes.map(Some).ok_or_else(|| Status::invalid(format!("{text:?} is no hardware address")))
}
