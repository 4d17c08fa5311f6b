//! What a provider receives: exactly the key, the model and the messages, with the whole conversation.

use std::time::Duration;

use serde_json::json;

use crate::support::{FakeProvider, Script, TestApp, anthropic_events, openai_events};

fn whole(events: Vec<String>) -> Script {
    Script::Stream { events, pause: Duration::ZERO }
}

#[tokio::test]
async fn openai_receives_key_model_and_the_whole_conversation() {
    let scripts = [whole(openai_events(&["Hel", "lo"])), whole(openai_events(&["Four", "."]))];
    let provider = FakeProvider::start(scripts).await;
    for kind in ["openai-compatible", "openai"] {
        let app = TestApp::start(&provider.config(kind, "/v1", "sk-test-1")).await;
        let id = app.new_conversation().await;
        let before = provider.received().len();
        let first = app.say(&id, "Hi").await;
        app.say(&id, "2+2?").await;
        let received = provider.received().split_off(before);
        assert_eq!(received.len(), 2);
        for request in &received {
            assert_eq!(request.path, "/v1/chat/completions");
            assert_eq!(request.header("authorization"), Some("Bearer sk-test-1"));
            for header in ["x-beaver-assertion", "cookie", "x-api-key", "x-request-id"] {
                assert_eq!(request.header(header), None, "{header}");
            }
        }
        let said = json!([{"role": "user", "content": "Hi"}]);
        assert_eq!(received[0].body, json!({"model": "model-7", "messages": said, "stream": true}));
        let said = json!([
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": first.text()},
            {"role": "user", "content": "2+2?"},
        ]);
        assert_eq!(received[1].body, json!({"model": "model-7", "messages": said, "stream": true}));
    }
}

#[tokio::test]
async fn a_compatible_server_without_a_key_gets_none() {
    let provider = FakeProvider::start([whole(openai_events(&["ok"]))]).await;
    let config = json!({"version": 1, "provider": {
        "kind": "openai-compatible", "base_url": provider.url(), "model": "local",
    }});
    let app = TestApp::start(&config.to_string()).await;
    let id = app.new_conversation().await;
    assert_eq!(app.say(&id, "Hi").await.text(), "ok");
    let received = provider.received().remove(0);
    assert_eq!(received.path, "/chat/completions");
    assert_eq!(received.header("authorization"), None);
}

#[tokio::test]
async fn anthropic_receives_key_version_model_and_the_whole_conversation() {
    let scripts = [whole(anthropic_events(&["Hel", "lo"])), whole(anthropic_events(&["Four"]))];
    let provider = FakeProvider::start(scripts).await;
    // The address is given with and without its version.
    for (base, second) in [("", "Four"), ("/v1", "Four")] {
        let app = TestApp::start(&provider.config("anthropic", base, "sk-ant-1")).await;
        let id = app.new_conversation().await;
        let before = provider.received().len();
        let first = app.say(&id, "Hi").await.text();
        assert_eq!(app.say(&id, "2+2?").await.text(), second);
        let received = provider.received().split_off(before);
        for request in &received {
            assert_eq!(request.path, "/v1/messages");
            assert_eq!(request.header("x-api-key"), Some("sk-ant-1"));
            assert_eq!(request.header("anthropic-version"), Some("2023-06-01"));
            assert_eq!(request.header("authorization"), None);
        }
        let said = json!([
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": first},
            {"role": "user", "content": "2+2?"},
        ]);
        let expected = json!({"model": "model-7", "max_tokens": 8192, "messages": said, "stream": true});
        assert_eq!(received[1].body, expected);
    }
}

#[tokio::test]
async fn a_retry_asks_without_the_answer_that_it_replaces() {
    let scripts = [whole(openai_events(&["first"])), whole(openai_events(&["second"]))];
    let provider = FakeProvider::start(scripts).await;
    let app = TestApp::start(&provider.config("openai-compatible", "/v1", "k")).await;
    let id = app.new_conversation().await;
    app.say(&id, "Hi").await;
    let again = app.retry(&id).await;
    assert_eq!(again.text(), "second");
    let received = provider.received();
    assert_eq!(received[0].body, received[1].body);
    let messages = app.messages(&id).await;
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[1]["content"], "second");
    assert_eq!(messages[1]["model"], "model-7");
}

#[tokio::test]
async fn an_answer_at_the_models_limit_says_so() {
    let mut events = openai_events(&["as far as it goes"]);
    for event in &mut events {
        *event = event.replace("\"stop\"", "\"length\"");
    }
    let provider = FakeProvider::start([whole(events)]).await;
    let app = TestApp::start(&provider.config("openai-compatible", "/v1", "k")).await;
    let id = app.new_conversation().await;
    let answer = app.say(&id, "Hi").await;
    assert_eq!(answer.end, "done");
    assert!(answer.data["message"]["note"].as_str().expect("a note").contains("limit"));
}

#[tokio::test]
async fn a_slow_answer_is_waited_for_as_long_as_it_moves() {
    // Longer in all than the test's limits of 400 ms, each pause shorter.
    let script =
        Script::Stream { events: openai_events(&["a", "b", "c", "d"]), pause: Duration::from_millis(150) };
    let provider = FakeProvider::start([script]).await;
    let app = TestApp::start(&provider.config("openai-compatible", "/v1", "k")).await;
    let id = app.new_conversation().await;
    let answer = app.say(&id, "Hi").await;
    assert_eq!((answer.end.as_str(), answer.text().as_str()), ("done", "abcd"));
}
