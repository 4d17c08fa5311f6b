//! `/provisioning`: how the new instance comes along. Without a script the page refreshes itself; with one,
//! it is asked for with `?live=1`, has no `Refresh`, and follows `/provisioning/events`.
//!
//! The stream is a tracked task that joins the order at authz-service with the operation's own stream at
//! deploy-control. It ends when the browser leaves, when the work has ended, or when the portal stops; any
//! break on the way is a reason to wait, never an end.

use std::convert::Infallible;
use std::time::Duration;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use control_api::authz::{OrderInstanceRequest, SessionRequest};
use control_api::client::ApiError;
use control_api::codes;
use control_api::deploy::OperationView;
use control_api::ids::OperationId;
use control_api::names::Slug;
use futures_util::StreamExt as _;
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use service_kit::{request_id, sse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::SessionForm;
use crate::progress::{Progress, Working, from_operation};
use crate::session::{Session, SignedIn};
use crate::text::{Language, sentence, services, texts};
use crate::upstream::standing;
use crate::view::{FormFaults, PageResult, Shell, page};

/// Where a ready instance leads.
const ONBOARDING: &str = "/onboarding/provider";
/// Time between two looks where there is no stream to follow.
const PAUSE: Duration = Duration::from_secs(1);
/// A stream ends after this time; the browser opens the next by itself.
const STREAM_TIME: Duration = Duration::from_mins(10);
/// A comment is sent this often, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Largest event of deploy-control.
const MAX_EVENT: usize = 64 * 1024;
/// Seconds between two loads of the page without a script.
const REFRESH_SECONDS: &str = "2";

#[derive(Template)]
#[template(path = "provisioning.html")]
struct ProgressPage {
    shell: Shell,
    working: Working,
    live: bool,
}

#[derive(Template)]
#[template(path = "provisioning_failed.html")]
struct FailedPage {
    shell: Shell,
    reason: String,
    faults: FormFaults,
    /// What stands in the field for another name; no field where a name does not help.
    slug: Option<String>,
}

/// Query of the progress page.
#[derive(Deserialize)]
pub(crate) struct ProgressQuery {
    live: Option<String>,
}

/// `GET /provisioning`.
pub(crate) async fn show(
    State(portal): State<Portal>,
    SignedIn(session): SignedIn,
    query: Result<Query<ProgressQuery>, QueryRejection>,
) -> PageResult {
    let live = query.is_ok_and(|Query(query)| query.live.is_some());
    let shell = session.shell();
    let working = match look(&portal, &session).await.0 {
        Progress::Working(working) => working,
        Progress::Done => return Ok(redirect(ONBOARDING)),
        Progress::Settled | Progress::Gone => return Ok(redirect("/account")),
        Progress::Failed { reason, refused } => {
            let slug = refused.then(|| session.view.user.username.to_string());
            return Ok(failed(&session, reason, slug, FormFaults::default(), StatusCode::OK));
        }
    };
    let mut response = page(StatusCode::OK, &ProgressPage { shell, working, live });
    if !live {
        response.headers_mut().insert(header::REFRESH, HeaderValue::from_static(REFRESH_SECONDS));
    }
    Ok(response)
}

fn failed(
    session: &Session,
    reason: String,
    slug: Option<String>,
    faults: FormFaults,
    status: StatusCode,
) -> Response {
    page(status, &FailedPage { shell: session.shell(), reason, faults, slug })
}

/// How it stands; a neighbour that does not answer is something to wait for.
async fn look(portal: &Portal, session: &Session) -> (Progress, Option<OperationId>) {
    match standing(portal, &session.view, texts()).await {
        Ok(standing) => (standing.progress, standing.follow),
        Err(error) => {
            tracing::warn!(%error, "deploy-control cannot say how an instance comes along");
            (Progress::Working(Working::waiting(texts().provisioning.deploy_gone, texts())), None)
        }
    }
}

/// `GET /provisioning/retry`: where a browser ends up that loads the address of a form.
pub(crate) async fn to_progress() -> Response {
    redirect("/provisioning")
}

/// `POST /provisioning/retry`: orders the instance again, with another name if one is given. deploy-control
/// makes one where there is none, and takes up one that failed.
pub(crate) async fn retry(State(portal): State<Portal>, form: SessionForm) -> PageResult {
    let SessionForm { session, fields } = form;
    let wanted = fields.optional("slug");
    let slug = match wanted.as_deref().map(str::parse::<Slug>).transpose() {
        Ok(slug) => slug,
        Err(error) => {
            let faults = FormFaults::field("slug", sentence(texts().provisioning.slug, &error.to_string()));
            let reason = services::said(session.view.provisioning.reason.as_deref().unwrap_or_default());
            return Ok(failed(&session, reason, wanted, faults, StatusCode::UNPROCESSABLE_ENTITY));
        }
    };
    let request = OrderInstanceRequest { session: session.secret.clone(), slug };
    let outcome = portal.authz.order_instance(&request).await.map(drop);
    match outcome {
        Ok(()) => Ok(redirect("/provisioning")),
        // Somebody (another tab) was faster; the progress page shows it.
        Err(error) if error.is(codes::OPERATION_IN_PROGRESS) => Ok(redirect("/provisioning")),
        Err(error) if error.is(codes::SLUG_TAKEN) => {
            let faults = FormFaults::field("slug", texts().provisioning.slug_taken);
            Ok(failed(&session, String::new(), wanted, faults, StatusCode::UNPROCESSABLE_ENTITY))
        }
        Err(error) => refused_retry(&session, wanted, error),
    }
}

/// What the neighbours say to a retry that they refuse is shown where the retry was asked for.
fn refused_retry(session: &Session, wanted: Option<String>, error: ApiError) -> PageResult {
    match error.problem() {
        Some(problem) if problem.status < 500 && !error.is(codes::SESSION_ENDED) => {
            let faults = FormFaults::form(services::problem(problem));
            Ok(failed(session, String::new(), wanted, faults, problem.status_code()))
        }
        _ => Err(PageError::authz(error)),
    }
}

/// `GET /provisioning/events`.
pub(crate) async fn events(State(portal): State<Portal>, SignedIn(session): SignedIn) -> PageResult {
    let permit = portal.streams.clone().try_acquire_owned().map_err(|_| PageError::Busy)?;
    let (sender, receiver) = mpsc::channel(8);
    let stream = Stream { portal: portal.clone(), session, sender, last: None };
    // What the task is to inherit of the request.
    let (id, language) = (request_id::current().unwrap_or_default(), Language::current());
    portal.lifecycle.spawn("progress", async move {
        let stopping = stream.portal.lifecycle.stopping();
        let left = stream.sender.clone();
        tokio::select! {
            () = request_id::scope(id, language.spoken(stream.run())) => {}
            () = left.closed() => {}
            () = stopping.cancelled() => {}
            () = tokio::time::sleep(STREAM_TIME) => {}
        }
        drop(permit);
    });
    let events = Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // nginx would hold the events back otherwise.
    Ok(([("x-accel-buffering", "no")], events).into_response())
}

/// One browser's stream.
struct Stream {
    portal: Portal,
    session: Session,
    sender: mpsc::Sender<Result<Event, Infallible>>,
    /// What was sent last: a repetition says nothing.
    last: Option<Working>,
}

impl Stream {
    async fn run(mut self) {
        loop {
            let (progress, follow) = look(&self.portal, &self.session).await;
            if self.tell(progress).await {
                return;
            }
            if let Some(id) = follow {
                self.follow(id).await;
            }
            tokio::time::sleep(PAUSE).await;
            if self.renew().await {
                return;
            }
        }
    }

    /// Sends a step or the end; answers whether it was the end.
    async fn tell(&mut self, progress: Progress) -> bool {
        match progress {
            Progress::Working(working) => {
                if self.last.as_ref() != Some(&working) {
                    self.send("step", &json!(working)).await;
                    self.last = Some(working);
                }
                return false;
            }
            Progress::Done => self.send("done", &json!({ "location": ONBOARDING })).await,
            Progress::Settled | Progress::Gone => self.send("done", &json!({ "location": "/account" })).await,
            Progress::Failed { reason, .. } => {
                // The page has the form for another try.
                self.send("failed", &json!({ "reason": reason, "location": "/provisioning" })).await;
            }
        }
        true
    }

    async fn send(&self, name: &str, data: &serde_json::Value) {
        let event = Event::default().event(name).data(data.to_string());
        // A browser that has left is noticed by the select around this.
        let _ = self.sender.send(Ok(event)).await;
    }

    /// Passes on the steps of an operation until it ends or its stream breaks. What the end means is for the
    /// next look to say.
    async fn follow(&mut self, id: OperationId) {
        let Ok(response) = self.portal.deploy.follow_operation(id).await else { return };
        let mut chunks = response.bytes_stream();
        let mut parser = sse::Parser::new(MAX_EVENT);
        while let Some(Ok(chunk)) = chunks.next().await {
            let Ok(events) = parser.push(&chunk) else { return };
            for operation in events.iter().filter_map(|e| serde_json::from_str::<OperationView>(&e.data).ok())
            {
                if operation.state.is_final() {
                    return;
                }
                self.tell(from_operation(&operation, texts())).await;
            }
        }
    }

    /// Asks for the session again, for what the order says now; answers whether it has ended.
    async fn renew(&mut self) -> bool {
        let request = SessionRequest { session: self.session.secret.clone() };
        match self.portal.authz.session(&request).await {
            Ok(view) => self.session.view = view,
            Err(error) if error.is(codes::SESSION_ENDED) => {
                // The page leads to sign-in and back.
                self.send("done", &json!({ "location": "/provisioning" })).await;
                return true;
            }
            Err(error) => {
                tracing::warn!(%error, "authz-service cannot say how an order stands");
                self.tell(Progress::Working(Working::waiting(texts().provisioning.authz_gone, texts())))
                    .await;
            }
        }
        false
    }
}
