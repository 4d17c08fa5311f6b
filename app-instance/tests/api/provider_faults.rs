//! Providers that refuse, hang, break off or talk nonsense: a clear message, and no conversation is lost.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Answer, FakeProvider, Script, TestApp, anthropic_events, openai_events};

const KEY: &str = "sk-s3cret-0123456789";

struct Case {
    app: TestApp,
    conversation: String,
    answer: Answer,
}

impl Case {
    /// Says something to a provider with these scripts.
    async fn new(kind: &str, scripts: Vec<Script>) -> Self {
        let provider = FakeProvider::start(scripts).await;
        let app = TestApp::start(&provider.config(kind, "/v1", KEY)).await;
        let conversation = app.new_conversation().await;
        let answer = app.say(&conversation, "Hi").await;
        Self { app, conversation, answer }
    }

    /// What the owner is told; it is the same in the stream and in what is kept, and never has the key.
    async fn told(&self) -> String {
        assert_eq!(self.answer.end, "error");
        let detail = self.answer.data["detail"].as_str().expect("a detail").to_owned();
        let last = self.last().await;
        assert_eq!(last["note"], detail.as_str());
        assert!(!self.answer.data.to_string().contains(KEY));
        let messages = self.app.messages(&self.conversation).await;
        assert_eq!(messages.len(), 2);
        assert_eq!(messages[0]["content"], "Hi", "what was said is kept");
        detail
    }

    async fn last(&self) -> Value {
        self.app.messages(&self.conversation).await.pop().expect("a message")
    }
}

fn first_words() -> Vec<String> {
    openai_events(&["some ", "text"])[..3].to_vec()
}

#[tokio::test]
async fn every_refusal_is_told_with_the_providers_own_words() {
    let body = format!(r#"{{"error":{{"message":"The key {KEY} is no good"}}}}"#);
    for kind in ["openai-compatible", "anthropic"] {
        for (status, words) in [
            (401, "refused the key"),
            (403, "refused the key"),
            (404, "does not know this model"),
            (429, "too many requests"),
            (400, "refused the request"),
            (500, "a problem of its own"),
            (529, "a problem of its own"),
            (302, "leads elsewhere"),
        ] {
            let script = Script::Answer(status, "application/json", body.clone());
            let case = Case::new(kind, vec![script]).await;
            let told = case.told().await;
            assert!(told.contains(words) && told.contains(&status.to_string()), "{told}");
            assert!(told.ends_with("The key [key] is no good"), "{told}");
            assert_eq!(case.last().await["state"], "failed");
        }
    }
}

#[tokio::test]
async fn a_providers_message_is_capped_and_shown_as_text() {
    let long = format!("<script>alert(1)</script>{}", "x".repeat(10_000));
    let case =
        Case::new("openai-compatible", vec![Script::Answer(400, "text/plain", format!("no {long}"))]).await;
    let told = case.told().await;
    assert!(told.len() < 400, "{}", told.len());
    let page = case.app.get_page(&format!("/c/{}", case.conversation)).await;
    assert!(page.contains("&#60;script&#62;alert(1)") && !page.contains("<script>alert"));
}

#[tokio::test]
async fn a_provider_that_says_nothing_is_given_up() {
    let case = Case::new("openai-compatible", vec![Script::Hang]).await;
    assert!(case.told().await.contains("did not answer within 400 ms"));
    assert_eq!(case.last().await["state"], "failed");
}

#[tokio::test]
async fn a_provider_that_stalls_keeps_what_came() {
    let case = Case::new("openai-compatible", vec![Script::Stall(first_words())]).await;
    assert!(case.told().await.contains("nothing came for 400 ms"));
    let last = case.last().await;
    assert_eq!((last["state"].as_str(), last["content"].as_str()), (Some("broken"), Some("some text")));
}

#[tokio::test]
async fn a_provider_that_breaks_off_keeps_what_came_and_retry_mends_it() {
    let whole = |events| Script::Stream { events, pause: Duration::ZERO };
    let table = [
        ("openai-compatible", first_words(), openai_events(&["all of it"])),
        ("anthropic", anthropic_events(&["some ", "text"])[..5].to_vec(), anthropic_events(&["all of it"])),
    ];
    for (kind, broken, mended) in table {
        for cut in [Script::BreakOff(broken.clone()), whole(broken)] {
            let case = Case::new(kind, vec![cut, whole(mended.clone())]).await;
            assert!(case.told().await.contains("broke off"));
            let last = case.last().await;
            assert_eq!(
                (last["state"].as_str(), last["content"].as_str()),
                (Some("broken"), Some("some text"))
            );
            let again = case.app.retry(&case.conversation).await;
            assert_eq!((again.end.as_str(), again.text().as_str()), ("done", "all of it"));
            let messages = case.app.messages(&case.conversation).await;
            assert_eq!(messages.len(), 2);
            assert_eq!(messages[1]["content"], "all of it");
        }
    }
}

#[tokio::test]
async fn an_error_in_mid_stream_is_told() {
    let mut openai = first_words();
    openai.push(format!("data: {{\"error\":{{\"message\":\"overloaded, {KEY}\"}}}}\n\n"));
    let mut anthropic = anthropic_events(&["some ", "text"])[..5].to_vec();
    anthropic.push(format!(
        "event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"overloaded_error\",\"message\":\"overloaded, {KEY}\"}}}}\n\n"
    ));
    for (kind, events) in [("openai-compatible", openai), ("anthropic", anthropic)] {
        let case = Case::new(kind, vec![Script::Stream { events, pause: Duration::ZERO }]).await;
        assert_eq!(case.told().await, "The provider reported an error: overloaded, [key]");
        assert_eq!(case.last().await["content"], "some text");
    }
}

#[tokio::test]
async fn nonsense_is_named_as_such() {
    let stream = |events: &[&str]| Script::Stream {
        events: events.iter().map(|event| (*event).to_owned()).collect(),
        pause: Duration::ZERO,
    };
    for kind in ["openai-compatible", "anthropic"] {
        for script in [
            Script::Answer(200, "text/html", "<html>Welcome</html>".to_owned()),
            stream(&["data: nonsense\n\n"]),
            stream(&["data: [1,2]\n\n"]),
            stream(&["data: \u{0}\u{1}\n\n"]),
        ] {
            let case = Case::new(kind, vec![script]).await;
            let told = case.told().await;
            assert!(told.contains("cannot be understood"), "{told}");
            assert_eq!(case.last().await["state"], "failed");
        }
        let case = Case::new(kind, vec![stream(&[": nothing but comments\n\n"])]).await;
        assert!(case.told().await.contains("broke off"));
    }
}

#[tokio::test]
async fn an_empty_answer_is_told() {
    let case = Case::new(
        "openai-compatible",
        vec![Script::Stream { events: openai_events(&[]), pause: Duration::ZERO }],
    )
    .await;
    assert_eq!(case.told().await, "The provider sent an empty answer.");
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_told() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let config = format!(
        r#"{{"version":1,"provider":{{"kind":"openai-compatible","base_url":"http://{free}/v1","model":"m"}}}}"#
    );
    let app = TestApp::start(&config).await;
    let conversation = app.new_conversation().await;
    let answer = app.say(&conversation, "Hi").await;
    let detail = answer.data["detail"].as_str().expect("a detail");
    assert!(detail.contains("cannot be reached") && detail.contains("refused"), "{detail}");
}

#[tokio::test]
async fn a_retry_that_gives_nothing_keeps_the_earlier_answer() {
    let scripts = vec![
        Script::Stream { events: openai_events(&["the good one"]), pause: Duration::ZERO },
        Script::Answer(503, "text/plain", "down".to_owned()),
    ];
    let mut case = Case::new("openai-compatible", scripts).await;
    assert_eq!(case.answer.end, "done");
    let again = case.app.retry(&case.conversation).await;
    assert_eq!(again.end, "error");
    assert!(again.data["detail"].as_str().expect("a detail").contains("503"));
    assert_eq!(again.data["message"]["content"], "the good one");
    case.app.restart().await;
    let messages = case.app.messages(&case.conversation).await;
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[1]["content"], "the good one");
    assert_eq!(messages[1]["state"], "complete");
}
