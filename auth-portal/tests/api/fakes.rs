//! Stand-ins for authz-service and deploy-control on ports of their own: they check the token, keep what they
//! were asked, and answer from a state that the test (or the preview) sets.

#[path = "fakes/accounts.rs"]
mod fake_accounts;
#[path = "fake_audit.rs"]
mod fake_audit;
#[path = "fake_data.rs"]
mod fake_data;
#[path = "fakes/instances.rs"]
mod fake_instances;
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
#[path = "fakes/operations.rs"]
mod fake_operations;
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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use control_api::api_keys::ApiKeyView;
use control_api::audit::AuditEntryView;
use control_api::audit_targets::AuditTargetView;
use control_api::authz::{
    OrderState, PortalSettings, ProvisioningView, RegistrationMode, Role, SessionView, UserView,
};
use control_api::codes;
use control_api::deploy::{
    EventView, HealthView, InstanceState, InstanceView, OperationKind, OperationState, OperationView,
};
use control_api::ids::{InstanceId, OperationId, SessionId, UserId};
use control_api::invites::InviteView;
use control_api::people::PersonView;
use control_api::sessions::SessionItem;
use control_api::settings::SettingsView;
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use serde_json::Value;
use service_kit::problem::Problem;
use tokio::net::TcpListener;
use tokio::sync::watch;
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
            health: fake_operations::healthy(),
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
            .merge(fake_accounts::routes())
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
            .merge(fake_instances::routes())
            .merge(fake_operations::routes())
            .merge(fake_data::deploy_routes())
            .merge(fake_keep_awake::routes())
            .merge(fake_machine::routes())
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

fn gone() -> Problem {
    problem(404, codes::NOT_FOUND, "There is no such instance.")
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
