//! Stand-ins for authz-service and deploy-control on ports of their own: they check the token, keep what they
//! were asked, and answer from a state that the test (or the preview) sets.

#[path = "fake_audit.rs"]
mod fake_audit;
#[path = "fake_data.rs"]
mod fake_data;
#[path = "fakes/invites.rs"]
mod fake_invites;
#[path = "fakes/keep_awake.rs"]
mod fake_keep_awake;
#[path = "fake_keys.rs"]
mod fake_keys;
#[path = "fakes/machine.rs"]
mod fake_machine;
#[path = "fakes/mail.rs"]
mod fake_mail;
#[path = "fake_oauth.rs"]
mod fake_oauth;
#[path = "fakes/people.rs"]
mod fake_people;
#[path = "fakes/second_factor.rs"]
mod fake_second_factor;
#[path = "fake_sessions.rs"]
mod fake_sessions;
#[path = "fakes/settings.rs"]
mod fake_settings;
#[path = "fakes/upstream.rs"]
mod fake_upstream;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use control_api::api_keys::ApiKeyView;
use control_api::audit::AuditEntryView;
use control_api::audit_targets::AuditTargetView;
use control_api::authz::{
    HandoffAnswer, HandoffRequest, LoginAccountAnswer, LoginAccountRequest, OrderInstanceRequest, OrderState,
    PortalSettings, ProvisioningView, RegisterAccountAnswer, RegisterAccountRequest, RegistrationMode, Role,
    SessionRequest, SessionView, UserView,
};
use control_api::codes;
use control_api::deploy::{
    ActiveOperation, CheckView, ConfigureProviderRequest, EventList, EventView, EventsQuery, HealthView,
    InstanceList, InstanceState, InstanceView, ListQuery, OperationKind, OperationState, OperationView,
    OverviewView, ProbeAnswer, ProviderSummary, ResolveRequest, StateCount, StatsView,
};
use control_api::ids::{InstanceId, OperationId, SessionId, UserId};
use control_api::invites::InviteView;
use control_api::people::PersonView;
use control_api::second_factor::LoginOutcome;
use control_api::sessions::SessionItem;
use control_api::settings::SettingsView;
use control_api::wire::WireSecret;
use futures_util::StreamExt as _;
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};
use service_kit::problem::Problem;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use url::Url;

/// The token that authz-service takes.
pub(crate) const AUTHZ_TOKEN: &str = "authz-token-authz-token-authz-token";
/// The token that deploy-control takes.
pub(crate) const DEPLOY_TOKEN: &str = "deploy-token-deploy-token-deploy-token";
/// The time in the fakes.
pub(crate) const NOW: &str = "2026-11-21T12:00:00Z";

/// A time.
pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// A problem with a detail.
pub(crate) fn problem(status: u16, code: &str, detail: &str) -> Problem {
    Problem::new(StatusCode::from_u16(status).expect("a status"), code, "A problem").detail(detail)
}

/// Both neighbours.
#[derive(Clone, Default)]
pub(crate) struct Fakes(Arc<Mutex<World>>);

/// What the neighbours know, and what they were asked.
pub(crate) struct World {
    pub(crate) settings: PortalSettings,
    /// Login name, password, account.
    pub(crate) people: Vec<(String, String, UserView)>,
    pub(crate) sessions: BTreeMap<String, SessionView>,
    /// API keys by session, the newest first.
    pub(crate) api_keys: BTreeMap<String, Vec<ApiKeyView>>,
    /// Other sessions of the same account, by session.
    pub(crate) other_sessions: BTreeMap<String, Vec<SessionItem>>,
    /// Whether mails are sent, and which addresses are proved.
    pub(crate) mail: fake_mail::FakeMail,
    pub(crate) passkeys: fake_second_factor::FakePasskeys,
    /// Recovery codes of the accounts whose second factor is on.
    pub(crate) second_factors: BTreeMap<UserId, u32>,
    pub(crate) audit: Vec<AuditEntryView>,
    /// The newest first.
    pub(crate) invites: Vec<InviteView>,
    /// Accounts as administrators see them, the newest first.
    pub(crate) accounts: Vec<PersonView>,
    pub(crate) audit_targets: Vec<AuditTargetView>,
    /// What administrators have set.
    pub(crate) admin_settings: SettingsView,
    /// What deploy-control says of the machine.
    pub(crate) machine: fake_machine::Machine,
    pub(crate) upstream: fake_upstream::FakeUpstream,
    pub(crate) instances: BTreeMap<InstanceId, InstanceView>,
    pub(crate) operations: BTreeMap<OperationId, watch::Sender<OperationView>>,
    /// The reason ledger of every instance, newest first.
    pub(crate) events: Vec<EventView>,
    /// The log of every instance.
    pub(crate) log: String,
    pub(crate) health: HealthView,
    pub(crate) proven: bool,
    /// Answers instead of the usual ones, by path.
    pub(crate) refusals: BTreeMap<String, Problem>,
    /// Whether authz-service answers at all.
    pub(crate) authz_down: bool,
    /// Whether deploy-control answers at all.
    pub(crate) deploy_down: bool,
    /// Method, path and body of each call with a token.
    pub(crate) calls: Vec<(String, Value)>,
}

impl Default for World {
    fn default() -> Self {
        let settings = PortalSettings {
            registration: RegistrationMode::Open,
            password_min: 15,
            password_max: 128,
            setup_open: false,
            banner: String::new(),
            upstream: None,
        };
        Self {
            settings,
            people: Vec::new(),
            sessions: BTreeMap::new(),
            api_keys: BTreeMap::new(),
            other_sessions: BTreeMap::new(),
            mail: fake_mail::FakeMail::default(),
            passkeys: fake_second_factor::FakePasskeys::default(),
            second_factors: BTreeMap::new(),
            audit: Vec::new(),
            invites: Vec::new(),
            accounts: Vec::new(),
            audit_targets: Vec::new(),
            admin_settings: fake_settings::unset(),
            machine: fake_machine::Machine::default(),
            upstream: fake_upstream::FakeUpstream::default(),
            instances: BTreeMap::new(),
            operations: BTreeMap::new(),
            events: Vec::new(),
            log: String::new(),
            health: healthy(),
            proven: true,
            refusals: BTreeMap::new(),
            authz_down: false,
            deploy_down: false,
            calls: Vec::new(),
        }
    }
}

impl Fakes {
    /// The state.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts both; answers their addresses, authz-service first.
    pub(crate) async fn start(&self) -> (Url, Url) {
        let authz = Router::new()
            .route("/portal/settings", get(settings))
            .route("/portal/register", post(register))
            .route("/portal/login", post(login))
            .route("/portal/session", post(session))
            .route("/portal/logout", post(logout))
            .route("/portal/provisioning", post(order))
            .route("/portal/handoff", post(handoff))
            .merge(fake_audit::routes())
            .merge(fake_mail::routes())
            .merge(fake_data::authz_routes())
            .merge(fake_keys::routes())
            .merge(fake_sessions::routes())
            .merge(fake_second_factor::routes())
            .merge(fake_invites::routes())
            .merge(fake_people::routes())
            .merge(fake_settings::routes())
            .merge(fake_upstream::routes())
            .merge(fake_oauth::routes())
            .route("/health/ready", get(async || "ok"))
            .layer(from_fn_with_state((self.clone(), AUTHZ_TOKEN), gate))
            .with_state(self.clone());
        let deploy = Router::new()
            .route("/api/instances", get(list))
            .route("/api/instances/resolve", post(resolve))
            .route("/api/instances/configure-provider", post(configure))
            .route("/api/instances/{id}", get(instance).delete(remove))
            .route("/api/instances/{id}/stats", get(stats))
            .route("/api/instances/{id}/events", get(events))
            .route("/api/instances/{id}/logs", get(log))
            .merge(fake_data::deploy_routes())
            .route("/api/instances/{id}/{action}", post(act))
            .merge(fake_keep_awake::routes())
            .route("/api/isolation/probe", post(prove))
            .route("/api/overview", get(overview))
            .merge(fake_machine::routes())
            .route("/health", get(health))
            .route("/api/operations/{id}", get(operation).delete(cancel))
            .route("/health/ready", get(async || "ok"))
            .layer(from_fn_with_state((self.clone(), DEPLOY_TOKEN), gate))
            .with_state(self.clone());
        (serve(authz).await, serve(deploy).await)
    }

    /// An account with a session of this secret; answers the account.
    pub(crate) fn person(&self, name: &str, secret: &str) -> UserView {
        let user = UserView {
            user_id: UserId::generate(),
            username: name.parse().expect("a name"),
            email: format!("{name}@example.com"),
        };
        let mut world = self.world();
        world.people.push((name.to_owned(), format!("password of {name}"), user.clone()));
        let view = SessionView {
            sid: SessionId::generate(),
            user: user.clone(),
            role: Role::User,
            second_factor_needed: false,
            expires_at: at("2026-11-21T13:00:00Z"),
            provisioning: accepted(None),
        };
        world.sessions.insert(secret.to_owned(), view);
        user
    }

    /// An account of an administrator.
    pub(crate) fn admin(&self, name: &str, secret: &str) -> UserView {
        let user = self.person(name, secret);
        self.role(secret, Role::Admin);
        user
    }

    /// Sets the role of a session's account.
    pub(crate) fn role(&self, secret: &str, role: Role) {
        self.world().sessions.get_mut(secret).expect("a session").role = role;
    }

    /// An instance of an account.
    pub(crate) fn instance(&self, owner: &UserView, state: InstanceState) -> InstanceView {
        let slug = owner.username.clone().into();
        let view = InstanceView {
            instance_id: InstanceId::generate(),
            url: format!("http://{slug}.localhost:8088"),
            slug,
            owner_id: owner.user_id,
            owner_username: owner.username.clone(),
            state,
            reason: None,
            generation: 1,
            upstream: None,
            image: None,
            provider: None,
            operation_id: None,
            created_at: at("2026-11-18T11:00:00Z"),
            last_activity_at: Some(at("2026-11-21T11:48:00Z")),
            keep_awake_until: None,
            disk_used_bytes: None,
            disk_limit_bytes: 1 << 30,
            warning: None,
        };
        self.world().instances.insert(view.instance_id, view.clone());
        view
    }

    /// An operation on an instance, named by it as the one under way.
    pub(crate) fn operation(
        &self,
        instance: InstanceId,
        step: &str,
        title: &str,
        percent: u8,
    ) -> OperationView {
        let view = OperationView {
            operation_id: OperationId::generate(),
            instance_id: Some(instance),
            kind: OperationKind::Register,
            state: OperationState::Running,
            step: step.to_owned(),
            step_title: title.to_owned(),
            percent,
            queue_position: None,
            created_at: at(NOW),
            started_at: Some(at(NOW)),
            deadline: at("2026-11-21T12:05:00Z"),
            finished_at: None,
            error: None,
        };
        let mut world = self.world();
        world.operations.insert(view.operation_id, watch::channel(view.clone()).0);
        if let Some(instance) = world.instances.get_mut(&instance) {
            instance.operation_id = Some(view.operation_id);
        }
        view
    }

    /// Changes an operation and tells whoever follows it.
    pub(crate) fn change(&self, id: OperationId, change: impl FnOnce(&mut OperationView)) {
        self.world().operations[&id].send_modify(change);
    }

    /// Changes the order of a session.
    pub(crate) fn order(&self, secret: &str, order: ProvisioningView) {
        self.world().sessions.get_mut(secret).expect("a session").provisioning = order;
    }

    /// The bodies of the calls to a path.
    pub(crate) fn calls(&self, path: &str) -> Vec<Value> {
        self.world().calls.iter().filter(|(called, _)| called == path).map(|(_, body)| body.clone()).collect()
    }
}

/// An order that deploy-control has.
pub(crate) fn accepted(operation: Option<OperationId>) -> ProvisioningView {
    ProvisioningView { state: OrderState::Accepted, instance_id: None, operation_id: operation, reason: None }
}

async fn serve(routes: Router) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Url::parse(&format!("http://{address}")).expect("a URL")
}

/// Token, outage, refusals, and the record of calls.
async fn gate(
    State((fakes, token)): State<(Fakes, &'static str)>,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    let down = if token == AUTHZ_TOKEN { fakes.world().authz_down } else { fakes.world().deploy_down };
    if down {
        return (StatusCode::BAD_GATEWAY, "down").into_response();
    }
    if headers.get(header::AUTHORIZATION).is_none_or(|v| v != &format!("Bearer {token}")) {
        return problem(401, codes::TOKEN_MISMATCH, "AUTHZ_INTERNAL_TOKEN or DEPLOY_API_TOKEN")
            .into_response();
    }
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let path = parts.uri.path().to_owned();
    let query = || parts.uri.query().map_or(Value::Null, |query| Value::String(query.to_owned()));
    let json = serde_json::from_slice(&bytes).unwrap_or_else(|_| query());
    let refusal = {
        let mut world = fakes.world();
        world.calls.push((path.clone(), json));
        world.refusals.get(&path).cloned()
    };
    match refusal {
        Some(problem) => problem.into_response(),
        None => next.run(Request::from_parts(parts, bytes.into())).await,
    }
}

type Answer<T> = Result<T, Problem>;

fn ended() -> Problem {
    problem(401, codes::SESSION_ENDED, "sign in again")
}

async fn settings(State(fakes): State<Fakes>) -> Json<PortalSettings> {
    Json(fakes.world().settings.clone())
}

async fn register(State(fakes): State<Fakes>, Json(body): Json<RegisterAccountRequest>) -> Response {
    let Ok(name) = body.username.parse::<control_api::names::Username>() else {
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, codes::INVALID_INPUT, "Bad input")
            .field("username", "may contain the letters a to z, digits and single hyphens only")
            .field("email", "must be an e-mail address such as alice@example.com");
        return problem.into_response();
    };
    let secret = format!("session-of-{name}-0123456789");
    let user = fakes.person(name.as_str(), &secret);
    let instance = fakes.instance(&user, InstanceState::Creating);
    let operation = fakes.operation(instance.instance_id, "container", "Creating the container", 40);
    fakes.order(&secret, accepted(Some(operation.operation_id)));
    let answer = RegisterAccountAnswer {
        user_id: user.user_id,
        session: WireSecret::new(secret),
        operation: Some(operation.operation_id),
    };
    (StatusCode::CREATED, Json(answer)).into_response()
}

async fn login(
    State(fakes): State<Fakes>,
    Json(body): Json<LoginAccountRequest>,
) -> Answer<Json<LoginOutcome>> {
    let world = fakes.world();
    let found =
        world.people.iter().find(|(name, word, _)| *name == body.login && word == body.password.expose());
    let (_, _, user) = found.ok_or_else(|| problem(401, codes::BAD_CREDENTIALS, "wrong"))?;
    if world.second_factors.contains_key(&user.user_id) || world.passkeys.of.contains_key(&user.user_id) {
        return Ok(Json(fake_second_factor::asked(user)));
    }
    let session = world.sessions.iter().find(|(_, view)| view.user == *user).ok_or_else(ended)?.0;
    Ok(Json(LoginOutcome::SignedIn(LoginAccountAnswer {
        user_id: user.user_id,
        session: WireSecret::new(session.clone()),
        cookie_max_age_s: body.remember.then_some(30 * 86_400),
    })))
}

async fn session(State(fakes): State<Fakes>, Json(body): Json<SessionRequest>) -> Answer<Json<SessionView>> {
    fakes.world().sessions.get(body.session.expose()).cloned().map(Json).ok_or_else(ended)
}

async fn logout(State(fakes): State<Fakes>, Json(body): Json<SessionRequest>) -> StatusCode {
    fakes.world().sessions.remove(body.session.expose());
    StatusCode::NO_CONTENT
}

async fn order(State(fakes): State<Fakes>, Json(body): Json<OrderInstanceRequest>) -> Answer<Response> {
    let view = ProvisioningView {
        state: OrderState::Queued,
        instance_id: None,
        operation_id: None,
        reason: Some("in the outbox".to_owned()),
    };
    let mut world = fakes.world();
    world.sessions.get_mut(body.session.expose()).ok_or_else(ended)?.provisioning = view.clone();
    Ok((StatusCode::ACCEPTED, Json(view)).into_response())
}

async fn handoff(
    State(fakes): State<Fakes>,
    Json(body): Json<HandoffRequest>,
) -> Answer<Json<HandoffAnswer>> {
    let world = fakes.world();
    let session = world.sessions.get(body.session.expose()).ok_or_else(ended)?;
    if world.instances[&body.instance_id].owner_id != session.user.user_id {
        return Err(problem(403, codes::NOT_YOURS, "not yours"));
    }
    Ok(Json(HandoffAnswer { code: "the-one-time-code".into() }))
}

async fn list(State(fakes): State<Fakes>, Query(query): Query<ListQuery>) -> Json<InstanceList> {
    let limit = query.limit.unwrap_or(100) as usize;
    let world = fakes.world();
    let fits = |instance: &&InstanceView| {
        query.state.is_none_or(|state| instance.state == state)
            && query.after.is_none_or(|after| instance.instance_id > after)
    };
    let mut found: Vec<_> = world.instances.values().filter(fits).take(limit + 1).cloned().collect();
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().map(|instance| instance.instance_id).filter(|_| more);
    Json(InstanceList { instances: found, next })
}

async fn overview(State(fakes): State<Fakes>) -> Json<OverviewView> {
    let world = fakes.world();
    let count = |state| {
        let count = world.instances.values().filter(|instance| instance.state == state).count() as u64;
        (count > 0).then_some(StateCount { state, count })
    };
    let operations: Vec<_> = world
        .operations
        .values()
        .map(|sender| sender.borrow().clone())
        .filter(|operation| !operation.state.is_final())
        .map(|operation| {
            let slug = world.instances[&operation.instance_id.expect("an instance")].slug.clone();
            ActiveOperation { slug, operation }
        })
        .collect();
    let states = InstanceState::ALL.into_iter().filter_map(count).collect();
    Json(OverviewView { states, active: operations.len() as u64, operations })
}

/// The checks of a machine on which all is well.
pub(crate) fn healthy() -> HealthView {
    let ok = || CheckView { state: "ok".to_owned(), reason: None };
    let checks = ["disk", "docker", "isolation"].map(|name| (name.to_owned(), ok()));
    HealthView { ready: true, checks: checks.into() }
}

async fn health(State(fakes): State<Fakes>) -> Json<HealthView> {
    Json(fakes.world().health.clone())
}

async fn prove(State(fakes): State<Fakes>) -> Json<ProbeAnswer> {
    let proven = fakes.world().proven;
    Json(ProbeAnswer { proven, reason: (!proven).then(|| "an instance can reach the host".to_owned()) })
}

fn gone() -> Problem {
    problem(404, codes::NOT_FOUND, "There is no such instance.")
}

async fn instance(State(fakes): State<Fakes>, Path(id): Path<InstanceId>) -> Answer<Json<InstanceView>> {
    fakes.world().instances.get(&id).cloned().map(Json).ok_or_else(gone)
}

async fn remove(
    State(fakes): State<Fakes>,
    Path(id): Path<InstanceId>,
    request: Request,
) -> Answer<Response> {
    let mut world = fakes.world();
    let instance = world.instances.get_mut(&id).ok_or_else(gone)?;
    instance.state = InstanceState::Deleting;
    let query = request.uri().query().unwrap_or_default().to_owned();
    world.calls.push((format!("DELETE {id}"), Value::String(query)));
    let answer = json!({ "operation_id": OperationId::generate(), "instance_id": id, "state": "deleting" });
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

async fn stats(State(fakes): State<Fakes>, Path(id): Path<InstanceId>) -> Answer<Json<StatsView>> {
    fakes.world().instances.get(&id).ok_or_else(gone)?;
    Ok(Json(StatsView {
        cpu_limit_percent: 100.0,
        pids_limit: 256,
        cpu_percent: 12.4,
        memory_bytes: 64 << 20,
        memory_limit_bytes: 256 << 20,
        pids: 4,
        disk_bytes: 700 << 20,
        disk_limit_bytes: 1 << 30,
    }))
}

async fn events(State(fakes): State<Fakes>, Query(query): Query<EventsQuery>) -> Json<EventList> {
    let world = fakes.world();
    let before = |event: &&EventView| query.before.is_none_or(|seq| event.seq < seq);
    let limit = query.limit.unwrap_or(100) as usize;
    Json(EventList { events: world.events.iter().filter(before).take(limit).cloned().collect() })
}

async fn log(State(fakes): State<Fakes>) -> String {
    fakes.world().log.clone()
}

async fn cancel(State(fakes): State<Fakes>, Path(id): Path<OperationId>) -> Answer<Json<OperationView>> {
    let missing = || problem(404, codes::NOT_FOUND, "no such operation");
    let world = fakes.world();
    let sender = world.operations.get(&id).ok_or_else(missing)?;
    sender.send_modify(|view| view.state = OperationState::Cancelled);
    Ok(Json(sender.borrow().clone()))
}

async fn resolve(State(fakes): State<Fakes>, Json(body): Json<ResolveRequest>) -> Answer<Json<InstanceView>> {
    let world = fakes.world();
    let mut all = world.instances.values();
    let found = all.find(|instance| {
        body.user_id == Some(instance.owner_id) || body.slug.as_ref() == Some(&instance.slug)
    });
    found.cloned().map(Json).ok_or_else(|| problem(404, codes::NOT_FOUND, "no such instance"))
}

async fn configure(
    State(fakes): State<Fakes>,
    Json(body): Json<ConfigureProviderRequest>,
) -> Answer<Json<InstanceView>> {
    let mut world = fakes.world();
    let id = body.instance_id.ok_or_else(|| problem(404, codes::NOT_FOUND, "no id"))?;
    let instance = world.instances.get_mut(&id).ok_or_else(|| problem(404, codes::NOT_FOUND, "gone"))?;
    instance.provider = Some(ProviderSummary {
        kind: body.provider.kind.as_str().to_owned(),
        model: body.provider.model,
        base_url: body.provider.base_url,
    });
    Ok(Json(instance.clone()))
}

async fn act(State(fakes): State<Fakes>, Path((id, action)): Path<(InstanceId, String)>) -> Answer<Response> {
    let mut world = fakes.world();
    let instance = world.instances.get_mut(&id).ok_or_else(|| problem(404, codes::NOT_FOUND, "gone"))?;
    instance.state = match action.as_str() {
        "stop" => InstanceState::Stopped,
        "sleep" => InstanceState::Asleep,
        _ => InstanceState::Starting,
    };
    let answer = json!({
        "operation_id": OperationId::generate(), "instance_id": id, "state": instance.state,
    });
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

async fn operation(
    State(fakes): State<Fakes>,
    Path(id): Path<OperationId>,
    headers: HeaderMap,
) -> Answer<Response> {
    let missing = || problem(404, codes::NOT_FOUND, "no such operation");
    let receiver = fakes.world().operations.get(&id).ok_or_else(missing)?.subscribe();
    if headers.get(header::ACCEPT).is_none_or(|accept| accept != "text/event-stream") {
        let view = receiver.borrow().clone();
        return Ok(Json(view).into_response());
    }
    // The final state is sent and ends the stream.
    let ended = Arc::new(Mutex::new(false));
    let stream = WatchStream::new(receiver)
        .take_while(move |view| {
            let before = std::mem::replace(&mut *ended.lock().expect("a lock"), view.state.is_final());
            std::future::ready(!before)
        })
        .map(|view| Ok::<_, Infallible>(Event::default().json_data(view).expect("json")));
    Ok(Sse::new(stream).into_response())
}
