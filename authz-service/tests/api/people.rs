//! What administrators do with accounts: who may, what is found, and that one administrator stays.

use std::collections::BTreeSet;

use control_api::authz::RegistrationMode;
use http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, PASSWORD, TestApp, registration, send};

const PEOPLE: &str = "/portal/admin/people";
const UNKNOWN: &str = "01JDF3X5S8Q4M7R2V6T9W0YZAB";

/// Somebody who is signed in.
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) session: String,
}

pub(crate) async fn person(app: &TestApp, name: &str) -> Person {
    let answer = app.register(name).await.expect(201);
    Person { id: answer.text("user_id"), session: answer.text("session") }
}

pub(crate) async fn administrator(app: &TestApp, name: &str) -> Person {
    let person = person(app, name).await;
    app.post(&format!("/internal/accounts/{}/role", person.id), &json!({"role": "admin"})).await.expect(204);
    person
}

pub(crate) async fn act(app: &TestApp, by: &Person, id: &str, action: &str) -> Answer {
    let body = json!({
        "session": by.session, "user_id": id, "action": action, "reason": "sends spam",
        "client_addr": "192.0.2.7",
    });
    app.post(&format!("{PEOPLE}/act"), &body).await
}

async fn list(app: &TestApp, by: &Person, more: Value) -> Answer {
    let mut body = json!({"session": by.session});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    app.post(PEOPLE, &body).await
}

/// Accounts of one millisecond come in any order.
fn names(page: &Answer) -> BTreeSet<&str> {
    let people = page.body["people"].as_array().expect("people");
    people.iter().map(|person| person["username"].as_str().expect("a name")).collect()
}

pub(crate) async fn role(app: &TestApp, person: &Person) -> String {
    app.session(&person.session).await.expect(200).text("role")
}

/// The actions, who did them to whom, the newest first.
pub(crate) async fn log(app: &TestApp, by: &Person, action: &str) -> Vec<(String, String)> {
    let body = json!({"session": by.session, "filter": {"action": action}});
    let page = app.post("/portal/admin/audit", &body).await.expect(200);
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let entries = page.body["entries"].as_array().expect("entries").iter();
    entries.map(|entry| (text(&entry["actor"]), text(&entry["target"]))).collect()
}

#[tokio::test]
async fn people_are_found_by_text_state_and_role_and_come_in_pages() {
    let app = TestApp::start().await;
    let carol = administrator(&app, "carol").await;
    let alice = person(&app, "alice").await;
    for name in ["bob", "bob-two", "bob-3"] {
        person(&app, name).await;
    }
    act(&app, &carol, &alice.id, "suspend").await.expect(204);
    for (filter, wanted) in [
        (json!({}), vec!["bob-3", "bob-two", "bob", "alice", "carol"]),
        (json!({"text": " BOB "}), vec!["bob-3", "bob-two", "bob"]),
        (json!({"text": "ALICE@example"}), vec!["alice"]),
        (json!({"text": alice.id.to_lowercase()}), vec!["alice"]),
        (json!({"text": "%"}), vec![]),
        (json!({"text": "' OR 1=1 --"}), vec![]),
        (json!({"state": "suspended"}), vec!["alice"]),
        (json!({"state": "pending_approval"}), vec![]),
        (json!({"role": "admin"}), vec!["carol"]),
        (json!({"role": "user", "state": "active", "text": "two"}), vec!["bob-two"]),
    ] {
        let page = list(&app, &carol, json!({"filter": filter})).await.expect(200);
        assert_eq!(names(&page), BTreeSet::from_iter(wanted), "{filter}");
    }
    let (mut seen, mut before) = (Vec::new(), Value::Null);
    for left in [true, true, false] {
        let page = list(&app, &carol, json!({"limit": 2, "before": before})).await.expect(200);
        seen.extend(names(&page).into_iter().map(str::to_owned));
        before = page.body["next"].clone();
        assert_eq!(before.is_string(), left, "{page:?}");
    }
    seen.sort();
    assert_eq!(seen, ["alice", "bob", "bob-3", "bob-two", "carol"]);
    for limit in [0, 201] {
        list(&app, &carol, json!({"limit": limit})).await.expect(422);
    }
    let shown = json!({"session": carol.session, "user_id": alice.id});
    let shown = app.post(&format!("{PEOPLE}/show"), &shown).await.expect(200);
    assert_eq!((shown.text("username"), shown.text("state")), ("alice".to_owned(), "suspended".to_owned()));
    assert_eq!(shown.text("suspended_reason"), "sends spam");
    assert_eq!(shown.body["sessions"], 0);
    let own = json!({"session": carol.session, "user_id": carol.id});
    let own = app.post(&format!("{PEOPLE}/show"), &own).await.expect(200);
    assert_eq!((&own.body["sessions"], own.body["last_used_at"].is_string()), (&json!(1), true));
    let unknown = json!({"session": carol.session, "user_id": UNKNOWN});
    app.post(&format!("{PEOPLE}/show"), &unknown).await.expect(404);
}

#[tokio::test]
async fn only_administrators_see_or_touch_anybody() {
    let app = TestApp::start().await;
    let (alice, bob) = (person(&app, "alice").await, person(&app, "bob").await);
    list(&app, &alice, json!({})).await.expect(403);
    let show = json!({"session": alice.session, "user_id": bob.id});
    app.post(&format!("{PEOPLE}/show"), &show).await.expect(403);
    for action in ["suspend", "lift", "delete", "promote", "demote", "approve", "reject", "sign-out"] {
        for target in [&bob.id, &alice.id] {
            let answer = act(&app, &alice, target, action).await.expect(403);
            assert_eq!(answer.code(), "urn:beaver:not-yours");
        }
    }
    let nobody = Person { id: String::new(), session: "unknown".to_owned() };
    act(&app, &nobody, &bob.id, "promote").await.expect(401);
    assert_eq!((role(&app, &alice).await, role(&app, &bob).await), ("user".to_owned(), "user".to_owned()));
    // The session in the body is no way around the token.
    send(app.request(Method::POST, PEOPLE).json(&json!({"session": alice.session}))).await.expect(401);
}

#[tokio::test]
async fn a_role_is_given_and_taken_and_each_change_is_in_the_log() {
    let app = TestApp::start().await;
    let carol = administrator(&app, "carol").await;
    let alice = person(&app, "alice").await;
    for (action, expected) in [("promote", "admin"), ("promote", "admin"), ("demote", "user")] {
        act(&app, &carol, &alice.id, action).await.expect(204);
        assert_eq!(role(&app, &alice).await, expected);
    }
    assert_eq!(log(&app, &carol, "revoke-admin").await, [(carol.id.clone(), alice.id.clone())]);
    // The second one changed nothing; carol's own was the operator's.
    assert_eq!(log(&app, &carol, "make-admin").await.len(), 2);
    act(&app, &carol, UNKNOWN, "promote").await.expect(404);
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let app = TestApp::start().await;
    let carol = administrator(&app, "carol").await;
    let answer = act(&app, &carol, &carol.id, "demote").await.expect(409);
    assert_eq!(answer.code(), "urn:beaver:last-admin");
    for action in ["suspend", "delete"] {
        assert_eq!(act(&app, &carol, &carol.id, action).await.expect(409).code(), "urn:beaver:own-account");
    }
    let own = json!({"session": carol.session, "username": "carol", "password": PASSWORD});
    let answer = app.post("/portal/account/delete", &own).await.expect(409);
    assert_eq!(answer.code(), "urn:beaver:last-admin");
    // An administrator who is suspended is none to stay.
    let alice = administrator(&app, "alice").await;
    act(&app, &carol, &alice.id, "suspend").await.expect(204);
    act(&app, &carol, &carol.id, "demote").await.expect(409);
    act(&app, &carol, &alice.id, "lift").await.expect(204);
    act(&app, &carol, &carol.id, "demote").await.expect(204);
    assert_eq!(role(&app, &carol).await, "user");
}

#[tokio::test]
async fn of_administrators_who_turn_on_each_other_one_stays() {
    let app = TestApp::start().await;
    for action in ["demote", "suspend", "delete"] {
        let mut all = Vec::new();
        for name in ["alice", "bob"] {
            all.push(administrator(&app, &format!("{name}-{action}")).await);
        }
        let [alice, bob] = [&all[0], &all[1]];
        // 50 requests at once, half of them in each direction.
        let tries = (0..50).map(|n| {
            let (by, whom) = if n % 2 == 0 { (alice, bob) } else { (bob, alice) };
            let app = &app;
            async move { act(app, by, &whom.id, action).await.status }
        });
        let statuses: BTreeSet<u16> = futures_util::future::join_all(tries).await.into_iter().collect();
        assert!(statuses.contains(&204), "{statuses:?}");
        let mut left = 0;
        for person in &all {
            let view = app.session(&person.session).await;
            left += usize::from(view.status == 200 && view.text("role") == "admin");
        }
        assert_eq!(left, 1, "{action}: {statuses:?}");
        // The next round is among others alone.
        let found = app.get("/internal/accounts").await.expect(200);
        for account in found.body["accounts"].as_array().expect("accounts") {
            let id = account["user_id"].as_str().expect("an id");
            app.post(&format!("/internal/accounts/{id}/role"), &json!({"role": "user"})).await.expect(204);
        }
    }
}

#[tokio::test]
async fn who_waits_is_let_in_or_turned_away() {
    let app = TestApp::start_with(|config| config.registration = RegistrationMode::Approval).await;
    for name in ["alice", "bob"] {
        app.register(name).await.expect(403);
    }
    app.post("/internal/accounts", &json!({"username": "carol", "password": PASSWORD})).await.expect(201);
    let signed_in = app.login("carol", PASSWORD).await.expect(200);
    let carol = Person { id: signed_in.text("user_id"), session: signed_in.text("session") };
    app.post(&format!("/internal/accounts/{}/role", carol.id), &json!({"role": "admin"})).await.expect(204);
    let waiting = list(&app, &carol, json!({"filter": {"state": "pending_approval"}})).await.expect(200);
    assert_eq!(names(&waiting), BTreeSet::from(["alice", "bob"]));
    let id = |name: &str| {
        let mut people = waiting.body["people"].as_array().expect("people").iter();
        let person = people.find(|person| person["username"] == name).expect("there");
        person["user_id"].as_str().expect("an id").to_owned()
    };
    let (bob, alice) = (id("bob"), id("alice"));
    act(&app, &carol, &alice, "approve").await.expect(204);
    let session = app.login("alice", PASSWORD).await.expect(200).text("session");
    app.until_order(&session, "accepted").await;
    // Somebody who is in is not turned away like one who waits.
    act(&app, &carol, &alice, "reject").await.expect(404);
    act(&app, &carol, &bob, "reject").await.expect(204);
    app.login("bob", PASSWORD).await.expect(401);
    assert_eq!(log(&app, &carol, "approve-account").await, [(carol.id.clone(), alice)]);
    assert_eq!(log(&app, &carol, "reject-account").await, [(carol.id.clone(), "bob".to_owned())]);
    // The name is free again.
    app.post("/portal/register", &registration("bob")).await.expect(403);
}
