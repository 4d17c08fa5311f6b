//! An authenticator that chromedriver plugs into a browser (`WebAuthn` level 3, section 11).

use e2e::browser::{Browser, Driver};
use e2e::{Failure, Outcome};
use reqwest::{Client, Method};
use serde_json::{Value, json};

/// Is there until its browser is closed; its person is always there and always verified.
pub(crate) struct VirtualAuthenticator {
    http: Client,
    url: String,
}

impl VirtualAuthenticator {
    pub(crate) async fn plug_in(driver: &Driver, browser: &Browser) -> Outcome<Self> {
        let session = browser.client().session_id().await?.ok_or_else(|| Failure("no session".into()))?;
        let base = format!("{}/session/{session}/webauthn/authenticator", driver.address());
        let http = Client::builder().no_proxy().build()?;
        let kind = json!({
            "protocol": "ctap2", "transport": "usb", "hasResidentKey": false, "hasUserVerification": true,
            "isUserConsenting": true, "isUserVerified": true,
        });
        let this = Self { http, url: base };
        let id = this.call(Method::POST, "", Some(&kind)).await?;
        let id = id.as_str().ok_or_else(|| Failure(format!("no authenticator: {id}")))?;
        Ok(Self { url: format!("{}/{id}", this.url), ..this })
    }

    /// What is in it, counters included.
    pub(crate) async fn credentials(&self) -> Outcome<Vec<Value>> {
        let found = self.call(Method::GET, "/credentials", None).await?;
        Ok(found.as_array().cloned().unwrap_or_default())
    }

    /// Takes everything out and puts one credential in, as it was when it was read.
    pub(crate) async fn replace(&self, credential: &Value) -> Outcome {
        self.call(Method::DELETE, "/credentials", None).await?;
        self.call(Method::POST, "/credential", Some(credential)).await.map(drop)
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Outcome<Value> {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let (status, mut answer) = (response.status(), response.json::<Value>().await?);
        if !status.is_success() {
            return Err(Failure(format!("chromedriver says {status}: {answer}")));
        }
        Ok(answer["value"].take())
    }
}
