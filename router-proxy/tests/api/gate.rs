//! Who passes, and what the instance is told about it.

use control_api::authz::Revoked;
use control_api::claims::{APP_TOKEN_TYPE, ASSERTION_TYPE, AppTokenClaims};
use control_api::ids::InstanceId;
use http::Method;
use serde_json::Value;

use crate::fake_authz::{FakeAuthz, KID, Person};
use crate::instances::Instance;
use crate::world::{Browser, Echo, World, eventually};

#[tokio::test]
async fn without_a_session_a_program_gets_a_problem_and_a_person_a_redirect() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&world.alice_route(app.address)).await;
    for headers in
        [&[("accept", "application/json")][..], &[("sec-fetch-mode", "cors"), ("accept", "text/html")], &[]]
    {
        let answer = world.get("alice", "/api/x", headers).await;
        assert_eq!(answer.status(), 401, "{headers:?}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let id = answer.headers()["x-request-id"].to_str().expect("text").to_owned();
        let problem: Value = serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("json");
        assert_eq!(problem["type"], "urn:beaver:session-ended");
        assert_eq!(problem["request_id"], id.as_str());
    }
    assert_eq!(Browser::new(&world, "alice").navigate("/").await.status(), 303);
    let form = world.request(Method::POST, "alice", "/form").header("accept", "text/html").send().await;
    let form = form.expect("an answer");
    assert_eq!(form.status(), 401, "a redirect would lose what was sent");
    assert!(form.text().await.expect("text").contains("not signed in"));
    assert_eq!(app.requests(), 0);
}

/// Signed with a key that the token itself brings, or says where to find; under the id of the published one.
fn foreign_key(world: &World, claims: &AppTokenClaims, place: &str) -> String {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    let pair = Ed25519KeyPair::generate().expect("a key pair");
    let x = {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(pair.public_key().as_ref())
    };
    assert_ne!(x, world.authz.public_key());
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
    (header.typ, header.kid) = (Some(APP_TOKEN_TYPE.into()), Some(KID.into()));
    if place == "jwk" {
        let jwk = serde_json::json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": KID, "x": x});
        header.jwk = Some(serde_json::from_value(jwk).expect("a key"));
    } else {
        header.jku = Some("http://127.0.0.1:9/jwks.json".to_owned());
    }
    let key = jsonwebtoken::EncodingKey::from_ed_der(pair.to_pkcs8v1().expect("a document").as_ref());
    jsonwebtoken::encode(&header, claims, &key).expect("a token")
}

/// Genuine, but for a claim that is not there.
fn without(world: &World, claims: &AppTokenClaims, name: &str) -> String {
    let mut claims = serde_json::to_value(claims).expect("JSON");
    assert!(claims.as_object_mut().expect("claims").remove(name).is_some());
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
    (header.typ, header.kid) = (Some(APP_TOKEN_TYPE.into()), Some(KID.into()));
    world.authz.sign_any(&header, &claims)
}

#[tokio::test]
async fn no_token_but_a_genuine_one_for_this_instance_opens_it() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&world.alice_route(app.address)).await;
    let now = FakeAuthz::now();
    let good = FakeAuthz::claims(world.alice, world.instance, now, now + 600);
    let genuine = world.authz.sign(&good, APP_TOKEN_TYPE, KID);
    let parts: Vec<_> = genuine.split('.').collect();
    let b64 = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
    };
    let none = format!(
        "{}.{}.",
        b64(&format!(r#"{{"alg":"none","typ":"{APP_TOKEN_TYPE}","kid":"{KID}"}}"#)),
        parts[1]
    );
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    (header.typ, header.kid) = (Some(APP_TOKEN_TYPE.into()), Some(KID.into()));
    let x = world.authz.public_key();
    let hs256 = |key: &[u8]| {
        jsonwebtoken::encode(&header, &good, &jsonwebtoken::EncodingKey::from_secret(key)).expect("a token")
    };
    let raw = {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(&x).expect("a key")
    };
    let mut flipped = genuine.clone().into_bytes();
    let last = flipped.len() - 10;
    flipped[last] = if flipped[last] == b'A' { b'B' } else { b'A' };
    let mut issuer = good.clone();
    issuer.iss = "http://evil.example".into();
    let elsewhere = FakeAuthz::claims(world.alice, InstanceId::generate(), now, now + 600);
    let other_payload = world.authz.sign(&elsewhere, APP_TOKEN_TYPE, KID);
    let mixed = format!("{}.{}.{}", parts[0], other_payload.split('.').nth(1).expect("a payload"), parts[2]);
    let bad = [
        ("tampered signature", String::from_utf8(flipped).expect("text")),
        ("exchanged payload", mixed),
        ("alg none", none),
        ("HS256 with the key's id", hs256(b"key-1")),
        ("HS256 with the public key as text", hs256(x.as_bytes())),
        ("HS256 with the public key", hs256(&raw)),
        ("a key of its own in jwk", foreign_key(&world, &good, "jwk")),
        ("a key of its own behind jku", foreign_key(&world, &good, "jku")),
        ("without exp", without(&world, &good, "exp")),
        ("without aud", without(&world, &good, "aud")),
        ("without sub", without(&world, &good, "sub")),
        ("another instance", other_payload),
        ("an assertion", world.authz.sign(&good, ASSERTION_TYPE, KID)),
        ("another issuer", world.authz.sign(&issuer, APP_TOKEN_TYPE, KID)),
        ("an unknown key", world.authz.sign(&good, APP_TOKEN_TYPE, "key-2")),
        ("no token", "x".to_owned()),
        ("too long", "x".repeat(5000)),
    ];
    for (what, token) in bad {
        let answer = world.get("alice", "/", &[("cookie", &format!("beaver_app={token}"))]).await;
        assert_eq!(answer.status(), 401, "{what}");
    }
    assert_eq!(app.requests(), 0);
    assert_eq!(world.renewals(), 0, "nothing of that is worth a question");
    let cookie = format!("beaver_app=x; beaver_app={genuine}");
    assert_eq!(world.get("alice", "/", &[("cookie", &cookie)]).await.status(), 200, "the good one counts");
}

#[tokio::test]
async fn a_token_of_somebody_else_for_this_instance_is_refused() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&world.alice_route(app.address)).await;
    let cookie = format!("beaver_app={}", world.authz.app_token(Person::new("bob"), world.instance));
    let page = world.get("alice", "/", &[("cookie", &cookie), ("accept", "text/html")]).await;
    assert_eq!(page.status(), 403);
    assert!(page.headers()["content-security-policy"].to_str().expect("text").contains("default-src 'none'"));
    assert!(page.text().await.expect("text").contains("This is not yours"));
    assert_eq!(app.requests(), 0);
}

#[tokio::test]
async fn an_expired_token_is_renewed_once_for_all_who_ask_and_set_as_a_cookie() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&world.alice_route(app.address)).await;
    let now = FakeAuthz::now();
    let old = FakeAuthz::claims(world.alice, world.instance, now - 4_000, now - 3_400);
    let cookie = format!("beaver_app={}", world.authz.sign(&old, APP_TOKEN_TYPE, KID));
    let headers = [("cookie", cookie.as_str())];
    let all = futures_util::future::join_all((0..20).map(|_| world.get("alice", "/", &headers))).await;
    for answer in all {
        assert_eq!(answer.status(), 200);
        let new = answer.headers()["set-cookie"].to_str().expect("text");
        assert!(new.starts_with("beaver_app=") && !new.contains(&cookie), "{new}");
    }
    assert_eq!(world.renewals(), 1);
    // A session that ended without a word: the next renewal finds out, and nobody asks again.
    let carol = Person::new("alice");
    let mut route = world.alice_route(app.address);
    route["owner_id"] = carol.user.to_string().into();
    world.write_route("alice", &route.to_string());
    let gone = FakeAuthz::claims(carol, world.instance, now - 4_000, now - 3_400);
    let cookie = format!("beaver_app={}", world.authz.sign(&gone, APP_TOKEN_TYPE, KID));
    world.authz.end_quietly(carol.sid);
    eventually("the new owner counts", || async {
        world.get("alice", "/", &[("cookie", &cookie)]).await.status() == 401
    })
    .await;
    assert_eq!(world.get("alice", "/", &[("cookie", &cookie)]).await.status(), 401);
    assert_eq!(world.renewals(), 2);
}

#[tokio::test]
async fn a_token_that_ends_soon_is_renewed_in_the_background() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&world.alice_route(app.address)).await;
    world.authz.lifetime.store(200, std::sync::atomic::Ordering::SeqCst);
    let cookie = world.alice_cookie();
    assert_eq!(world.get("alice", "/", &[("cookie", &cookie)]).await.status(), 200);
    assert_eq!(world.renewals(), 1, "the assertion was fetched");
    world.authz.lifetime.store(600, std::sync::atomic::Ordering::SeqCst);
    let answer = world.get("alice", "/", &[("cookie", &cookie)]).await;
    assert_eq!(answer.status(), 200, "served with what is there");
    eventually("the renewal", || async { world.renewals() == 2 }).await;
}

#[tokio::test]
async fn nothing_forged_reaches_the_instance_and_nothing_forbidden_the_browser() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&world.alice_route(app.address)).await;
    let cookie = format!("theme=dark; {}; beaver_sid=s; __Host-beaver_app=x; lang=en", world.alice_cookie());
    let forged = [
        ("cookie", cookie.as_str()),
        ("x-beaver-user-id", "root"),
        ("x_beaver_user_id", "root"),
        ("x-beaver-username", "root"),
        ("x-beaver-email", "root"),
        ("x-beaver-assertion", "forged"),
        ("x-beaver-role", "admin"),
        ("some_header", "x"),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "for=6.6.6.6"),
        ("x-real-ip", "6.6.6.6"),
        ("proxy-authorization", "Basic x"),
        ("te", "gzip"),
        ("keep-alive", "x"),
        ("x-custom", "kept"),
        ("x-request-id", "request-from-outside"),
    ];
    let answer = world.get("alice", "/path?q=1", &forged).await;
    assert_eq!(answer.headers()["x-request-id"], "request-from-outside");
    let echo = Echo::of(answer).await;
    assert_eq!(
        echo.header_names(),
        [
            "accept",
            "cookie",
            "host",
            "x-beaver-assertion",
            "x-beaver-email",
            "x-beaver-user-id",
            "x-beaver-username",
            "x-custom",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-port",
            "x-forwarded-proto",
            "x-request-id",
        ],
        "exactly these and each once"
    );
    assert_eq!(echo.header("cookie"), ["theme=dark; lang=en"]);
    assert_eq!(echo.header("x-beaver-username"), ["alice"]);
    assert_eq!(echo.header("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(echo.header("x-forwarded-proto"), ["http"]);
    assert_eq!(echo.header("x-forwarded-host"), [world.host("alice")]);
    assert_eq!(echo.header("host"), [world.host("alice")]);

    let evil = world.get("alice", "/evil", &[("cookie", &cookie)]).await;
    let cookies: Vec<_> =
        evil.headers().get_all("set-cookie").iter().map(|v| v.to_str().expect("text")).collect();
    assert_eq!(cookies, ["mine=1; Path=/"]);
    assert_eq!(evil.headers()["x-app"], "kept");
    assert_ne!(evil.headers()["x-request-id"], "forged-request-id");
    for gone in ["clear-site-data", "alt-svc", "keep-alive"] {
        assert!(!evil.headers().contains_key(gone), "{gone}");
    }
}

#[tokio::test]
async fn a_public_route_lets_anybody_in_and_sends_no_identity() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    let mut route = world.alice_route(app.address);
    route["access"] = "public".into();
    world.put_route(&route).await;
    let cookie = world.alice_cookie();
    let echo =
        Echo::of(world.get("alice", "/", &[("cookie", &cookie), ("x-beaver-user-id", "root")]).await).await;
    assert!(echo.header_names().iter().all(|name| !name.starts_with("x-beaver")));
    assert!(echo.header("cookie").is_empty());
}

#[tokio::test]
async fn another_site_cannot_act_in_the_users_name() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&world.alice_route(app.address)).await;
    let cookie = world.alice_cookie();
    let post = async |headers: &[(&str, &str)]| {
        let mut request = world.request(Method::POST, "alice", "/act").header("cookie", &cookie);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("an answer").status().as_u16()
    };
    let own = world.origin("alice");
    assert_eq!(post(&[("origin", &own)]).await, 200);
    assert_eq!(post(&[("sec-fetch-site", "same-origin")]).await, 200);
    assert_eq!(post(&[]).await, 200, "a program without a browser");
    let before = app.requests();
    for foreign in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "navigate")],
        &[("origin", "http://bob.localhost:1")],
        &[("origin", "null")],
    ] {
        assert_eq!(post(foreign).await, 403, "{foreign:?}");
    }
    assert_eq!(app.requests(), before);
}

#[tokio::test]
async fn a_revocation_is_in_force_at_once() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    world.put_route(&world.alice_route(app.address)).await;
    let cookie = world.alice_cookie();
    assert_eq!(world.get("alice", "/", &[("cookie", &cookie)]).await.status(), 200);
    world.authz.revoke(Revoked::User(world.alice.user));
    eventually("the revocation", || async {
        world.get("alice", "/", &[("cookie", &cookie)]).await.status() == 401
    })
    .await;
}

#[tokio::test]
async fn the_routers_own_paths_never_reach_an_instance() {
    let (world, app) = (World::start().await, Instance::start("app").await);
    let mut route = world.alice_route(app.address);
    route["access"] = "public".into();
    world.put_route(&route).await;
    for path in ["/.beaver", "/.beaver/", "/.beaver/x", "/%2ebeaver/x", "//.beaver/x"] {
        assert_eq!(world.get("alice", path, &[]).await.status(), 404, "{path}");
    }
    let style = world.get("alice", "/.beaver/style.css", &[]).await;
    assert_eq!(style.headers()["content-type"], "text/css; charset=utf-8");
    assert_eq!(app.requests(), 0);
}
