//! The network plan as arithmetic: shards of at most 500 instances with a /22 each, carved out of one
//! subnet; and whether that subnet is free on this host. No I/O, no state: which addresses are taken is the
//! store's to know.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::engine::NetworkSpec;
use crate::model::Place;

/// Instances in one network: a Linux bridge takes 1,023 ports and slows down long before.
pub const SHARD_SIZE: u32 = 500;
/// Size of a shard's subnet.
const SHARD_PREFIX: u8 = 22;
/// The first addresses of a shard are the gateway's and for use by hand.
const FIRST_OFFSET: u32 = 10;
/// Where the two probe containers go: above every instance.
const PROBE_OFFSETS: [u32; 2] = [1_020, 1_021];

/// Networks and addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressPlan {
    /// Prefix of the networks' names.
    pub net: String,
    /// Prefix of the bridges' names.
    pub bridge_prefix: String,
    /// All instances are in here.
    pub instances: Ipv4Net,
    /// The host's stable address for the issuer is the first in here.
    pub control: Ipv4Net,
}

impl AddressPlan {
    /// What is wrong with it, as (variable, reason).
    pub fn faults(&self) -> Vec<(&'static str, &'static str)> {
        let mut faults = Vec::new();
        if self.instances.prefix_len() > SHARD_PREFIX || self.instances.prefix_len() < 8 {
            faults.push(("BEAVER_INSTANCE_SUBNET", "must be a network of /8 to /22, such as 10.89.0.0/16"));
        }
        if self.control.prefix_len() > 30 {
            faults.push(("BEAVER_CONTROL_SUBNET", "must be a network of /30 or larger"));
        }
        if overlap(self.instances, self.control) {
            faults.push(("BEAVER_CONTROL_SUBNET", "overlaps BEAVER_INSTANCE_SUBNET"));
        }
        faults
    }

    /// The host's address that every instance knows as the issuer.
    pub fn control_address(&self) -> Ipv4Addr {
        nth(self.control, 1)
    }

    /// How many instances fit.
    pub fn capacity(&self) -> u32 {
        self.shards() * SHARD_SIZE
    }

    fn shards(&self) -> u32 {
        1 << SHARD_PREFIX.saturating_sub(self.instances.prefix_len())
    }

    /// The place of the `index`-th instance ever; `None` where the subnet is used up.
    pub fn place(&self, index: u32) -> Option<Place> {
        let (shard, slot) = (index / SHARD_SIZE, index % SHARD_SIZE);
        if shard >= self.shards() {
            return None;
        }
        let shard = u16::try_from(shard).ok()?;
        Some(Place { shard, address: nth(self.shard_subnet(shard), FIRST_OFFSET + slot) })
    }

    /// The number of an address, as [`Self::place`] counts them; `None` where the plan gives it to nobody.
    pub fn index_of(&self, address: Ipv4Addr) -> Option<u32> {
        if !self.instances.contains(&address) {
            return None;
        }
        let offset = u32::from(address) - u32::from(self.instances.network());
        let (shard, in_shard) = (offset >> (32 - SHARD_PREFIX), offset & ((1 << (32 - SHARD_PREFIX)) - 1));
        let slot = in_shard.checked_sub(FIRST_OFFSET).filter(|slot| *slot < SHARD_SIZE)?;
        Some(shard * SHARD_SIZE + slot)
    }

    /// The place of an address that the plan gives out.
    pub fn place_of(&self, address: Ipv4Addr) -> Option<Place> {
        self.place(self.index_of(address)?)
    }

    /// The network of a shard.
    pub fn network(&self, shard: u16) -> NetworkSpec {
        let subnet = self.shard_subnet(shard);
        NetworkSpec {
            name: self.network_name(shard),
            bridge: format!("{}{shard}", self.bridge_prefix),
            subnet,
            gateway: nth(subnet, 1),
        }
    }

    /// The name of a shard's network.
    pub fn network_name(&self, shard: u16) -> String {
        format!("{}-{shard}", self.net)
    }

    /// The addresses of the two probe containers in a shard.
    pub fn probe_addresses(&self, shard: u16) -> [Ipv4Addr; 2] {
        PROBE_OFFSETS.map(|offset| nth(self.shard_subnet(shard), offset))
    }

    fn shard_subnet(&self, shard: u16) -> Ipv4Net {
        let start = nth(self.instances, u32::from(shard) << (32 - SHARD_PREFIX));
        Ipv4Net::new(start, SHARD_PREFIX).unwrap_or(self.instances)
    }

    /// The first of our subnets that a route of this host overlaps, with the variable that sets it and the
    /// route. `routes` is the text of `/proc/net/route`; routes of our own bridges and the default route do
    /// not count.
    pub fn overlapping_route(&self, routes: &str) -> Option<(&'static str, String)> {
        let ours = [("BEAVER_INSTANCE_SUBNET", self.instances), ("BEAVER_CONTROL_SUBNET", self.control)];
        routes.lines().skip(1).filter_map(parse_route).find_map(|(interface, net)| {
            if interface.starts_with(&self.bridge_prefix) || net.prefix_len() == 0 {
                return None;
            }
            let (variable, _) = ours.iter().find(|(_, subnet)| overlap(*subnet, net))?;
            Some((*variable, format!("{net} on {interface}")))
        })
    }
}

/// One line of `/proc/net/route`: addresses are hexadecimal in the host's byte order, which on every machine
/// that this runs on is little-endian.
fn parse_route(line: &str) -> Option<(&str, Ipv4Net)> {
    let mut columns = line.split_ascii_whitespace();
    let interface = columns.next()?;
    let destination = columns.next()?;
    let mask = columns.nth(5)?;
    let address = |text: &str| Some(Ipv4Addr::from(u32::from_str_radix(text, 16).ok()?.to_le_bytes()));
    Some((interface, Ipv4Net::with_netmask(address(destination)?, address(mask)?).ok()?))
}

fn overlap(a: Ipv4Net, b: Ipv4Net) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

fn nth(net: Ipv4Net, offset: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(net.network()).saturating_add(offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> AddressPlan {
        AddressPlan {
            net: "edge".to_owned(),
            bridge_prefix: "br-bvr-".to_owned(),
            instances: "10.89.0.0/16".parse().expect("a subnet"),
            control: "10.88.0.0/24".parse().expect("a subnet"),
        }
    }

    const HEAD: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n";

    #[test]
    fn shards_are_carved_in_order_and_end() {
        let plan = plan();
        let place = |index| plan.place(index).map(|p| (p.shard, p.address.to_string()));
        assert_eq!(place(0), Some((0, "10.89.0.10".to_owned())));
        assert_eq!(place(499), Some((0, "10.89.1.253".to_owned())));
        assert_eq!(place(500), Some((1, "10.89.4.10".to_owned())));
        assert_eq!(plan.capacity(), 64 * 500);
        assert_eq!(place(plan.capacity() - 1).map(|p| p.0), Some(63));
        assert_eq!(place(plan.capacity()), None);
        let network = plan.network(63);
        assert_eq!(network.name, "edge-63");
        assert_eq!(network.bridge, "br-bvr-63");
        assert_eq!(network.subnet.to_string(), "10.89.252.0/22");
        assert_eq!(network.gateway.to_string(), "10.89.252.1");
    }

    #[test]
    fn no_instance_gets_a_probe_address_or_leaves_its_shard() {
        let plan = plan();
        let probes = plan.probe_addresses(0);
        for index in 0..plan.capacity() {
            let place = plan.place(index).expect("a place");
            assert!(plan.network(place.shard).subnet.contains(&place.address));
            assert!(!probes.contains(&place.address));
            assert_eq!(plan.index_of(place.address), Some(index));
        }
    }

    #[test]
    fn addresses_that_the_plan_gives_to_nobody_have_no_place() {
        let plan = plan();
        for text in ["10.88.0.10", "10.89.0.1", "10.89.0.9", "10.89.1.254", "10.89.3.252", "192.0.2.1"] {
            assert_eq!(plan.place_of(text.parse().expect("an address")), None, "{text}");
        }
    }

    #[test]
    fn a_foreign_route_that_overlaps_is_found() {
        let found = |lines: &str| plan().overlapping_route(&format!("{HEAD}{lines}"));
        assert_eq!(found("eth0\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\n"), None);
        assert_eq!(found("docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\n"), None);
        // Our own bridges.
        assert_eq!(found("br-bvr-0\t0000590A\t00000000\t0001\t0\t0\t0\t00FCFFFF\n"), None);
        let (variable, route) =
            found("eth1\t0001590A\t00000000\t0001\t0\t0\t0\t00FFFFFF\n").expect("overlaps");
        assert_eq!((variable, route.as_str()), ("BEAVER_INSTANCE_SUBNET", "10.89.1.0/24 on eth1"));
        let (variable, _) = found("wg0\t0000580A\t00000000\t0001\t0\t0\t0\t0000FEFF\n").expect("overlaps");
        assert_eq!(variable, "BEAVER_INSTANCE_SUBNET");
        assert_eq!(found("half a line\n"), None);
    }
}
