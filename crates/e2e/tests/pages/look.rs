//! A browser that looks at pages: in a language, light or dark, on a phone or a desk, through axe-core's eyes.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::browser::Browser;
use e2e::wait::until;
use e2e::{Failure, Outcome};
use serde_json::{Value, json};

use crate::list::{Form, View};

/// A screen and the colours that the reader prefers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    pub(crate) name: &'static str,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) scheme: &'static str,
}

/// Every one on which each page is looked at. The last decides how the next page is loaded.
pub(crate) const SCREENS: [Screen; 4] = [
    Screen { name: "desk-light", width: 1280, height: 900, scheme: "light" },
    Screen { name: "desk-dark", width: 1280, height: 900, scheme: "dark" },
    Screen { name: "phone-dark", width: 390, height: 844, scheme: "dark" },
    Screen { name: "phone-light", width: 390, height: 844, scheme: "light" },
];

/// The rules that hang on colours. In the dark the page is the same but for these.
const OF_COLOURS: [&str; 2] = ["color-contrast", "link-in-text-block"];

/// Runs axe-core and answers its serious and critical findings in words, each with the elements it is about.
const RUN: &str = r"
    const done = arguments[arguments.length - 1];
    const words = (found) => `${found.impact} ${found.id}: ${found.help}` +
        found.nodes.slice(0, 3).map((node) => `\n      ${node.html.slice(0, 200)} (${node.failureSummary})`).join('');
    const rules = arguments[0] ? { runOnly: arguments[0] } : { rules: { 'target-size': { enabled: true } } };
    axe.run(document, { resultTypes: ['violations'], ...rules })
        .then((result) => done(result.violations.filter((v) => ['serious', 'critical'].includes(v.impact)).map(words)))
        .catch((error) => done([`axe-core failed: ${error}`]));
";

/// Sends a form past its own demands. The mark tells the old page from the new one.
const SEND: &str = r"
    const [action, fields] = arguments;
    const form = [...document.forms].find((form) =>
        form.getAttribute('action').endsWith(action) && fields.every(([name]) => form.elements[name]));
    for (const [name, value] of fields) form.elements[name].value = value;
    window.leaving = true;
    HTMLFormElement.prototype.submit.call(form);
";

/// One browser at one portal in one language.
pub(crate) struct Looker<'a> {
    pub(crate) browser: &'a Browser,
    pub(crate) base: &'a str,
    /// The tag of the language.
    pub(crate) language: &'a str,
    /// axe-core.
    pub(crate) axe: &'a str,
    /// Where screenshots go.
    pub(crate) shots: Option<&'a Path>,
}

impl Looker<'_> {
    /// Opens a view and answers what is wrong with it on each screen.
    pub(crate) async fn look(&self, view: &View) -> Outcome<Vec<String>> {
        self.open(view).await?;
        let mut wrong = Vec::new();
        for screen in SCREENS {
            self.sit_at(screen).await?;
            for fault in self.faults(screen).await? {
                wrong.push(format!("{} in {} on {}: {fault}", view.name, self.language, screen.name));
            }
            if let Some(folder) = self.shots {
                let file = format!("{}.{}.{}.png", view.name, self.language, screen.name);
                tokio::fs::write(folder.join(file), self.shot(screen).await?).await?;
            }
        }
        Ok(wrong)
    }

    async fn open(&self, view: &View) -> Outcome {
        self.browser.devtools("Network.clearBrowserCookies", &json!({})).await?;
        self.cookie("beaver_lang", self.language).await?;
        if let Some((name, value)) = view.cookie {
            self.cookie(name, value).await?;
        }
        if let Some(scene) = view.scene {
            self.cookie("beaver_sid", &format!("scene-{scene}-0000")).await?;
        }
        self.browser.goto(&format!("{}{}", self.base, view.path)).await?;
        let at = self.browser.url().await?;
        if at != format!("{}{}", self.base, view.path) {
            return Err(Failure(format!("{}: {} leads to {at}", view.name, view.path)));
        }
        if let Some(form) = &view.form {
            self.send(form).await?;
        }
        let lang = self.browser.script("return document.documentElement.lang").await?;
        if lang != self.language {
            return Err(Failure(format!("{}: the page is in {lang}, not {}", view.name, self.language)));
        }
        Ok(())
    }

    async fn cookie(&self, name: &str, value: &str) -> Outcome {
        let cookie = json!({ "name": name, "value": value, "url": self.base });
        self.browser.devtools("Network.setCookie", &cookie).await.map(drop)
    }

    async fn send(&self, form: &Form) -> Outcome {
        self.browser.client().execute(SEND, vec![json!(form.action), json!(form.fields)]).await?;
        let ready = "return !window.leaving && document.readyState === 'complete'";
        until("the answer to the form", Duration::from_secs(10), async || {
            let is_there = self.browser.script(ready).await?;
            Ok((is_there == true).then_some(()))
        })
        .await
    }

    async fn sit_at(&self, screen: Screen) -> Outcome {
        let size = json!({
            "width": screen.width, "height": screen.height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.browser.devtools("Emulation.setDeviceMetricsOverride", &size).await?;
        // Without motion: a colour that is still changing has no contrast to speak of.
        let media = json!({ "features": [
            { "name": "prefers-color-scheme", "value": screen.scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        self.browser.devtools("Emulation.setEmulatedMedia", &media).await.map(drop)
    }

    /// What is wrong with a page that is nobody's, on a screen.
    pub(crate) async fn judge(&self, url: &str, screen: Screen) -> Outcome<Vec<String>> {
        self.browser.goto(url).await?;
        self.sit_at(screen).await?;
        self.faults(screen).await
    }

    /// What axe-core finds, and whether the page is wider than the screen.
    async fn faults(&self, screen: Screen) -> Outcome<Vec<String>> {
        let found = self.run_axe(screen).await?;
        let found = found.as_array().ok_or_else(|| Failure(format!("axe-core answered {found}")))?;
        let mut faults: Vec<_> = found.iter().map(|fault| fault.as_str().unwrap_or("?").to_owned()).collect();
        let width = self.browser.script("return document.documentElement.scrollWidth").await?;
        if width.as_u64().is_none_or(|width| width > u64::from(screen.width)) {
            faults.push(format!("is {width} px wide and scrolls sideways"));
        }
        Ok(faults)
    }

    /// A page that loads itself again in the middle takes axe-core away with it: then once more.
    async fn run_axe(&self, screen: Screen) -> Outcome<Value> {
        let rules = if screen.scheme == "dark" { json!(OF_COLOURS) } else { Value::Null };
        until("a page that stands still", Duration::from_mins(1), async || {
            if self.browser.script("return typeof axe").await? != "object" {
                self.browser.script(self.axe).await?;
            }
            Ok(Some(self.browser.client().execute_async(RUN, vec![rules.clone()]).await?))
        })
        .await
    }

    /// The whole page, not just what fits the screen.
    async fn shot(&self, screen: Screen) -> Outcome<Vec<u8>> {
        let height = self.browser.script("return document.documentElement.scrollHeight").await?;
        let clip = json!({ "x": 0, "y": 0, "width": screen.width, "height": height, "scale": 1 });
        let options = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let answer = self.browser.devtools("Page.captureScreenshot", &options).await?;
        Ok(STANDARD.decode(answer["data"].as_str().unwrap_or_default())?)
    }
}
