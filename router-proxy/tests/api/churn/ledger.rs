//! What is true in the simulation, known to everybody in it: which container each slug may be answered by at this
//! moment, and what has been counted. A fault is kept with its words, so that a failure says what happened.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use control_api::ids::InstanceId;

use crate::fake_authz::Person;

/// Faults that are kept in words; the others are only counted.
const KEPT: usize = 10;

/// One container, as it names itself in each answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// Which of the ledger's slugs it belongs to.
    pub(super) place: usize,
    pub(super) instance: InstanceId,
    pub(super) generation: u64,
    /// Counts the (instance, generation) pairs of the slug, so that older and newer can be told.
    pub(super) serial: u64,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.place, self.instance, self.generation, self.serial)
    }
}

impl Identity {
    /// Reads what [`fmt::Display`] writes, and what follows it.
    pub(super) fn parse(text: &str) -> Option<(Self, &str)> {
        let mut words = text.splitn(5, ' ');
        let identity = Self {
            place: words.next()?.parse().ok()?,
            instance: words.next()?.parse().ok()?,
            generation: words.next()?.parse().ok()?,
            serial: words.next()?.parse().ok()?,
        };
        Some((identity, words.next().unwrap_or_default()))
    }
}

/// One slug.
pub(super) struct Place {
    pub(super) index: usize,
    pub(super) slug: String,
    /// Whether anybody may pass; otherwise the owner alone may, and the instance is told so.
    pub(super) is_public: bool,
    /// The oldest serial that may answer a request which is sent from now on: it rises once the router has shown
    /// that it took over a change.
    pub(super) floor: AtomicU64,
    /// The newest serial whose route was written.
    pub(super) published: AtomicU64,
    /// The owner's cookie for the instance of this moment.
    pub(super) cookie: Mutex<String>,
}

impl Place {
    pub(super) fn floor(&self) -> u64 {
        self.floor.load(Ordering::SeqCst)
    }

    pub(super) fn published(&self) -> u64 {
        self.published.load(Ordering::SeqCst)
    }
}

/// Counters of a run.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) requests: AtomicU64,
    /// Answers by the first digit of their status.
    classes: [AtomicU64; 6],
    pub(super) uploads: AtomicU64,
    /// Connections that ended without an answer.
    pub(super) broken: AtomicU64,
    pub(super) changes: AtomicU64,
    pub(super) reuses: AtomicU64,
    pub(super) tunnels_opened: AtomicU64,
    pub(super) tunnels_closed: AtomicU64,
    /// Requests and connections that containers got.
    pub(super) arrivals: AtomicU64,
    pub(super) connections: AtomicU64,
    wrong: AtomicU64,
    unexpected: AtomicU64,
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::SeqCst);
}

/// Reads a counter.
pub(super) fn counted(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::SeqCst)
}

/// Slugs, counters and faults.
pub(super) struct Ledger {
    pub(super) places: Vec<Place>,
    pub(super) tally: Tally,
    people: [Person; 3],
    /// Requests that are yet to be sent.
    left: AtomicU64,
    faults: Mutex<Vec<String>>,
}

impl Ledger {
    pub(super) fn new(places: Vec<Place>, people: [Person; 3], requests: u64) -> Self {
        Self {
            places,
            tally: Tally::default(),
            people,
            left: AtomicU64::new(requests),
            faults: Mutex::default(),
        }
    }

    /// Whose an instance is follows from its id: when a slug's instance is made again, it is often another's.
    pub(super) fn owner(&self, instance: InstanceId) -> Person {
        let last = instance.to_string().bytes().last().unwrap_or_default();
        self.people[usize::from(last) % self.people.len()]
    }

    /// Leave to send one more request.
    pub(super) fn claim(&self) -> bool {
        let take = |left: u64| left.checked_sub(1);
        self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok()
    }

    pub(super) fn is_used_up(&self) -> bool {
        counted(&self.left) == 0
    }

    /// Counts an answer of the router.
    pub(super) fn answered(&self, status: u16) {
        if let Some(class) = self.tally.classes.get(usize::from(status / 100)) {
            count(class);
        }
    }

    /// The answers with statuses from `class`00 to `class`99.
    pub(super) fn of_class(&self, class: usize) -> u64 {
        counted(&self.tally.classes[class])
    }

    /// A request that reached the wrong container, or an answer of one.
    pub(super) fn wrong(&self, what: &str) {
        count(&self.tally.wrong);
        self.keep(format!("wrong: {what}"));
    }

    /// Anything else that must not happen.
    pub(super) fn unexpected(&self, what: &str) {
        count(&self.tally.unexpected);
        self.keep(format!("unexpected: {what}"));
    }

    fn keep(&self, words: String) {
        let mut faults = self.faults.lock().unwrap();
        if faults.len() < KEPT {
            faults.push(words);
        } else {
            // These are enough to tell what is wrong.
            self.left.store(0, Ordering::SeqCst);
        }
    }

    pub(super) fn is_at_fault(&self) -> bool {
        !self.faults.lock().unwrap().is_empty()
    }

    /// The first faults, in words.
    pub(super) fn faults(&self) -> Vec<String> {
        self.faults.lock().unwrap().clone()
    }

    /// Judges one that answered: it must be the slug's, not older than what the router had taken over when the
    /// request was sent, and not newer than what it could know of.
    pub(super) fn judge(&self, place: &Place, floor: u64, who: &Identity, what: &str) {
        let published = place.published();
        if who.place != place.index {
            let theirs = self.places.get(who.place).map_or("nobody", |other| &other.slug);
            self.wrong(&format!("{what} for {} came to {theirs}'s container {who}", place.slug));
        } else if who.serial < floor || who.serial > published {
            let range = format!("only serials {floor} to {published} may answer");
            self.wrong(&format!("{what} for {} came to its container {who}, and {range}", place.slug));
        }
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally = &self.tally;
        write!(
            f,
            "{} requests (2xx {}, 3xx {}, 4xx {}, 5xx {}, without an answer {}; {} uploads), {} changes of routes, \
             {} address reuses, {} of {} tunnels closed, {} requests on {} connections to containers, \
             {} wrong answers, {} other faults",
            counted(&tally.requests),
            self.of_class(2),
            self.of_class(3),
            self.of_class(4),
            self.of_class(5),
            counted(&tally.broken),
            counted(&tally.uploads),
            counted(&tally.changes),
            counted(&tally.reuses),
            counted(&tally.tunnels_closed),
            counted(&tally.tunnels_opened),
            counted(&tally.arrivals),
            counted(&tally.connections),
            counted(&tally.wrong),
            counted(&tally.unexpected),
        )
    }
}
