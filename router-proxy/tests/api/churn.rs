//! Never the wrong user: routes change under load in every way they can, addresses pass from one instance to another,
//! and no request may reach a container that its slug does not own, nor an answer come from one.
//!
//! The decisions come from a fixed seed; how they fall together with the requests does not. `BEAVER_CHURN_REQUESTS`
//! says how many requests there are (`scripts/simulate-churn.sh`).

mod client;
mod container;
mod deploy;
mod ledger;
mod wire;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use self::client::{Ask, Client, Tunnel};
use self::deploy::{Addresses, Driver};
use self::ledger::{Ledger, Place, count, counted};
use crate::fake_authz::Person;
use crate::world::World;

/// Requests of the short run.
const REQUESTS: u64 = 20_000;
/// Slugs, those who change them, and those who ask.
const PLACES: usize = 9;
const DRIVERS: usize = 3;
const CLIENTS: u8 = 24;
const NAMES: [&str; 3] = ["alice", "bob", "carol"];
/// Each driver may need one more than its instances have.
const ADDRESSES: u8 = 12;
/// Tunnels that one client has open beside its requests.
const TUNNELS: usize = 3;
/// Between two lines that say how far a run is.
const PROGRESS: Duration = Duration::from_secs(5);
const SEED: u64 = 0x0bea_7e12_5eed;

/// xorshift64: decisions that are the same in every run.
pub(crate) struct Dice(u64);

impl Dice {
    fn new(stream: u64) -> Self {
        let mut dice = Self(SEED ^ (stream + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // Neighbouring seeds begin alike.
        for _ in 0..8 {
            dice.next();
        }
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// One of the numbers below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("small")
    }
}

fn places() -> Vec<Place> {
    let place = |index: usize| Place {
        index,
        slug: format!("{}-{}", NAMES[index % NAMES.len()], index / NAMES.len() + 1),
        is_public: index >= PLACES / 2,
        floor: AtomicU64::new(1),
        published: AtomicU64::new(0),
        cookie: Mutex::default(),
    };
    (0..PLACES).map(place).collect()
}

/// Sends requests of every kind to slugs at random until all are sent; what is left are open tunnels.
async fn ask_around(world: Arc<World>, ledger: Arc<Ledger>, number: u8) -> JoinSet<()> {
    let mut client = Client::new(&ledger, world.router);
    let mut tunnels = JoinSet::new();
    let mut dice = Dice::new(1000 + u64::from(number));
    let body = vec![number; 256 * 1024];
    while ledger.claim() {
        let place = &ledger.places[dice.index(PLACES)];
        while tunnels.try_join_next().is_some() {}
        let is_person = dice.below(8) > 0;
        match dice.below(100) {
            0..2 if tunnels.len() < TUNNELS => {
                if let Some(tunnel) = Tunnel::open(&ledger, world.router, place).await {
                    tunnels.spawn(tunnel.talk());
                }
            }
            // Under way while the route changes.
            2..5 => {
                let target = format!("/held/{number}/{:x}", dice.next());
                client.ask(place, Ask { target: &target, is_person, body: &[] }).await;
            }
            5..20 => {
                let length = if dice.below(20) == 0 { body.len() } else { 1 + dice.index(4096) };
                let target = format!("/upload/{number}/{:x}", dice.next());
                count(&ledger.tally.uploads);
                client.ask(place, Ask { target: &target, is_person, body: &body[..length] }).await;
            }
            _ => {
                let target = format!("/{number}/{:x}", dice.next());
                client.ask(place, Ask { target: &target, is_person, body: &[] }).await;
            }
        }
    }
    tunnels
}

/// Says how far it is until it is aborted.
fn show_progress(ledger: &Arc<Ledger>, started: Instant) -> JoinHandle<()> {
    let ledger = Arc::clone(ledger);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(PROGRESS).await;
            say(&format!("{} s: {ledger}", started.elapsed().as_secs()));
        }
    })
}

#[expect(clippy::print_stdout, reason = "the figures are what a run by hand is for")]
fn say(text: &str) {
    println!("{text}");
}

/// All of it, until every request is answered and every instance is deleted.
async fn simulate(requests: u64) -> Arc<Ledger> {
    let world = World::start_with(|config| {
        // A person gets the page that says it sleeps at once, a program is held for a moment.
        config.timeouts.waiting_page = Duration::ZERO;
        config.timeouts.hold = Duration::from_millis(100);
    });
    let world = Arc::new(world.await);
    let ledger = Arc::new(Ledger::new(places(), NAMES.map(Person::new), requests));
    let addresses = Arc::new(Addresses::new(ADDRESSES));
    let progress = show_progress(&ledger, Instant::now());
    let mut drivers = JoinSet::new();
    for driver in 0..DRIVERS {
        let own = (driver..PLACES).step_by(DRIVERS);
        let dice = Dice::new(driver as u64);
        drivers.spawn(Driver::new(&world, &ledger, &addresses, dice, own).run());
    }
    let mut clients = JoinSet::new();
    for client in 1..=CLIENTS {
        clients.spawn(ask_around(Arc::clone(&world), Arc::clone(&ledger), client));
    }
    let tunnels = clients.join_all().await;
    drivers.join_all().await;
    // With every route gone no tunnel is left.
    for open in tunnels {
        open.join_all().await;
    }
    progress.abort();
    assert!(world.stop().await, "a clean stop");
    ledger
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_request_reaches_a_container_that_its_slug_does_not_own() {
    let requests =
        std::env::var("BEAVER_CHURN_REQUESTS").map_or(REQUESTS, |text| text.parse().expect("a number"));
    let started = Instant::now();
    let ledger = simulate(requests).await;
    say(&format!("{ledger}, {:.1} s", started.elapsed().as_secs_f64()));
    let faults = ledger.faults();
    assert!(faults.is_empty(), "{ledger}\n{}", faults.join("\n"));
    // That nothing was wrong says something only if there was enough of everything.
    let tally = &ledger.tally;
    let (changes, opened) = (counted(&tally.changes), counted(&tally.tunnels_opened));
    assert_eq!(opened, counted(&tally.tunnels_closed), "tunnels closed: {ledger}");
    assert!(ledger.of_class(2) > requests / 4, "enough was served: {ledger}");
    assert!(changes > requests / 100 && counted(&tally.reuses) > changes / 20, "enough changed: {ledger}");
    assert!(opened > changes / 20, "enough tunnels: {ledger}");
    assert!(counted(&tally.connections) < counted(&tally.arrivals) / 2, "connections were reused: {ledger}");
}
