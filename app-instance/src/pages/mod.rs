//! The pages: the chat with the list of conversations, and problems in words. They work without JavaScript,
//! where an answer is shown when it is whole; the script makes it stream.

mod forms;
mod view;

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use service_kit::problem::Problem;

use crate::app::App;
use crate::assets;
use crate::config::Origin;
use crate::error::{AppError, PageError};
use crate::routes::extract::PagePath;
use crate::store::{Conversation, ConversationId, Cursor};
pub(crate) use forms::{delete, rename, retry, say, say_first};
use view::{ChatPage, Link, ProblemPage, ProviderLine, Said};

/// How many conversations the list shows at a time.
const LIST_LENGTH: u32 = 100;

/// Query of the pages.
#[derive(Deserialize)]
pub(crate) struct PageQuery {
    /// Shows the list from here on.
    after: Option<String>,
}

type PageResult = Result<Response, PageError>;

/// `GET /`: an empty chat.
pub(crate) async fn new_chat(
    State(app): State<Arc<App>>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> PageResult {
    chat_page(&app, None, &query.map_err(AppError::from)?.0).await
}

/// `GET /c/{id}`: a conversation.
pub(crate) async fn conversation(
    State(app): State<Arc<App>>,
    PagePath(id): PagePath<ConversationId>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> PageResult {
    let conversation = app.store.conversation(&id).await?;
    chat_page(&app, Some(conversation), &query.map_err(AppError::from)?.0).await
}

async fn chat_page(app: &App, current: Option<Conversation>, query: &PageQuery) -> PageResult {
    let owner = app.owner().ok_or(AppError::NotSignedIn)?;
    let after = query.after.as_deref().map(str::parse::<Cursor>).transpose();
    let after = after.map_err(|reason| AppError::invalid("after", reason))?;
    let (list, older) = app.page_of_conversations(after.as_ref(), LIST_LENGTH).await?;
    let messages = match &current {
        Some(conversation) => app.messages(&conversation.id).await?,
        None => Vec::new(),
    };
    let current_id = current.as_ref().map(|conversation| conversation.id.clone());
    let page = ChatPage {
        assets: &assets::FOLDER,
        owner: owner.username.as_str(),
        provider: ProviderLine::from(&app.provider),
        portal: app.config.portal_origin.as_ref().map(Origin::as_str),
        title: current.as_ref().map_or("", |conversation| conversation.title.as_str()),
        conversation: current_id.as_ref().map_or("", ConversationId::as_str),
        list: list.iter().map(|one| Link::new(one, current_id.as_ref())).collect(),
        older: older.map(|cursor| cursor.to_string()),
        newest: after.is_none(),
        messages: messages.iter().map(Said::from).collect(),
    };
    html(&page)
}

/// A problem as a page.
pub(crate) fn problem(problem: Problem) -> Response {
    let status = problem.status_code();
    let request_id = service_kit::request_id::current();
    let page = ProblemPage {
        assets: &assets::FOLDER,
        title: &problem.title,
        detail: problem.detail.as_deref().unwrap_or_default(),
        request_id: request_id.as_deref().filter(|_| status.is_server_error()),
    };
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        // A page that cannot be rendered is still answered.
        Err(_) => problem.into_response(),
    }
}

fn html(page: &impl Template) -> PageResult {
    let text = page.render().map_err(|error| AppError::Internal(error.to_string()))?;
    Ok(Html(text).into_response())
}
