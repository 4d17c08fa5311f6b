//! The task that drives the rollout at work. Each step is written down before it is asked for, under the id that
//! its operation will have: after a crash the row says what was about to be asked, and whether the operation is
//! there says if it was.

use control_api::deploy::{OperationKind, OperationState};
use control_api::ids::{InstanceId, OperationId};
use control_api::rollout::{MemberState, RolloutState};
use service_kit::lifecycle::Lifecycle;

use super::plan::{Move, Turn, is_at_work, next_move};
use super::{Member, Rollout};
use crate::error::Error;
use crate::model::{Actor, Change, Goal, Instance};
use crate::requests::Requests;
use crate::store::{Intent, MemberNews};

/// Starts the task.
pub(crate) fn start(lifecycle: &Lifecycle, requests: Requests) {
    let stopping = lifecycle.stopping();
    lifecycle.spawn_critical("rollouts", async move {
        tokio::select! { () = drive(requests) => {}, () = stopping.cancelled() => {} }
        Ok(())
    });
}

async fn drive(requests: Requests) {
    let timings = requests.context.timings;
    let mut changes = requests.context.store.changes();
    loop {
        changes.mark_unchanged();
        match advance(&requests).await {
            // There is news of its own doing: look again.
            Ok(true) => {}
            Ok(false) => {
                tokio::select! { _ = changes.changed() => {}, () = tokio::time::sleep(timings.sweep) => {} }
            }
            Err(error) => {
                tracing::error!(%error, "a rollout could not go on; it is tried again");
                tokio::time::sleep(timings.retry).await;
            }
        }
    }
}

/// One look at the rollout at work. Answers whether something was done.
async fn advance(requests: &Requests) -> Result<bool, Error> {
    let store = &requests.context.store;
    let Some(rollout) = store.rollout_under_way().await? else { return Ok(false) };
    let members = store.members(rollout.id).await?;
    let mut done = false;
    for member in members.iter().filter(|member| is_at_work(member.state)) {
        done |= follow(requests, &rollout, member).await?;
    }
    if done {
        return Ok(true);
    }
    let turn = |member: &Member| Turn { instance: member.instance, ring: member.ring, state: member.state };
    let turns: Vec<Turn> = members.iter().map(turn).collect();
    match next_move(&turns, rollout.failure_limit, rollout.cancel) {
        Move::Wait => {}
        Move::Begin(ids) => {
            for id in ids {
                done |= begin(requests, &rollout, id).await?;
            }
        }
        Move::End(state) => {
            store.end_rollout(rollout.id, state, reason(state, &turns).as_deref()).await?;
            done = true;
        }
    }
    Ok(done)
}

fn reason(state: RolloutState, turns: &[Turn]) -> Option<String> {
    let count = |state| turns.iter().filter(|turn| turn.state == state).count();
    let (failed, waiting) = (count(MemberState::Failed), count(MemberState::Waiting));
    match state {
        RolloutState::Failed => Some(format!(
            "{failed} of {} failed, which is over the limit; {waiting} keep the image they had",
            turns.len()
        )),
        RolloutState::Cancelled => Some(format!("called off on request; {waiting} keep the image they had")),
        RolloutState::Running | RolloutState::Succeeded => None,
    }
}

/// What is to be done with an instance whose turn has come.
enum Verdict {
    Upgrade(Option<Goal>),
    Over(MemberState, Option<&'static str>),
}

fn judge(instance: Option<&Instance>, image: &str) -> Verdict {
    use control_api::deploy::InstanceState::Failed;
    match instance {
        Some(instance) if instance.image_id.as_deref() == Some(image) => {
            Verdict::Over(MemberState::Done, Some("it runs the image already"))
        }
        Some(instance) if instance.state == Failed => Verdict::Over(
            MemberState::Skipped,
            Some("it had failed before; start it or upgrade it by itself"),
        ),
        Some(instance) => match instance.goal {
            Goal::Awake => Verdict::Upgrade(None),
            rest @ (Goal::Asleep | Goal::Stopped) => Verdict::Upgrade(Some(rest)),
            Goal::Deleted | Goal::Purged => Verdict::Over(MemberState::Skipped, Some("it is deleted")),
        },
        None => Verdict::Over(MemberState::Skipped, Some("it is deleted")),
    }
}

/// An instance's turn has come; not yet, where something else is at work on it.
async fn begin(requests: &Requests, rollout: &Rollout, id: InstanceId) -> Result<bool, Error> {
    let store = &requests.context.store;
    let Some((instance, operation)) = store.view(id).await? else { return Ok(false) };
    if operation.is_some() {
        return Ok(false);
    }
    let instance = Some(instance).filter(|instance| instance.deleted_at.is_none());
    let rest = match judge(instance.as_ref(), &rollout.image_id) {
        Verdict::Upgrade(rest) => rest,
        Verdict::Over(state, reason) => {
            let news = MemberNews { state, operation: None, rest: None, outcome: None, reason };
            store.note_member(rollout.id, id, &news).await?;
            return Ok(true);
        }
    };
    let operation = OperationId::generate();
    let state = MemberState::Upgrading;
    let news = MemberNews { state, operation: Some(operation), rest, outcome: None, reason: None };
    store.note_member(rollout.id, id, &news).await?;
    requests.context.faults.hit("rollout.begun").await;
    ask_upgrade(requests, rollout, id, operation).await?;
    Ok(true)
}

async fn ask_upgrade(
    requests: &Requests,
    rollout: &Rollout,
    id: InstanceId,
    operation: OperationId,
) -> Result<(), Error> {
    let cause = format!("rollout {}", rollout.id);
    let intent = Intent {
        operation,
        target_image: Some(&rollout.image_id),
        cause: &cause,
        ..requests.intent(OperationKind::Upgrade, Goal::Awake, Change::Upgrade, Actor::Operator)
    };
    let (state, reason) = match requests.intend_for(id, &intent).await {
        Ok(_) => {
            requests.context.faults.hit("rollout.asked").await;
            return Ok(());
        }
        // Somebody else was faster: its turn comes again.
        Err(Error::InProgress(_)) => (MemberState::Waiting, None),
        Err(Error::NotFound(_)) => (MemberState::Skipped, Some("it is deleted")),
        Err(error) => return Err(error),
    };
    let news = MemberNews { state, operation: None, rest: None, outcome: None, reason };
    Ok(requests.context.store.note_member(rollout.id, id, &news).await?)
}

/// Looks after an instance that is at work. Answers whether something was done.
async fn follow(requests: &Requests, rollout: &Rollout, member: &Member) -> Result<bool, Error> {
    let store = &requests.context.store;
    let id = member.operation.unwrap_or_else(OperationId::generate);
    let operation = store.operation(id).await?;
    let returning = member.state == MemberState::Returning;
    match operation {
        Some(operation) if !operation.state.is_final() => Ok(false),
        // It rests again, or somebody wanted something else of it.
        Some(_) if returning => {
            end(requests, rollout, member, member.outcome, member.reason.as_deref()).await
        }
        Some(operation) => {
            let (outcome, reason) = match operation.state {
                OperationState::Succeeded => (MemberState::Done, None),
                OperationState::Cancelled => (MemberState::Skipped, operation.verdict.or(operation.waiting)),
                _ => (MemberState::Failed, operation.verdict),
            };
            put_back(requests, rollout, member, outcome, reason.as_deref()).await
        }
        // The crash came before it was asked for.
        None if returning => {
            let outcome = member.outcome.unwrap_or(MemberState::Done);
            put_back(requests, rollout, member, outcome, member.reason.as_deref()).await
        }
        None => ask_upgrade(requests, rollout, member.instance, id).await.map(|()| true),
    }
}

async fn end(
    requests: &Requests,
    rollout: &Rollout,
    member: &Member,
    outcome: Option<MemberState>,
    reason: Option<&str>,
) -> Result<bool, Error> {
    let state = outcome.unwrap_or(MemberState::Done);
    let news = MemberNews { state, operation: None, rest: member.rest, outcome: None, reason };
    requests.context.store.note_member(rollout.id, member.instance, &news).await?;
    Ok(true)
}

/// Its upgrade has ended: it goes back to where it rested, unless somebody uses it by now.
async fn put_back(
    requests: &Requests,
    rollout: &Rollout,
    member: &Member,
    outcome: MemberState,
    reason: Option<&str>,
) -> Result<bool, Error> {
    let store = &requests.context.store;
    let instance = store.instance(member.instance).await?;
    let Some(rest) = member.rest.filter(|rest| instance.is_some_and(|now| is_unused(&now, member, *rest)))
    else {
        return end(requests, rollout, member, Some(outcome), reason).await;
    };
    let (operation, state) = (OperationId::generate(), MemberState::Returning);
    let news =
        MemberNews { state, operation: Some(operation), rest: Some(rest), outcome: Some(outcome), reason };
    store.note_member(rollout.id, member.instance, &news).await?;
    requests.context.faults.hit("rollout.returning").await;
    let kind = if rest == Goal::Asleep { OperationKind::Sleep } else { OperationKind::Stop };
    let intent = Intent {
        operation,
        cause: "it rested before the rollout",
        ..requests.intent(kind, rest, Change::None, Actor::Reconciler)
    };
    match requests.intend_for(member.instance, &intent).await {
        Ok(asked) if asked == operation => Ok(true),
        // Somebody has taken it in hand.
        Ok(_) | Err(Error::InProgress(_) | Error::NotFound(_)) => {
            end(requests, rollout, member, Some(outcome), reason).await
        }
        Err(error) => Err(error),
    }
}

fn is_unused(instance: &Instance, member: &Member, rest: Goal) -> bool {
    let used = instance.last_activity_at > member.started_at;
    instance.deleted_at.is_none() && instance.goal == Goal::Awake && (rest == Goal::Stopped || !used)
}
