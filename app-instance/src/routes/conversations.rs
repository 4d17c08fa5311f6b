//! `/api/conversations`: list, make, show, rename and delete.

use std::sync::Arc;

use axum::extract::Query;
use axum::extract::State;
use axum::extract::rejection::QueryRejection;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Json, Path};
use super::views::{
    ConversationDetail, ConversationPage, ConversationView, MessageView, NewConversation, Rename,
};
use crate::app::App;
use crate::chat::title;
use crate::error::AppError;
use crate::store::{ConversationId, Cursor};

/// Most conversations on a page.
const MAX_LIMIT: u32 = 200;

/// Query of `GET /api/conversations`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// The `next` of the page before.
    after: Option<String>,
    /// How many, at most 200 (default 50).
    limit: Option<u32>,
}

/// The conversations, the last used first.
#[utoipa::path(get, path = "/api/conversations", tag = "chat", security(("assertion" = [])), params(ListQuery),
    responses((status = 200, description = "A page", body = ConversationPage)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<axum::Json<ConversationPage>, AppError> {
    let Query(query) = query?;
    let after = query.after.as_deref().map(str::parse::<Cursor>).transpose();
    let after = after.map_err(|reason| AppError::invalid("after", reason))?;
    let limit = query.limit.unwrap_or(50).clamp(1, MAX_LIMIT);
    let (conversations, next) = app.page_of_conversations(after.as_ref(), limit).await?;
    let conversations = conversations.into_iter().map(ConversationView::from).collect();
    Ok(axum::Json(ConversationPage { conversations, next: next.map(|cursor| cursor.to_string()) }))
}

/// A new conversation.
#[utoipa::path(post, path = "/api/conversations", tag = "chat", security(("assertion" = [])),
    request_body = NewConversation, responses(
    (status = 201, description = "Made", body = ConversationView),
    (status = 422, description = "The title is at fault; problem+json"),
))]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Json(request): Json<NewConversation>,
) -> Result<(StatusCode, axum::Json<ConversationView>), AppError> {
    let title = request.title.as_deref().map(parse_title).transpose()?.unwrap_or_default();
    let conversation = app.store.create_conversation(&title).await?;
    Ok((StatusCode::CREATED, axum::Json(conversation.into())))
}

/// A conversation with all that was said.
#[utoipa::path(get, path = "/api/conversations/{id}", tag = "chat", security(("assertion" = [])),
    params(("id" = String, Path, description = "A ULID")), responses(
    (status = 200, description = "The conversation", body = ConversationDetail),
    (status = 404, description = "There is no such conversation; problem+json"),
))]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<ConversationId>,
) -> Result<axum::Json<ConversationDetail>, AppError> {
    let conversation = app.store.conversation(&id).await?.into();
    let messages = app.messages(&id).await?.into_iter().map(MessageView::from).collect();
    Ok(axum::Json(ConversationDetail { conversation, messages }))
}

/// Another title.
#[utoipa::path(patch, path = "/api/conversations/{id}", tag = "chat", security(("assertion" = [])),
    params(("id" = String, Path, description = "A ULID")), request_body = Rename, responses(
    (status = 200, description = "Renamed", body = ConversationView),
    (status = 404, description = "There is no such conversation; problem+json"),
    (status = 422, description = "The title is at fault; problem+json"),
))]
pub(crate) async fn rename(
    State(app): State<Arc<App>>,
    Path(id): Path<ConversationId>,
    Json(request): Json<Rename>,
) -> Result<axum::Json<ConversationView>, AppError> {
    let title = parse_title(&request.title)?;
    Ok(axum::Json(app.store.rename_conversation(&id, &title).await?.into()))
}

/// Deletes a conversation with all that was said; an answer under way is stopped first.
#[utoipa::path(delete, path = "/api/conversations/{id}", tag = "chat", security(("assertion" = [])),
    params(("id" = String, Path, description = "A ULID")), responses(
    (status = 204, description = "Deleted"),
    (status = 404, description = "There is no such conversation; problem+json"),
))]
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<ConversationId>,
) -> Result<StatusCode, AppError> {
    app.chat.stop(&id).await;
    app.store.delete_conversation(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A title that the owner typed.
pub(crate) fn parse_title(text: &str) -> Result<String, AppError> {
    title::from_owner(text)
        .ok_or_else(|| AppError::invalid("title", format!("must have 1 to {} characters", title::MAX_CHARS)))
}
