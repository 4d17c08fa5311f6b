//! What people do, in a real browser: sign up, chat, sign out and in again, skip onboarding, be refused at
//! another's host, and come back to the very path that was asked for.

use e2e::browser::Browser;
use e2e::fixture::{PASSWORD, World};
use e2e::{Outcome, ensure, ensure_eq};

const MESSAGE: &str = "the beaver carries one branch after another to the dam until the water stands still \
    and every single word of this sentence comes back on its own";

/// Fills in the sign-up form and follows the progress to the onboarding page.
async fn sign_up(world: &World, browser: &Browser, name: &str) -> Outcome {
    browser.goto(&format!("{}/register", world.site.portal)).await?;
    browser.fill("input[name=username]", name).await?;
    browser.fill("input[name=email]", &format!("{name}@example.com")).await?;
    browser.fill("input[name=password]", PASSWORD).await?;
    browser.click("form[action='/register'] button[type=submit]").await?;
    let url = browser
        .wait_url("of the progress or the onboarding page", |url| {
            url.contains("/provisioning") || url.contains("/onboarding/provider")
        })
        .await?;
    ensure!(url.starts_with(&world.site.portal), "left the portal: {url}");
    browser.wait_url("of the onboarding page", |url| url.ends_with("/onboarding/provider")).await?;
    Ok(())
}

async fn sign_in(browser: &Browser, login: &str) -> Outcome {
    browser.fill("input[name=login]", login).await?;
    browser.fill("input[name=password]", PASSWORD).await?;
    browser.click("form[action='/login'] button[type=submit]").await
}

pub(crate) async fn alice_signs_up_chats_and_finds_her_words_again(world: &World) -> Outcome {
    let browser = world.driver.open().await?;
    sign_up(world, &browser, "alice").await?;
    browser.click("label:has(input[name=provider][value=echo])").await?;
    browser.click("form[action='/onboarding/provider'] button[type=submit]").await?;
    let home = world.site.instance_url("alice", "/");
    browser.wait_url("of alice's own host", |url| url == home).await?;
    browser.wait_text("body", "alice's name", |text| text.contains("alice")).await?;

    watch_answer(&browser).await?;
    browser.fill("#text", MESSAGE).await?;
    browser.click("#send").await?;
    let answer = "article.assistant:last-of-type .text";
    browser.wait_text(answer, "the whole answer", |text| text.contains("comes back on its own")).await?;
    let lengths = browser.script("return window.answerLengths").await?;
    let steps = lengths.as_array().map_or(0, Vec::len);
    ensure!(steps >= 5, "the answer did not stream in, it came in {steps} steps: {lengths}");

    sign_out_at_the_instance(world, &browser).await?;
    browser.goto(&home).await?;
    browser.wait_url("of the sign-in page", |url| url.contains("/login")).await?;
    sign_in(&browser, "alice@example.com").await?;
    browser.wait_url("of alice's own host", |url| url == home).await?;
    browser.click("#conversations li a").await?;
    browser.wait_text("#log", "the conversation", |text| text.contains("comes back on its own")).await?;
    browser.close().await
}

/// Records how long the newest answer is each time that it changes.
async fn watch_answer(browser: &Browser) -> Outcome {
    browser
        .script(
            "window.answerLengths = [];
             new MutationObserver(() => {
                 const all = document.querySelectorAll('article.assistant .text');
                 const length = all.length ? all[all.length - 1].textContent.length : 0;
                 if (length && window.answerLengths.at(-1) !== length) window.answerLengths.push(length);
             }).observe(document.body, { childList: true, subtree: true, characterData: true });",
        )
        .await?;
    Ok(())
}

/// The app's button leads to the router's page, which asks once more or signs out at once.
async fn sign_out_at_the_instance(world: &World, browser: &Browser) -> Outcome {
    browser.click("form[action='/.beaver/logout'] button").await?;
    browser.wait_url("of the portal", |url| url.starts_with(&world.site.portal)).await?;
    browser.goto(&format!("{}/account", world.site.portal)).await?;
    browser.wait_url("of the sign-in page", |url| url.contains("/login")).await?;
    Ok(())
}

pub(crate) async fn bob_skips_onboarding_and_is_refused_at_alices_host(world: &World) -> Outcome {
    world.signed_in("alice").await?;
    let browser = world.driver.open().await?;
    sign_up(world, &browser, "bob").await?;
    browser.click("form[action='/onboarding/provider/skip'] button").await?;
    let home = world.site.instance_url("bob", "/");
    browser.wait_url("of bob's own host", |url| url == home).await?;
    browser.wait_text("body", "that there is no provider", |text| text.contains("No provider yet")).await?;

    browser.goto(&world.site.instance_url("alice", "/")).await?;
    let refusal =
        browser.wait_text("main", "a refusal", |text| text.contains("bob") || text.contains("alice")).await?;
    ensure!(browser.text("#log").await?.is_empty(), "bob sees alice's app: {refusal}");
    let url = browser.url().await?;
    ensure!(!url.contains("/.beaver/callback"), "bob was sent on with a code: {url}");

    // The account page shows the instance with its address and state, and signs out.
    browser.goto(&format!("{}/account", world.site.portal)).await?;
    let account = browser.wait_text("main", "the address", |t| t.contains("bob.localhost")).await?;
    ensure!(
        account.to_lowercase().contains("ready") || account.to_lowercase().contains("running"),
        "{account}"
    );
    browser.click("form[action='/logout'] button").await?;
    browser.goto(&format!("{}/account", world.site.portal)).await?;
    browser.wait_url("of the sign-in page", |url| url.contains("/login")).await?;
    browser.close().await
}

pub(crate) async fn a_visitor_comes_back_to_the_very_path(world: &World) -> Outcome {
    world.signed_in("alice").await?;
    let browser = world.driver.open().await?;
    let wanted = world.site.instance_url("alice", "/api/me?from=here&x=%2F%2Fy");
    browser.goto(&wanted).await?;
    let url = browser.wait_url("of the sign-in page", |url| url.contains("/login")).await?;
    ensure!(url.starts_with(&world.site.portal), "the sign-in page is not the portal's: {url}");
    sign_in(&browser, "alice").await?;
    let back = browser.wait_url("that was asked for", |url| url.contains("alice.localhost")).await?;
    ensure_eq!(back, wanted);
    browser.wait_text("body", "alice's name", |text| text.contains("alice")).await?;
    browser.close().await
}

/// Without JavaScript the whole walk works too.
pub(crate) async fn everything_works_without_javascript(world: &World) -> Outcome {
    let mut visitor = world.sign_up("alice-noscript").await?;
    let (page, at) = visitor.follow(&world.site.instance_url("alice-noscript", "/")).await?;
    ensure_eq!(page.status, 200, "at {at}");
    ensure!(page.body.contains("No provider yet"), "{}", page.body);
    let onboarding = format!("{}/onboarding/provider", world.site.portal);
    ensure!(
        page.body.contains(&format!("href=\"{onboarding}\"")),
        "the app does not lead to the portal:\n{}",
        page.body
    );
    let form = visitor.get(&onboarding).await?;
    let csrf = e2e::http::hidden_field(&form.body, "csrf")?;
    let answer = visitor.submit(&onboarding, &[("provider", "echo"), ("csrf", &csrf)]).await?;
    ensure_eq!(answer.status, 303, "{}", answer.body);
    let home = world.site.instance_url("alice-noscript", "/");
    let answer = visitor.submit(&home, &[("text", "spoken without a script")]).await?;
    ensure_eq!(answer.status, 303, "{}", answer.body);
    let next = url::Url::parse(&home)?.join(answer.header("location"))?;
    let page = visitor.get(next.as_str()).await?;
    ensure!(
        page.body.matches("spoken without a script").count() >= 2,
        "no answer on the page:\n{}",
        page.body
    );
    Ok(())
}
