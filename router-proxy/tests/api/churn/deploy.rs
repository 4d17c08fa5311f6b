//! deploy-control in the simulation: it makes, moves, replaces, puts to sleep, wakes and deletes instances, one after
//! the other and in the order that the real one keeps. It publishes first, waits until the router shows that it
//! took the change over, and only then stops the container and gives its address back.
//!
//! Whoever needs an address gets the one that was given back last: it is another's again at once, without the
//! quarantine that the real one has.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use control_api::ids::InstanceId;
use serde_json::json;
use tokio::time::Instant;

use super::Dice;
use super::client::{Answer, Ask, Client, Tunnel};
use super::container::{Container, Ending, Remains};
use super::ledger::{Identity, Ledger, Place, count, counted};
use super::wire::PATIENCE;
use crate::world::World;

/// At most this many requests of all pass between two changes by one driver.
const PACE: u64 = 40;
/// Stopped containers whose connections are still there.
const REMAINS: usize = 3;
const POLL: Duration = Duration::from_millis(1);

/// Addresses that are free, each with the instance that had it last.
pub(super) struct Addresses(Mutex<Vec<(SocketAddrV4, Option<InstanceId>)>>);

impl Addresses {
    /// Addresses from 127.0.2.1, where no other test listens.
    pub(super) fn new(number: u8) -> Self {
        let free = (1..=number).map(|last| {
            let ip = Ipv4Addr::new(127, 0, 2, last);
            let listener = std::net::TcpListener::bind((ip, 0)).expect("a port");
            (SocketAddrV4::new(ip, listener.local_addr().expect("an address").port()), None)
        });
        Self(Mutex::new(free.collect()))
    }

    fn take(&self, ledger: &Ledger, instance: InstanceId) -> SocketAddrV4 {
        let (address, last) = self.0.lock().unwrap().pop().expect("one more than there are instances");
        if last.is_some_and(|last| last != instance) {
            count(&ledger.tally.reuses);
        }
        address
    }

    fn give_back(&self, address: SocketAddrV4, instance: InstanceId) {
        self.0.lock().unwrap().push((address, Some(instance)));
    }
}

/// What a slug has at this moment.
enum Slot {
    Nothing,
    Running(Container, Option<Tunnel>),
    Asleep(Identity, SocketAddrV4),
}

/// One who changes some of the slugs; nobody else changes those.
pub(super) struct Driver {
    world: Arc<World>,
    ledger: Arc<Ledger>,
    addresses: Arc<Addresses>,
    dice: Dice,
    client: Client,
    slots: Vec<(usize, Slot)>,
    remains: VecDeque<Remains>,
}

impl Driver {
    pub(super) fn new(
        world: &Arc<World>,
        ledger: &Arc<Ledger>,
        addresses: &Arc<Addresses>,
        dice: Dice,
        places: impl Iterator<Item = usize>,
    ) -> Self {
        Self {
            world: Arc::clone(world),
            ledger: Arc::clone(ledger),
            addresses: Arc::clone(addresses),
            dice,
            client: Client::new(ledger, world.router),
            slots: places.map(|place| (place, Slot::Nothing)).collect(),
            remains: VecDeque::new(),
        }
    }

    /// Changes routes until all requests are sent, then deletes what is left.
    pub(super) async fn run(mut self) {
        while !self.ledger.is_used_up() {
            let index = self.dice.index(self.slots.len());
            self.change(index).await;
            let requests = &self.ledger.tally.requests;
            let mark = counted(requests) + self.dice.below(PACE);
            while counted(requests) < mark && !self.ledger.is_used_up() {
                tokio::time::sleep(POLL).await;
            }
        }
        for index in 0..self.slots.len() {
            self.delete(index).await;
        }
    }

    async fn change(&mut self, index: usize) {
        let place = self.slots[index].0;
        match std::mem::replace(&mut self.slots[index].1, Slot::Nothing) {
            Slot::Nothing => {
                let serial = self.place(place).floor();
                self.create(
                    index,
                    Identity { place, instance: InstanceId::generate(), generation: 1, serial },
                )
                .await;
            }
            Slot::Asleep(identity, address) if self.dice.below(5) > 0 => {
                self.wake(index, identity, address).await;
            }
            Slot::Running(container, tunnel) => match self.dice.below(6) {
                0 => self.put_to_sleep(index, container, tunnel).await,
                1 => self.replace_in_place(index, container, tunnel).await,
                2 => match tunnel {
                    Some(tunnel) => self.replace_unseen(index, container, tunnel).await,
                    None => self.replace_in_place(index, container, None).await,
                },
                3 => {
                    let next = next_generation(container.identity);
                    self.move_to(index, container, tunnel, next).await;
                }
                4 => {
                    // Deleted and made again by the same name before the router looked.
                    let (instance, serial) = (InstanceId::generate(), container.identity.serial + 1);
                    let next = Identity { place, instance, generation: 1, serial };
                    self.move_to(index, container, tunnel, next).await;
                }
                _ => {
                    self.slots[index].1 = Slot::Running(container, tunnel);
                    self.delete(index).await;
                }
            },
            asleep @ Slot::Asleep(..) => {
                self.slots[index].1 = asleep;
                self.delete(index).await;
            }
        }
    }

    async fn create(&mut self, index: usize, identity: Identity) {
        self.publish(&identity, "creating", None);
        let address = self.addresses.take(&self.ledger, identity.instance);
        let container = Container::start(&self.ledger, address, identity).await;
        self.publish(&identity, "ready", Some(address));
        self.ready(index, container).await;
    }

    async fn wake(&mut self, index: usize, identity: Identity, address: SocketAddrV4) {
        self.publish(&identity, "starting", Some(address));
        let container = Container::start(&self.ledger, address, identity).await;
        self.publish(&identity, "ready", Some(address));
        self.ready(index, container).await;
    }

    /// The router keeps what is under way, as the container is still its instance's.
    async fn put_to_sleep(&mut self, index: usize, container: Container, tunnel: Option<Tunnel>) {
        let (identity, address) = (container.identity, container.address);
        self.publish(&identity, "asleep", Some(address));
        self.shown(&identity, "it is asleep", |answer| answer.status == 503).await;
        let ending = if self.dice.below(2) == 0 { Ending::InOrder } else { Ending::Killed };
        drop(container.stop(ending).await);
        closed(tunnel).await;
        self.slots[index].1 = Slot::Asleep(identity, address);
    }

    /// The next generation gets the address of the one before, as in an upgrade.
    async fn replace_in_place(&mut self, index: usize, container: Container, tunnel: Option<Tunnel>) {
        let (next, address) = (next_generation(container.identity), container.address);
        self.publish(&next, "starting", None);
        self.shown(&next, "it is stopped for the next generation", |answer| answer.status == 503).await;
        self.raise_floor(&next);
        closed(tunnel).await;
        self.stop(container).await;
        let container = Container::start(&self.ledger, address, next).await;
        self.publish(&next, "ready", Some(address));
        self.ready(index, container).await;
    }

    /// The same without waiting: the router may see nothing of the time between the two. That it has taken over the
    /// change is shown by the tunnel alone, as by the old route the new container is found, too.
    async fn replace_unseen(&mut self, index: usize, container: Container, tunnel: Tunnel) {
        let (next, address) = (next_generation(container.identity), container.address);
        self.publish(&next, "starting", None);
        self.place(next.place).published.store(next.serial, Ordering::SeqCst);
        self.keep(container.stop(Ending::Lingering).await);
        let container = Container::start(&self.ledger, address, next).await;
        self.publish(&next, "ready", Some(address));
        tunnel.closed().await;
        self.ready(index, container).await;
    }

    /// Another container takes the slug over at another address, without a gap.
    async fn move_to(&mut self, index: usize, old: Container, tunnel: Option<Tunnel>, next: Identity) {
        let address = self.addresses.take(&self.ledger, next.instance);
        let container = Container::start(&self.ledger, address, next).await;
        self.publish(&next, "ready", Some(address));
        self.ready(index, container).await;
        closed(tunnel).await;
        let (free, instance) = (old.address, old.identity.instance);
        self.stop(old).await;
        self.addresses.give_back(free, instance);
    }

    async fn delete(&mut self, index: usize) {
        let (identity, address, tunnel) = match std::mem::replace(&mut self.slots[index].1, Slot::Nothing) {
            Slot::Nothing => return,
            Slot::Asleep(identity, address) => (identity, address, None),
            Slot::Running(container, tunnel) => {
                let (identity, address) = (container.identity, container.address);
                self.publish(&identity, "deleting", Some(address));
                self.shown(&identity, "it is being deleted", |answer| answer.status == 503).await;
                self.raise_floor(&next_generation(identity));
                self.stop(container).await;
                (identity, address, tunnel)
            }
        };
        let path = self.world.route_path(&self.place(identity.place).slug);
        std::fs::remove_file(path).expect("removed");
        count(&self.ledger.tally.changes);
        self.shown(&identity, "it is gone", |answer| answer.status == 404).await;
        self.raise_floor(&next_generation(identity));
        closed(tunnel).await;
        self.addresses.give_back(address, identity.instance);
    }

    fn place(&self, place: usize) -> &Place {
        &self.ledger.places[place]
    }

    /// Writes a route file as deploy-control does, but for the flush to the disk, which would take most of the time.
    fn publish(&self, identity: &Identity, state: &str, upstream: Option<SocketAddrV4>) {
        let (place, owner) = (self.place(identity.place), self.ledger.owner(identity.instance));
        if state == "ready" {
            let cookie = self.world.authz.app_token(owner, identity.instance);
            *place.cookie.lock().unwrap() = cookie;
            place.published.store(identity.serial, Ordering::SeqCst);
        }
        let access = if place.is_public { "public" } else { "owner" };
        let mut route = json!({
            "version": 1, "slug": place.slug, "instance_id": identity.instance, "owner_id": owner.user,
            "generation": identity.generation, "state": state, "access": access,
        });
        if let Some(upstream) = upstream {
            route["upstream"] = upstream.to_string().into();
        }
        let path = self.world.route_path(&place.slug);
        let temporary = path.with_file_name(format!(".{}.tmp", place.slug));
        std::fs::write(&temporary, route.to_string()).expect("written");
        std::fs::rename(temporary, path).expect("renamed");
        count(&self.ledger.tally.changes);
    }

    /// From here on nothing older may answer. After a fault nothing is known for sure any more.
    fn raise_floor(&self, identity: &Identity) {
        if !self.ledger.is_at_fault() {
            self.place(identity.place).floor.store(identity.serial, Ordering::SeqCst);
        }
    }

    /// Waits until the router serves it, and holds a tunnel to it.
    async fn ready(&mut self, index: usize, container: Container) {
        let identity = container.identity;
        let is_served = |answer: &Answer| answer.who == Some(identity);
        self.shown(&identity, "it is served", is_served).await;
        self.raise_floor(&identity);
        let tunnel = Tunnel::open(&self.ledger, self.world.router, self.place(identity.place)).await;
        self.slots[index].1 = Slot::Running(container, tunnel);
    }

    /// Asks until the router shows that it took a change over.
    async fn shown(&mut self, identity: &Identity, what: &str, is_shown: impl Fn(&Answer) -> bool) {
        let ledger = Arc::clone(&self.ledger);
        let place = &ledger.places[identity.place];
        let ask = Ask { target: "/probe", is_person: true, body: &[] };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.client.ask(place, ask).await;
            // After a fault nobody waits for anything.
            if answer.as_ref().is_some_and(&is_shown) || ledger.is_at_fault() {
                return;
            }
            if Instant::now() >= deadline {
                let slug = &place.slug;
                ledger.unexpected(&format!(
                    "the router does not show of {slug} ({identity}) that {what}: {answer:?}"
                ));
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Stops a container that its slug no longer stands for, in one of the ways in which they end.
    async fn stop(&mut self, container: Container) {
        let ending = match self.dice.below(4) {
            0 => Ending::InOrder,
            1 => Ending::Killed,
            _ => Ending::Lingering,
        };
        self.keep(container.stop(ending).await);
    }

    /// Keeps the connections of some stopped containers.
    fn keep(&mut self, remains: Remains) {
        self.remains.push_back(remains);
        if self.remains.len() > REMAINS {
            self.remains.pop_front();
        }
    }
}

fn next_generation(of: Identity) -> Identity {
    Identity { generation: of.generation + 1, serial: of.serial + 1, ..of }
}

async fn closed(tunnel: Option<Tunnel>) {
    if let Some(tunnel) = tunnel {
        tunnel.closed().await;
    }
}
