//! The audit log as administrators read it, and how long its entries are kept.

use control_api::audit::{AuditEntryView, AuditPage, AuditRequest, MAX_AUDIT_PAGE};
use jiff::Timestamp;
use service_kit::clock::from_millis;

use crate::audit;
use crate::authz::Authz;
use crate::error::{Error, Faults};
use crate::store::audit::{Row, Wanted};

const PAGE: u32 = 50;
/// Longest text that is looked for, in bytes: longer ones are in no entry.
const MAX_FILTER: usize = 256;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Let go of at once: sign-ins wait meanwhile.
const TRIM: i64 = 1000;

impl Authz {
    /// `POST /portal/admin/audit`.
    pub(crate) async fn audit(&self, request: &AuditRequest) -> Result<AuditPage, Error> {
        self.administrator(&request.session).await?;
        let (wanted, limit) = parse(request)?;
        // One more tells whether there is a next page.
        let mut rows = self.store.audit(&wanted, i64::from(limit) + 1).await?;
        let has_more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().filter(|_| has_more).map(|row| row.id);
        Ok(AuditPage { entries: rows.into_iter().map(view).collect(), next })
    }

    /// Lets go of entries that are older than they are kept; answers how many.
    pub(crate) async fn trim_audit(&self) -> Result<u64, sqlx::Error> {
        let Some(days) = self.config.audit_days else { return Ok(0) };
        let now = self.now();
        let before = now - i64::from(days) * DAY_MS;
        let entry =
            |gone: u64| audit::entry(now, &"authz-service", "audit-trim", &format!("{gone} entries"), None);
        self.store.trim_audit(before, TRIM, entry).await
    }
}

fn parse(request: &AuditRequest) -> Result<(Wanted, u32), Error> {
    let filter = &request.filter;
    let mut faults = Faults::default();
    for (field, text) in [("who", &filter.who), ("action", &filter.action)] {
        if text.as_ref().is_some_and(|text| text.len() > MAX_FILTER) {
            faults.add(field, format!("must have at most {MAX_FILTER} characters"));
        }
    }
    let limit = request.limit.unwrap_or(PAGE);
    if !(1..=MAX_AUDIT_PAGE).contains(&limit) {
        faults.add("limit", format!("must be from 1 to {MAX_AUDIT_PAGE}"));
    }
    if !faults.is_empty() {
        return Err(Error::Fields(faults));
    }
    let asked = |text: &Option<String>| {
        text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let since = filter.since.map_or(i64::MIN, Timestamp::as_millisecond);
    let until = filter.until.map_or(i64::MAX, Timestamp::as_millisecond);
    let wanted = Wanted {
        before: request.before.unwrap_or(i64::MAX),
        time: since..until,
        action: asked(&filter.action),
        who: asked(&filter.who),
    };
    Ok((wanted, limit))
}

/// An entry as it is shown.
pub(crate) fn view(row: Row) -> AuditEntryView {
    AuditEntryView {
        id: row.id,
        at: from_millis(row.at),
        actor: row.actor,
        actor_name: row.actor_name,
        action: row.action,
        target: row.target,
        target_name: row.target_name,
        address: row.address,
        request_id: row.request_id,
    }
}
