//! What administrators set while the service runs. It holds from the next request on: this process alone writes the
//! table, and keeps what is in it in memory. Each change names the version that was looked at, so that of two
//! administrators at work the later is told.

use control_api::authz::{RegistrationMode, SessionRequest};
use control_api::settings::{ChangeSettingsRequest, MAX_BANNER_CHARS, SettingsView};
use service_kit::clock::from_millis;

use crate::audit;
use crate::authz::Authz;
use crate::error::{Error, Faults};

/// The settings as they are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) version: i64,
    /// In place of what the environment says.
    pub(crate) registration: Option<RegistrationMode>,
    pub(crate) banner: String,
    pub(crate) changed_at: Option<i64>,
    /// Id of an account.
    pub(crate) changed_by: Option<String>,
}

impl Authz {
    /// Who may register now: what an administrator set, else what the environment says.
    pub(crate) fn registration(&self) -> RegistrationMode {
        self.settings.borrow().registration.unwrap_or(self.config.registration)
    }

    /// What stands over every page; empty for nothing.
    pub(crate) fn banner(&self) -> String {
        self.settings.borrow().banner.clone()
    }

    /// `POST /portal/admin/settings`.
    pub(crate) async fn read_settings(&self, request: &SessionRequest) -> Result<SettingsView, Error> {
        self.administrator(&request.session).await?;
        let settings = self.settings.borrow().clone();
        self.settings_view(settings).await
    }

    /// `POST /portal/admin/settings/change`.
    pub(crate) async fn change_settings(
        &self,
        request: &ChangeSettingsRequest,
    ) -> Result<SettingsView, Error> {
        let session = self.administrator(&request.session).await?;
        let banner =
            parse_banner(&request.banner).map_err(|fault| Error::Fields(Faults::one("banner", fault)))?;
        let now = self.now();
        let settings = Settings {
            version: request.version.saturating_add(1),
            registration: request.registration,
            banner,
            changed_at: Some(now),
            changed_by: Some(session.user_id.to_string()),
        };
        let target = described(&settings);
        let entry = audit::entry(now, &session.user_id, "settings-change", &target, request.client_addr);
        if !self.store.change_settings(&settings, request.version, &entry).await? {
            return Err(Error::ChangedMeanwhile);
        }
        // Two changes may come here in another order than that of their transactions.
        self.settings.send_if_modified(|current| {
            let is_newer = settings.version > current.version;
            if is_newer {
                *current = settings.clone();
            }
            is_newer
        });
        self.settings_view(settings).await
    }

    async fn settings_view(&self, settings: Settings) -> Result<SettingsView, Error> {
        let changed_by = match &settings.changed_by {
            Some(id) => self.store.name_of(id).await?,
            None => None,
        };
        Ok(SettingsView {
            version: settings.version,
            registration: settings.registration,
            registration_default: self.config.registration,
            banner: settings.banner,
            changed_at: settings.changed_at.map(from_millis),
            changed_by,
        })
    }
}

/// What the audit log says about it.
fn described(settings: &Settings) -> String {
    let mode = settings.registration.map_or("as configured", RegistrationMode::as_str);
    if settings.banner.is_empty() {
        return format!("registration {mode}, no banner");
    }
    format!("registration {mode}, banner {}", audit::stranger(&settings.banner))
}

/// Plain text with line breaks. Refused is what could not be seen, or would turn around what stands beside it.
fn parse_banner(text: &str) -> Result<String, String> {
    let text = text.replace("\r\n", "\n").trim().to_owned();
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if text.chars().any(|c| (c.is_control() && c != '\n') || turns(c)) {
        return Err("must be plain text without control characters".to_owned());
    }
    if text.chars().count() > MAX_BANNER_CHARS {
        return Err(format!("must have at most {MAX_BANNER_CHARS} characters"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_banner_is_plain_text_of_a_sane_length() {
        assert_eq!(parse_banner(" Maintenance\r\non Sunday \n"), Ok("Maintenance\non Sunday".to_owned()));
        assert_eq!(parse_banner("维护"), Ok("维护".to_owned()));
        assert_eq!(parse_banner(&"维".repeat(MAX_BANNER_CHARS)).map(|text| text.chars().count()), Ok(500));
        for bad in ["a\tb", "a\u{0}", "a\u{202e}b", "a\u{2066}b", "a\rb", &"x".repeat(MAX_BANNER_CHARS + 1)] {
            assert!(parse_banner(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_log_tells_what_was_set_in_a_few_words() {
        let mut settings = Settings::default();
        assert_eq!(described(&settings), "registration as configured, no banner");
        settings.registration = Some(RegistrationMode::Closed);
        settings.banner = "a\nb".to_owned() + &"x".repeat(400);
        let text = described(&settings);
        assert!(text.starts_with("registration closed, banner a\\nbx") && text.len() < 200, "{text}");
    }
}
