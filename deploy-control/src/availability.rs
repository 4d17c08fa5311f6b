//! Whether Docker answers. One failed call closes it, one answered ping opens it; the health page and every
//! waiting operation say the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use service_kit::clock::Clock;
use service_kit::health::{Check, Health};
use tokio::sync::watch;

/// Name of the check on the health page.
pub const CHECK: &str = "docker";

/// Before it is noticed that Docker goes, and after it is back, what it did to containers is found out for this long.
const AFTERMATH_MS: i64 = 120_000;

/// Whether Docker answers. Clones share it.
#[derive(Clone)]
pub struct Availability {
    state: Arc<watch::Sender<Option<String>>>,
    health: Health,
    clock: Clock,
    times: Arc<Times>,
}

/// When it last went and last came back, by our clock.
struct Times {
    left: AtomicI64,
    back: AtomicI64,
}

impl Availability {
    /// Not known to be away, and not known to be there: the health page waits for the first answer.
    pub fn new(health: Health, clock: Clock) -> Self {
        health.set(CHECK, Check::Failing("Docker has not answered yet".to_owned()));
        let times = Times { left: AtomicI64::new(i64::MIN), back: AtomicI64::new(i64::MIN) };
        Self { state: Arc::new(watch::Sender::new(None)), health, clock, times: Arc::new(times) }
    }

    /// Why it is away; `None` while it is not.
    pub fn reason(&self) -> Option<String> {
        self.state.borrow().clone()
    }

    /// It does not answer.
    pub fn down(&self, reason: &str) {
        self.health.set(CHECK, Check::Failing(reason.to_owned()));
        self.state.send_if_modified(|state| {
            if state.is_none() {
                self.times.left.store(self.clock.now_ms(), Ordering::Release);
            }
            let news = state.as_deref() != Some(reason);
            *state = Some(reason.to_owned());
            news
        });
    }

    /// It answers. Says whether that is news.
    pub fn up(&self) -> bool {
        self.health.set(CHECK, Check::Ok);
        self.state.send_if_modified(|state| {
            let news = state.take().is_some();
            if news {
                self.times.back.store(self.clock.now_ms(), Ordering::Release);
            }
            news
        })
    }

    /// Whether what was ready at that time and does not run now went with Docker: it was up before Docker went, and
    /// Docker has only just come back.
    pub fn went_with_docker(&self, ready_at: i64) -> bool {
        let (left, back) = (self.times.left.load(Ordering::Acquire), self.times.back.load(Ordering::Acquire));
        ready_at <= left && self.clock.now_ms() <= back.saturating_add(AFTERMATH_MS)
    }

    /// From when on losses may be Docker's doing, because it was about to go.
    pub fn began_to_leave_at(&self) -> i64 {
        self.times.left.load(Ordering::Acquire).saturating_sub(AFTERMATH_MS)
    }

    /// Waits until it does not answer.
    pub async fn until_down(&self) {
        let mut state = self.state.subscribe();
        // The sender lives as long as this.
        let _ = state.wait_for(Option::is_some).await;
    }

    /// Waits until it answers.
    pub async fn until_up(&self) {
        let mut state = self.state.subscribe();
        let _ = state.wait_for(Option::is_none).await;
    }
}
