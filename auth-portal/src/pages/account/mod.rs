//! `/account` and what is below it: one file for each part of the page, with its handlers and its data. Here are
//! the routes and what the parts share.

mod data;
mod email;
mod instance;
mod keys;
mod leave;
mod more;
mod passkeys;
mod password;
mod second_factor;
mod security;
mod upstream;

use askama::Template;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;

pub(crate) use instance::describe;

use crate::app::Portal;
use crate::error::redirect;
use crate::session::{Session, SignedIn};
use crate::text::texts;
use crate::view::{PageResult, Shell, page};
use instance::{Record, Standing};
use keys::{KeyForm, Section};

/// Seconds until the page asks again while deploy-control is away.
const RETRY_SECONDS: &str = "5";

/// Everything below `/account`.
pub(crate) fn routes() -> Router<Portal> {
    Router::new()
        .route("/account", get(show))
        .route("/account/keys", get(to_account).post(keys::create))
        .route("/account/keys/revoke", get(to_account).post(keys::revoke))
        .route("/account/delete", get(leave::show).post(leave::submit))
        .route("/account/instance", get(more::show))
        .route("/account/instance/keep-awake", get(more::to_more).post(more::keep_awake))
        .route("/account/instance/delete", get(more::to_more).post(more::remove))
        .route("/account/security", get(security::show))
        .route("/account/sessions/revoke", get(security::to_security).post(security::revoke))
        .route("/account/sessions/others", get(security::to_security).post(security::revoke_others))
        .route("/account/password", get(security::to_security).post(password::change))
        .route("/account/email", get(security::to_security).post(email::change))
        .route("/account/email/verify", get(security::to_security).post(email::verify))
        .route("/account/data/files", get(to_account).post(data::files))
        .route("/account/data/account", get(to_account).post(data::account))
        .route("/account/second-factor", get(second_factor::show))
        .route("/account/passkeys/new", get(passkeys::show).post(passkeys::begin))
        .route("/account/passkeys/finish", get(passkeys::to_form).post(passkeys::finish))
        .route("/account/passkeys/remove", get(passkeys::show_removal).post(passkeys::remove))
        .route("/account/second-factor/begin", get(second_factor::to_page).post(second_factor::begin))
        .route("/account/second-factor/confirm", get(second_factor::to_page).post(second_factor::confirm))
        .route(
            "/account/second-factor/recovery-codes",
            get(second_factor::to_page).post(second_factor::renew_codes),
        )
        .route("/account/second-factor/remove", get(second_factor::to_page).post(second_factor::remove))
        .route("/account/upstream/link", get(security::to_security).post(upstream::link))
        .route("/account/upstream/unlink", get(security::to_security).post(upstream::unlink))
        .route("/account/{action}", get(to_account).post(instance::act))
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage<'a> {
    shell: Shell,
    username: &'a str,
    email: &'a str,
    message: Option<Message>,
    instance: Standing,
    record: Option<Record>,
    keys: Section,
    /// The page changes by itself.
    moving: bool,
}

/// What is said over the page.
struct Message {
    text: String,
    bad: bool,
}

/// What differs from one showing of the page to another.
struct View {
    status: StatusCode,
    message: Option<Message>,
    /// The form of a new API key.
    key_form: KeyForm,
}

impl View {
    fn new(status: StatusCode, message: Option<Message>) -> Self {
        Self { status, message, key_form: KeyForm::default() }
    }
}

/// Query of the pages of the account.
#[derive(Deserialize)]
struct AccountQuery {
    done: Option<String>,
}

/// `GET /account`.
async fn show(
    State(portal): State<Portal>,
    SignedIn(session): SignedIn,
    query: Result<Query<AccountQuery>, QueryRejection>,
) -> PageResult {
    let done = query.ok().and_then(|Query(query)| query.done);
    let text = done.and_then(|action| match action.as_str() {
        "start" => Some(texts().account.done_start),
        "stop" => Some(texts().account.done_stop),
        "restart" => Some(texts().account.done_restart),
        "sleep" => Some(texts().account.done_sleep),
        "remove" => Some(texts().more.done_remove),
        "revoke-key" => Some(texts().api_keys.revoked),
        _ => None,
    });
    let message = text.map(|text| Message { text: text.to_owned(), bad: false });
    render(&portal, &session, View::new(StatusCode::OK, message)).await
}

/// `GET /account/{action}` and `GET /logout`: where a browser ends up that loads the address of a form.
pub(crate) async fn to_account() -> Response {
    redirect("/account")
}

/// The page, whatever of it can be had.
async fn render(portal: &Portal, session: &Session, view: View) -> PageResult {
    let View { status, message, key_form } = view;
    // What was typed must not be reloaded away.
    let is_typed = !key_form.faults.is_empty();
    let (keys, standing) =
        tokio::join!(Section::load(portal, session, key_form), instance::standing(portal, session));
    let (instance, record, moving) = match standing {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, "an instance could not be shown");
            (Standing::Unreachable, None, false)
        }
    };
    let unreachable = matches!(instance, Standing::Unreachable);
    let user = &session.view.user;
    let shell = session.shell();
    let (username, email) = (user.username.as_str(), user.email.as_str());
    let moving = moving && !is_typed;
    let view = AccountPage { shell, username, email, message, instance, record, keys, moving };
    let mut response = page(status, &view);
    if unreachable && !is_typed {
        response.headers_mut().insert(header::REFRESH, HeaderValue::from_static(RETRY_SECONDS));
    }
    Ok(response)
}
