//! What to do next with one instance: a pure function of what is desired, what is observed, the policy and
//! the time. It must stay total and free of I/O: the reconciler performs one step, persists its outcome and
//! asks again, so that a crash between any two steps leaves a state from which the same question leads on.
//!
//! ```text
//!                      Make            Start          AwaitReady, RegisterOwner, Commit
//!  pending ─────────▶ creating ─────▶ starting ─────────────────────────────▶ ready
//!     ▲                  ▲   ▲            ▲  ▲                                  │ │
//!     │ register again   │   │            │  └── Start ── stopped, asleep ◀─────┘ │ Halt
//!     │                  │   └ NewGeneration ── container gone ◀── NoteLoss ◀─────┤ (gone)
//!   failed ◀── TakeBack ─┘                └──── back-off ◀──────── NoteLoss ◀─────┘ (died)
//!     ▲                                             │
//!     └──────────────── GiveUp ◀────────────────────┘ (5 failures in 10 minutes, its own or its image's)
//!
//!  ready ─ Freeze ▶ asleep (frozen) ─ Thaw ▶ starting ─ AwaitReady, Commit ▶ ready
//!                        │    └──────── Halt ─────────▶ asleep (stopped)
//!                        └── EndNap (it ended) ───────▶ asleep (stopped)
//!
//!  configure ─ SwapConfig ▶ configure-halt ─ Halt ▶ configure-try ─ Commit ▶ none
//!                                                        │ not ready
//!                                                        ▼
//!                               put-back ─ RestoreConfig ▶ put-back-try ─ Commit ▶ none
//!
//!  upgrade ─ Halt, Snapshot ▶ upgrade-try ─ Commit ▶ none
//!                │                  ▲  │ not ready
//!   (older data) ▼                  │  ▼
//!             restore ─ ReplaceData ┘  upgrade-back ─ RemoveContainer, RestoreData ▶ upgrade-return ─ Commit ▶ none
//!                └── data not there ───▲
//!
//!  any state ─ deleted, purged ▶ RemoveContainer, Erase ▶ (no instance)
//! ```

use control_api::deploy::InstanceState;

use crate::model::{Change, Goal};

/// Failures within this time count for the breaker.
pub const BREAKER_WINDOW_MS: i64 = 10 * 60 * 1000;
/// So many failures within the window and the instance is given up until somebody starts it; and so many failed
/// starts of an image, and no instance of it is started again but on request.
pub const BREAKER_LIMIT: u32 = 5;
/// Of the failed starts of one instance no more than these count against its image: one owner alone must not be
/// able to keep the others' instances down.
pub const BREAKER_SHARE: u32 = 2;

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Desired {
    /// Where the instance should be.
    pub goal: Goal,
    /// The change that is under way.
    pub change: Change,
    /// Asleep means frozen, not stopped. While it is wanted awake: whether a frozen container may be ours.
    pub nap: bool,
}

/// What the container does, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// Docker cannot say.
    Unknown,
    /// There is none: Docker said so.
    Gone,
    /// There is one that does not run.
    Stopped,
    /// It runs.
    Running,
    /// It is frozen, by us or by somebody else.
    Paused,
    /// Between two states: ask again soon.
    Changing,
}

/// What is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts, each read off one column")]
pub struct Observed {
    /// The container of the current generation.
    pub container: Container,
    /// What was last published.
    pub state: InstanceState,
    /// Whether a container of this generation was made.
    pub container_made: bool,
    /// Whether the container answered its health path since it was started.
    pub answered: bool,
    /// Whether the app knows its owner, or does not want to.
    pub registered: bool,
    /// Whether all traces of a deleted instance are gone.
    pub erased: bool,
}

/// What bears on how often things are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether somebody asked for what is going on: then it is tried at once and fails at once.
    pub asked: bool,
    /// Failures within the breaker's window.
    pub recent_failures: u32,
    /// The last of them.
    pub last_failure: i64,
    /// Failed starts of its image within the breaker's window, at most [`BREAKER_SHARE`] an instance.
    pub image_failures: u32,
    /// The pause before the third try; it doubles with each further one.
    pub back_off_ms: i64,
}

/// Why nothing is done for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Docker cannot say what is so.
    Unknown,
    /// The container is between two states.
    Changing,
    /// Somebody froze the container; it is not ours to thaw.
    Paused,
    /// The next try is at this time.
    BackOff(i64),
}

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// All is as desired.
    Settled,
    /// Wait.
    Hold(Hold),
    /// Make network, folders and container.
    Make,
    /// The container of this generation is gone: count on, so that no pooled connection is shared.
    NewGeneration,
    /// Start the container.
    Start,
    /// Ask the app until it can serve.
    AwaitReady,
    /// Tell the app who owns it.
    RegisterOwner,
    /// Publish it as ready, and end the change that led here.
    Commit,
    /// It fell over: write it down and go on to start it again.
    NoteLoss,
    /// Publish where it goes, then stop the container.
    Halt,
    /// Publish that it rests.
    Rest,
    /// Publish that it sleeps, then freeze the container.
    Freeze,
    /// Thaw the container that we froze.
    Thaw,
    /// What was frozen, or was to be, does not run any more: it sleeps like any other.
    EndNap,
    /// The restart's stop is done.
    EndRestart,
    /// Put the new `config.json` in its place, keeping the old one.
    SwapConfig,
    /// The container rests: the new file may be tried.
    TryConfig,
    /// Put the old `config.json` back.
    RestoreConfig,
    /// Copy the data aside and count on to the new image.
    Snapshot,
    /// Put the data of an older snapshot in the place of the present.
    ReplaceData,
    /// Remove the container.
    RemoveContainer,
    /// Put data, image and generation back to what they were before the upgrade.
    RestoreData,
    /// Give back what a register that failed had taken.
    TakeBack,
    /// Remove the last traces of a deleted instance.
    Erase,
    /// It, or its image, falls over too often: leave it until somebody starts it.
    GiveUp(Breaker),
}

/// Which breaker is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// The instance's own.
    Instance,
    /// The image's.
    Image,
}

/// The next step.
pub fn next_step(desired: Desired, observed: Observed, policy: &Policy, now: i64) -> Step {
    match desired.goal {
        Goal::Deleted | Goal::Purged if observed.erased => Step::Settled,
        Goal::Deleted | Goal::Purged => remove_then(observed.container, Step::Erase),
        Goal::Asleep if desired.nap => nap(observed),
        Goal::Asleep | Goal::Stopped => rest(desired.goal, observed),
        Goal::Awake => change_then_serve(desired, observed, policy, now),
    }
}

/// How long to wait before the next try after so many failures: none at first, then doubling.
pub fn back_off_ms(failures: u32, base_ms: i64) -> i64 {
    if failures < 2 { 0 } else { base_ms.saturating_mul(1 << (failures - 2).min(20)) }
}

fn remove_then(container: Container, then: Step) -> Step {
    match container {
        Container::Unknown => Step::Hold(Hold::Unknown),
        Container::Gone => then,
        Container::Stopped | Container::Running | Container::Paused | Container::Changing => {
            Step::RemoveContainer
        }
    }
}

fn halt_then(container: Container, then: Step) -> Step {
    match container {
        Container::Unknown => Step::Hold(Hold::Unknown),
        Container::Changing => Step::Hold(Hold::Changing),
        Container::Running | Container::Paused => Step::Halt,
        Container::Gone | Container::Stopped => then,
    }
}

fn rest(goal: Goal, observed: Observed) -> Step {
    let published = match goal {
        Goal::Asleep => InstanceState::Asleep,
        _ => InstanceState::Stopped,
    };
    let then = if observed.state == published { Step::Settled } else { Step::Rest };
    halt_then(observed.container, then)
}

fn nap(observed: Observed) -> Step {
    match observed.container {
        Container::Unknown => Step::Hold(Hold::Unknown),
        Container::Changing => Step::Hold(Hold::Changing),
        Container::Paused if observed.state == InstanceState::Asleep => Step::Settled,
        // Where somebody else has frozen it before us, it sleeps all the same.
        Container::Running | Container::Paused => Step::Freeze,
        Container::Gone | Container::Stopped => Step::EndNap,
    }
}

/// Whether a frozen container is one that we froze: before we freeze one it is published as asleep, and one that
/// was published as ready, or as frozen by somebody else, is not ours to thaw.
fn is_our_nap(nap: bool, state: InstanceState) -> bool {
    nap && !matches!(state, InstanceState::Ready | InstanceState::Unknown)
}

fn change_then_serve(desired: Desired, observed: Observed, policy: &Policy, now: i64) -> Step {
    match desired.change {
        Change::Restart => halt_then(observed.container, Step::EndRestart),
        Change::Configure => Step::SwapConfig,
        Change::ConfigureHalt => halt_then(observed.container, Step::TryConfig),
        Change::PutBack => halt_then(observed.container, Step::RestoreConfig),
        Change::Upgrade => halt_then(observed.container, Step::Snapshot),
        Change::Restore => halt_then(observed.container, Step::ReplaceData),
        Change::UpgradeBack => remove_then(observed.container, Step::RestoreData),
        Change::TakeBack => remove_then(observed.container, Step::TakeBack),
        Change::None
        | Change::ConfigureTry
        | Change::PutBackTry
        | Change::UpgradeTry
        | Change::UpgradeReturn => serve(desired, observed, policy, now),
    }
}

fn serve(desired: Desired, observed: Observed, policy: &Policy, now: i64) -> Step {
    let change = desired.change;
    let asked = policy.asked || change != Change::None;
    if observed.state == InstanceState::Failed && !asked {
        return Step::Settled;
    }
    match observed.container {
        Container::Unknown => Step::Hold(Hold::Unknown),
        Container::Changing => Step::Hold(Hold::Changing),
        Container::Paused if is_our_nap(desired.nap, observed.state) => Step::Thaw,
        Container::Paused => Step::Hold(Hold::Paused),
        Container::Running if observed.state == InstanceState::Ready && change == Change::None => {
            Step::Settled
        }
        Container::Running if !observed.answered => Step::AwaitReady,
        Container::Running if !observed.registered => Step::RegisterOwner,
        Container::Running => Step::Commit,
        // `Unknown` is what a paused container was published as: it was ready before.
        Container::Gone | Container::Stopped
            if matches!(observed.state, InstanceState::Ready | InstanceState::Unknown) =>
        {
            Step::NoteLoss
        }
        Container::Gone | Container::Stopped if !asked && policy.recent_failures >= BREAKER_LIMIT => {
            Step::GiveUp(Breaker::Instance)
        }
        Container::Gone | Container::Stopped if !asked && policy.image_failures >= BREAKER_LIMIT => {
            Step::GiveUp(Breaker::Image)
        }
        Container::Gone | Container::Stopped if !asked && now < next_try(policy) => {
            Step::Hold(Hold::BackOff(next_try(policy)))
        }
        // While an upgrade is tried, the generation before is the way back: no counting on.
        Container::Gone if observed.container_made && change != Change::UpgradeTry => Step::NewGeneration,
        Container::Gone => Step::Make,
        Container::Stopped => Step::Start,
    }
}

fn next_try(policy: &Policy) -> i64 {
    policy.last_failure.saturating_add(back_off_ms(policy.recent_failures, policy.back_off_ms))
}

/// What becomes of an instance on which a step has failed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aftermath {
    /// Undo: go on with this change.
    Undo(Change),
    /// Publish it as failed.
    Fail,
    /// Count the failure and try again after the back-off.
    Retry,
}

/// What follows a failed step.
pub fn after_failure(change: Change, asked: bool, ever_ready: bool) -> Aftermath {
    match change {
        Change::Configure | Change::ConfigureHalt | Change::ConfigureTry => Aftermath::Undo(Change::PutBack),
        // Nothing was changed yet but that the container rests: it is started again.
        Change::Upgrade => Aftermath::Undo(Change::UpgradeReturn),
        Change::Restore | Change::UpgradeTry => Aftermath::Undo(Change::UpgradeBack),
        Change::PutBack
        | Change::PutBackTry
        | Change::UpgradeBack
        | Change::UpgradeReturn
        | Change::TakeBack => Aftermath::Fail,
        Change::None | Change::Restart if !ever_ready => Aftermath::Undo(Change::TakeBack),
        Change::None | Change::Restart if asked => Aftermath::Fail,
        Change::None | Change::Restart => Aftermath::Retry,
    }
}

#[cfg(test)]
#[path = "lifecycle_tests.rs"]
mod tests;
