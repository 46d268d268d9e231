//! The network interfaces of this machine that others may be met by, and what is near them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use nix::sys::socket::SockaddrStorage;

/// An interface that carries multicast, is up, and is neither this machine itself nor the end of a
/// tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    index: u32,
    pub(super) networks: Vec<Network>,
}

/// An address of this machine, with the network around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    own: IpAddr,
    mask: IpAddr,
}

impl Network {
    /// Is this address in it?
    pub(super) fn has(&self, ip: IpAddr) -> bool {
        match (self.own, self.mask, ip) {
            (IpAddr::V4(own), IpAddr::V4(mask), IpAddr::V4(ip)) => own & mask == ip & mask,
            (IpAddr::V6(own), IpAddr::V6(mask), IpAddr::V6(ip)) => own & mask == ip & mask,
            _ => false,
        }
    }
}

impl Interface {
    /// Is it this interface's own address?
    pub(super) fn has(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|network| network.own == ip)
    }

    /// Its address of IPv4, the first of several.
    pub(super) fn v4(&self) -> Option<Ipv4Addr> {
        self.networks.iter().find_map(|network| match network.own {
            IpAddr::V4(own) => Some(own),
            IpAddr::V6(_) => None,
        })
    }

    /// What IPv6 calls it, where it has an address of it.
    pub(super) fn v6_index(&self) -> Option<u32> {
        self.networks.iter().any(|network| network.own.is_ipv6()).then_some(self.index)
    }
}

/// All of them; none where the system does not say.
pub(super) fn interfaces() -> Vec<Interface> {
    let mut found = BTreeMap::<u32, Interface>::new();
    for address in getifaddrs().into_iter().flatten() {
        let wanted = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_MULTICAST;
        let unwanted = InterfaceFlags::IFF_LOOPBACK | InterfaceFlags::IFF_POINTOPOINT;
        if !address.flags.contains(wanted) || address.flags.intersects(unwanted) {
            continue;
        }
        let (own, mask) = (address.address.and_then(ip_of), address.netmask.and_then(ip_of));
        let index = if_nametoindex(address.interface_name.as_str());
        if let (Some(own), Some(mask), Ok(index)) = (own, mask, index) {
            let interface =
                found.entry(index).or_insert_with(|| Interface { index, networks: Vec::new() });
            interface.networks.push(Network { own, mask });
        }
    }
    found.into_values().collect()
}

fn ip_of(address: SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| address.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_in_the_network_of_an_own_address() {
        let network = |own: &str, mask: &str| Network {
            own: own.parse().unwrap(),
            mask: mask.parse().unwrap(),
        };
        let [lan, v6, alone] = [
            network("10.77.0.1", "255.255.255.0"),
            network("fd77::1", "ffff:ffff:ffff:ffff::"),
            network("10.77.0.1", "255.255.255.255"),
        ];
        for (network, ip, is_near) in [
            (lan, "10.77.0.200", true),
            (lan, "10.77.1.2", false),
            (lan, "8.8.8.8", false),
            (lan, "::ffff:10.77.0.2", false),
            (v6, "fd77::9", true),
            (v6, "2001:db8::1", false),
            (v6, "10.77.0.2", false),
            (alone, "10.77.0.2", false),
        ] {
            assert_eq!(network.has(ip.parse().unwrap()), is_near, "{network:?} {ip}");
        }
    }

    #[test]
    fn nobody_is_met_on_this_machine_itself() {
        for interface in interfaces() {
            assert!(interface.networks.iter().all(|network| !network.own.is_loopback()));
            assert_ne!(interface.index, 0);
        }
    }
}
