//! The one task that moves instances. Handlers only write down what is wanted and call [`Reconciler::changed`];
//! Docker's events are hints; a full list every 30 s, and whenever Docker is back, decides. Each instance is
//! worked on by one flight at a time, at most four instances at once, and whoever has to wait for something
//! gives its place to the next.

mod bring_up;
mod configure;
mod context;
mod flight;
mod memory;
mod nap;
mod queue;
mod remove;
mod setbacks;
mod sweep;
mod upgrade;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use control_api::ids::InstanceId;
use futures_util::StreamExt as _;
use service_kit::lifecycle::Lifecycle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use bring_up::missing_image;
pub use context::Context;
use flight::{Flight, Outcome};
use queue::Queue;

/// Instances that are worked on at once.
const PARALLEL: usize = 4;
/// After a bug in a flight.
const AFTER_PANIC: Duration = Duration::from_secs(30);

/// How the rest of the service speaks with the task. Clones share it.
#[derive(Clone)]
pub struct Reconciler {
    sender: mpsc::UnboundedSender<Message>,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Clone, Copy)]
enum Message {
    /// Something else is wanted: what is under way should look again at once.
    Changed(InstanceId),
    /// Something may have happened.
    Hint(InstanceId),
    /// Compare everything with Docker's list.
    Sweep,
}

/// What a job of the task came to.
enum Done {
    Flight(InstanceId, Outcome),
    Timer(InstanceId),
    Sweep(Vec<InstanceId>),
}

impl Reconciler {
    /// Starts the task and its ears.
    pub fn start(lifecycle: &Lifecycle, context: Arc<Context>) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let this = Self { sender, queue: Arc::default() };
        let task = Task {
            context: Arc::clone(&context),
            queue: Arc::clone(&this.queue),
            receiver,
            jobs: JoinSet::new(),
            flights: HashMap::new(),
            tokens: HashMap::new(),
            blocked: HashSet::new(),
            sweeping: false,
            sweep_again: false,
            catching_up: Some(CatchingUp { since: Instant::now(), looked_at: None }),
            stopping: lifecycle.stopping(),
        };
        lifecycle.spawn_critical("reconciler", task.run());
        let ears = this.clone();
        lifecycle.spawn_critical(
            "docker-events",
            until_stopped(lifecycle.stopping(), listen(ears, Arc::clone(&context))),
        );
        let pings = this.clone();
        lifecycle.spawn_critical("docker-ping", until_stopped(lifecycle.stopping(), ping(pings, context)));
        this
    }

    /// Something else is wanted of the instance.
    pub fn changed(&self, id: InstanceId) {
        let _ = self.sender.send(Message::Changed(id));
    }

    /// Compares everything with Docker's list, soon.
    pub fn sweep(&self) {
        let _ = self.sender.send(Message::Sweep);
    }

    /// How many are before the instance in the queue.
    pub fn position(&self, id: InstanceId) -> Option<u32> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.position(id).and_then(|n| u32::try_from(n).ok())
    }
}

async fn until_stopped(
    stopping: CancellationToken,
    task: impl Future<Output = ()> + Send,
) -> Result<(), String> {
    tokio::select! { () = task => {}, () = stopping.cancelled() => {} }
    Ok(())
}

/// Follows Docker's events; after each break everything is listed again.
async fn listen(reconciler: Reconciler, context: Arc<Context>) {
    loop {
        context.availability.until_up().await;
        let mut events = context.engine.events();
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    tracing::debug!(instance = %event.instance_id, action = event.action, "Docker's event");
                    if event.action == "oom" {
                        memory::note_oom(&context, event.instance_id).await;
                    }
                    let _ = reconciler.sender.send(Message::Hint(event.instance_id));
                }
                Err(error) => {
                    tracing::debug!(%error, "the stream of Docker's events broke off");
                    break;
                }
            }
        }
        tokio::time::sleep(context.timings.ping).await;
        reconciler.sweep();
    }
}

/// While Docker is away: asks until it is back.
async fn ping(reconciler: Reconciler, context: Arc<Context>) {
    loop {
        context.availability.until_down().await;
        while let Err(error) = context.engine.ping().await {
            context.availability.down(&error.to_string());
            tokio::time::sleep(context.timings.ping).await;
        }
        context.forget_networks();
        context.docker_answers().await;
        tracing::info!("Docker answers again");
        reconciler.sweep();
    }
}

/// The task itself: the only owner of what is at work.
struct Task {
    context: Arc<Context>,
    queue: Arc<Mutex<Queue>>,
    receiver: mpsc::UnboundedReceiver<Message>,
    jobs: JoinSet<Done>,
    /// Which job works on which instance, to let it go should the job panic.
    flights: HashMap<tokio::task::Id, InstanceId>,
    tokens: HashMap<InstanceId, CancellationToken>,
    /// Those that wait for Docker.
    blocked: HashSet<InstanceId>,
    sweeping: bool,
    /// Somebody asked for a sweep while one was under way.
    sweep_again: bool,
    /// Until everything was looked at once since the start.
    catching_up: Option<CatchingUp>,
    stopping: CancellationToken,
}

/// The way from the start to the first moment at which nothing is left to do.
struct CatchingUp {
    since: Instant,
    /// Instances that needed a look, once the first sweep has told.
    looked_at: Option<usize>,
}

impl Task {
    async fn run(mut self) -> Result<(), String> {
        let mut sweep = tokio::time::interval(self.context.timings.sweep);
        let stopping = self.stopping.clone();
        loop {
            self.take_off();
            self.tell_caught_up();
            tokio::select! {
                () = stopping.cancelled() => break,
                Some(message) = self.receiver.recv() => self.heed(message),
                Some(done) = self.jobs.join_next_with_id(), if !self.jobs.is_empty() => self.land(done),
                _ = sweep.tick() => self.start_sweep(),
            }
        }
        // Steps under way end; between two steps everything can be left and taken up again.
        self.tokens.values().for_each(CancellationToken::cancel);
        while !self.flights.is_empty() {
            match self.jobs.join_next_with_id().await {
                Some(Ok((id, _))) => drop(self.flights.remove(&id)),
                Some(Err(error)) => drop(self.flights.remove(&error.id())),
                None => break,
            }
        }
        Ok(())
    }

    fn with_queue<T>(&self, work: impl FnOnce(&mut Queue) -> T) -> T {
        work(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says once that the state of the machine is what the database wants.
    fn tell_caught_up(&mut self) {
        let at_rest = self.flights.is_empty() && !self.sweeping;
        if let Some(CatchingUp { since, looked_at: Some(looked_at) }) = self.catching_up.as_ref()
            && at_rest
        {
            let took_ms = since.elapsed().as_millis();
            tracing::info!(looked_at, took_ms, "reconciled: everything was compared with Docker");
            self.catching_up = None;
        }
    }

    fn take_off(&mut self) {
        while let Some(id) = self.with_queue(|queue| queue.take(PARALLEL)) {
            let token = CancellationToken::new();
            let flight = Flight::new(Arc::clone(&self.context), id, token.clone());
            self.tokens.insert(id, token);
            let job = self.jobs.spawn(async move { Done::Flight(id, flight.run().await) });
            self.flights.insert(job.id(), id);
        }
    }

    fn heed(&mut self, message: Message) {
        match message {
            Message::Changed(id) => {
                if let Some(token) = self.tokens.get(&id) {
                    token.cancel();
                }
                self.with_queue(|queue| queue.push(id));
            }
            Message::Hint(id) => self.with_queue(|queue| queue.push(id)),
            Message::Sweep => self.start_sweep(),
        }
    }

    fn land(&mut self, done: Result<(tokio::task::Id, Done), tokio::task::JoinError>) {
        match done {
            Ok((job, Done::Flight(id, outcome))) => {
                self.flights.remove(&job);
                self.tokens.remove(&id);
                match outcome {
                    Outcome::Settled => {}
                    Outcome::Again(pause) => self.later(id, pause),
                    Outcome::Blocked if self.context.availability.reason().is_some() => {
                        self.blocked.insert(id);
                    }
                    // It is back already.
                    Outcome::Blocked => self.later(id, self.context.timings.ping),
                }
                self.with_queue(|queue| queue.release(id));
            }
            Ok((_, Done::Timer(id))) => self.with_queue(|queue| queue.push(id)),
            Ok((_, Done::Sweep(ids))) => {
                self.sweeping = false;
                if let Some(CatchingUp { looked_at: looked_at @ None, .. }) = &mut self.catching_up
                    && self.context.availability.reason().is_none()
                {
                    *looked_at = Some(ids.len());
                }
                // Docker has just answered: whoever waited for it goes on.
                let woken = std::mem::take(&mut self.blocked);
                self.with_queue(|queue| woken.into_iter().chain(ids).for_each(|id| queue.push(id)));
                if std::mem::take(&mut self.sweep_again) {
                    self.start_sweep();
                }
            }
            Err(error) => {
                tracing::error!(%error, "a job of the reconciler failed");
                match self.flights.remove(&error.id()) {
                    Some(id) => {
                        self.tokens.remove(&id);
                        self.with_queue(|queue| queue.release(id));
                        self.later(id, AFTER_PANIC);
                    }
                    None => self.sweeping = false,
                }
            }
        }
    }

    fn later(&mut self, id: InstanceId, pause: Duration) {
        self.jobs.spawn(async move {
            tokio::time::sleep(pause).await;
            Done::Timer(id)
        });
    }

    fn start_sweep(&mut self) {
        if std::mem::replace(&mut self.sweeping, true) {
            self.sweep_again = true;
            return;
        }
        let (context, queue) = (Arc::clone(&self.context), Arc::clone(&self.queue));
        self.jobs.spawn(async move {
            let at_work = move |id| {
                let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
                queue.is_at_work(id)
            };
            Done::Sweep(sweep::sweep(&context, at_work).await)
        });
    }
}
