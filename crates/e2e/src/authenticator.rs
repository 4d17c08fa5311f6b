//! An authenticator app: takes the secret from the set-up page, as a person who types it over, and makes real codes.

use service_kit::clock::Clock;
use service_kit::totp;

use crate::browser::Browser;
use crate::{Failure, Outcome};

/// What an app keeps of one set-up.
#[derive(Debug)]
pub struct Authenticator {
    secret: Vec<u8>,
}

impl Authenticator {
    /// Sets the second factor up for whoever is signed in at the portal; ends at the page with the recovery codes.
    /// Answers those too.
    pub async fn set_up(browser: &Browser, portal: &str, password: &str) -> Outcome<(Self, Vec<String>)> {
        browser.goto(&format!("{portal}/account/second-factor")).await?;
        browser.click("form[action='/account/second-factor/begin'] button").await?;
        let shown = browser.wait_text("#secret", "the key", |text| !text.is_empty()).await?;
        let secret = totp::from_base32(&shown).ok_or_else(|| Failure(format!("no key: {shown}")))?;
        let app = Self { secret };
        browser.fill("input[name=current_password]", password).await?;
        browser.fill("input[name=code]", &app.code(0)).await?;
        browser.click("form[action='/account/second-factor/confirm'] button[type=submit]").await?;
        let codes =
            browser.wait_text("#recovery-codes", "ten codes", |text| text.lines().count() >= 10).await?;
        Ok((app, codes.lines().map(|line| line.trim().to_owned()).collect()))
    }

    /// What it shows so many steps of 30 seconds from now.
    pub fn code(&self, steps: i64) -> String {
        totp::code(&self.secret, totp::step_at(Clock::system().now_secs()) + steps)
    }
}
