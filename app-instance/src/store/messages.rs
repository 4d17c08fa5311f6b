//! Messages. An answer's row is made before the provider is asked and written to while it streams, so that
//! a crash at any point loses a second of text at most. A retry hides the old answer and deletes it only
//! when the new one has text: a provider that is down costs nothing.
//!
//! ```text
//! begin -> streaming -> complete | stopped | broken (text was kept) | failed (no text came)
//! ```

use sqlx::SqliteConnection;
use ulid::Ulid;

use super::{ConversationId, Store, StoreError};
use crate::chat::title;

/// What an answer is told that a crash or a restart cut off.
const INTERRUPTED: &str = "The app was restarted while this was being written.";

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(rename_all = "lowercase")]
pub(crate) enum Role {
    /// The owner.
    User,
    /// The model.
    Assistant,
}

/// How far an answer came; the owner's messages are always complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(rename_all = "lowercase")]
pub(crate) enum MessageState {
    /// Being written.
    Streaming,
    /// Whole.
    Complete,
    /// The owner stopped it.
    Stopped,
    /// It broke off; what came is kept.
    Broken,
    /// Nothing came.
    Failed,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) role: Role,
    pub(crate) content: String,
    pub(crate) state: MessageState,
    /// What the owner is told about the state.
    pub(crate) note: Option<String>,
    pub(crate) model: Option<String>,
    /// Milliseconds since 1970.
    pub(crate) created_at: i64,
}

/// An answer whose row is made: what was said before it, and its id.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    /// The answer's id.
    pub(crate) answer_id: String,
    /// Everything that is shown before the answer, oldest first.
    pub(crate) history: Vec<Message>,
    /// The conversation's title now.
    pub(crate) title: String,
}

impl Store {
    /// What is shown of a conversation, oldest first.
    pub(crate) async fn messages(&self, id: &ConversationId) -> Result<Vec<Message>, StoreError> {
        let mut reader = self.db.reader().acquire().await?;
        visible(&mut reader, id).await
    }

    /// Keeps what the owner says, with a row for the answer.
    pub(crate) async fn begin_turn(
        &self,
        id: &ConversationId,
        text: &str,
        model: &str,
    ) -> Result<Begun, StoreError> {
        let mut tx = self.db.begin().await?;
        let now = self.clock.now_ms();
        let fallback = title::from_message(text);
        let title = sqlx::query_scalar!(
            "UPDATE conversations SET updated_at = ?1, title = CASE title WHEN '' THEN ?2 ELSE title END
             WHERE id = ?3 RETURNING title",
            now,
            fallback,
            id
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(StoreError::NotFound)?;
        let said = Ulid::generate().to_string();
        sqlx::query!(
            "INSERT INTO messages (id, conversation_id, seq, role, content, state, created_at)
             VALUES (?1, ?2, (SELECT COALESCE(MAX(seq), 0) + 1 FROM messages WHERE conversation_id = ?2),
                     'user', ?3, 'complete', ?4)",
            said,
            id,
            text,
            now
        )
        .execute(&mut *tx)
        .await?;
        let history = visible(&mut tx, id).await?;
        let answer_id = insert_answer(&mut tx, id, model, None, now).await?;
        tx.commit().await?;
        Ok(Begun { answer_id, history, title })
    }

    /// A row for another answer to the last thing that was said. The answer that it is to replace is hidden.
    /// `None` where nothing was said yet.
    pub(crate) async fn begin_retry(
        &self,
        id: &ConversationId,
        model: &str,
    ) -> Result<Option<Begun>, StoreError> {
        let mut tx = self.db.begin().await?;
        let now = self.clock.now_ms();
        let title = sqlx::query_scalar!(
            "UPDATE conversations SET updated_at = ? WHERE id = ? RETURNING title",
            now,
            id
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(StoreError::NotFound)?;
        let mut history = visible(&mut tx, id).await?;
        let old = history.pop_if(|last| last.role == Role::Assistant).map(|last| last.id);
        if history.is_empty() {
            return Ok(None);
        }
        if let Some(old) = &old {
            sqlx::query!("UPDATE messages SET hidden = 1 WHERE id = ?", old).execute(&mut *tx).await?;
        }
        let answer_id = insert_answer(&mut tx, id, model, old.as_deref(), now).await?;
        tx.commit().await?;
        Ok(Some(Begun { answer_id, history, title }))
    }

    /// Keeps what has come of an answer so far.
    pub(crate) async fn checkpoint(&self, answer_id: &str, text: &str) -> Result<(), StoreError> {
        sqlx::query!("UPDATE messages SET content = ? WHERE id = ? AND state = 'streaming'", text, answer_id)
            .execute(self.db.writer())
            .await?;
        Ok(())
    }

    /// Settles an answer. Answers the message that is shown in its place: itself, or the old one where this
    /// one is empty and was to replace one with text; `None` where the conversation is gone.
    pub(crate) async fn finish(
        &self,
        answer_id: &str,
        text: &str,
        state: MessageState,
        note: Option<&str>,
    ) -> Result<Option<Message>, StoreError> {
        let mut tx = self.db.begin().await?;
        let row = sqlx::query!(
            "UPDATE messages SET content = ?1, state = ?2, note = ?3 WHERE id = ?4 RETURNING replaces",
            text,
            state,
            note,
            answer_id
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let mut shown = answer_id.to_owned();
        if let Some(old) = row.replaces
            && settle_replaced(&mut tx, answer_id, &old, text.is_empty()).await?
        {
            shown = old;
        }
        let message = sqlx::query_as!(
            Message,
            r#"SELECT id, role AS "role: Role", content, state AS "state: MessageState", note, model, created_at
               FROM messages WHERE id = ?"#,
            shown
        )
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(message)
    }

    /// At start: answers that were being written when the process ended.
    pub(super) async fn settle_interrupted(&self) -> Result<(), StoreError> {
        let rows = sqlx::query!("SELECT id, content FROM messages WHERE state = 'streaming'")
            .fetch_all(self.db.reader())
            .await?;
        for row in rows {
            let state = if row.content.is_empty() { MessageState::Failed } else { MessageState::Broken };
            self.finish(&row.id, &row.content, state, Some(INTERRUPTED)).await?;
        }
        Ok(())
    }
}

/// Whether the old answer is shown again instead of the new one.
async fn settle_replaced(
    tx: &mut SqliteConnection,
    new: &str,
    old: &str,
    new_is_empty: bool,
) -> Result<bool, StoreError> {
    if new_is_empty {
        let shown = sqlx::query!("UPDATE messages SET hidden = 0 WHERE id = ? AND content <> ''", old)
            .execute(&mut *tx)
            .await?;
        if shown.rows_affected() > 0 {
            sqlx::query!("DELETE FROM messages WHERE id = ?", new).execute(&mut *tx).await?;
            return Ok(true);
        }
    }
    sqlx::query!("DELETE FROM messages WHERE id = ?", old).execute(&mut *tx).await?;
    Ok(false)
}

async fn insert_answer(
    tx: &mut SqliteConnection,
    conversation: &ConversationId,
    model: &str,
    replaces: Option<&str>,
    now: i64,
) -> Result<String, StoreError> {
    let id = Ulid::generate().to_string();
    sqlx::query!(
        "INSERT INTO messages (id, conversation_id, seq, role, content, state, model, replaces, created_at)
         VALUES (?1, ?2, (SELECT COALESCE(MAX(seq), 0) + 1 FROM messages WHERE conversation_id = ?2),
                 'assistant', '', 'streaming', ?3, ?4, ?5)",
        id,
        conversation,
        model,
        replaces,
        now
    )
    .execute(tx)
    .await?;
    Ok(id)
}

async fn visible(
    connection: &mut SqliteConnection,
    conversation: &ConversationId,
) -> Result<Vec<Message>, StoreError> {
    let rows = sqlx::query_as!(
        Message,
        r#"SELECT id, role AS "role: Role", content, state AS "state: MessageState", note, model, created_at
           FROM messages WHERE conversation_id = ? AND hidden = 0 ORDER BY seq"#,
        conversation
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}
