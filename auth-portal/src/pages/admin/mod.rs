//! `/admin`: every instance, for administrators alone. To anybody else who is signed in there is nothing at
//! these addresses, whatever the method; whoever is not signed in is sent to sign in and comes back, and an
//! administrator who lacks the second factor that is required is sent to set it up.

mod actions;
mod audit;
mod audit_file;
mod forwarding;
mod host;
mod instance;
mod invites;
mod overview;
mod people;
mod person;
mod rollouts;
mod settings;

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use control_api::client::ApiError;
use control_api::codes;
use http::StatusCode;
use http::request::Parts;

use crate::app::Portal;
use crate::error::PageError;
use crate::session::{MaybeSession, Session, come_back};
use crate::text::{fill, services, texts};

/// What is said over a page.
pub(super) struct Message {
    pub(super) text: String,
    pub(super) bad: bool,
}

/// The routes, behind the gate.
pub(crate) fn routes(portal: &Portal) -> Router<Portal> {
    Router::new()
        .route("/admin", get(overview::show))
        .route("/admin/audit", get(audit::show))
        .route("/admin/audit/export", get(audit::export))
        .route("/admin/audit/forwarding", get(forwarding::show))
        .route("/admin/audit/forwarding/test", post(forwarding::test))
        .merge(settings::routes())
        .merge(rollouts::routes())
        .route("/admin/people", get(people::show))
        .route("/admin/people/{id}", get(person::show))
        .route("/admin/people/{id}/{action}", get(person::to_person).post(person::act))
        .route("/admin/invites", get(invites::show).post(invites::create))
        .route("/admin/invites/withdraw", get(invites::to_invites).post(invites::withdraw))
        .route("/admin/isolation", post(actions::prove))
        .route("/admin/operations/{id}/cancel", post(actions::cancel))
        .route("/admin/instances/{id}", get(instance::show))
        .route("/admin/instances/{id}/{action}", post(actions::act))
        .method_not_allowed_fallback(async || PageError::MethodNotAllowed)
        // Outside the methods: a refusal must not tell which addresses there are.
        .layer(from_fn_with_state(portal.clone(), gate))
}

/// Lets administrators through; asks authz-service at every request.
async fn gate(State(portal): State<Portal>, request: Request, next: Next) -> Result<Response, PageError> {
    let (mut parts, body) = request.into_parts();
    let MaybeSession(session) = MaybeSession::from_request_parts(&mut parts, &portal).await?;
    let session = session.ok_or_else(|| PageError::SignIn(come_back(&parts)))?;
    if session.view.second_factor_needed {
        return Err(PageError::SecondFactorNeeded);
    }
    if !session.is_admin() {
        return Err(PageError::NotFound);
    }
    parts.extensions.insert(session);
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// Extractor: the session that the gate let through.
pub(crate) struct Administrator(pub(crate) Session);

impl FromRequestParts<Portal> for Administrator {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &Portal) -> Result<Self, PageError> {
        // A route without the gate serves nobody.
        parts.extensions.get::<Session>().cloned().map(Self).ok_or(PageError::NotFound)
    }
}

/// What a refusal of deploy-control's means for the page; an instance or operation that is gone is no page.
fn refusal(error: ApiError) -> Result<(StatusCode, Message), PageError> {
    let t = &texts().admin;
    let (status, text) = match error.problem() {
        Some(problem) if problem.kind == codes::NOT_FOUND => return Err(PageError::NotFound),
        Some(problem) if problem.kind == codes::OPERATION_IN_PROGRESS => {
            (StatusCode::CONFLICT, t.busy.to_owned())
        }
        Some(problem) if problem.kind != codes::TOKEN_MISMATCH && problem.kind != codes::INTERNAL => {
            let said = services::problem(problem);
            (problem.status_code(), fill(t.refused, &[("reason", &said)]))
        }
        _ => return Err(PageError::deploy(error)),
    };
    Ok((status, Message { text, bad: true }))
}

/// What an answer to a question means: gone, or a neighbour's failure.
fn asked(error: ApiError) -> PageError {
    if error.is(codes::NOT_FOUND) { PageError::NotFound } else { PageError::deploy(error) }
}
