//! A client of an instance, and what it and the portal do in a sign-in.

use http::Method;
use serde_json::{Value, json};
use service_kit::secret::sha256_base64url;
use url::Url;

use crate::harness::{Answer, Resident, TestApp, VERIFIER, send};

/// A client that registered.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) redirect_uri: String,
}

impl Client {
    /// A client for people, with refresh tokens.
    pub(crate) async fn register(app: &TestApp, resident: &Resident) -> Self {
        let grants = ["authorization_code", "refresh_token", "client_credentials"];
        Self::register_for(app, resident, &json!({"client_name": "Notes", "grant_types": grants})).await
    }

    pub(crate) async fn register_for(app: &TestApp, resident: &Resident, metadata: &Value) -> Self {
        let token = app.registration_token(resident).await;
        let request = app.instance_request(Method::POST, "/oauth/register").bearer_auth(token);
        let made = send(request.json(metadata)).await.expect(201);
        Self {
            id: made.text("client_id"),
            secret: made.text("client_secret"),
            redirect_uri: made.body["redirect_uris"][0].as_str().expect("a URI").to_owned(),
        }
    }

    /// The query of an authorization request; later pairs replace earlier ones, empty ones go.
    pub(crate) fn query(&self, change: &[(&str, &str)]) -> String {
        let challenge = sha256_base64url(VERIFIER.as_bytes());
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", &self.redirect_uri),
            ("scope", "openid profile email"),
            ("state", "the state"),
            ("nonce", "the-nonce"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in change {
            pairs.retain(|(key, _)| key != name);
            if !value.is_empty() {
                pairs.push((name, value));
            }
        }
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    }

    /// The person's yes; answers the code.
    pub(crate) async fn code(&self, app: &TestApp, resident: &Resident) -> String {
        let answer = approve(app, &resident.session, &self.query(&[]), true).await.expect(200);
        parameter(&answer, "code").expect("a code")
    }

    pub(crate) async fn exchange(&self, app: &TestApp, code: &str) -> Answer {
        self.exchange_with(app, code, &[]).await
    }

    pub(crate) async fn exchange_with(&self, app: &TestApp, code: &str, change: &[(&str, &str)]) -> Answer {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", VERIFIER),
        ];
        for (name, value) in change {
            form.retain(|(key, _)| key != name);
            form.push((name, value));
        }
        self.post(app, "/oauth/token", &form).await
    }

    /// A sign-in from the beginning to the tokens.
    pub(crate) async fn tokens(&self, app: &TestApp, resident: &Resident) -> Answer {
        let code = self.code(app, resident).await;
        self.exchange(app, &code).await.expect(200)
    }

    pub(crate) async fn refresh(&self, app: &TestApp, token: &str) -> Answer {
        self.post(app, "/oauth/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    pub(crate) async fn introspect(&self, app: &TestApp, token: &str) -> Value {
        self.post(app, "/oauth/introspect", &[("token", token)]).await.expect(200).body
    }

    pub(crate) async fn is_active(&self, app: &TestApp, token: &str) -> bool {
        let answer = self.introspect(app, token).await;
        if answer["active"] == false {
            assert_eq!(answer, json!({"active": false}), "nothing more is told");
        }
        answer["active"] == true
    }

    /// With the client's secret by HTTP Basic, at the listener for instances.
    pub(crate) async fn post(&self, app: &TestApp, path: &str, form: &[(&str, &str)]) -> Answer {
        let request = app.instance_request(Method::POST, path).basic_auth(&self.id, Some(&self.secret));
        send(request.form(form)).await
    }
}

pub(crate) async fn check(app: &TestApp, session: Option<&str>, query: &str) -> Answer {
    app.post("/portal/oauth/check", &json!({"session": session, "query": query})).await
}

pub(crate) async fn approve(app: &TestApp, session: &str, query: &str, allow: bool) -> Answer {
    let body = json!({"session": session, "query": query, "allow": allow});
    app.post("/portal/oauth/approve", &body).await
}

/// A parameter of the address to which the browser is sent.
pub(crate) fn parameter(answer: &Answer, name: &str) -> Option<String> {
    assert_eq!(answer.body["outcome"], "redirect", "{answer:?}");
    let to = Url::parse(&answer.text("to")).expect("a URL");
    to.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

pub(crate) async fn user_info(app: &TestApp, token: &str) -> Answer {
    send(app.instance_request(Method::GET, "/oauth/userinfo").bearer_auth(token)).await
}
