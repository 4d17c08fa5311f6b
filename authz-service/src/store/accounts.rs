//! Accounts.

use control_api::authz::Role;
use control_api::ids::UserId;
use control_api::mail::Language;
use control_api::names::Username;
use sqlx::SqliteConnection;

use super::audit::Entry;
use super::mails::Post;
use super::sessions::NewSession;
use super::upstream::NewIdentity;
use super::{Store, is_unique_violation, parsed};

/// Whether an account may be used: a suspended one is not even where it was approved.
pub(crate) use control_api::people::Standing as AccountState;

/// An account as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) user_id: UserId,
    pub(crate) username: Username,
    pub(crate) email: String,
    pub(crate) password_hash: String,
    pub(crate) state: AccountState,
    pub(crate) role: Role,
    pub(crate) created_at: i64,
    /// Grows with each new password.
    pub(crate) password_version: i64,
}

/// An account as it is on record.
struct AccountRow {
    user_id: String,
    username: String,
    email: String,
    password_hash: String,
    standing: String,
    role: String,
    created_at: i64,
    password_version: i64,
}

impl AccountRow {
    fn parse(self) -> Result<Account, sqlx::Error> {
        Ok(Account {
            user_id: parsed("user_id", &self.user_id)?,
            username: parsed("username", &self.username)?,
            email: self.email,
            password_hash: self.password_hash,
            state: standing(&self.standing),
            role: role(&self.role),
            created_at: self.created_at,
            password_version: self.password_version,
        })
    }
}

/// The standing of a row; the column has these three alone.
pub(super) fn standing(text: &str) -> AccountState {
    match text {
        "active" => AccountState::Active,
        "suspended" => AccountState::Suspended,
        _ => AccountState::PendingApproval,
    }
}

/// The role of a row; the column's check constraint allows these two alone.
pub(super) fn role(text: &str) -> Role {
    if text == Role::Admin.as_str() { Role::Admin } else { Role::User }
}

/// What is written together with a new account.
#[derive(Default)]
pub(crate) struct Alongside<'a> {
    pub(crate) session: Option<NewSession>,
    /// Put an order of an instance in the outbox.
    pub(crate) order: bool,
    /// Use up this invite.
    pub(crate) invite_hash: Option<[u8; 32]>,
    /// Mail this.
    pub(crate) post: Post,
    /// What the account's mails are written in.
    pub(crate) language: Language,
    /// The address is proved already.
    pub(crate) proved: bool,
    /// Who the account is for, where the upstream knows the person.
    pub(crate) identity: Option<NewIdentity<'a>>,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Creation {
    Done,
    Taken {
        username: bool,
        email: bool,
    },
    /// The invite was used by somebody else in the meantime, or has expired.
    InviteGone,
    /// The identity has an account by now, or it took too long.
    IdentityGone,
}

impl Store {
    /// Writes an account and what comes with it, or nothing.
    pub(crate) async fn create_account(
        &self,
        account: &Account,
        alongside: Alongside<'_>,
        audit: &Entry<'_>,
    ) -> Result<Creation, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let creation = create(&mut tx, account, &alongside, audit).await?;
        if creation == Creation::Done {
            tx.commit().await?;
        }
        Ok(creation)
    }

    /// By user name or, where it has an `@`, by e-mail address; both in lower case.
    pub(crate) async fn account_by_login(&self, login: &str) -> Result<Option<Account>, sqlx::Error> {
        let row = sqlx::query_as!(
            AccountRow,
            "SELECT user_id, username, email, password_hash, standing, role, created_at,
                    password_version FROM accounts
             WHERE username = ?1 OR email_key = ?1",
            login
        )
        .fetch_optional(self.db.reader())
        .await?;
        row.map(AccountRow::parse).transpose()
    }

    /// Accounts in the order of their ids, filtered; at most 500.
    pub(crate) async fn accounts(
        &self,
        username: Option<&str>,
        state: Option<AccountState>,
    ) -> Result<Vec<Account>, sqlx::Error> {
        let state = state.map(AccountState::as_str);
        let rows = sqlx::query_as!(
            AccountRow,
            "SELECT user_id, username, email, password_hash, standing, role, created_at,
                    password_version FROM accounts
             WHERE (?1 IS NULL OR username = ?1) AND (?2 IS NULL OR standing = ?2)
             ORDER BY user_id LIMIT 500",
            username,
            state
        )
        .fetch_all(self.db.reader())
        .await?;
        rows.into_iter().map(AccountRow::parse).collect()
    }
}

/// Writes an account and what comes with it; where the answer is another than `Done`, nothing of it may be kept.
pub(super) async fn create(
    conn: &mut SqliteConnection,
    account: &Account,
    alongside: &Alongside<'_>,
    audit: &Entry<'_>,
) -> Result<Creation, sqlx::Error> {
    match insert(conn, account).await {
        Ok(()) => {}
        Err(error) if is_unique_violation(&error) => return taken(conn, account).await,
        Err(error) => return Err(error),
    }
    if let Some(hash) = alongside.invite_hash
        && !super::invites::consume(conn, &hash, account.user_id, account.created_at).await?
    {
        return Ok(Creation::InviteGone);
    }
    if let Some(identity) = &alongside.identity
        && !super::upstream::make(conn, account.user_id, identity).await?
    {
        return Ok(Creation::IdentityGone);
    }
    if alongside.language != Language::default() {
        let (id, language) = (account.user_id.to_string(), alongside.language.as_str());
        sqlx::query!("UPDATE accounts SET language = ? WHERE user_id = ?", language, id)
            .execute(&mut *conn)
            .await?;
    }
    if alongside.proved {
        let (id, now) = (account.user_id.to_string(), account.created_at);
        sqlx::query!("UPDATE accounts SET email_verified_at = ? WHERE user_id = ?", now, id)
            .execute(&mut *conn)
            .await?;
    }
    if let Some(session) = &alongside.session {
        super::sessions::insert(conn, session).await?;
    }
    if alongside.order {
        super::orders::renew(conn, account.user_id, None, account.created_at).await?;
    }
    super::mails::write(conn, &alongside.post).await?;
    super::audit::insert(conn, audit).await?;
    Ok(Creation::Done)
}

pub(super) async fn insert(conn: &mut SqliteConnection, account: &Account) -> Result<(), sqlx::Error> {
    let (id, username, email_key) =
        (account.user_id.to_string(), account.username.as_str(), account.email.to_lowercase());
    let state = account.state.as_str();
    sqlx::query!(
        "INSERT INTO accounts (user_id, username, email, email_key, password_hash, state, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
        id,
        username,
        account.email,
        email_key,
        account.password_hash,
        state,
        account.created_at
    )
    .execute(conn)
    .await
    .map(drop)
}

/// `SQLite` names no constraint, so both values are looked up once the insert has failed.
pub(super) async fn taken(conn: &mut SqliteConnection, account: &Account) -> Result<Creation, sqlx::Error> {
    let (username, email_key) = (account.username.as_str(), account.email.to_lowercase());
    let rows = sqlx::query!(
        "SELECT username, email_key FROM accounts WHERE username = ? OR email_key = ?",
        username,
        email_key
    )
    .fetch_all(conn)
    .await?;
    Ok(Creation::Taken {
        username: rows.iter().any(|row| row.username == username),
        email: rows.iter().any(|row| row.email_key == email_key),
    })
}

/// Whether the account may be used and its password is still the one of this version.
pub(super) async fn is_password_version(
    conn: &mut SqliteConnection,
    user_id: UserId,
    version: i64,
) -> Result<bool, sqlx::Error> {
    let id = user_id.to_string();
    let row = sqlx::query!(
        "SELECT 1 AS one FROM accounts WHERE user_id = ? AND password_version = ? AND standing = 'active'",
        id,
        version
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.is_some())
}

/// Replaces a password hash: the same password with other parameters.
pub(super) async fn set_password_hash(
    conn: &mut SqliteConnection,
    user_id: UserId,
    hash: &str,
) -> Result<(), sqlx::Error> {
    let id = user_id.to_string();
    sqlx::query!("UPDATE accounts SET password_hash = ? WHERE user_id = ?", hash, id)
        .execute(conn)
        .await
        .map(drop)
}
