//! An API key's life: made on the account page, used by a program, revoked.

use std::time::Duration;

use e2e::fixture::World;
use e2e::http::{Answer, Visitor, hidden_field};
use e2e::wait::until;
use e2e::{Outcome, ensure, ensure_eq};
use http::Method;

const NAME: &str = "bob-keys";
/// So soon a revocation is in force at the router.
const SOON: Duration = Duration::from_secs(2);

/// A program that has nothing but the key: no cookie, no origin.
async fn call(world: &World, method: Method, path: &str, key: &str) -> Outcome<Answer> {
    let bearer = format!("Bearer {key}");
    let url = world.site.instance_url(NAME, path);
    Visitor::new()?.send(method, &url, &[("authorization", &bearer)], None).await
}

pub(crate) async fn a_key_opens_its_owners_instance_until_it_is_revoked(world: &World) -> Outcome {
    world.signed_in(NAME).await?;
    let mut visitor = world.log_in(NAME).await?;
    let account = format!("{}/account", world.site.portal);
    let page = visitor.get(&account).await?;
    ensure_eq!(page.status, 200);
    let csrf = hidden_field(&page.body, "csrf")?;
    let fields = [
        ("name", "nightly"),
        ("scopes", "instance:read"),
        ("expires_in_days", "30"),
        ("csrf", csrf.as_str()),
    ];
    let made = visitor.submit(&format!("{account}/keys"), &fields).await?;
    ensure_eq!(made.status, 201, "{}", made.body);
    let key = made.body.split("<code id=\"key\">").nth(1).and_then(|rest| rest.split('<').next());
    let key = key.unwrap_or_default().to_owned();
    ensure!(key.starts_with("bvr_"), "the page shows no key");
    ensure!(made.body.contains(&world.site.instance_url(NAME, "/")), "nor the address: {}", made.body);

    // To the app it is bob who asks.
    let me = call(world, Method::GET, "/api/me", &key).await?;
    ensure_eq!(me.status, 200, "{}", me.body);
    ensure!(me.body.contains(NAME), "{}", me.body);
    ensure!(me.cookies.is_empty(), "a program needs no cookie: {:?}", me.cookies);
    let post = call(world, Method::POST, "/api/conversations", &key).await?;
    ensure_eq!(post.status, 403, "the key may read alone: {}", post.body);
    ensure!(post.body.contains("urn:beaver:key-scope"), "{}", post.body);
    let other = format!("{}A", &key[..key.len() - 1]);
    let other = if other == key { format!("{}B", &key[..key.len() - 1]) } else { other };
    ensure_eq!(call(world, Method::GET, "/api/me", &other).await?.status, 401);

    let page = visitor.get(&account).await?;
    ensure!(page.body.contains("nightly") && !page.body.contains(&key), "shown once, listed without");
    let (csrf, id) = (hidden_field(&page.body, "csrf")?, hidden_field(&page.body, "key_id")?);
    let answer =
        visitor.submit(&format!("{account}/keys/revoke"), &[("csrf", &csrf), ("key_id", &id)]).await?;
    ensure_eq!(answer.status, 303, "{}", answer.body);
    let refused = until("the key to be refused", SOON, async || {
        let answer = call(world, Method::GET, "/api/me", &key).await?;
        Ok((answer.status == 401).then_some(answer))
    })
    .await?;
    ensure!(refused.body.contains("urn:beaver:key-invalid"), "{}", refused.body);
    ensure_eq!(refused.header("www-authenticate"), "Bearer error=\"invalid_token\"");
    Ok(())
}
