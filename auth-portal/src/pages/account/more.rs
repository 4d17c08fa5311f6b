//! `/account/instance`: what is done rarely with the own instance: keeping it awake, and removing it, which asks for
//! its name and for what becomes of the data.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use control_api::deploy::{InstanceState, InstanceView};
use http::StatusCode;

use super::instance::refusal;
use super::{AccountQuery, Message};
use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::SessionForm;
use crate::moment::{Moment, soon};
use crate::session::{Session, SignedIn};
use crate::text::{fill, texts};
use crate::upstream::own_instance;
use crate::view::{FormFaults, PageResult, Shell, page};

/// For how many hours an instance can be kept awake.
const LEASES: [u8; 5] = [1, 8, 24, 72, 168];

#[derive(Template)]
#[template(path = "account_instance.html")]
struct MorePage {
    shell: Shell,
    message: Option<Message>,
    faults: FormFaults,
    /// The hours and their words.
    leases: Vec<(u8, String)>,
    kept: Option<Moment>,
    removable: bool,
    confirm_words: String,
}

/// What differs from one showing of the page to another.
#[derive(Default)]
struct View {
    status: StatusCode,
    message: Option<Message>,
    faults: FormFaults,
}

impl View {
    fn fault(field: &str, text: &str) -> Self {
        let faults = FormFaults::field(field, text);
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, faults, message: None }
    }
}

/// `GET /account/instance`.
pub(super) async fn show(
    State(portal): State<Portal>,
    SignedIn(session): SignedIn,
    query: Result<Query<AccountQuery>, QueryRejection>,
) -> PageResult {
    let done = query.ok().and_then(|Query(query)| query.done);
    let text = done.and_then(|what| match what.as_str() {
        "keep" => Some(texts().more.done_keep),
        "end" => Some(texts().more.done_end),
        _ => None,
    });
    let message = text.map(|text| Message { text: text.to_owned(), bad: false });
    match own(&portal, &session).await? {
        Some(instance) => Ok(render(&portal, &session, &instance, View { message, ..View::default() })),
        // The account page says what became of it.
        None => Ok(redirect("/account")),
    }
}

/// The address of a form, loaded as a page.
pub(super) async fn to_more() -> Response {
    redirect("/account/instance")
}

/// `POST /account/instance/keep-awake`: `hours`, one of the list, or 0 to end it.
pub(super) async fn keep_awake(State(portal): State<Portal>, form: SessionForm) -> PageResult {
    let SessionForm { session, fields } = form;
    let Some(instance) = own(&portal, &session).await? else { return Ok(redirect("/account")) };
    let hours = match fields.text("hours").parse::<u8>() {
        Ok(0) => None,
        Ok(hours) if LEASES.contains(&hours) => Some(hours),
        _ => {
            let view = View::fault("hours", texts().more.hours_bad);
            return Ok(render(&portal, &session, &instance, view));
        }
    };
    match portal.deploy.keep_awake_for_owner(instance.instance_id, hours).await {
        Ok(_) if hours.is_some() => Ok(redirect("/account/instance?done=keep")),
        Ok(_) => Ok(redirect("/account/instance?done=end")),
        Err(error) => {
            let (status, text) = refusal(error)?;
            let message = Some(Message { text, bad: true });
            let view = View { status, message, faults: FormFaults::default() };
            Ok(render(&portal, &session, &instance, view))
        }
    }
}

/// `POST /account/instance/delete`: `confirm`, the instance's name, and `data`, `keep` or `purge`.
pub(super) async fn remove(State(portal): State<Portal>, form: SessionForm) -> PageResult {
    let SessionForm { session, fields } = form;
    let Some(instance) = own(&portal, &session).await? else { return Ok(redirect("/account")) };
    let t = &texts().more;
    let purge = match fields.text("data") {
        "keep" => false,
        "purge" => true,
        _ => return Ok(render(&portal, &session, &instance, View::fault("data", t.data_bad))),
    };
    if fields.text("confirm").trim() != instance.slug.as_str() {
        return Ok(render(&portal, &session, &instance, View::fault("confirm", t.confirm_wrong)));
    }
    match portal.deploy.delete_for_owner(instance.instance_id, purge).await {
        Ok(_) => Ok(redirect("/account?done=remove")),
        Err(error) => {
            let (status, text) = refusal(error)?;
            let message = Some(Message { text, bad: true });
            let view = View { status, message, faults: FormFaults::default() };
            Ok(render(&portal, &session, &instance, view))
        }
    }
}

async fn own(portal: &Portal, session: &Session) -> Result<Option<InstanceView>, PageError> {
    own_instance(portal, session.view.user.user_id).await.map_err(PageError::deploy)
}

fn lease_words(hours: u8) -> String {
    let t = &texts().more;
    match hours {
        1 => t.hour_one.to_owned(),
        hours if hours < 48 => fill(t.hours_many, &[("n", &hours.to_string())]),
        hours => fill(t.days_many, &[("n", &(hours / 24).to_string())]),
    }
}

fn render(portal: &Portal, session: &Session, instance: &InstanceView, view: View) -> Response {
    let now = portal.clock.now();
    let shown = MorePage {
        shell: session.shell(),
        message: view.message,
        faults: view.faults,
        leases: LEASES.map(|hours| (hours, lease_words(hours))).into(),
        kept: instance.keep_awake_until.filter(|until| *until > now).map(|until| soon(until, now)),
        removable: instance.state != InstanceState::Deleting,
        confirm_words: fill(texts().more.confirm, &[("name", instance.slug.as_str())]),
    };
    page(view.status, &shown)
}
