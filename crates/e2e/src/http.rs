//! Plain HTTP as a browser without JavaScript or a script would send it, to a host name on this machine.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::{Client, Method, redirect};

use crate::{Failure, Outcome};

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers; the last of each name.
    pub headers: BTreeMap<String, String>,
    /// Cookies that were set, as `name=value`.
    pub cookies: Vec<String>,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// A visitor with a cookie jar for each host. Redirects are not followed, so that tests see them.
#[derive(Clone, Debug)]
pub struct Visitor {
    client: Client,
    jar: BTreeMap<String, BTreeMap<String, String>>,
}

impl Visitor {
    /// A visitor without cookies.
    pub fn new() -> Outcome<Self> {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_mins(1))
            .build()?;
        Ok(Self { client, jar: BTreeMap::new() })
    }

    /// The value of a cookie of a host.
    pub fn cookie(&self, host: &str, name: &str) -> Option<&str> {
        self.jar.get(host)?.get(name).map(String::as_str)
    }

    /// Puts a cookie into the jar.
    pub fn set_cookie(&mut self, host: &str, name: &str, value: &str) {
        self.jar.entry(host.to_owned()).or_default().insert(name.to_owned(), value.to_owned());
    }

    /// GET as a navigation.
    pub async fn get(&mut self, url: &str) -> Outcome<Answer> {
        let headers =
            [("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        self.send(Method::GET, url, &headers, None).await
    }

    /// Follows redirects of a navigation, at most ten; answers the last and where it was.
    pub async fn follow(&mut self, url: &str) -> Outcome<(Answer, String)> {
        let mut at = url.to_owned();
        for _ in 0..10 {
            let answer = self.get(&at).await?;
            if !(300..400).contains(&answer.status) {
                return Ok((answer, at));
            }
            at = url::Url::parse(&at)?.join(answer.header("location"))?.to_string();
        }
        Err(Failure(format!("{url} redirects without end")))
    }

    /// POST of a form, as a browser on a page of the same origin sends it.
    pub async fn submit(&mut self, url: &str, fields: &[(&str, &str)]) -> Outcome<Answer> {
        let origin = url::Url::parse(url)?.origin().ascii_serialization();
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let headers = [
            ("accept", "text/html"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "same-origin"),
            ("origin", &origin),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        self.send(Method::POST, url, &headers, Some(body)).await
    }

    /// Any request. The host name goes to this machine, whatever the resolver says.
    pub async fn send(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Outcome<Answer> {
        let parsed = url::Url::parse(url)?;
        let host = parsed.host_str().unwrap_or_default().to_owned();
        let port = parsed.port_or_known_default().unwrap_or(80);
        let mut target = parsed.clone();
        target.set_host(Some("127.0.0.1"))?;
        let mut request = self.client.request(method, target).header("host", format!("{host}:{port}"));
        let cookies =
            self.jar.get(&host).map(|jar| jar.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>());
        if let Some(cookies) = cookies.filter(|c| !c.is_empty()) {
            request = request.header("cookie", cookies.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let text = |v: &reqwest::header::HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
        let cookies: Vec<String> = response.headers().get_all("set-cookie").iter().map(text).collect();
        let headers = response.headers().iter().map(|(k, v)| (k.to_string(), text(v))).collect();
        for cookie in &cookies {
            self.keep(&host, cookie);
        }
        Ok(Answer { status, headers, cookies, body: response.text().await? })
    }

    fn keep(&mut self, host: &str, set_cookie: &str) {
        let pair = set_cookie.split(';').next().unwrap_or_default();
        let Some((name, value)) = pair.split_once('=') else { return };
        let jar = self.jar.entry(host.to_owned()).or_default();
        let lower = set_cookie.to_ascii_lowercase();
        if value.is_empty() || lower.contains("max-age=0") {
            jar.remove(name);
        } else {
            jar.insert(name.to_owned(), value.to_owned());
        }
    }
}

/// The value of a hidden input of a page.
pub fn hidden_field(page: &str, name: &str) -> Outcome<String> {
    let marker = format!("name=\"{name}\"");
    let input = page
        .split("<input")
        .skip(1)
        .filter_map(|rest| rest.split('>').next())
        .find(|input| input.contains(&marker))
        .ok_or_else(|| Failure(format!("the page has no field {name}:\n{page}")))?;
    let value = input.split("value=\"").nth(1).and_then(|rest| rest.split('"').next());
    value.map(str::to_owned).ok_or_else(|| Failure(format!("the field {name} has no value")))
}
