//! An administrator, made by script: the second factor that she needs first, what she sees of another's instance,
//! what she does to it, and that nobody else sees any of it.

use control_api::deploy::InstanceState;
use e2e::authenticator::Authenticator;
use e2e::browser::Browser;
use e2e::fixture::{PASSWORD, World};
use e2e::{Outcome, ensure, ensure_eq};

async fn signed_in_at(world: &World, browser: &Browser, name: &str, path: &str) -> Outcome {
    browser.goto(&format!("{}{path}", world.site.portal)).await?;
    browser.wait_url("of the sign-in page", |url| url.contains("/login")).await?;
    browser.fill("input[name=login]", name).await?;
    browser.fill("input[name=password]", PASSWORD).await?;
    browser.click("form[action='/login'] button[type=submit]").await
}

pub(crate) async fn alice_governs_bobs_instance_once_the_operator_lets_her(world: &World) -> Outcome {
    world.signed_in("alice").await?;
    let mut bob = world.signed_in("bob").await?;
    let id = world.wait_ready("bob").await?.instance_id;
    let admin = format!("{}/admin", world.site.portal);

    let browser = world.driver.open().await?;
    signed_in_at(world, &browser, "alice", "/admin").await?;
    browser.wait_text("main", "that there is nothing", |text| text.contains("There is nothing here")).await?;

    let made = world.site.script("make-admin.sh", &["alice"], "").await?.success()?;
    ensure!(made.all().contains(&admin), "the address is not told:\n{}", made.all());
    let app = guarded(world, &browser).await?;
    browser.goto(&admin).await?;
    browser.wait_text("#list ~ .scroll table", "bob's row", |text| text.contains("bob")).await?;
    let checks = browser.text("section[aria-labelledby=health]").await?;
    ensure!(checks.contains("Docker") && checks.contains("Holds"), "{checks}");
    browser.click(&format!("a[href='/admin/instances/{id}']")).await?;
    let ledger = "section[aria-labelledby=ledger]";
    browser
        .wait_text(ledger, "bob's ledger", |text| text.contains("Ordered") && text.contains("Ready"))
        .await?;

    let action = |name: &str| format!("form[action='/admin/instances/{id}/{name}'] button");
    browser.click(&action("stop")).await?;
    browser.wait_text("#instance-card", "that it is stopped", |text| text.contains("Stopped")).await?;
    world.wait_state("bob", InstanceState::Stopped).await?;
    browser.goto(&format!("{admin}/instances/{id}")).await?;
    browser.wait_text(ledger, "the stop", |text| text.contains("Stop asked for")).await?;
    browser.click(&action("start")).await?;
    world.wait_ready("bob").await?;
    browser.wait_text("#instance-card", "that it runs", |text| text.contains("Running")).await?;

    let page = bob.get(&admin).await?;
    ensure_eq!(page.status, 404, "bob is no administrator: {}", page.body);
    let page = bob.get(&format!("{admin}/instances/{id}")).await?;
    ensure_eq!(page.status, 404, "not for his own instance either: {}", page.body);

    world.site.script("make-admin.sh", &["alice", "--revoke"], "").await?.success()?;
    browser.goto(&admin).await?;
    browser.wait_text("main", "that there is nothing", |text| text.contains("There is nothing here")).await?;
    let unknown = world.site.script("make-admin.sh", &["nobody-here"], "").await?;
    ensure!(unknown.code != 0 && unknown.stderr.contains("no account"), "{}", unknown.all());
    browser.close().await?;

    // Her phone is gone: both steps are asked for until the operator helps.
    let browser = world.driver.open().await?;
    signed_in_at(world, &browser, "alice", "/account").await?;
    browser.wait_url("of the second step", |url| url.contains("/login/second")).await?;
    browser.fill("input[name=code]", &app.code(-3)).await?;
    browser.click("form[action='/login/second'] button[type=submit]").await?;
    browser.wait_text("#code-fault", "that the code is wrong", |text| text.contains("wrong")).await?;
    let reset = world.site.script("reset-second-factor.sh", &["alice", "--yes"], "").await?.success()?;
    ensure!(reset.all().contains("password alone"), "{}", reset.all());
    signed_in_at(world, &browser, "alice", "/account").await?;
    browser.wait_url("of the account", |url| url.ends_with("/account")).await?;
    let unknown = world.site.script("reset-second-factor.sh", &["nobody-here", "--yes"], "").await?;
    ensure!(unknown.code != 0 && unknown.stderr.contains("no account"), "{}", unknown.all());
    browser.close().await
}

/// The administration leads to the second factor; it is set up, and signs in with a code and with a recovery code.
async fn guarded(world: &World, browser: &Browser) -> Outcome<Authenticator> {
    browser.goto(&format!("{}/admin", world.site.portal)).await?;
    browser.wait_text("main", "why not yet", |text| text.contains("Administrators need this")).await?;
    let (app, codes) = Authenticator::set_up(browser, &world.site.portal, PASSWORD).await?;
    // The code of the next step: that of this one is spent.
    for code in [app.code(1), codes[0].clone()] {
        browser.click("form[action='/logout'] button").await?;
        browser.wait_url("of the sign-in page", |url| url.contains("/login")).await?;
        signed_in_at(world, browser, "alice", "/account/security").await?;
        browser.wait_url("of the second step", |url| url.contains("/login/second")).await?;
        browser.fill("input[name=code]", &code).await?;
        browser.click("form[action='/login/second'] button[type=submit]").await?;
        browser.wait_url("that she was going to", |url| url.ends_with("/account/security")).await?;
    }
    Ok(app)
}
