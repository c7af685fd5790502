//! Interfaces.

use std::io;

use nix::errno::Errno;

use super::address::{self, Address};
use super::netlink::{Message, Netlink, number};
use super::parse_ip;
use crate::device;
use crate::r#gen::types::{Interface, IpAddress, IpFamily};
use crate::ttrpc::{Context, Result, Status};

/// Length of struct ifinfomsg.
const FIXED: usize = 16;
const NAME_LIMIT: usize = 15;

/// An interface as the kernel lists it.
#[derive(Debug, Clone)]
pub struct Link {
    /// The kernel's number for it.
    pub index: u32,
    /// Its name.
    pub name: String,
    mtu: u32,
    flags: u32,
    hardware: Vec<u8>,
}

fn fixed(index: u32, flags: u32, change: u32) -> Vec<u8> {
    let mut fixed = vec![0; 4];
    fixed.extend(index.to_ne_bytes());
    fixed.extend(flags.to_ne_bytes());
    fixed.extend(change.to_ne_bytes());
    fixed
}

/// All interfaces.
pub fn list(netlink: &Netlink) -> io::Result<Vec<Link>> {
    let answers = netlink.list(Message::new(libc::RTM_GETLINK, &fixed(0, 0, 0)))?;
    Ok(answers
        .iter()
        .filter_map(|a| {
            let name = a.attribute(FIXED, libc::IFLA_IFNAME)?;
            Some(Link {
                index: number(&a.fixed(FIXED)[4..])?,
                flags: number(&a.fixed(FIXED)[8..])?,
                name: String::from_utf8_lossy(name).trim_end_matches('\0').to_owned(),
                mtu: a.attribute(FIXED, libc::IFLA_MTU).and_then(number).unwrap_or(0),
                hardware: a.attribute(FIXED, libc::IFLA_ADDRESS).unwrap_or_default().to_vec(),
            })
        })
        .collect())
}

/// The interface with this name.
pub fn by_name(netlink: &Netlink, name: &str) -> Result<Link> {
    let links = list(netlink).context(|| "list interfaces")?;
    let found = links.into_iter().find(|link| link.name == name);
    // The words that a client of the protocol looks for before it tries again.
    found.ok_or_else(|| Status::not_found(format!("Link not found: {name}")))
}

fn set_flags(netlink: &Netlink, index: u32, flags: i32, change: i32) -> io::Result<()> {
    netlink.change(Message::new(libc::RTM_NEWLINK, &fixed(index, flags as u32, change as u32)), 0)
}

fn rename(netlink: &Netlink, index: u32, name: &str) -> io::Result<()> {
    let message = Message::new(libc::RTM_NEWLINK, &fixed(index, 0, 0));
    netlink.change(message.attribute(libc::IFLA_IFNAME, format!("{name}\0").as_bytes()), 0)
}

/// Brings the loopback interface up.
pub fn set_up_loopback() -> Result<()> {
    let netlink = Netlink::open().context(|| "netlink")?;
    let loopback = by_name(&netlink, "lo")?;
    set_flags(&netlink, loopback.index, libc::IFF_UP, libc::IFF_UP).context(|| "bring lo up")
}

/// Gives the interface with the request's hardware address (waiting for it to be plugged in) its name, addresses and
/// MTU, and brings it up. Its former addresses are removed.
pub async fn update_interface(wanted: &Interface) -> Result<()> {
    if wanted.name.is_empty() || wanted.name.len() > NAME_LIMIT || wanted.name.contains(['/', '\0']) {
        return Err(Status::invalid(format!("{:?} is no interface name", wanted.name)));
    }
    let addresses = wanted.ip_addresses.iter().map(parse_address).collect::<Result<Vec<_>>>()?;
    let current = if !wanted.hw_addr.is_empty() {
        if !wanted.device_path.is_empty() {
            device::net_device(&wanted.device_path).await?;
        }
        device::net_device_by_address(&wanted.hw_addr).await?
    } else {
        wanted.name.clone()
    };
    let netlink = Netlink::open().context(|| "netlink")?;
    let link = by_name(&netlink, &current)?;
    let what = |step: &'static str| move || format!("interface {}: {step}", wanted.name);
    set_flags(&netlink, link.index, 0, libc::IFF_UP).context(what("bring down"))?;
    replace_addresses(&netlink, link.index, &addresses).context(what("set addresses"))?;
    if link.name != wanted.name {
        take_name(&netlink, &link, &wanted.name).context(what("rename"))?;
    }
    if wanted.mtu > 0 {
        let mtu = u32::try_from(wanted.mtu).map_err(|_| Status::invalid("mtu is too large"))?;
        let message = Message::new(libc::RTM_NEWLINK, &fixed(link.index, 0, 0));
        netlink.change(message.attribute(libc::IFLA_MTU, &mtu.to_ne_bytes()), 0).context(what("set the MTU"))?;
    }
    let arp = wanted.raw_flags as i32 & libc::IFF_NOARP;
    set_flags(&netlink, link.index, libc::IFF_UP | arp, libc::IFF_UP | libc::IFF_NOARP).context(what("bring up"))?;
    // Taking an interface down has removed its IPv6 addresses, so they are set once it is up.
    let v6: Vec<_> = addresses.into_iter().filter(|a| a.ip.is_ipv6()).collect();
    v6.iter().try_for_each(|a| address::add(&netlink, link.index, a)).context(what("set IPv6 addresses"))
}

fn parse_address(address: &IpAddress) -> Result<Address> {
    let ip = parse_ip(&address.address)?;
    let prefix = address.mask.parse().ok().filter(|n| *n <= if ip.is_ipv4() { 32 } else { 128 });
    let prefix = prefix.ok_or_else(|| Status::invalid(format!("{:?} is no prefix length", address.mask)))?;
    Ok(Address { ip, prefix })
}

fn replace_addresses(netlink: &Netlink, index: u32, wanted: &[Address]) -> io::Result<()> {
    for old in address::list(netlink, index)?.iter().filter(|old| !wanted.contains(old)) {
        match address::remove(netlink, index, old) {
            Err(e) if e.raw_os_error() == Some(libc::EADDRNOTAVAIL) => {}
            done => done?,
        }
    }
    wanted.iter().filter(|a| a.ip.is_ipv4()).try_for_each(|a| address::add(netlink, index, a))
}

/// Gives a name to an interface that is down; another one that has it gets a temporary one first.
fn take_name(netlink: &Netlink, link: &Link, name: &str) -> io::Result<()> {
    match rename(netlink, link.index, name) {
        Err(e) if e.raw_os_error() == Some(Errno::EEXIST as i32) => {}
        done => return done,
    }
    let holder = list(netlink)?.into_iter().find(|other| other.name == name);
    if let Some(holder) = holder {
        let was_up = holder.flags as i32 & libc::IFF_UP;
        set_flags(netlink, holder.index, 0, libc::IFF_UP)?;
        rename(netlink, holder.index, &format!("bh{}", holder.index))?;
        rename(netlink, link.index, name)?;
        // Its own turn comes with its own request; until then it has the name that has become free.
        rename(netlink, holder.index, &link.name)?;
        return set_flags(netlink, holder.index, was_up, libc::IFF_UP);
    }
    rename(netlink, link.index, name)
}

/// All interfaces in the protocol's form.
pub fn list_interfaces() -> Result<Vec<Interface>> {
    let netlink = Netlink::open().context(|| "netlink")?;
    let links = list(&netlink).context(|| "list interfaces")?;
    links.iter().map(|link| to_interface(&netlink, link)).collect()
}

fn to_interface(netlink: &Netlink, link: &Link) -> Result<Interface> {
    let addresses = address::list(netlink, link.index).context(|| "list addresses")?;
    let to_protocol = |a: &Address| IpAddress {
        family: if a.ip.is_ipv4() { IpFamily::V4 } else { IpFamily::V6 } as i32,
        address: a.ip.to_string(),
        mask: a.prefix.to_string(),
    };
    let hardware: Vec<String> = link.hardware.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Interface {
        device: link.name.clone(),
        name: link.name.clone(),
        ip_addresses: addresses.iter().map(to_protocol).collect(),
        mtu: link.mtu.into(),
        hw_addr: hardware.join(":"),
        raw_flags: link.flags & libc::IFF_NOARP as u32,
        ..Default::default()
    })
}
