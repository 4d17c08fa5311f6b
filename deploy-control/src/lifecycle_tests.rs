//! The lifecycle by table, and properties that must hold over every combination of its inputs.

use super::*;
use Container::{Changing, Gone, Paused, Running, Stopped, Unknown};
use InstanceState::{Asleep, Creating, Failed, Pending, Ready, Starting};

const CONTAINERS: [Container; 6] = [Unknown, Gone, Stopped, Running, Paused, Changing];
const QUIET: Policy =
    Policy { asked: false, recent_failures: 0, last_failure: 0, image_failures: 0, back_off_ms: 1_000 };
const ASKED: Policy = Policy { asked: true, ..QUIET };

fn observed(container: Container, state: InstanceState) -> Observed {
    Observed { container, state, container_made: true, answered: false, registered: true, erased: false }
}

fn step(goal: Goal, change: Change, observed: Observed, policy: &Policy) -> Step {
    next_step(Desired { goal, change, nap: false }, observed, policy, 10_000)
}

fn all() -> Vec<(Desired, Observed, Policy)> {
    let mut all = Vec::new();
    for &goal in Goal::ALL {
        for &change in Change::ALL {
            for container in CONTAINERS {
                for state in InstanceState::ALL {
                    for bits in 0_u8..64 {
                        let bit = |n: u8| bits >> n & 1 == 1;
                        let observed = Observed {
                            container,
                            state,
                            container_made: bit(0),
                            answered: bit(1),
                            registered: bit(2),
                            erased: bit(3),
                        };
                        let policy = if bit(4) { ASKED } else { QUIET };
                        all.push((Desired { goal, change, nap: bit(5) }, observed, policy));
                    }
                }
            }
        }
    }
    all
}

#[test]
fn a_new_instance_goes_the_way_of_the_diagram() {
    let at = |container, state, made, answered, registered| Observed {
        container,
        state,
        container_made: made,
        answered,
        registered,
        erased: false,
    };
    for (observed, expected) in [
        (at(Gone, Pending, false, false, false), Step::Make),
        (at(Gone, Creating, false, false, false), Step::Make),
        (at(Stopped, Starting, true, false, false), Step::Start),
        (at(Running, Starting, true, false, false), Step::AwaitReady),
        (at(Running, Starting, true, true, false), Step::RegisterOwner),
        (at(Running, Starting, true, true, true), Step::Commit),
        (at(Running, Ready, true, true, true), Step::Settled),
        (at(Running, Ready, true, false, true), Step::Settled),
    ] {
        assert_eq!(step(Goal::Awake, Change::None, observed, &ASKED), expected, "{observed:?}");
    }
}

#[test]
fn every_goal_and_container_by_table() {
    for (goal, change, container, state, expected) in [
        (Goal::Awake, Change::None, Gone, Ready, Step::NoteLoss),
        (Goal::Awake, Change::None, Stopped, Ready, Step::NoteLoss),
        (Goal::Awake, Change::None, Gone, Starting, Step::NewGeneration),
        (Goal::Awake, Change::None, Stopped, Asleep, Step::Start),
        (Goal::Awake, Change::None, Paused, Ready, Step::Hold(Hold::Paused)),
        (Goal::Awake, Change::None, Stopped, Failed, Step::Settled),
        (Goal::Asleep, Change::None, Running, Ready, Step::Halt),
        (Goal::Asleep, Change::None, Stopped, Ready, Step::Rest),
        (Goal::Asleep, Change::None, Stopped, Asleep, Step::Settled),
        (Goal::Asleep, Change::None, Gone, Asleep, Step::Settled),
        (Goal::Stopped, Change::None, Running, InstanceState::Stopped, Step::Halt),
        (Goal::Stopped, Change::None, Gone, Failed, Step::Rest),
        (Goal::Stopped, Change::None, Paused, Ready, Step::Halt),
        (Goal::Deleted, Change::None, Running, Ready, Step::RemoveContainer),
        (Goal::Purged, Change::UpgradeTry, Paused, Starting, Step::RemoveContainer),
        (Goal::Deleted, Change::None, Gone, InstanceState::Deleting, Step::Erase),
        (Goal::Awake, Change::Restart, Running, Ready, Step::Halt),
        (Goal::Awake, Change::Restart, Stopped, Starting, Step::EndRestart),
        (Goal::Awake, Change::Configure, Running, Ready, Step::SwapConfig),
        (Goal::Awake, Change::ConfigureHalt, Running, Ready, Step::Halt),
        (Goal::Awake, Change::ConfigureHalt, Stopped, Starting, Step::TryConfig),
        (Goal::Awake, Change::ConfigureTry, Stopped, Starting, Step::Start),
        (Goal::Awake, Change::PutBack, Running, Starting, Step::Halt),
        (Goal::Awake, Change::PutBack, Stopped, Starting, Step::RestoreConfig),
        (Goal::Awake, Change::PutBackTry, Stopped, Starting, Step::Start),
        (Goal::Awake, Change::Upgrade, Running, Ready, Step::Halt),
        (Goal::Awake, Change::Upgrade, Stopped, Starting, Step::Snapshot),
        (Goal::Awake, Change::Restore, Gone, Starting, Step::ReplaceData),
        (Goal::Awake, Change::Restore, Stopped, Starting, Step::ReplaceData),
        (Goal::Awake, Change::Restore, Running, Starting, Step::Halt),
        (Goal::Awake, Change::Restore, Changing, Starting, Step::Hold(Hold::Changing)),
        (Goal::Awake, Change::UpgradeTry, Gone, Starting, Step::Make),
        (Goal::Awake, Change::UpgradeTry, Stopped, Starting, Step::Start),
        (Goal::Awake, Change::UpgradeReturn, Gone, Starting, Step::NewGeneration),
        (Goal::Awake, Change::UpgradeReturn, Stopped, Starting, Step::Start),
        (Goal::Awake, Change::UpgradeBack, Running, Starting, Step::RemoveContainer),
        (Goal::Awake, Change::UpgradeBack, Gone, Starting, Step::RestoreData),
        (Goal::Awake, Change::TakeBack, Stopped, Starting, Step::RemoveContainer),
        (Goal::Awake, Change::TakeBack, Gone, Creating, Step::TakeBack),
    ] {
        let found = step(goal, change, observed(container, state), &QUIET);
        assert_eq!(found, expected, "{goal:?} {change:?} {container:?} {state:?}");
    }
}

#[test]
fn nothing_is_touched_while_docker_cannot_say() {
    for (desired, observed, policy) in all() {
        if observed.container == Unknown {
            let found = next_step(desired, observed, &policy, 10_000);
            // The file swap touches no container.
            let harmless = matches!(found, Step::Hold(Hold::Unknown) | Step::Settled | Step::SwapConfig);
            assert!(harmless, "{desired:?} {observed:?}: {found:?}");
        }
    }
}

#[test]
fn a_container_is_only_removed_to_delete_or_to_undo() {
    for (desired, observed, policy) in all() {
        if next_step(desired, observed, &policy, 10_000) == Step::RemoveContainer {
            let deleted = matches!(desired.goal, Goal::Deleted | Goal::Purged);
            let undo = matches!(desired.change, Change::UpgradeBack | Change::TakeBack);
            assert!(deleted || undo, "{desired:?} {observed:?}");
        }
    }
}

#[test]
fn data_is_only_copied_or_replaced_while_no_container_runs() {
    for (desired, observed, policy) in all() {
        let found = next_step(desired, observed, &policy, 10_000);
        if matches!(found, Step::Snapshot | Step::ReplaceData | Step::RestoreData) {
            assert!(matches!(observed.container, Gone | Stopped), "{desired:?} {observed:?}: {found:?}");
        }
        // The present data is copied aside in a change of its own: never again once it was replaced.
        assert!(found != Step::Snapshot || desired.change == Change::Upgrade, "{desired:?}");
        assert!(found != Step::ReplaceData || desired.change == Change::Restore, "{desired:?}");
    }
}

#[test]
fn the_way_back_of_an_upgrade_is_never_lost() {
    for (desired, observed, policy) in all() {
        if matches!(desired.change, Change::Restore | Change::UpgradeTry | Change::UpgradeBack) {
            let found = next_step(desired, observed, &policy, 10_000);
            assert_ne!(found, Step::NewGeneration, "{desired:?} {observed:?}");
        }
    }
}

#[test]
fn what_serves_is_left_alone() {
    for (desired, observed, policy) in all() {
        let serves = observed.container == Running && observed.state == Ready;
        if serves && desired.goal == Goal::Awake && desired.change == Change::None {
            assert_eq!(next_step(desired, observed, &policy, 10_000), Step::Settled);
        }
    }
}

#[test]
fn the_first_rung_of_the_ladder_by_table() {
    let napping = |goal, container, state| {
        let desired = Desired { goal, change: Change::None, nap: true };
        next_step(desired, observed(container, state), &ASKED, 10_000)
    };
    for (goal, container, state, expected) in [
        (Goal::Asleep, Running, Ready, Step::Freeze),
        (Goal::Asleep, Running, Asleep, Step::Freeze),
        (Goal::Asleep, Paused, Asleep, Step::Settled),
        (Goal::Asleep, Paused, Ready, Step::Freeze),
        (Goal::Asleep, Stopped, Asleep, Step::EndNap),
        (Goal::Asleep, Gone, Asleep, Step::EndNap),
        (Goal::Asleep, Changing, Asleep, Step::Hold(Hold::Changing)),
        (Goal::Awake, Paused, Pending, Step::Thaw),
        (Goal::Awake, Paused, Asleep, Step::Thaw),
        (Goal::Awake, Paused, Starting, Step::Thaw),
        (Goal::Awake, Running, Starting, Step::AwaitReady),
        (Goal::Awake, Stopped, Pending, Step::Start),
        // Not frozen by us.
        (Goal::Awake, Paused, Ready, Step::Hold(Hold::Paused)),
        (Goal::Awake, Paused, InstanceState::Unknown, Step::Hold(Hold::Paused)),
        (Goal::Stopped, Paused, Asleep, Step::Halt),
        (Goal::Deleted, Paused, Asleep, Step::RemoveContainer),
    ] {
        assert_eq!(napping(goal, container, state), expected, "{goal:?} {container:?} {state:?}");
    }
    // The second rung.
    assert_eq!(step(Goal::Asleep, Change::None, observed(Paused, Asleep), &ASKED), Step::Halt);
}

#[test]
fn only_what_we_froze_is_thawed() {
    for (desired, observed, policy) in all() {
        if next_step(desired, observed, &policy, 10_000) == Step::Thaw {
            assert!(desired.nap && observed.container == Paused, "{desired:?} {observed:?}");
            assert!(!matches!(observed.state, Ready | InstanceState::Unknown), "{desired:?} {observed:?}");
        }
    }
}

#[test]
fn tries_are_spaced_and_end() {
    let after = |recent_failures, last_failure| Policy { recent_failures, last_failure, ..QUIET };
    let down = observed(Stopped, Starting);
    let at = |policy: Policy| step(Goal::Awake, Change::None, down, &policy);
    assert_eq!(at(after(1, 10_000)), Step::Start);
    assert_eq!(at(after(2, 10_000)), Step::Hold(Hold::BackOff(11_000)));
    assert_eq!(at(after(4, 9_000)), Step::Hold(Hold::BackOff(13_000)));
    assert_eq!(at(after(4, 6_000)), Step::Start);
    assert_eq!(at(after(BREAKER_LIMIT, 0)), Step::GiveUp(Breaker::Instance));
    assert_eq!(at(Policy { image_failures: BREAKER_LIMIT - 1, ..QUIET }), Step::Start);
    let image = Policy { image_failures: BREAKER_LIMIT, ..QUIET };
    assert_eq!(at(image), Step::GiveUp(Breaker::Image));
    // Somebody who asks is not made to wait.
    assert_eq!(at(Policy { asked: true, ..after(4, 10_000) }), Step::Start);
    assert_eq!(at(Policy { asked: true, ..image }), Step::Start);
}

#[test]
fn a_failure_is_undone_where_there_is_something_to_go_back_to() {
    for (change, asked, ever_ready, expected) in [
        (Change::None, true, false, Aftermath::Undo(Change::TakeBack)),
        (Change::None, true, true, Aftermath::Fail),
        (Change::None, false, true, Aftermath::Retry),
        (Change::ConfigureTry, true, true, Aftermath::Undo(Change::PutBack)),
        (Change::PutBackTry, true, true, Aftermath::Fail),
        (Change::Upgrade, true, true, Aftermath::Undo(Change::UpgradeReturn)),
        (Change::Restore, true, true, Aftermath::Undo(Change::UpgradeBack)),
        (Change::UpgradeTry, true, true, Aftermath::Undo(Change::UpgradeBack)),
        (Change::UpgradeReturn, true, true, Aftermath::Fail),
    ] {
        assert_eq!(after_failure(change, asked, ever_ready), expected, "{change:?}");
    }
}
