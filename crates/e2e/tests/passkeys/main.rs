//! Passkeys in a real browser: portal and authz-service in this process, Chromium with a virtual authenticator
//! (`WebAuthn` level 3, section 11).

mod site;
mod virtual_authenticator;

use e2e::browser::{Browser, Driver};
use e2e::{Outcome, ensure, ensure_eq};
use site::{PASSWORD, Site};
use virtual_authenticator::VirtualAuthenticator;

async fn password(browser: &Browser, site: &Site, name: &str, path: &str) -> Outcome {
    browser.goto(&format!("{}{path}", site.portal)).await?;
    browser.wait_url("of the sign-in page", |url| url.contains("/login")).await?;
    browser.fill("input[name=login]", name).await?;
    browser.fill("input[name=password]", PASSWORD).await?;
    browser.click("form[action='/login'] button[type=submit]").await
}

/// Adds a passkey for whoever is signed in; ends at the page that comes after.
async fn add(browser: &Browser, site: &Site, name: &str, code: Option<&str>) -> Outcome {
    browser.goto(&format!("{}/account/passkeys/new", site.portal)).await?;
    browser.fill("input[name=name]", name).await?;
    browser.fill("input[name=current_password]", PASSWORD).await?;
    if let Some(code) = code {
        browser.fill("input[name=code]", code).await?;
    }
    browser.click("form[action='/account/passkeys/new'] button[type=submit]").await?;
    browser.click("form[data-passkey=create] button").await
}

async fn sign_out(browser: &Browser) -> Outcome {
    browser.click("form[action='/logout'] button").await?;
    browser.wait_url("of the sign-in page", |url| url.contains("/login?signed-out")).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passkey_is_made_in_chromium_and_signs_in_until_a_copy_of_it_does() {
    walk().await.expect("the walk");
}

async fn walk() -> Outcome {
    let site = Site::start().await?;
    site.account("alice").await?;
    let driver = Driver::start().await?;
    let browser = driver.open().await?;
    let authenticator = VirtualAuthenticator::plug_in(&driver, &browser).await?;

    password(&browser, &site, "alice", "/account/second-factor").await?;
    browser.wait_text("main", "that there is none", |text| text.contains("You have none yet.")).await?;
    add(&browser, &site, "my laptop", None).await?;
    let codes = browser.wait_text("#recovery-codes", "ten codes", |text| text.lines().count() >= 10).await?;
    let codes: Vec<&str> = codes.lines().map(str::trim).collect();
    browser.goto(&format!("{}/account/second-factor", site.portal)).await?;
    browser
        .wait_text("section[aria-labelledby=passkeys]", "its name", |text| text.contains("my laptop"))
        .await?;
    let [credential] = &authenticator.credentials().await?[..] else {
        return Err(e2e::Failure("not one credential".into()));
    };
    ensure_eq!(credential["rpId"], "localhost");

    // The password is half the way; the passkey is the other.
    sign_out(&browser).await?;
    password(&browser, &site, "alice", "/account/security").await?;
    browser.wait_url("of the second step", |url| url.contains("/login/second")).await?;
    browser.click("form[data-passkey=get] button").await?;
    browser.wait_url("that she was going to", |url| url.ends_with("/account/security")).await?;
    let used = authenticator.credentials().await?[0].clone();
    ensure!(used["signCount"].as_u64() > credential["signCount"].as_u64(), "{used} after {credential}");

    // The authenticator that has it takes no second one for the same account.
    add(&browser, &site, "again", Some(codes[0])).await?;
    browser
        .wait_text("[data-part=failed]:not([hidden])", "that there is one", |text| {
            text.contains("did not give a passkey")
        })
        .await?;

    // A copy made before that use: its counter is behind.
    sign_out(&browser).await?;
    authenticator.replace(credential).await?;
    password(&browser, &site, "alice", "/account/security").await?;
    browser.click("form[data-passkey=get] button").await?;
    browser.wait_text("#faults", "a refusal", |text| text.contains("was not accepted")).await?;
    browser.fill("input[name=code]", codes[1]).await?;
    browser.click("form[action='/login/second']:not([data-passkey]) button").await?;
    browser.wait_url("by a recovery code", |url| url.ends_with("/account/security")).await?;
    browser.close().await
}
