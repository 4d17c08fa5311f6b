//! Plain HTTP as a browser without JavaScript or a script would send it, to a host name on this machine.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Certificate, Client, ClientBuilder, Method, Response, Upgraded, redirect};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::{Failure, Outcome, ensure_eq};

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
    /// Never speaks HTTP/2: browsers open a WebSocket with HTTP/1.1.
    socket_client: Client,
    jar: BTreeMap<String, BTreeMap<String, String>>,
}

impl Visitor {
    /// A visitor without cookies.
    pub fn new() -> Outcome<Self> {
        Ok(Self { client: builder().build()?, socket_client: builder().build()?, jar: BTreeMap::new() })
    }

    /// A visitor from an address of this machine who believes these certificates (PEM) and no others, and speaks
    /// HTTP/2 with servers that do.
    pub fn over_tls(roots: &[Vec<u8>], from: Ipv4Addr) -> Outcome<Self> {
        let roots: Vec<_> = roots.iter().map(|pem| Certificate::from_pem(pem)).collect::<Result<_, _>>()?;
        let builder = || builder().tls_certs_only(roots.clone()).local_address(IpAddr::from(from));
        let socket_client = builder().http1_only().build()?;
        Ok(Self { client: builder().build()?, socket_client, jar: BTreeMap::new() })
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

    /// Any request, and its whole answer.
    pub async fn send(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Outcome<Answer> {
        let response = self.begin(method, url, headers, body).await?;
        let status = response.status().as_u16();
        let headers = response.headers().iter().map(|(k, v)| (k.to_string(), text(v))).collect();
        let cookies = set_cookies(&response);
        Ok(Answer { status, headers, cookies, body: response.text().await? })
    }

    /// Any request, and its answer as soon as the head of it is there.
    pub async fn begin(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Outcome<Response> {
        let response = self.execute(&self.client, method, url, headers, body).await?;
        let host = url::Url::parse(url)?.host_str().unwrap_or_default().to_owned();
        for cookie in set_cookies(&response) {
            self.keep(&host, &cookie);
        }
        Ok(response)
    }

    /// A WebSocket, opened as a page of the same origin opens it.
    pub async fn open_socket(&self, url: &str) -> Outcome<WebSocketStream<Upgraded>> {
        let origin = url::Url::parse(url)?.origin().ascii_serialization();
        let key = generate_key();
        let headers = [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", &key),
            ("sec-fetch-mode", "websocket"),
            ("sec-fetch-site", "same-origin"),
            ("origin", &origin),
        ];
        let response = self.execute(&self.socket_client, Method::GET, url, &headers, None).await?;
        ensure_eq!(response.status().as_u16(), 101, "{:?}", response.headers());
        let accept = response.headers().get("sec-websocket-accept").map(text).unwrap_or_default();
        ensure_eq!(accept, derive_accept_key(key.as_bytes()));
        Ok(WebSocketStream::from_raw_socket(response.upgrade().await?, Role::Client, None).await)
    }

    async fn execute(
        &self,
        client: &Client,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Outcome<Response> {
        let mut request = client.request(method, url);
        let url = url::Url::parse(url)?;
        let jar = url.host_str().and_then(|host| self.jar.get(host));
        let cookies = jar.map(|jar| jar.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>());
        if let Some(cookies) = cookies.filter(|c| !c.is_empty()) {
            request = request.header("cookie", cookies.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        Ok(request.send().await?)
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

fn builder() -> ClientBuilder {
    Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .dns_resolver(ThisMachine)
        .timeout(Duration::from_mins(1))
}

/// Every host name is this machine, whatever the system's resolver says.
#[derive(Debug)]
struct ThisMachine;

impl Resolve for ThisMachine {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses: Addrs = Box::new(std::iter::once(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

fn text(value: &http::HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn set_cookies(response: &Response) -> Vec<String> {
    response.headers().get_all("set-cookie").iter().map(text).collect()
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
