//! Conversations: the list, new ones, their titles, and deletion with all that was said.

use std::str::FromStr;

use super::{ConversationId, Store, StoreError};

/// One conversation; times in ms since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conversation {
    /// Its id.
    pub(crate) id: ConversationId,
    /// Empty until the first message gives it one.
    pub(crate) title: String,
    /// When it was made.
    pub(crate) created_at: i64,
    /// When it was last written to.
    pub(crate) updated_at: i64,
}

/// A place in the list, which is ordered by last use: the next page begins after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    updated_at: i64,
    id: ConversationId,
}

impl Cursor {
    /// After this conversation.
    pub(crate) fn after(conversation: &Conversation) -> Self {
        Self { updated_at: conversation.updated_at, id: conversation.id.clone() }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.updated_at, self.id)
    }
}

impl FromStr for Cursor {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = "must be the `next` of another page";
        let (updated_at, id) = text.split_once('-').ok_or(bad)?;
        Ok(Self { updated_at: updated_at.parse().map_err(|_| bad)?, id: id.parse().map_err(|_| bad)? })
    }
}

impl Store {
    /// At most `limit` conversations, the last used first, from the beginning or after a place.
    pub(crate) async fn conversations(
        &self,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Vec<Conversation>, StoreError> {
        let from = after.map_or(i64::MAX, |cursor| cursor.updated_at);
        let id = after.map_or("", |cursor| cursor.id.as_str());
        let rows = sqlx::query_as!(
            Conversation,
            r#"SELECT id AS "id: ConversationId", title, created_at, updated_at FROM conversations
               WHERE updated_at < ?1 OR (updated_at = ?1 AND id < ?2)
               ORDER BY updated_at DESC, id DESC LIMIT ?3"#,
            from,
            id,
            limit
        )
        .fetch_all(self.db.reader())
        .await?;
        Ok(rows)
    }

    /// One conversation.
    pub(crate) async fn conversation(&self, id: &ConversationId) -> Result<Conversation, StoreError> {
        sqlx::query_as!(
            Conversation,
            r#"SELECT id AS "id: ConversationId", title, created_at, updated_at
               FROM conversations WHERE id = ?"#,
            id
        )
        .fetch_optional(self.db.reader())
        .await?
        .ok_or(StoreError::NotFound)
    }

    /// A new one; an empty title waits for the first message.
    pub(crate) async fn create_conversation(&self, title: &str) -> Result<Conversation, StoreError> {
        let (id, now) = (ConversationId::generate(), self.clock.now_ms());
        sqlx::query!(
            "INSERT INTO conversations (id, title, created_at, updated_at) VALUES (?1, ?2, ?3, ?3)",
            id,
            title,
            now
        )
        .execute(self.db.writer())
        .await?;
        Ok(Conversation { id, title: title.to_owned(), created_at: now, updated_at: now })
    }

    /// Gives it another title; its place in the list stays.
    pub(crate) async fn rename_conversation(
        &self,
        id: &ConversationId,
        title: &str,
    ) -> Result<Conversation, StoreError> {
        let done = sqlx::query!("UPDATE conversations SET title = ? WHERE id = ?", title, id)
            .execute(self.db.writer())
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound);
        }
        self.conversation(id).await
    }

    /// Deletes it with its messages.
    pub(crate) async fn delete_conversation(&self, id: &ConversationId) -> Result<(), StoreError> {
        let done =
            sqlx::query!("DELETE FROM conversations WHERE id = ?", id).execute(self.db.writer()).await?;
        if done.rows_affected() == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_a_url_and_refuses_anything_else() {
        let cursor = Cursor { updated_at: 17, id: ConversationId::generate() };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for bad in ["", "17", "17-", "x-01JDF3X5S8Q4M7R2V6T9W0YZAB", "17-x"] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad}");
        }
    }
}
