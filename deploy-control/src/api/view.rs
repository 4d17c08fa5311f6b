//! From rows to what the API shows.

use std::collections::HashMap;

use control_api::deploy::{InstanceView, OperationKind, OperationState, OperationView};
use control_api::ids::InstanceId;
use service_kit::clock::from_millis;

use crate::disk_use;
use crate::model::{ImagePull, Instance, Operation, Stage};
use crate::requests::Requests;
use crate::store::StoreResult;

/// One instance with what goes on.
pub(super) async fn instance(requests: &Requests, instance: Instance) -> StoreResult<InstanceView> {
    let operation = requests.context.store.active_operation(instance.id).await?;
    Ok(show(requests, instance, operation.as_ref()))
}

/// A page of them.
pub(super) async fn instances(
    requests: &Requests,
    instances: Vec<Instance>,
) -> StoreResult<Vec<InstanceView>> {
    let active = requests.context.store.active_operations().await?;
    let active: HashMap<InstanceId, Operation> =
        active.into_iter().map(|operation| (operation.instance_id, operation)).collect();
    Ok(instances
        .into_iter()
        .map(|instance| {
            let operation = active.get(&instance.id);
            show(requests, instance, operation)
        })
        .collect())
}

fn show(requests: &Requests, instance: Instance, operation: Option<&Operation>) -> InstanceView {
    let context = &requests.context;
    let waiting = operation.and_then(|operation| operation.waiting.clone());
    let away = || {
        let reason = context.availability.reason()?;
        Some(format!("{reason}; this is the last known state"))
    };
    let disk_limit = context.disk_limit(&instance);
    // One that is over is none any more.
    let awake_until = instance.keep_awake_until.filter(|until| *until > context.clock.now_ms());
    InstanceView {
        instance_id: instance.id,
        url: context.config.public.origin(&instance.slug),
        upstream: instance.upstream(),
        slug: instance.slug,
        owner_id: instance.owner_id,
        owner_username: instance.username,
        state: instance.state,
        reason: waiting.or_else(away).or(instance.reason),
        generation: instance.generation,
        image: instance.image_id,
        provider: instance.provider,
        operation_id: operation.map(|operation| operation.id),
        created_at: from_millis(instance.created_at),
        last_activity_at: instance.last_activity_at.map(from_millis),
        keep_awake_until: awake_until.map(from_millis),
        disk_used_bytes: instance.disk.map(|disk| disk.bytes),
        disk_limit_bytes: disk_limit,
        warning: instance.disk.and_then(|disk| disk_use::warning(disk.bytes, disk_limit)),
    }
}

/// One operation.
pub(super) fn operation(requests: &Requests, operation: &Operation) -> OperationView {
    let queued = operation.state == OperationState::Queued;
    OperationView {
        operation_id: operation.id,
        instance_id: Some(operation.instance_id),
        kind: operation.kind,
        state: operation.state,
        step: operation.stage.as_str().to_owned(),
        step_title: operation.stage.title().to_owned(),
        percent: operation.stage.percent(),
        queue_position: if queued { requests.reconciler.position(operation.instance_id) } else { None },
        created_at: from_millis(operation.created_at),
        started_at: operation.started_at.map(from_millis),
        deadline: from_millis(operation.deadline),
        finished_at: operation.finished_at.map(from_millis),
        error: operation.verdict.clone().or_else(|| operation.waiting.clone()),
    }
}

/// One pull of an image.
pub(super) fn pull(pull: &ImagePull) -> OperationView {
    let (step, step_title) = match pull.state {
        OperationState::Queued => (Stage::Queued.as_str(), Stage::Queued.title()),
        OperationState::Succeeded => (Stage::Done.as_str(), Stage::Done.title()),
        _ => ("pull", "Fetching the image"),
    };
    OperationView {
        operation_id: pull.id,
        instance_id: None,
        kind: OperationKind::Pull,
        state: pull.state,
        step: step.to_owned(),
        step_title: step_title.to_owned(),
        percent: pull.percent,
        queue_position: None,
        created_at: from_millis(pull.created_at),
        started_at: pull.started_at.map(from_millis),
        deadline: from_millis(pull.deadline),
        finished_at: pull.finished_at.map(from_millis),
        error: pull.verdict.clone().or_else(|| pull.waiting.clone()),
    }
}
