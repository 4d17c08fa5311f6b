//! A provider that is not ours, unchanged: `oidc-provider-mock` from `PyPI` runs beside the service and signs alice in.

use std::process::Stdio;
use std::time::Duration;

use http::header;
use serde_json::json;
use service_kit::http_client;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use url::Url;

use crate::harness::TestApp;
use crate::python::interpreter;
use crate::upstream_flow::{callback, choose_name, refusal, settings, start};

/// With what it stands on, at the versions that it was last tried with.
const PACKAGES: [&str; 4] =
    ["oidc-provider-mock==0.3.4", "authlib==1.9.10", "flask==3.1.3", "pydantic==2.14.4"];

/// The provider; it ends with the value.
struct Foreign {
    url: String,
    _process: Child,
}

impl Foreign {
    async fn start() -> Self {
        let python = interpreter(&PACKAGES).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let process = Command::new(python)
            .args([
                "-m",
                "oidc_provider_mock",
                "--port",
                &port.to_string(),
                "--require-nonce",
                "true",
                "--require-registration",
                "true",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("a process");
        let this = Self { url: format!("http://127.0.0.1:{port}"), _process: process };
        let there = format!("{}/.well-known/openid-configuration", this.url);
        for _ in 0..600 {
            if browser().get(&there).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return this;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the provider did not come up");
    }

    /// The person chooses who to be, or says no; answers the query of the callback.
    async fn decide(&self, to: &Url, form: &[(&str, &str)]) -> String {
        let answer = browser().post(to.clone()).form(form).send().await.expect("an answer");
        let back = answer.headers().get(header::LOCATION).expect("a redirect").to_str().expect("text");
        assert!(back.starts_with("http://localhost:3081/login/upstream/callback?"), "{back}");
        Url::parse(back).expect("a URL").query().expect("a query").to_owned()
    }
}

fn browser() -> reqwest::Client {
    http_client::build(http_client::internal()).expect("a client")
}

#[tokio::test]
async fn a_provider_from_pypi_signs_a_person_in_unchanged() {
    let foreign = Foreign::start().await;
    // Registered as an operator would: by hand, at the provider.
    let wanted = json!({"redirect_uris": ["http://localhost:3081/login/upstream/callback"]});
    let made = browser().post(format!("{}/oauth2/clients", foreign.url)).json(&wanted).send().await;
    let made: serde_json::Value = made.expect("an answer").json().await.expect("a client");
    let person = json!({"email": "alice@example.com", "email_verified": true, "preferred_username": "alice"});
    browser().put(format!("{}/users/person-1", foreign.url)).json(&person).send().await.expect("stored");
    let app = TestApp::start_with(|config| {
        let (id, secret) = (made["client_id"].as_str(), made["client_secret"].as_str());
        config.upstream = settings(&foreign.url, id.expect("an id"), secret.expect("a secret"));
    })
    .await;

    let query = foreign.decide(&start(&app).await, &[("sub", "person-1")]).await;
    let came = callback(&app, &query).await.expect(200);
    assert_eq!(came.body, json!({"outcome": "choose-name"}), "{came:?}");
    let made = choose_name(&app, "alice").await.expect(201);
    let query = foreign.decide(&start(&app).await, &[("sub", "person-1")]).await;
    assert_eq!(callback(&app, &query).await.expect(200).text("user_id"), made.text("user_id"));
    let query = foreign.decide(&start(&app).await, &[("sub", "person-2")]).await;
    assert_eq!(callback(&app, &query).await.expect(200).body["outcome"], "choose-name");
    // It forgets the state with a no, so that nobody can be told apart.
    let denied = foreign.decide(&start(&app).await, &[("action", "deny")]).await;
    assert!(["denied", "expired"].contains(&refusal(&callback(&app, &denied).await)));
}
