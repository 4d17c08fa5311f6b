//! Providers: what they are sent, and what the chat says when they fail.

use e2e::fixture::World;
use e2e::http::{Answer, Visitor};
use e2e::providers::{Manner, Providers};
use e2e::wait::until;
use e2e::{Outcome, ensure, ensure_eq};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

const NAME: &str = "bob-chat";
const KEY: &str = "sk-test-7Q4x9";

async fn api(
    visitor: &mut Visitor,
    world: &World,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Outcome<Answer> {
    let url = world.site.instance_url(NAME, path);
    let origin = world.site.instance_url(NAME, "");
    let headers = [
        ("content-type", "application/json"),
        ("origin", origin.as_str()),
        ("sec-fetch-site", "same-origin"),
    ];
    visitor.send(method, &url, &headers, body.map(|b| b.to_string())).await
}

async fn new_conversation(visitor: &mut Visitor, world: &World) -> Outcome<String> {
    let answer = api(visitor, world, Method::POST, "/api/conversations", Some(json!({}))).await?;
    ensure_eq!(answer.status, 201, "{}", answer.body);
    let body: Value = serde_json::from_str(&answer.body)?;
    Ok(body["id"].as_str().unwrap_or_default().to_owned())
}

async fn say(visitor: &mut Visitor, world: &World, conversation: &str, text: &str) -> Outcome<String> {
    let path = format!("/api/conversations/{conversation}/messages");
    let answer = api(visitor, world, Method::POST, &path, Some(json!({ "text": text }))).await?;
    ensure_eq!(answer.status, 200, "{}", answer.body);
    Ok(answer.body)
}

/// Text of all messages of a conversation, as the app keeps them.
async fn kept(visitor: &mut Visitor, world: &World, conversation: &str) -> Outcome<String> {
    let answer =
        api(visitor, world, Method::GET, &format!("/api/conversations/{conversation}"), None).await?;
    ensure_eq!(answer.status, 200, "{}", answer.body);
    Ok(answer.body)
}

/// Sets a provider with the operator's script; the key goes in on standard input.
async fn configure(world: &World, kind: &str, base_url: &str) -> Outcome {
    let args = [NAME, "--provider", kind, "--base-url", base_url, "--model", "test-model", "--key-stdin"];
    world.site.script("configure-provider.sh", &args, &format!("{KEY}\n")).await?.success()?;
    Ok(())
}

pub(crate) async fn providers_receive_what_they_should_and_their_failures_are_told(world: &World) -> Outcome {
    let address = format!("{}:{}", world.site.control_ip, world.site.provider_port);
    let providers = Providers::start(address.parse()?).await?;
    let outcome = talk_to_both(world, &providers, &address).await;
    providers.end().await;
    outcome
}

async fn talk_to_both(world: &World, providers: &Providers, address: &str) -> Outcome {
    let mut visitor = world.signed_in(NAME).await?;
    for (kind, base_url, path, key) in [
        (
            "openai-compatible",
            format!("http://{address}/v1"),
            "/v1/chat/completions",
            format!("Bearer {KEY}"),
        ),
        ("anthropic", format!("http://{address}"), "/v1/messages", KEY.to_owned()),
    ] {
        configure(world, kind, &base_url).await?;
        let conversation = new_conversation(&mut visitor, world).await?;
        providers.behave(Manner::Well);
        let answer = say(&mut visitor, world, &conversation, "first words").await?;
        ensure!(answer.contains("test model"), "{kind}: {answer}");
        say(&mut visitor, world, &conversation, "second words").await?;
        let received = providers.take_received();
        ensure_eq!(received.len(), 2, "{kind}");
        for request in &received {
            ensure_eq!((request.path.as_str(), &request.key), (path, &key), "{kind}");
            ensure_eq!(request.body["model"], json!("test-model"), "{kind}");
            ensure_eq!(request.body["stream"], json!(true), "{kind}");
        }
        ensure_eq!(spoken(&received[0].body), [("user", "first words")], "{kind}");
        let whole =
            [("user", "first words"), ("assistant", "Hello from the test model"), ("user", "second words")];
        ensure_eq!(spoken(&received[1].body), whole, "{kind}");
        failures(world, providers, &mut visitor, &conversation).await?;
    }
    Ok(())
}

/// (role, text) of each message of a request, without a system prompt.
fn spoken(body: &Value) -> Vec<(&str, &str)> {
    let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    messages
        .iter()
        .filter_map(|m| {
            Some((m["role"].as_str()?, m["content"].as_str().or_else(|| m["content"][0]["text"].as_str())?))
        })
        .filter(|(role, _)| *role != "system")
        .collect()
}

async fn failures(
    world: &World,
    providers: &Providers,
    visitor: &mut Visitor,
    conversation: &str,
) -> Outcome {
    providers.behave(Manner::Refuses);
    let answer = say(visitor, world, conversation, "to one who refuses").await?;
    ensure!(answer.contains("event: error") && answer.contains("not known here"), "{answer}");
    ensure!(!answer.contains(KEY), "the key is shown: {answer}");

    providers.behave(Manner::BreaksOff);
    let answer = say(visitor, world, conversation, "to one who breaks off").await?;
    ensure!(answer.contains("event: error") && answer.contains("Hello "), "{answer}");

    providers.behave(Manner::Hangs);
    providers.take_received();
    let mut other = world.signed_in(NAME).await?;
    let stop = async {
        until("the question to arrive", Duration::from_secs(20), async || {
            Ok((!providers.take_received().is_empty()).then_some(()))
        })
        .await?;
        api(&mut other, world, Method::POST, &format!("/api/conversations/{conversation}/stop"), None).await
    };
    let (asked, stopped) = tokio::join!(say(visitor, world, conversation, "to one who hangs"), stop);
    ensure_eq!(stopped?.status, 204);
    asked?;

    let all = kept(visitor, world, conversation).await?;
    for words in
        ["first words", "second words", "to one who refuses", "to one who breaks off", "to one who hangs"]
    {
        ensure!(all.contains(words), "{words:?} is lost: {all}");
    }
    Ok(())
}
