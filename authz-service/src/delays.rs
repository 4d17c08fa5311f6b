//! How long failed sign-ins have to wait. Per address a bucket in memory: so many tries at once, then one in
//! 20 s. Per account a delay that grows with each failure and never becomes a lock: at most a minute, and
//! from a network where the person has signed in before, strangers' failures do not count. Pure, but for the
//! map of buckets.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use service_kit::clock::Clock;
use service_kit::secret::sha256;

/// One try returns to an address's bucket in this time: 0.05 a second.
const INTERVAL_MS: i64 = 20_000;
/// Buckets that are full again are dropped when there are more than this.
const MAX_BUCKETS: usize = 50_000;
/// Failures of an account without delay.
const FREE_FAILURES: i64 = 5;
/// The longest delay of an account.
const MAX_DELAY_MS: i64 = 60_000;
/// Failures are forgotten after a day without another.
pub(crate) const FORGET_AFTER_MS: i64 = 24 * 60 * 60 * 1000;

/// Failed sign-ins in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failures {
    pub(crate) count: i64,
    pub(crate) last_at: i64,
}

impl Failures {
    /// Those that still count.
    pub(crate) fn current(self, now: i64) -> i64 {
        if now - self.last_at >= FORGET_AFTER_MS { 0 } else { self.count }
    }
}

/// How long the next try has to wait: nothing for the first five failures, then 1, 2, 4, ... 60 s.
pub(crate) fn wait_ms(failures: Failures, now: i64) -> i64 {
    let over = failures.current(now) - FREE_FAILURES;
    if over < 0 {
        return 0;
    }
    let delay = 1000_i64.checked_shl(u32::try_from(over.min(10)).unwrap_or(10)).unwrap_or(MAX_DELAY_MS);
    // A clock that was set back must not make the wait longer than the delay itself.
    (failures.last_at + delay.min(MAX_DELAY_MS) - now).clamp(0, MAX_DELAY_MS)
}

/// Under which failures of a sign-in are counted: what was typed as the name, and the network too where the
/// account knows it.
pub(crate) fn key(login: &str, known_network: Option<&str>) -> [u8; 32] {
    sha256(format!("{login}\n{}", known_network.unwrap_or_default()).as_bytes())
}

/// The network that counts as one caller: an IPv4 address, or an IPv6 /64, which is what one line gets.
pub(crate) fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// What is being tried; each has buckets of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Try {
    Login,
    Register,
}

/// Buckets per network (the generic cell rate algorithm: one number a bucket, the time at which it is full).
pub(crate) struct AddressThrottle {
    burst: i64,
    clock: Clock,
    full_at: Mutex<HashMap<(Try, String), i64>>,
}

impl AddressThrottle {
    pub(crate) fn new(burst: u32, clock: Clock) -> Self {
        Self { burst: i64::from(burst), clock, full_at: Mutex::default() }
    }

    /// Takes one try, or says how long to wait.
    pub(crate) fn take(&self, what: Try, network: &str) -> Result<(), Duration> {
        let now = self.clock.now_ms();
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if full_at.len() >= MAX_BUCKETS {
            full_at.retain(|_, at| *at > now);
        }
        let at = full_at.entry((what, network.to_owned())).or_insert(now);
        let missing = (*at).max(now) - now;
        let wait = missing - (self.burst - 1) * INTERVAL_MS;
        if wait > 0 {
            return Err(Duration::from_millis(u64::try_from(wait).unwrap_or(0)));
        }
        *at = now + missing + INTERVAL_MS;
        Ok(())
    }

    /// Gives a try back: it succeeded.
    pub(crate) fn give_back(&self, what: Try, network: &str) {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = full_at.get_mut(&(what, network.to_owned())) {
            *at -= INTERVAL_MS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use service_kit::clock::from_millis;

    #[test]
    fn an_accounts_delay_grows_and_never_locks() {
        let wait = |count, elapsed| wait_ms(Failures { count, last_at: 1_000_000 }, 1_000_000 + elapsed);
        assert_eq!(wait(4, 0), 0);
        assert_eq!(wait(5, 0), 1000);
        assert_eq!(wait(6, 500), 1500);
        assert_eq!(wait(8, 0), 8000);
        assert_eq!(wait(1_000_000, 0), MAX_DELAY_MS);
        assert_eq!(wait(1_000_000, MAX_DELAY_MS), 0);
        assert_eq!(wait(1_000_000, -3_600_000), MAX_DELAY_MS, "a clock that went back");
        assert_eq!(wait(1_000_000, FORGET_AFTER_MS), 0);
    }

    #[test]
    fn an_address_has_a_burst_and_then_one_try_in_20_s() {
        let clock = Clock::manual(from_millis(0));
        let throttle = AddressThrottle::new(5, clock.clone());
        for _ in 0..5 {
            assert_eq!(throttle.take(Try::Login, "192.0.2.1"), Ok(()));
        }
        assert_eq!(throttle.take(Try::Login, "192.0.2.1"), Err(Duration::from_secs(20)));
        assert_eq!(throttle.take(Try::Login, "192.0.2.2"), Ok(()));
        assert_eq!(throttle.take(Try::Register, "192.0.2.1"), Ok(()));
        clock.advance(Duration::from_secs(20));
        assert_eq!(throttle.take(Try::Login, "192.0.2.1"), Ok(()));
        assert!(throttle.take(Try::Login, "192.0.2.1").is_err());
        throttle.give_back(Try::Login, "192.0.2.1");
        assert_eq!(throttle.take(Try::Login, "192.0.2.1"), Ok(()));
    }

    #[test]
    fn neighbours_in_a_64_are_one_caller() {
        let of = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
    }
}
