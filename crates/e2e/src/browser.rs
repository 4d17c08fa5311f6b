//! A real browser: headless Chromium, driven through chromedriver. One driver process, a session each.

use std::process::Stdio;
use std::time::Duration;

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use url::Url;

use crate::wait::until;
use crate::{Failure, Outcome};

/// How long an element or a page may take to appear.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Starts of chromedriver before it is given up.
const STARTS: usize = 5;

/// The chromedriver process; it ends with this value.
#[derive(Debug)]
pub struct Driver {
    _process: Child,
    address: String,
}

impl Driver {
    /// Starts chromedriver on a free port. It takes one of IPv6 and gives up where that of IPv4 is in use, so it may
    /// have to be asked again.
    pub async fn start() -> Outcome<Self> {
        let mut said = String::new();
        for _ in 0..STARTS {
            match Self::try_start().await? {
                Ok(driver) => return Ok(driver),
                Err(output) => said = output,
            }
        }
        Err(Failure(format!("chromedriver ended before it was ready, {STARTS} times: {said}")))
    }

    /// The process, or what it said before it ended.
    async fn try_start() -> Outcome<Result<Self, String>> {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| {
                Failure(format!("chromedriver cannot be started ({e}); install Debian's chromium-driver"))
            })?;
        let stdout = process.stdout.take().ok_or_else(|| Failure("chromedriver has no output".into()))?;
        let mut lines = BufReader::new(stdout).lines();
        let mut said = String::new();
        while let Some(line) = lines.next_line().await? {
            if let Some(port) = line.split("started successfully on port ").nth(1) {
                let address = format!("http://127.0.0.1:{}", port.trim().trim_end_matches('.'));
                // Its pipe must be read on, or it blocks.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Ok(Ok(Self { _process: process, address }));
            }
            said.push_str(&line);
            said.push('\n');
        }
        Ok(Err(said))
    }

    /// Where it listens, for what the client below has no call for.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A browser window with an empty profile.
    pub async fn open(&self) -> Outcome<Browser> {
        let capabilities = json!({
            "goog:chromeOptions": { "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--no-first-run", "--disable-background-networking", "--window-size=1280,900",
            ] },
            "pageLoadStrategy": "normal",
        });
        let capabilities = capabilities.as_object().cloned().unwrap_or_default();
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&self.address)
            .await?;
        Ok(Browser { client })
    }
}

/// One browser window.
#[derive(Debug)]
pub struct Browser {
    client: Client,
}

impl Browser {
    /// The `WebDriver` client, for what is not below.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Opens an address.
    pub async fn goto(&self, url: &str) -> Outcome {
        Ok(self.client.goto(url).await?)
    }

    /// The address shown.
    pub async fn url(&self) -> Outcome<String> {
        Ok(self.client.current_url().await?.to_string())
    }

    /// Waits until the address satisfies `holds`, and answers it.
    pub async fn wait_url(&self, what: &str, holds: impl Fn(&str) -> bool) -> Outcome<String> {
        until(&format!("the address {what}"), PATIENCE, async || {
            let url = self.url().await?;
            if holds(&url) {
                Ok(Some(url))
            } else {
                Err(Failure(format!("at {url}: {}", self.text("body").await?)))
            }
        })
        .await
    }

    /// Waits for an element and types into it.
    pub async fn fill(&self, css: &str, text: &str) -> Outcome {
        let element = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await?;
        element.clear().await?;
        Ok(element.send_keys(text).await?)
    }

    /// Waits for an element and clicks it.
    pub async fn click(&self, css: &str) -> Outcome {
        let element = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await?;
        Ok(element.click().await?)
    }

    /// The text of an element as it is shown; empty where it is not there.
    pub async fn text(&self, css: &str) -> Outcome<String> {
        let script = "const e = document.querySelector(arguments[0]); return e ? e.innerText : '';";
        let value = self.client.execute(script, vec![json!(css)]).await?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until the text of an element satisfies `holds`, and answers it.
    pub async fn wait_text(&self, css: &str, what: &str, holds: impl Fn(&str) -> bool) -> Outcome<String> {
        until(&format!("{what} in {css}"), PATIENCE, async || {
            let text = self.text(css).await?;
            if holds(&text) { Ok(Some(text)) } else { Err(Failure(format!("it says {text:?}"))) }
        })
        .await
    }

    /// Runs JavaScript in the page and answers its value.
    pub async fn script(&self, script: &str) -> Outcome<Value> {
        Ok(self.client.execute(script, Vec::new()).await?)
    }

    /// Sends a command of the Chrome `DevTools` Protocol and answers its result.
    pub async fn devtools(&self, command: &str, parameters: &Value) -> Outcome<Value> {
        let body = json!({ "cmd": command, "params": parameters });
        Ok(self.client.issue_cmd(DevTools(body.to_string())).await?)
    }

    /// Ends the session.
    pub async fn close(self) -> Outcome {
        Ok(self.client.close().await?)
    }
}

/// chromedriver's own command
/// (<https://chromium.googlesource.com/chromium/src/+/main/chrome/test/chromedriver/server/http_handler.cc>).
#[derive(Debug)]
struct DevTools(String);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.0.clone()))
    }
}
