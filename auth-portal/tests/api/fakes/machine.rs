//! The machine, the settings of instances and the rollouts of the fake deploy-control.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use control_api::codes;
use control_api::deploy_settings::{ChangeDeploySettings, DeploySettingsView, InstanceSettings};
use control_api::host::HostView;
use control_api::ids::{InstanceId, RolloutId};
use control_api::rollout::{MemberState, MemberView, RolloutList, RolloutRequest, RolloutState, RolloutView};
use http::StatusCode;
use service_kit::problem::Problem;

use super::{Answer, Fakes, at, problem};

/// What the fake knows of it.
pub(crate) struct Machine {
    pub(crate) host: HostView,
    pub(crate) settings: DeploySettingsView,
    /// Newest first.
    pub(crate) rollouts: Vec<RolloutView>,
}

pub(super) fn routes() -> Router<Fakes> {
    Router::new()
        .route("/api/host", get(host))
        .route("/api/settings", get(settings).put(change))
        .route("/api/rollouts", get(list).post(begin))
        .route("/api/rollouts/{id}", get(one).delete(cancel))
}

impl Default for Machine {
    fn default() -> Self {
        let text = |text: &str| Some(text.to_owned());
        Self {
            host: HostView {
                cpus: Some(4),
                load: Some([1.5, 0.75, 0.5]),
                memory_bytes: Some(16 << 30),
                memory_available_bytes: Some(12 << 30),
                disk_bytes: Some(200 << 30),
                disk_free_bytes: Some(50 << 30),
                queued: 3,
            },
            settings: DeploySettingsView {
                version: 0,
                configured: InstanceSettings {
                    idle_sleep: text("30m"),
                    idle_pause: text("off"),
                    memory: text("256m"),
                    cpus: text("1.0"),
                    pids: text("256"),
                    disk: text("1g"),
                },
                chosen: InstanceSettings::default(),
                changed_at: None,
                changed_by: None,
            },
            rollouts: Vec::new(),
        }
    }
}

async fn host(State(fakes): State<Fakes>) -> Json<HostView> {
    Json(fakes.world().machine.host.clone())
}

async fn settings(State(fakes): State<Fakes>) -> Json<DeploySettingsView> {
    Json(fakes.world().machine.settings.clone())
}

async fn change(
    State(fakes): State<Fakes>,
    Json(body): Json<ChangeDeploySettings>,
) -> Answer<Json<DeploySettingsView>> {
    let mut world = fakes.world();
    let settings = &mut world.machine.settings;
    if settings.version != body.version {
        return Err(problem(409, codes::CHANGED_MEANWHILE, "Look again."));
    }
    if body.chosen.pids.as_deref() == Some("1") {
        let refused = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, codes::INVALID_INPUT, "Bad");
        return Err(refused.field("pids", "must be a number from 8 to 32768"));
    }
    settings.version += 1;
    settings.chosen = body.chosen;
    settings.changed_at = Some(at("2026-11-21T11:55:00Z"));
    settings.changed_by = Some(body.actor);
    Ok(Json(settings.clone()))
}

async fn list(State(fakes): State<Fakes>) -> Json<RolloutList> {
    let mut rollouts = fakes.world().machine.rollouts.clone();
    for rollout in &mut rollouts {
        rollout.members = None;
    }
    Json(RolloutList { rollouts })
}

async fn begin(
    State(fakes): State<Fakes>,
    Json(body): Json<RolloutRequest>,
) -> Answer<(StatusCode, Json<RolloutView>)> {
    if fakes.world().machine.rollouts.iter().any(|rollout| !rollout.state.is_final()) {
        return Err(problem(409, codes::OPERATION_IN_PROGRESS, "Another rollout is at work."));
    }
    Ok((StatusCode::ACCEPTED, Json(fakes.rollout(body))))
}

async fn one(State(fakes): State<Fakes>, Path(id): Path<RolloutId>) -> Answer<Json<RolloutView>> {
    let world = fakes.world();
    let found = world.machine.rollouts.iter().find(|rollout| rollout.rollout_id == id);
    found.cloned().map(Json).ok_or_else(|| problem(404, codes::NOT_FOUND, "There is no such rollout."))
}

async fn cancel(State(fakes): State<Fakes>, Path(id): Path<RolloutId>) -> Answer<Json<RolloutView>> {
    let mut world = fakes.world();
    let found = world.machine.rollouts.iter_mut().find(|rollout| rollout.rollout_id == id);
    let rollout = found.ok_or_else(|| problem(404, codes::NOT_FOUND, "There is no such rollout."))?;
    rollout.cancelling = true;
    Ok(Json(rollout.clone()))
}

impl Fakes {
    /// A rollout to every instance.
    pub(crate) fn rollout(&self, body: RolloutRequest) -> RolloutView {
        let mut world = self.world();
        let member = |(ring, instance): (u32, &control_api::deploy::InstanceView)| MemberView {
            instance_id: instance.instance_id,
            slug: instance.slug.clone(),
            ring,
            state: MemberState::Waiting,
            operation_id: None,
            reason: None,
        };
        let members: Vec<_> = (0..).zip(world.instances.values()).map(member).collect();
        let total = u32::try_from(members.len()).unwrap_or(u32::MAX);
        let rollout = RolloutView {
            rollout_id: RolloutId::generate(),
            image: body.image.unwrap_or_else(|| "sha256:newest".to_owned()),
            failure_limit: body.failure_limit.unwrap_or(0),
            state: RolloutState::Running,
            cancelling: false,
            reason: None,
            ring: Some(0),
            total,
            waiting: total,
            at_work: 0,
            done: 0,
            failed: 0,
            skipped: 0,
            created_at: at("2026-11-21T11:55:00Z"),
            finished_at: None,
            members: Some(members),
        };
        world.machine.rollouts.insert(0, rollout.clone());
        rollout
    }

    /// How one instance of the newest rollout comes out.
    pub(crate) fn member(&self, id: InstanceId, state: MemberState, reason: &str) {
        let mut world = self.world();
        let members = world.machine.rollouts[0].members.as_mut().expect("members");
        let member = members.iter_mut().find(|member| member.instance_id == id).expect("a member");
        member.state = state;
        member.reason = Some(reason.to_owned());
    }
}
