//! Invites that administrators make, see and take back.

use std::time::Duration;

use control_api::authz::RegistrationMode;
use serde_json::{Value, json};

use crate::harness::{Answer, PASSWORD, TestApp, registration};
use crate::people::{Person, log};

const INVITES: &str = "/portal/admin/invites";

/// Where an invite is needed, and an administrator's session.
async fn installation() -> (TestApp, Person) {
    let app = TestApp::start_with(|config| config.registration = RegistrationMode::Invite).await;
    app.post("/internal/accounts", &json!({"username": "carol", "password": PASSWORD})).await.expect(201);
    let signed_in = app.login("carol", PASSWORD).await.expect(200);
    let carol = Person { id: signed_in.text("user_id"), session: signed_in.text("session") };
    app.post(&format!("/internal/accounts/{}/role", carol.id), &json!({"role": "admin"})).await.expect(204);
    (app, carol)
}

async fn create(app: &TestApp, by: &Person, change: Value) -> Answer {
    let mut body = json!({"session": by.session, "count": 1, "client_addr": "192.0.2.7"});
    body.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
    app.post(INVITES, &body).await
}

fn codes(answer: &Answer) -> Vec<String> {
    let codes = answer.body["codes"].as_array().expect("codes").iter();
    codes.map(|code| code.as_str().expect("text").to_owned()).collect()
}

async fn list(app: &TestApp, by: &Person) -> Vec<Value> {
    let answer = app.post(&format!("{INVITES}/list"), &json!({"session": by.session})).await.expect(200);
    answer.body["invites"].as_array().expect("a list").clone()
}

async fn withdraw(app: &TestApp, by: &Person, invite: &Value) -> Answer {
    let body = json!({"session": by.session, "invite_id": invite["invite_id"]});
    app.post(&format!("{INVITES}/withdraw"), &body).await
}

async fn sign_up(app: &TestApp, name: &str, code: &str) -> Answer {
    let mut body = registration(name);
    body["invite"] = json!(code);
    app.post("/portal/register", &body).await
}

#[tokio::test]
async fn each_invite_is_listed_with_what_became_of_it() {
    let (app, carol) = installation().await;
    let made =
        create(&app, &carol, json!({"count": 3, "hours": 24, "note": " for the team "})).await.expect(201);
    let all = codes(&made);
    assert_eq!(all.len(), 3);
    let listed = list(&app, &carol).await;
    assert!(all.iter().all(|code| !json!(listed).to_string().contains(code)), "codes are shown once");
    for invite in &listed {
        assert_eq!((&invite["state"], &invite["note"]), (&json!("open"), &json!("for the team")));
        assert_eq!((&invite["made_by"], &invite["used_by"]), (&json!("carol"), &Value::Null));
    }
    let alice = sign_up(&app, "alice", &all[0]).await.expect(201).text("user_id");
    let open = list(&app, &carol).await.into_iter().find(|invite| invite["state"] == "open").expect("one");
    withdraw(&app, &carol, &open).await.expect(204);
    withdraw(&app, &carol, &open).await.expect(404);
    app.clock.advance(Duration::from_hours(24));
    app.post("/internal/invites", &json!({})).await.expect(201);
    let states = |invites: &[Value]| {
        let mut states: Vec<_> =
            invites.iter().map(|invite| invite["state"].as_str().expect("a state").to_owned()).collect();
        states.sort();
        states
    };
    let carol = Person { session: app.login("carol", PASSWORD).await.expect(200).text("session"), ..carol };
    let listed = list(&app, &carol).await;
    assert_eq!(states(&listed), ["expired", "open", "used", "withdrawn"]);
    assert!(listed[0]["made_by"].is_null() && listed[0]["state"] == "open", "the operator's is the newest");
    let used = |invites: &[Value]| invites.iter().find(|invite| invite["state"] == "used").cloned();
    assert_eq!(used(&listed).expect("one")["used_by"], "alice");
    withdraw(&app, &carol, &used(&listed).expect("one")).await.expect(404);
    // Of an account that is gone the id is left.
    app.delete(&format!("/internal/accounts/{alice}")).await.expect(204);
    assert_eq!(used(&list(&app, &carol).await).expect("one")["used_by"], alice);
    assert_eq!(log(&app, &carol, "invite").await.len(), 4);
    let withdrawn = [(carol.id.clone(), open["invite_id"].as_str().expect("an id").to_owned())];
    assert_eq!(log(&app, &carol, "withdraw-invite").await, withdrawn);
}

#[tokio::test]
async fn of_fifty_who_use_one_invite_while_it_is_withdrawn_at_most_one_is_in() {
    let (app, carol) = installation().await;
    for round in 0..2 {
        let code = codes(&create(&app, &carol, json!({})).await.expect(201)).remove(0);
        let invite = list(&app, &carol).await.remove(0);
        let tries = (0..50).map(|n| {
            let (app, code) = (&app, &code);
            async move { sign_up(app, &format!("guest-{round}-{n}"), code).await.status }
        });
        // In the second round it is taken back meanwhile.
        let taking_back =
            async { if round == 1 { Some(withdraw(&app, &carol, &invite).await.status) } else { None } };
        let (statuses, withdrawn) = tokio::join!(futures_util::future::join_all(tries), taking_back);
        let won = statuses.iter().filter(|status| **status == 201).count();
        // More hashes than may wait are told to come back: they never got as far as the invite.
        assert!(statuses.iter().all(|status| [201, 403, 503].contains(status)), "{statuses:?}");
        assert_eq!(won, usize::from(withdrawn != Some(204)), "{statuses:?} {withdrawn:?}");
    }
}

#[tokio::test]
async fn invites_come_in_pages() {
    let (app, carol) = installation().await;
    create(&app, &carol, json!({"count": 5})).await.expect(201);
    let (mut seen, mut before) = (std::collections::BTreeSet::new(), Value::Null);
    for left in [true, true, false] {
        let body = json!({"session": carol.session, "limit": 2, "before": before});
        let page = app.post(&format!("{INVITES}/list"), &body).await.expect(200);
        for invite in page.body["invites"].as_array().expect("a list") {
            seen.insert(invite["invite_id"].to_string());
        }
        before = page.body["next"].clone();
        assert_eq!(before.is_string(), left);
    }
    assert_eq!(seen.len(), 5);
}

#[tokio::test]
async fn faults_are_told_at_their_fields_and_others_make_none() {
    let (app, carol) = installation().await;
    for (field, value) in [
        ("count", json!(0)),
        ("count", json!(51)),
        ("hours", json!(0)),
        ("hours", json!(721)),
        ("note", json!("x".repeat(101))),
        ("note", json!("a\nb")),
    ] {
        let answer = create(&app, &carol, json!({field: value})).await.expect(422);
        assert!(answer.body["errors"][field].is_string(), "{answer:?}");
    }
    assert!(list(&app, &carol).await.is_empty());
    create(&app, &carol, json!({})).await.expect(201);
    let invite = list(&app, &carol).await.remove(0);
    app.post("/internal/accounts", &json!({"username": "alice", "password": PASSWORD})).await.expect(201);
    let session = app.login("alice", PASSWORD).await.expect(200).text("session");
    let alice = Person { id: String::new(), session };
    create(&app, &alice, json!({})).await.expect(403);
    withdraw(&app, &alice, &invite).await.expect(403);
    app.post(&format!("{INVITES}/list"), &json!({"session": alice.session})).await.expect(403);
    assert_eq!(list(&app, &carol).await.remove(0)["state"], "open");
}
