//! The forms of the pages, for browsers without JavaScript: each does its work, waits for the end, and leads
//! back to a page.

use std::sync::Arc;

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::PageResult;
use crate::app::{App, Events};
use crate::error::AppError;
use crate::routes::conversations::parse_title;
use crate::routes::extract::PagePath;
use crate::store::ConversationId;

/// A message.
#[derive(Deserialize)]
pub(crate) struct SayForm {
    text: String,
}

/// A title.
#[derive(Deserialize)]
pub(crate) struct RenameForm {
    title: String,
}

/// `POST /`: the first message of a new conversation.
pub(crate) async fn say_first(
    State(app): State<Arc<App>>,
    form: Result<Form<SayForm>, FormRejection>,
) -> PageResult {
    let text = text_of(form)?;
    // A message that is refused must not leave an empty conversation behind.
    app.check_can_say(&text)?;
    let id = app.store.create_conversation("").await?.id;
    wait(app.say(&id, &text).await?).await;
    Ok(back_to(&id))
}

/// `POST /c/{id}`: a message.
pub(crate) async fn say(
    State(app): State<Arc<App>>,
    PagePath(id): PagePath<ConversationId>,
    form: Result<Form<SayForm>, FormRejection>,
) -> PageResult {
    wait(app.say(&id, &text_of(form)?).await?).await;
    Ok(back_to(&id))
}

/// `POST /c/{id}/retry`.
pub(crate) async fn retry(State(app): State<Arc<App>>, PagePath(id): PagePath<ConversationId>) -> PageResult {
    wait(app.retry(&id).await?).await;
    Ok(back_to(&id))
}

/// `POST /c/{id}/rename`.
pub(crate) async fn rename(
    State(app): State<Arc<App>>,
    PagePath(id): PagePath<ConversationId>,
    form: Result<Form<RenameForm>, FormRejection>,
) -> PageResult {
    let Form(form) = form.map_err(AppError::from)?;
    app.store.rename_conversation(&id, &parse_title(&form.title)?).await?;
    Ok(back_to(&id))
}

/// `POST /c/{id}/delete`.
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    PagePath(id): PagePath<ConversationId>,
) -> PageResult {
    app.chat.stop(&id).await;
    app.store.delete_conversation(&id).await?;
    Ok(Redirect::to("/").into_response())
}

/// Browsers send line ends as CRLF (WHATWG HTML, form submission).
fn text_of(form: Result<Form<SayForm>, FormRejection>) -> Result<String, AppError> {
    Ok(form?.0.text.replace("\r\n", "\n"))
}

/// Until the answer is settled.
async fn wait(mut events: Events) {
    while events.recv().await.is_some() {}
}

fn back_to(id: &ConversationId) -> Response {
    Redirect::to(&format!("/c/{id}#end")).into_response()
}
