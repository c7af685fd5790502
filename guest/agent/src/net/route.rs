//! Routes of the main table.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::link;
use super::netlink::{Answer, CREATE, Message, Netlink, attributes, number};
use super::{family, ip_of, octets, parse_ip};
use crate::r#gen::types::{IpFamily, Route};
use crate::ttrpc::{Context, Result, Status};

/// Length of struct rtmsg.
const FIXED: usize = 12;
const RTAX_MTU: u16 = 2;
/// The origin of a route by which ours are known; `ip route add` gives another one.
const OURS: u8 = libc::RTPROT_STATIC;
const FAMILIES: [u8; 2] = [libc::AF_INET as u8, libc::AF_INET6 as u8];

/// Adds routes: those that lead to the gateways before those that need them. One that is there already is fine. Those of
/// earlier calls that are not among them are removed; what the kernel or a container has made stays.
pub fn update_routes(routes: &[Route]) -> Result<()> {
    let netlink = Netlink::open().context(|| "netlink")?;
    let direct = routes.iter().filter(|r| r.gateway.is_empty());
    for route in direct.chain(routes.iter().filter(|r| !r.gateway.is_empty())) {
        let message = to_message(&netlink, route)?;
        match netlink.change(message, CREATE) {
            Err(e) if e.raw_os_error() == Some(libc::EEXIST) => {}
            done => done.context(|| {
                let (dest, via) = (&route.dest, &route.gateway);
                format!("route to {dest:?} via {via:?} dev {}", route.device)
            })?,
        }
    }
    remove_others(&netlink, routes).context(|| "remove old routes")
}

/// What makes two routes the same one.
type Key = (IpAddr, u8, Option<IpAddr>, u32);

fn remove_others(netlink: &Netlink, routes: &[Route]) -> io::Result<()> {
    let links = link::list(netlink)?;
    let wanted: Vec<Key> = routes
        .iter()
        .filter_map(|route| {
            let (dest, prefix) = parse_destination(route).ok()?;
            let index = links.iter().find(|link| link.name == route.device)?.index;
            Some((dest, prefix, parse_optional(&route.gateway).ok()?, index))
        })
        .collect();
    for family in FAMILIES {
        for answer in dump(netlink, family)? {
            let fixed = answer.fixed(FIXED);
            if fixed[5] != OURS || key_of(&answer).is_none_or(|key| wanted.contains(&key)) {
                continue;
            }
            match netlink.change(Message::new(libc::RTM_DELROUTE, answer.fixed(usize::MAX)), 0) {
                Err(e) if e.raw_os_error() == Some(libc::ESRCH) => {}
                done => done?,
            }
        }
    }
    Ok(())
}

fn key_of(answer: &Answer) -> Option<Key> {
    let fixed = answer.fixed(FIXED);
    let everything = if fixed[0] == libc::AF_INET as u8 {
        IpAddr::from(Ipv4Addr::UNSPECIFIED)
    } else {
        IpAddr::from(Ipv6Addr::UNSPECIFIED)
    };
    let ip = |kind| answer.attribute(FIXED, kind).and_then(ip_of);
    let index = answer.attribute(FIXED, libc::RTA_OIF).and_then(number)?;
    Some((ip(libc::RTA_DST).unwrap_or(everything), fixed[1], ip(libc::RTA_GATEWAY), index))
}

/// Unicast routes of the main table.
fn dump(netlink: &Netlink, family: u8) -> io::Result<Vec<Answer>> {
    let mut request = vec![0; FIXED];
    request[0] = family;
    let mut answers = netlink.list(Message::new(libc::RTM_GETROUTE, &request))?;
    answers.retain(|answer| {
        let fixed = answer.fixed(FIXED);
        fixed.len() == FIXED && fixed[4] == libc::RT_TABLE_MAIN && fixed[7] == libc::RTN_UNICAST
    });
    Ok(answers)
}

fn to_message(netlink: &Netlink, route: &Route) -> Result<Message> {
    let gateway = parse_optional(&route.gateway)?;
    let source = parse_optional(&route.source)?;
    let (dest, prefix) = parse_destination(route)?;
    let index = link::by_name(netlink, &route.device)?.index;
    let message = Message::new(libc::RTM_NEWROUTE, &fixed(family(&dest), prefix, route));
    let metrics = Message::new(0, &[]).attribute(RTAX_MTU, &route.mtu.to_ne_bytes()).into_body();
    let bytes = |ip: &Option<IpAddr>| ip.as_ref().map(octets);
    Ok(message
        .optional(libc::RTA_DST, (prefix > 0).then(|| octets(&dest)).as_deref())
        .optional(libc::RTA_GATEWAY, bytes(&gateway).as_deref())
        .optional(libc::RTA_PREFSRC, bytes(&source).as_deref())
        .optional(libc::RTA_METRICS, (route.mtu > 0).then_some(metrics.as_slice()))
        .attribute(libc::RTA_OIF, &index.to_ne_bytes()))
}

fn fixed(family: u8, prefix: u8, route: &Route) -> Vec<u8> {
    let mut fixed = vec![family, prefix, 0, 0];
    fixed.extend([libc::RT_TABLE_MAIN, OURS, route.scope as u8, libc::RTN_UNICAST]);
    fixed.extend(route.flags.to_ne_bytes());
    fixed
}

fn parse_optional(text: &str) -> Result<Option<IpAddr>> {
    if text.is_empty() { Ok(None) } else { parse_ip(text).map(Some) }
}

/// An empty destination, or `default`, is everything.
fn parse_destination(route: &Route) -> Result<(IpAddr, u8)> {
    let v6 = route.family == IpFamily::V6 as i32;
    let everything = if v6 { IpAddr::from(Ipv6Addr::UNSPECIFIED) } else { IpAddr::from(Ipv4Addr::UNSPECIFIED) };
    if matches!(route.dest.as_str(), "" | "default") {
        return Ok((everything, 0));
    }
    let (ip, prefix) = match route.dest.split_once('/') {
        Some((ip, prefix)) => (parse_ip(ip)?, Some(prefix)),
        None => (parse_ip(&route.dest)?, None),
    };
    let longest = if ip.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.map_or(Some(longest), |text| text.parse().ok().filter(|n| *n <= longest));
    let prefix = prefix.ok_or_else(|| Status::invalid(format!("{:?} is no destination", route.dest)))?;
    Ok((ip, prefix))
}

/// The routes of the main table in the protocol's form.
pub fn list_routes() -> Result<Vec<Route>> {
    let netlink = Netlink::open().context(|| "netlink")?;
    let read = || -> io::Result<Vec<Route>> {
        let links = link::list(&netlink)?;
        let mut routes = Vec::new();
        for family in FAMILIES {
            for answer in dump(&netlink, family)? {
                let fixed = answer.fixed(FIXED).to_vec();
                let ip = |kind| answer.attribute(FIXED, kind).and_then(ip_of).map(|ip| ip.to_string());
                let index = answer.attribute(FIXED, libc::RTA_OIF).and_then(number).unwrap_or(0);
                let mtu = answer.attribute(FIXED, libc::RTA_METRICS).and_then(mtu_of).unwrap_or(0);
                routes.push(Route {
                    dest: ip(libc::RTA_DST).map_or(String::new(), |ip| format!("{ip}/{}", fixed[1])),
                    gateway: ip(libc::RTA_GATEWAY).unwrap_or_default(),
                    device: links.iter().find(|l| l.index == index).map(|l| l.name.clone()).unwrap_or_default(),
                    source: ip(libc::RTA_PREFSRC).unwrap_or_default(),
                    scope: fixed[6].into(),
                    family: if family == libc::AF_INET as u8 { IpFamily::V4 } else { IpFamily::V6 } as i32,
                    flags: number(&fixed[8..]).unwrap_or(0),
                    mtu,
                });
            }
        }
        Ok(routes)
    };
    read().context(|| "list routes")
}

fn mtu_of(metrics: &[u8]) -> Option<u32> {
    attributes(metrics).find(|(kind, _)| *kind == RTAX_MTU).and_then(|(_, value)| number(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations() {
        let route =
            |dest: &str, family: IpFamily| Route { dest: dest.into(), family: family as i32, ..Default::default() };
        let parsed = |dest, family| parse_destination(&route(dest, family)).map(|(ip, n)| format!("{ip}/{n}"));
        assert_eq!(parsed("", IpFamily::V4).unwrap(), "0.0.0.0/0");
        assert_eq!(parsed("default", IpFamily::V6).unwrap(), "::/0");
        assert_eq!(parsed("10.1.0.0/16", IpFamily::V4).unwrap(), "10.1.0.0/16");
        assert_eq!(parsed("fe80::1", IpFamily::V6).unwrap(), "fe80::1/128");
        assert!(parsed("10.0.0.0/33", IpFamily::V4).is_err() && parsed("x", IpFamily::V4).is_err());
    }
}
