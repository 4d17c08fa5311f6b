//! What a person may take along: all that is on record of their account and lets nobody in. Who takes it is in the
//! audit log, so that a stolen session that does is seen.

use control_api::audit::AuditEntryView;
use control_api::own_data::{OwnData, OwnDataKind, OwnDataRequest};
use service_kit::clock::from_millis;

use crate::audit;
use crate::audit_log::view;
use crate::authz::Authz;
use crate::error::Error;
use crate::store::audit::Wanted;

/// Years of an ordinary account.
const MAX_ENTRIES: i64 = 10_000;

impl Authz {
    /// `POST /portal/own-data`.
    pub(crate) async fn own_data(&self, request: &OwnDataRequest) -> Result<OwnData, Error> {
        let session = self.session(&request.session).await?;
        let (user, now) = (session.user_id, self.now());
        let action = match request.kind {
            OwnDataKind::Account => "export-account",
            OwnDataKind::Files => "export-files",
        };
        self.store.append_audit(&audit::entry(now, &user, action, &user, request.client_addr)).await?;
        let mut data = OwnData {
            made_at: from_millis(now),
            account: session.user(),
            sessions: Vec::new(),
            api_keys: Vec::new(),
            audit: Vec::new(),
        };
        if request.kind == OwnDataKind::Account {
            data.sessions = self.sessions(&request.session).await?.sessions;
            data.api_keys = self.api_keys(&request.session).await?.api_keys;
            let wanted = Wanted {
                before: i64::MAX,
                time: i64::MIN..i64::MAX,
                action: None,
                who: Some(user.to_string()),
            };
            let rows = self.store.audit(&wanted, MAX_ENTRIES).await?;
            let own = user.to_string();
            data.audit = rows.into_iter().map(view).map(|entry| without_others(entry, &own)).collect();
        }
        Ok(data)
    }
}

/// From where an administrator did something is the administrator's.
fn without_others(mut entry: AuditEntryView, own: &str) -> AuditEntryView {
    if entry.actor != own {
        (entry.address, entry.request_id) = (None, None);
    }
    entry
}
