//! How a rollout goes on: pure functions of its rows. Rings follow one another: one instance, then a tenth of all,
//! then the rest; within a ring a few are at work at once. Nothing new begins once more have failed than may, or
//! once it was called off; what is at work then comes to its end.

use control_api::ids::InstanceId;
use control_api::rollout::{MemberState, RolloutState};

/// Instances that are upgraded at once: fewer than the reconciler works on, so that a sleeper can be woken
/// meanwhile.
pub const AT_ONCE: usize = 2;

/// What the next move depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The instance.
    pub instance: InstanceId,
    /// Its ring.
    pub ring: u32,
    /// How far it is.
    pub state: MemberState,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// These begin.
    Begin(Vec<InstanceId>),
    /// Nothing, until something at work has ended.
    Wait,
    /// It is over.
    End(RolloutState),
}

/// The ring of the instance at this place (from 0) among so many.
pub fn ring(place: usize, total: usize) -> u32 {
    let tenth = total.div_ceil(10);
    match place {
        0 => 0,
        place if place <= tenth => 1,
        _ => 2,
    }
}

/// The next move; `turns` are in the order in which their turns come.
pub fn next_move(turns: &[Turn], failure_limit: u32, cancelled: bool) -> Move {
    let count = |wanted: fn(MemberState) -> bool| turns.iter().filter(|turn| wanted(turn.state)).count();
    let at_work = count(is_at_work);
    let failed = count(|state| state == MemberState::Failed);
    let stop = if failed > failure_limit as usize {
        Some(RolloutState::Failed)
    } else {
        // What is called off when all is done is done.
        let left = count(|state| state == MemberState::Waiting) > 0;
        (cancelled && left).then_some(RolloutState::Cancelled)
    };
    match stop {
        Some(state) if at_work == 0 => return Move::End(state),
        Some(_) => return Move::Wait,
        None => {}
    }
    let Some(ring) = current_ring(turns) else { return Move::End(RolloutState::Succeeded) };
    let begin: Vec<InstanceId> = turns
        .iter()
        .filter(|turn| turn.ring == ring && turn.state == MemberState::Waiting)
        .map(|turn| turn.instance)
        .take(AT_ONCE.saturating_sub(at_work))
        .collect();
    if begin.is_empty() { Move::Wait } else { Move::Begin(begin) }
}

/// The ring under way; `None` once every instance had its turn.
pub fn current_ring(turns: &[Turn]) -> Option<u32> {
    turns.iter().filter(|turn| !is_over(turn.state)).map(|turn| turn.ring).min()
}

/// Whether something is being done to it.
pub fn is_at_work(state: MemberState) -> bool {
    matches!(state, MemberState::Upgrading | MemberState::Returning)
}

/// Whether it had its turn.
pub fn is_over(state: MemberState) -> bool {
    matches!(state, MemberState::Done | MemberState::Failed | MemberState::Skipped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use MemberState::{Done, Failed, Returning, Skipped, Upgrading, Waiting};

    fn turns(states: &[MemberState]) -> Vec<Turn> {
        let total = states.len();
        let turn = |(place, state): (usize, &MemberState)| Turn {
            instance: InstanceId::generate(),
            ring: ring(place, total),
            state: *state,
        };
        states.iter().enumerate().map(turn).collect()
    }

    /// Places of those that begin.
    fn begun(turns: &[Turn], found: &Move) -> Vec<usize> {
        let Move::Begin(ids) = found else { return Vec::new() };
        ids.iter().filter_map(|id| turns.iter().position(|turn| turn.instance == *id)).collect()
    }

    #[test]
    fn rings_by_table() {
        let sizes = |total: usize| {
            let mut sizes = [0; 3];
            (0..total).for_each(|place| sizes[ring(place, total) as usize] += 1);
            sizes
        };
        assert_eq!(sizes(0), [0, 0, 0]);
        assert_eq!(sizes(1), [1, 0, 0]);
        assert_eq!(sizes(2), [1, 1, 0]);
        assert_eq!(sizes(10), [1, 1, 8]);
        assert_eq!(sizes(11), [1, 2, 8]);
        assert_eq!(sizes(1_000), [1, 100, 899]);
    }

    #[test]
    fn one_then_a_tenth_then_the_rest_a_few_at_once() {
        for (states, expected) in [
            (vec![Waiting; 12], vec![0]),
            (vec![Upgrading, Waiting, Waiting, Waiting], vec![]),
            (vec![Returning, Waiting, Waiting, Waiting], vec![]),
            (vec![Done, Waiting, Waiting, Waiting], vec![1]),
            (vec![Done, Upgrading, Waiting, Waiting], vec![]),
            (vec![Skipped, Done, Waiting, Waiting, Waiting], vec![2, 3]),
            (vec![Done, Done, Upgrading, Waiting, Waiting], vec![3]),
            (vec![Done, Done, Upgrading, Returning, Waiting], vec![]),
        ] {
            let turns = turns(&states);
            assert_eq!(begun(&turns, &next_move(&turns, 0, false)), expected, "{states:?}");
        }
    }

    #[test]
    fn it_ends_when_it_must_and_lets_what_runs_end_first() {
        let cases: [(&[MemberState], u32, bool, Move); 10] = [
            (&[], 0, false, Move::End(RolloutState::Succeeded)),
            (&[Done, Skipped], 0, false, Move::End(RolloutState::Succeeded)),
            (&[Failed, Waiting, Waiting], 0, false, Move::End(RolloutState::Failed)),
            (&[Done, Failed, Upgrading, Waiting], 0, false, Move::Wait),
            (&[Done, Failed, Done], 1, false, Move::End(RolloutState::Succeeded)),
            (&[Failed, Failed, Waiting], 1, false, Move::End(RolloutState::Failed)),
            (&[Done, Waiting], 0, true, Move::End(RolloutState::Cancelled)),
            (&[Upgrading, Waiting], 0, true, Move::Wait),
            (&[Done, Done], 0, true, Move::End(RolloutState::Succeeded)),
            (&[Failed, Waiting], 0, true, Move::End(RolloutState::Failed)),
        ];
        for (states, limit, cancelled, expected) in cases {
            assert_eq!(
                next_move(&turns(states), limit, cancelled),
                expected,
                "{states:?} {limit} {cancelled}"
            );
        }
    }

    #[test]
    fn whatever_the_rows_say_only_those_begin_that_wait_in_the_first_open_ring() {
        let all = [Waiting, Upgrading, Returning, Done, Failed, Skipped];
        for code in 0..all.len().pow(5) {
            let states: Vec<MemberState> = (0..5).map(|n| all[code / all.len().pow(n) % all.len()]).collect();
            let turns = turns(&states);
            for (limit, cancelled) in [(0, false), (1, false), (9, false), (9, true)] {
                let found = next_move(&turns, limit, cancelled);
                let places = begun(&turns, &found);
                let busy = states.iter().filter(|state| is_at_work(**state)).count();
                assert!(places.is_empty() || busy + places.len() <= AT_ONCE, "{states:?}");
                assert!(places.is_empty() || !cancelled, "{states:?}");
                for place in places {
                    assert_eq!(states[place], Waiting);
                    assert_eq!(Some(turns[place].ring), current_ring(&turns));
                }
                assert!(!matches!(found, Move::End(_)) || busy == 0, "{states:?}");
                // It never waits for nothing.
                assert!(found != Move::Wait || busy > 0, "{states:?}");
            }
        }
    }
}
