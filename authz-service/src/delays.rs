//! How long failed sign-ins have to wait. Per address a bucket: so many tries at once, then one in 20 s. Per
//! account a delay that grows with each failure and never becomes a lock: at most a minute, and from a network
//! where the person has signed in before, strangers' failures do not count. Both are stored, so that a restart
//! gives nobody new tries. Pure.

use std::net::{IpAddr, Ipv6Addr};

use service_kit::secret::sha256;

/// One try returns to an address's bucket in this time: 0.05 a second.
pub(crate) const INTERVAL_MS: i64 = 20_000;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Try {
    Login,
    Register,
    /// The code of the first administrator.
    Setup,
    /// What sends a mail.
    Mail,
    Upstream,
}

/// The bucket of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// What it is stored by.
    pub(crate) key: [u8; 32],
    /// Tries when it is full.
    pub(crate) burst: u32,
}

impl Bucket {
    /// Of the caller's network.
    pub(crate) fn of(what: Try, address: IpAddr, burst: u32) -> Self {
        let what = match what {
            Try::Login => "login",
            Try::Register => "register",
            Try::Setup => "setup",
            Try::Mail => "mail",
            Try::Upstream => "upstream",
        };
        Self { key: sha256(format!("{what}\n{}", network(address)).as_bytes()), burst }
    }

    /// Takes one try: answers when the bucket is full again (the generic cell rate algorithm: one number a
    /// bucket), or how long the try has to wait, in milliseconds.
    pub(crate) fn take(self, full_at: i64, now: i64) -> Result<i64, i64> {
        let burst = i64::from(self.burst);
        // A clock that was set back must not make the wait longer than an empty bucket does.
        let missing = (full_at - now).clamp(0, burst * INTERVAL_MS);
        let wait = missing - (burst - 1) * INTERVAL_MS;
        if wait > 0 { Err(wait) } else { Ok(now + missing + INTERVAL_MS) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let bucket = |what, address: &str| Bucket::of(what, address.parse().expect("an address"), 5);
        let first = bucket(Try::Login, "192.0.2.1");
        let mut full_at = 0;
        for _ in 0..5 {
            full_at = first.take(full_at, 1000).expect("a try");
        }
        assert_eq!(first.take(full_at, 1000), Err(INTERVAL_MS));
        assert_eq!(first.take(full_at, 1000 + INTERVAL_MS - 1), Err(1));
        full_at = first.take(full_at, 1000 + INTERVAL_MS).expect("a try");
        assert!(first.take(full_at, 1000 + INTERVAL_MS).is_err());
        // Given back.
        assert!(first.take(full_at - INTERVAL_MS, 1000 + INTERVAL_MS).is_ok());
        assert_eq!(first.take(full_at, -86_400_000), Err(INTERVAL_MS), "a clock that went back");
        assert_ne!(first.key, bucket(Try::Login, "192.0.2.2").key);
        assert_ne!(first.key, bucket(Try::Register, "192.0.2.1").key);
    }

    #[test]
    fn neighbours_in_a_64_are_one_caller() {
        let of = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
    }
}
