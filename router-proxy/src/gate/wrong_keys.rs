//! Who tries keys that are none: each address (of IPv6 its /64, which one customer has) may do so a few times,
//! then slowly. Bounded: a flood from many addresses fills no memory, it shares one measure.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Wrong keys that are free.
const BURST: u32 = 10;
/// Afterwards one in this time.
const EVERY: Duration = Duration::from_secs(3);
/// Addresses that are remembered one by one.
const MAX_ADDRESSES: usize = 4_096;

/// When each address would have used up what it was given, at the even pace of one in [`EVERY`].
#[derive(Default)]
pub(super) struct WrongKeys(Mutex<HashMap<IpAddr, Instant>>);

impl WrongKeys {
    /// How long the address has to wait before its next key is looked at; nothing where it need not.
    pub(super) fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let debts = self.lock();
        let debt = debts.get(&place(&debts, address))?.saturating_duration_since(now);
        let wait = debt.saturating_sub(EVERY * (BURST - 1));
        (!wait.is_zero()).then_some(wait)
    }

    /// Counts a wrong key.
    pub(super) fn count(&self, address: IpAddr, now: Instant) {
        let mut debts = self.lock();
        if debts.len() >= MAX_ADDRESSES {
            debts.retain(|_, until| *until > now);
        }
        let place = place(&debts, address);
        let until = debts.entry(place).or_insert(now);
        *until = (*until).max(now) + EVERY;
    }

    /// Forgets who owes nothing any more.
    pub(super) fn sweep(&self, now: Instant) {
        self.lock().retain(|_, until| *until > now);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where an address is counted: on its own, or with all others when there is no more room.
fn place(debts: &HashMap<IpAddr, Instant>, address: IpAddr) -> IpAddr {
    let own = network(address);
    if debts.contains_key(&own) || debts.len() < MAX_ADDRESSES {
        own
    } else {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_free_and_the_rest_come_slowly() {
        let (wrong, now) = (WrongKeys::default(), Instant::now());
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        for _ in 0..BURST {
            assert_eq!(wrong.wait(one, now), None);
            wrong.count(one, now);
        }
        assert_eq!(wrong.wait(one, now), Some(EVERY));
        assert_eq!(wrong.wait(other, now), None);
        assert_eq!(wrong.wait(one, now + EVERY), None);
        wrong.count(one, now + EVERY);
        assert_eq!(wrong.wait(one, now + EVERY), Some(EVERY));
        wrong.sweep(now + EVERY * (BURST + 1));
        assert!(wrong.lock().is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let (wrong, now) = (WrongKeys::default(), Instant::now());
        for n in 0..u128::from(BURST) {
            wrong.count(IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) + n)), now);
        }
        assert!(wrong.wait("2001:db8::ffff".parse().expect("an address"), now).is_some());
        assert!(wrong.wait("2001:db8:0:1::1".parse().expect("an address"), now).is_none());
    }

    #[test]
    fn a_flood_from_everywhere_fills_no_memory_and_leaves_the_rest_alone_later() {
        let (wrong, now) = (WrongKeys::default(), Instant::now());
        for n in 0..20_000_u32 {
            wrong.count(IpAddr::from(n.to_be_bytes()), now);
        }
        assert!(wrong.lock().len() <= MAX_ADDRESSES + 1);
        let stranger = IpAddr::from([192, 0, 2, 1]);
        assert!(wrong.wait(stranger, now).is_some(), "strangers share one measure");
        wrong.sweep(now + EVERY);
        assert_eq!(wrong.wait(stranger, now + EVERY), None, "for as long as there is no room");
    }
}
