//! Signing keys over the months.

use std::time::Duration;

use http::Method;
use serde_json::Value;

use crate::harness::{Resident, TestApp, send};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

async fn start() -> TestApp {
    TestApp::start_with(|config| config.key_check = Duration::from_millis(10)).await
}

async fn published(app: &TestApp) -> Vec<String> {
    let answer = send(app.instance_request(Method::GET, "/.well-known/jwks.json")).await.expect(200);
    let keys = answer.body["keys"].as_array().expect("keys").clone();
    keys.iter().map(|key: &Value| key["kid"].as_str().expect("a kid").to_owned()).collect()
}

async fn until_published(app: &TestApp, count: usize) -> Vec<String> {
    for _ in 0..500 {
        let keys = published(app).await;
        if keys.len() == count {
            return keys;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("there never were {count} keys: {:?}", published(app).await);
}

/// The key that signs, as a new token says.
async fn signing(app: &TestApp, resident: &Resident) -> String {
    let tokens = app.tokens(resident).await;
    let token = tokens["app_token"].as_str().expect("a token");
    jsonwebtoken::decode_header(token).expect("a header").kid.expect("a kid")
}

async fn until_signing(app: &TestApp, resident: &Resident, kid: &str) {
    for _ in 0..500 {
        if signing(app, resident).await == kid {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{kid} never signed");
}

async fn sign_in(app: &TestApp, resident: &mut Resident) {
    resident.session = app.login(&resident.slug, crate::harness::PASSWORD).await.expect(200).text("session");
}

#[tokio::test]
async fn a_key_is_published_a_day_before_it_signs_and_stays_until_its_last_token_is_dead() {
    let app = start().await;
    let mut alice = app.resident("alice").await;
    let first = published(&app).await;
    assert_eq!(first.len(), 1);

    app.clock.advance((29 * DAY).saturating_sub(SECOND));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(published(&app).await, first);
    app.clock.advance(SECOND);
    let both = until_published(&app, 2).await;
    let next = both.iter().find(|kid| **kid != first[0]).expect("another key").clone();
    sign_in(&app, &mut alice).await;
    assert_eq!(signing(&app, &alice).await, first[0]);

    app.clock.advance(23 * HOUR);
    sign_in(&app, &mut alice).await;
    let old = app.tokens(&alice).await["app_token"].as_str().expect("a token").to_owned();
    app.clock.advance(Duration::from_mins(59));
    assert_eq!(signing(&app, &alice).await, first[0]);
    app.clock.advance(Duration::from_mins(1));
    until_signing(&app, &alice, &next).await;
    // A token of the old key is as good as before.
    app.renew(&old).await.expect(200);
    assert_eq!(published(&app).await.len(), 2);

    // A session can live for 30 days, and a token of its is renewed for as long. The next key but one comes meanwhile.
    app.clock.advance((30 * DAY + HOUR).saturating_sub(SECOND));
    let all = until_published(&app, 3).await;
    assert!(all.contains(&first[0]) && all.contains(&next), "{all:?}");
    app.clock.advance(SECOND);
    let left = until_published(&app, 2).await;
    assert!(!left.contains(&first[0]) && left.contains(&next), "{left:?}");
    app.renew(&old).await.expect(401);
}

#[tokio::test]
async fn what_was_due_while_the_service_was_down_is_made_good_at_the_start() {
    let app = TestApp::start().await;
    let mut alice = app.resident("alice").await;
    let first = published(&app).await;
    app.clock.advance(400 * DAY);
    let app = app.restart().await;
    // The next key is published, and signs no sooner for being late.
    let both = published(&app).await;
    assert_eq!(both.len(), 2);
    sign_in(&app, &mut alice).await;
    assert_eq!(signing(&app, &alice).await, first[0]);
    app.clock.advance(DAY);
    let app = app.restart().await;
    sign_in(&app, &mut alice).await;
    let now = signing(&app, &alice).await;
    assert!(both.contains(&now) && now != first[0]);
    app.clock.advance(31 * DAY);
    let app = app.restart().await;
    let left = published(&app).await;
    assert!(!left.contains(&first[0]) && left.contains(&now), "{left:?}");
}

#[tokio::test]
async fn every_private_half_is_sealed_and_every_change_is_in_the_audit_log() {
    let app = TestApp::start().await;
    app.clock.advance(29 * DAY);
    let app = app.restart().await;
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", app.database().display()))
        .await
        .expect("the database");
    let sealed: Vec<(Vec<u8>,)> =
        sqlx::query_as("SELECT private_sealed FROM signing_keys").fetch_all(&pool).await.expect("rows");
    assert_eq!(sealed.len(), 2);
    // The object id of Ed25519 is in every PKCS#8 document (RFC 8410, section 3).
    for (bytes,) in &sealed {
        assert!(!bytes.windows(3).any(|part| part == [0x2b, 0x65, 0x70]));
    }
    let actions: Vec<(String,)> =
        sqlx::query_as("SELECT action FROM audit WHERE action LIKE '%-key' ORDER BY id")
            .fetch_all(&pool)
            .await
            .expect("rows");
    assert_eq!(actions, [("publish-key".to_owned(),)]);
}
