//! Conversations with the built-in provider: streaming, stop, retry, and that nothing is lost.

use futures_util::StreamExt as _;
use http::Method;
use serde_json::{Value, json};

use crate::support::{TestApp, eventually, read_answer};

#[tokio::test]
async fn an_answer_streams_and_is_kept() {
    let mut app = TestApp::start_echo().await;
    let id = app.new_conversation().await;
    let answer = app.say(&id, "Hello there,\n  beaver").await;
    assert_eq!(answer.text(), "Hello there,\n  beaver");
    assert!(answer.deltas.len() >= 3, "it came in pieces: {:?}", answer.deltas);
    assert_eq!(answer.end, "done");
    assert_eq!(answer.data["message"]["state"], "complete");

    app.restart().await;
    let messages = app.messages(&id).await;
    let shown: Vec<_> = messages.iter().map(|m| (m["role"].as_str(), m["content"].as_str())).collect();
    let text = Some("Hello there,\n  beaver");
    assert_eq!(shown, [(Some("user"), text), (Some("assistant"), text)]);
    let list = app.get_json("/api/conversations").await;
    assert_eq!(list["conversations"][0]["title"], "Hello there, beaver");
}

#[tokio::test]
async fn conversations_are_listed_by_last_use_renamed_and_deleted() {
    let app = TestApp::start_echo().await;
    let (first, second) = (app.new_conversation().await, app.new_conversation().await);
    app.say(&second, "two").await;
    app.say(&first, "one").await;
    let page = app.get_json("/api/conversations?limit=1").await;
    assert_eq!(page["conversations"][0]["id"], first);
    let next = page["next"].as_str().expect("a next page");
    let page = app.get_json(&format!("/api/conversations?limit=1&after={next}")).await;
    assert_eq!(page["conversations"][0]["id"], second);
    assert_eq!(page["next"], Value::Null);

    let path = format!("/api/conversations/{first}");
    let rename = |title: &str| app.request(Method::PATCH, &path).json(&json!({"title": title})).send();
    let renamed: Value = rename(" Another\nname ").await.expect("an answer").json().await.expect("json");
    assert_eq!(renamed["title"], "Another name");
    assert_eq!(rename("").await.expect("an answer").status(), 422);
    assert_eq!(rename(&"x".repeat(121)).await.expect("an answer").status(), 422);
    app.say(&first, "the title stays").await;
    assert_eq!(app.get_json(&path).await["title"], "Another name");

    let delete = || app.request(Method::DELETE, &path).send();
    assert_eq!(delete().await.expect("an answer").status(), 204);
    assert_eq!(delete().await.expect("an answer").status(), 404);
    let list = app.get_json("/api/conversations").await;
    assert_eq!(list["conversations"].as_array().expect("a list").len(), 1);
}

#[tokio::test]
async fn stop_keeps_what_came_and_retry_gives_the_whole() {
    let app = TestApp::start_echo().await;
    let id = app.new_conversation().await;
    // Long enough that it cannot end before it is stopped.
    let text = "word ".repeat(4000);
    let streaming = tokio::spawn({
        let response = app.say_raw(&id, &text).await;
        read_answer(response)
    });
    eventually("some text", || async {
        let last = app.messages(&id).await.pop()?;
        (!last["content"].as_str()?.is_empty()).then_some(())
    })
    .await;
    app.stop_answer(&id).await;
    let answer = streaming.await.expect("an answer");
    assert_eq!(answer.end, "done");
    assert_eq!(answer.data["message"]["state"], "stopped");
    let kept = app.messages(&id).await.pop().expect("a message");
    assert_eq!(kept["state"], "stopped");
    assert_eq!(kept["content"].as_str().expect("text"), answer.text());
    assert!(text.starts_with(&answer.text()) && !answer.text().is_empty());

    app.stop_answer(&id).await; // nothing to stop is no error
    let short = app.new_conversation().await;
    app.say(&short, "again please").await;
    let again = app.retry(&short).await;
    assert_eq!((again.end.as_str(), again.text().as_str()), ("done", "again please"));
    assert_eq!(app.messages(&short).await.len(), 2, "the old answer is replaced");
}

#[tokio::test]
async fn a_browser_that_goes_away_stops_the_answer_and_loses_nothing() {
    let app = TestApp::start_echo().await;
    let id = app.new_conversation().await;
    let response = app.say_raw(&id, &"word ".repeat(4000)).await;
    let mut chunks = response.bytes_stream();
    let mut seen = String::new();
    while !seen.contains("event: delta") {
        let chunk = chunks.next().await.expect("a chunk").expect("a chunk");
        seen.push_str(std::str::from_utf8(&chunk).expect("text"));
    }
    drop(chunks);
    let kept = app.settled(&id).await;
    assert_eq!(kept["state"], "stopped");
    assert!(kept["content"].as_str().expect("text").starts_with("word "));
    // The conversation is free again.
    assert_eq!(app.say(&id, "short").await.end, "done");
}

#[tokio::test]
async fn one_answer_at_a_time_in_a_conversation() {
    let app = TestApp::start_echo().await;
    let id = app.new_conversation().await;
    let response = app.say_raw(&id, &"word ".repeat(4000)).await;
    let second = app.say_raw(&id, "me too").await;
    assert_eq!(second.status(), 409);
    assert_eq!(second.json::<Value>().await.expect("json")["type"], "urn:beaver:operation-in-progress");
    let other = app.new_conversation().await;
    assert_eq!(app.say(&other, "elsewhere").await.end, "done");
    app.stop_answer(&id).await;
    drop(response);
    assert_eq!(app.messages(&id).await.len(), 2, "the refused message left nothing");
}

#[tokio::test]
async fn a_stop_of_the_process_keeps_what_came() {
    let mut app = TestApp::start_echo().await;
    let id = app.new_conversation().await;
    let response = app.say_raw(&id, &"word ".repeat(4000)).await;
    let reading = tokio::spawn(read_answer(response));
    let started = tokio::time::Instant::now();
    app.restart().await;
    assert!(started.elapsed() < std::time::Duration::from_secs(2), "a quick stop");
    let answer = reading.await.expect("an answer");
    assert_eq!(answer.end, "error");
    let kept = app.messages(&id).await.pop().expect("a message");
    assert_eq!(kept["content"].as_str().expect("text"), answer.text());
    assert!(kept["note"].as_str().expect("a note").contains("restarted"));
}

#[tokio::test]
async fn deleting_a_conversation_ends_its_answer() {
    let app = TestApp::start_echo().await;
    let id = app.new_conversation().await;
    let response = app.say_raw(&id, &"word ".repeat(4000)).await;
    let reading = tokio::spawn(read_answer(response));
    let path = format!("/api/conversations/{id}");
    let deleted = app.request(Method::DELETE, &path).send().await.expect("an answer");
    assert_eq!(deleted.status(), 204);
    assert_eq!(reading.await.expect("an answer").end, "done");
    assert_eq!(app.request(Method::GET, &path).send().await.expect("an answer").status(), 404);
}

#[tokio::test]
async fn bad_input_is_named_and_leaves_nothing() {
    let app = TestApp::start_echo().await;
    let id = app.new_conversation().await;
    for (text, status) in [
        (String::new(), 422),
        (" \n\t".to_owned(), 422),
        ("x".repeat(256 * 1024 + 1), 422),
        ("x".repeat(2 * 1024 * 1024), 413),
    ] {
        let response = app.say_raw(&id, &text).await;
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
    let unknown = control_api::ids::InstanceId::generate().to_string();
    assert_eq!(app.say_raw(&unknown, "hello").await.status(), 404);
    assert_eq!(app.say_raw("..", "hello").await.status(), 404);
    let path = format!("/api/conversations/{id}/messages");
    let broken = app.request(Method::POST, &path).header("content-type", "application/json").body("{");
    assert_eq!(broken.send().await.expect("an answer").status(), 400);
    let typeless = app.request(Method::POST, &path).body("{\"text\":\"x\"}");
    assert_eq!(typeless.send().await.expect("an answer").status(), 415);
    let path = format!("/api/conversations/{id}/retry");
    let nothing = app.request(Method::POST, &path).send().await.expect("an answer");
    assert_eq!(nothing.status(), 409);
    assert!(app.messages(&id).await.is_empty());
}

#[tokio::test]
async fn the_longest_message_fits() {
    let app = TestApp::start_echo().await;
    let id = app.new_conversation().await;
    let text = "x".repeat(256 * 1024);
    assert_eq!(app.say(&id, &text).await.text().len(), text.len());
}

#[tokio::test]
async fn without_a_provider_the_app_runs_and_says_so() {
    let app = TestApp::unregistered(None).await;
    assert_eq!(app.register("token-1").await.status(), 201);
    let id = app.new_conversation().await;
    let refused = app.say_raw(&id, "hello").await;
    assert_eq!(refused.status(), 409);
    assert_eq!(refused.json::<Value>().await.expect("json")["type"], "urn:beaver:no-provider");
    assert_eq!(app.get_json("/api/health").await["provider"], json!({"state": "missing"}));
    let page = app.get_page("/").await;
    assert!(page.contains("No provider yet"));
    assert!(page.contains("href=\"http://portal.test:3081/onboarding/provider\""));
}

#[tokio::test]
async fn a_faulty_config_is_explained_without_its_content() {
    let text = r#"{"version":1,"provider":{"kind":"openai","api_key":"sk-s3cret","model":7}}"#;
    let app = TestApp::start(text).await;
    let health = app.get_json("/api/health").await;
    assert_eq!(health["provider"]["state"], "faulty");
    assert!(health["provider"]["reason"].as_str().expect("a reason").contains("config.json"));
    let page = app.get_page("/").await;
    assert!(page.contains("The provider cannot be used"));
    assert!(!page.contains("s3cret") && !health.to_string().contains("s3cret"));
}

#[tokio::test]
async fn an_answer_that_nobody_writes_any_more_can_be_tried_again() {
    let app = TestApp::start_echo().await;
    let id = app.new_conversation().await;
    app.say(&id, "hello").await;
    // As a disk leaves it that was full when the answer was to be settled.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(app.data().join("app.db"));
    let pool = sqlx::SqlitePool::connect_with(options).await.expect("the database");
    let unsettled = "UPDATE messages SET state = 'streaming', content = 'hel' WHERE role = 'assistant'";
    sqlx::query(unsettled).execute(&pool).await.expect("updated");
    pool.close().await;
    let last = app.messages(&id).await.pop().expect("a message");
    assert_eq!((last["state"].as_str(), last["content"].as_str()), (Some("broken"), Some("hel")));
    assert!(app.get_page(&format!("/c/{id}")).await.contains("Try again"));
    assert_eq!(app.retry(&id).await.text(), "hello");
    assert_eq!(app.messages(&id).await.len(), 2);
}
