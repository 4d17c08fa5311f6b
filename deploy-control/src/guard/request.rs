//! What a request to docker-guard asks for. Pure: method, path and query become one of the few calls that are
//! allowed, with every part parsed; the line that is sent to Docker is written anew from those parts. Nothing
//! of the caller's path, query or headers reaches Docker unparsed.

use std::fmt::Write as _;

use http::Method;
use url::form_urlencoded;

use super::policy::Refusal;

/// One call of the allow-list. Containers, networks and images are by name or id as the caller gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `GET` or `HEAD /_ping`.
    Ping,
    /// `GET /version`.
    Version,
    /// `GET /images/{name}/json`.
    Image(String),
    /// `GET /containers/json`; the filter is set by the handler.
    ListContainers {
        /// Stopped ones too.
        all: bool,
    },
    /// `GET /events`; the filter is set by the handler.
    Events(Query),
    /// `POST /containers/create`.
    CreateContainer {
        /// The container's name.
        name: String,
    },
    /// Something about one container of ours.
    Container(String, ContainerCall),
    /// `GET /networks`.
    ListNetworks,
    /// `GET /networks/{name}`.
    Network(String),
    /// `POST /networks/create`.
    CreateNetwork,
    /// `DELETE /networks/{name}`.
    RemoveNetwork(String),
}

/// What is done with a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerCall {
    /// `GET .../json`.
    Inspect,
    /// `GET .../logs`.
    Logs(Query),
    /// `GET .../stats`.
    Stats(Query),
    /// `POST .../start`.
    Start,
    /// `POST .../stop`.
    Stop(Query),
    /// `POST .../wait`.
    Wait(Query),
    /// `DELETE ...`.
    Remove(Query),
}

/// The parameters that are passed on, parsed.
pub type Query = Vec<(&'static str, String)>;

/// A call and the API version that it names (`v1.41`), if any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// As in the path's prefix.
    pub version: Option<String>,
    /// What is asked.
    pub call: Call,
}

/// Oldest API that is passed on, of Engine 19.03. Older ones give bodies another meaning: before 1.24 a start
/// took a `HostConfig`.
const MIN_MINOR: u32 = 40;

/// How the value of a query parameter must look.
#[derive(Clone, Copy)]
enum Kind {
    Flag,
    Number,
    Time,
    Tail,
    Condition,
}

impl Kind {
    fn accepts(self, value: &str) -> bool {
        let digits = |text: &str| text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit());
        match self {
            Self::Flag => matches!(value, "true" | "false" | "1" | "0"),
            Self::Number => !value.is_empty() && digits(value),
            Self::Time => value.splitn(2, '.').all(|part| !part.is_empty() && digits(part)),
            Self::Tail => value == "all" || (!value.is_empty() && digits(value)),
            Self::Condition => matches!(value, "not-running" | "next-exit" | "removed"),
        }
    }
}

/// Parses a request, or says why it is not on the allow-list.
pub fn parse(method: &Method, path: &str, query: &str) -> Result<Request, Refusal> {
    let segments = segments(path)?;
    let (version, segments) = split_version(&segments)?;
    let call = match (method.as_str(), segments) {
        ("GET" | "HEAD", ["_ping"]) => Call::Ping,
        ("GET", ["version"]) => Call::Version,
        ("GET", ["events"]) => {
            Call::Events(take(query, &[("since", Kind::Time), ("until", Kind::Time)], &["filters"])?)
        }
        ("GET", ["images", name @ .., "json"]) if !name.is_empty() => {
            take(query, &[], &[])?;
            Call::Image(name.join("/"))
        }
        ("GET", ["containers", "json"]) => {
            let query = take(query, &[("all", Kind::Flag)], &["filters", "limit", "size"])?;
            Call::ListContainers {
                all: query.iter().any(|(_, value)| matches!(value.as_str(), "true" | "1")),
            }
        }
        ("POST", ["containers", "create"]) => Call::CreateContainer { name: container_name(query)? },
        (method, ["containers", id, rest @ ..]) => container_call(method, id, rest, query)?,
        ("GET", ["networks"]) => {
            take(query, &[], &["filters"])?;
            Call::ListNetworks
        }
        ("POST", ["networks", "create"]) => {
            take(query, &[], &[])?;
            Call::CreateNetwork
        }
        ("GET", ["networks", name]) => {
            take(query, &[], &["verbose", "scope"])?;
            Call::Network((*name).to_owned())
        }
        ("DELETE", ["networks", name]) => {
            take(query, &[], &[])?;
            Call::RemoveNetwork((*name).to_owned())
        }
        _ => return Err(Refusal::new(format!("{method} of this path is not on the allow-list"))),
    };
    Ok(Request { version, call })
}

fn container_call(method: &str, id: &str, rest: &[&str], query: &str) -> Result<Call, Refusal> {
    const FLAG: Kind = Kind::Flag;
    let call = match (method, rest) {
        ("GET", ["json"]) => {
            take(query, &[], &["size"])?;
            ContainerCall::Inspect
        }
        ("GET", ["logs"]) => {
            let keys = [
                ("follow", FLAG),
                ("stdout", FLAG),
                ("stderr", FLAG),
                ("timestamps", FLAG),
                ("since", Kind::Time),
                ("until", Kind::Time),
                ("tail", Kind::Tail),
            ];
            ContainerCall::Logs(take(query, &keys, &[])?)
        }
        ("GET", ["stats"]) => {
            ContainerCall::Stats(take(query, &[("stream", FLAG), ("one-shot", FLAG)], &[])?)
        }
        ("POST", ["start"]) => {
            take(query, &[], &[])?;
            ContainerCall::Start
        }
        ("POST", ["stop"]) => ContainerCall::Stop(take(query, &[("t", Kind::Number)], &[])?),
        ("POST", ["wait"]) => ContainerCall::Wait(take(query, &[("condition", Kind::Condition)], &[])?),
        ("DELETE", []) => ContainerCall::Remove(take(query, &[("force", FLAG), ("v", FLAG)], &[])?),
        _ => return Err(Refusal::new(format!("{method} of this container path is not on the allow-list"))),
    };
    Ok(Call::Container(id.to_owned(), call))
}

/// The path's segments. Plain characters alone: no percent sign (so nothing is hidden from this parser that
/// Docker would decode), no empty segment, none that climbs.
fn segments(path: &str) -> Result<Vec<&str>, Refusal> {
    let plain = |s: &&str| {
        let mut bytes = s.bytes();
        bytes.next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
            && s.len() <= 256
            && bytes.all(|b| b.is_ascii_alphanumeric() || b"_.:@-".contains(&b))
    };
    let segments: Vec<&str> = path.strip_prefix('/').unwrap_or_default().split('/').collect();
    if segments.iter().all(plain) {
        Ok(segments)
    } else {
        Err(Refusal::new("the path has characters or segments that no allowed path has"))
    }
}

/// Takes off an API version such as `v1.41`.
fn split_version<'a>(segments: &'a [&'a str]) -> Result<(Option<String>, &'a [&'a str]), Refusal> {
    let minor = segments.first().and_then(|s| s.strip_prefix("v1.")).and_then(|m| m.parse::<u32>().ok());
    match minor {
        Some(minor) if (MIN_MINOR..1000).contains(&minor) => {
            Ok((Some(format!("v1.{minor}")), &segments[1..]))
        }
        Some(_) => Err(Refusal::new(format!("the API version must be at least 1.{MIN_MINOR}"))),
        None => Ok((None, segments)),
    }
}

/// Takes the known parameters. Those in `dropped` are the handler's to set; any other is refused unless it has
/// its empty value, which clients send for what they do not use. None may come twice.
fn take(query: &str, known: &[(&'static str, Kind)], dropped: &[&str]) -> Result<Query, Refusal> {
    let mut taken: Query = Vec::new();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        if let Some((name, kind)) = known.iter().find(|(name, _)| *name == key) {
            if !kind.accepts(&value) || taken.iter().any(|(have, _)| have == name) {
                return Err(Refusal::new(format!("the parameter {name} is malformed or comes twice")));
            }
            taken.push((name, value.into_owned()));
        } else if !dropped.contains(&&*key) && !matches!(&*value, "" | "0" | "false") {
            return Err(Refusal::new("the query has a parameter that is not on the allow-list"));
        }
    }
    Ok(taken)
}

fn container_name(query: &str) -> Result<String, Refusal> {
    let mut name = None;
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        if key == "name" && name.is_none() {
            name = Some(value.into_owned());
        } else if !(key == "platform" && value.is_empty()) {
            return Err(Refusal::new("a create takes one name and no other parameter"));
        }
    }
    name.ok_or_else(|| Refusal::new("a container must be given a name"))
}

/// Writes path and query for Docker.
pub fn target(version: Option<&str>, path: &str, query: &[(&str, &str)]) -> String {
    let mut target = String::new();
    if let Some(version) = version {
        let _ = write!(target, "/{version}");
    }
    target.push_str(path);
    if !query.is_empty() {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let _ = write!(target, "?{query}");
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(method: &str, target: &str) -> Result<Call, Refusal> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        parse(&method.parse().expect("a method"), path, query).map(|request| request.call)
    }

    #[test]
    fn the_allow_list_is_understood() {
        let container = |call| Call::Container("abc".to_owned(), call);
        let cases = [
            ("HEAD", "/_ping", Call::Ping),
            ("GET", "/v1.41/_ping", Call::Ping),
            ("GET", "/v1.52/version", Call::Version),
            ("GET", "/images/beaver/app:latest/json", Call::Image("beaver/app:latest".to_owned())),
            ("GET", "/images/sha256:00ff/json", Call::Image("sha256:00ff".to_owned())),
            (
                "GET",
                "/containers/json?all=true&size=false&filters=%7B%7D",
                Call::ListContainers { all: true },
            ),
            (
                "POST",
                "/containers/create?name=b-x-1&platform=",
                Call::CreateContainer { name: "b-x-1".into() },
            ),
            ("GET", "/containers/abc/json?size=false", container(ContainerCall::Inspect)),
            ("POST", "/containers/abc/start", container(ContainerCall::Start)),
            ("POST", "/containers/abc/stop?t=5", container(ContainerCall::Stop(vec![("t", "5".to_owned())]))),
            (
                "DELETE",
                "/containers/abc?v=false&force=true&link=false",
                container(ContainerCall::Remove(vec![("v", "false".into()), ("force", "true".into())])),
            ),
            ("GET", "/networks/beaver-0?verbose=false", Call::Network("beaver-0".to_owned())),
            ("POST", "/networks/create", Call::CreateNetwork),
        ];
        for (method, target, call) in cases {
            assert_eq!(parsed(method, target), Ok(call), "{method} {target}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let cases = [
            // Not on the list.
            ("GET", "/info"),
            ("GET", "/containers/abc/archive?path=/"),
            ("PUT", "/containers/abc/archive?path=/"),
            ("POST", "/containers/abc/exec"),
            ("POST", "/exec/abc/start"),
            ("POST", "/containers/abc/attach?stream=1"),
            ("POST", "/containers/abc/update"),
            ("POST", "/containers/abc/rename?name=x"),
            ("POST", "/containers/abc/kill"),
            ("POST", "/containers/prune"),
            ("POST", "/images/create?fromImage=evil"),
            ("POST", "/build"),
            ("GET", "/images/json"),
            ("DELETE", "/images/abc"),
            ("POST", "/networks/abc/connect"),
            ("POST", "/networks/prune"),
            ("GET", "/volumes"),
            ("POST", "/volumes/create"),
            ("POST", "/swarm/init"),
            ("POST", "/plugins/pull?remote=x"),
            ("GET", "/secrets"),
            ("OPTIONS", "/_ping"),
            ("DELETE", "/_ping"),
            ("POST", "/containers/json"),
            // Tricks with the path.
            ("GET", ""),
            ("GET", "/"),
            ("GET", "_ping"),
            ("GET", "//_ping"),
            ("GET", "/_ping/"),
            ("POST", "/containers/../containers/create?name=a"),
            ("POST", "/containers/./create?name=a"),
            ("POST", "/containers/abc/start/../exec"),
            ("POST", "/containers/abc%2fexec/start"),
            ("POST", "/containers/abc/%65xec"),
            ("GET", "/containers/abc%00/json"),
            ("GET", "/containers/ab c/json"),
            ("GET", "/images/../containers/abc/json"),
            ("GET", "/containers/a\\b/json"),
            // Versions that read bodies otherwise, or are none.
            ("POST", "/v1.12/containers/abc/start"),
            ("POST", "/v1.23/containers/create?name=a"),
            ("POST", "/v1.39/containers/create?name=a"),
            ("GET", "/v2.0/version"),
            ("GET", "/v1.41/v1.12/version"),
            // Tricks with the query.
            ("DELETE", "/containers/abc?link=true"),
            ("DELETE", "/containers/abc?force=true&force=false"),
            ("POST", "/containers/abc/stop?signal=STOP"),
            ("POST", "/containers/abc/stop?t=-1"),
            ("POST", "/containers/abc/start?checkpoint=x"),
            ("POST", "/containers/create"),
            ("POST", "/containers/create?name=a&name=b"),
            ("POST", "/containers/create?name=a&platform=linux"),
            ("GET", "/containers/abc/logs?tail=x"),
            ("GET", "/events?since=yesterday"),
        ];
        for (method, target) in cases {
            assert!(parsed(method, target).is_err(), "{method} {target}");
        }
    }

    #[test]
    fn the_line_for_docker_is_written_anew() {
        assert_eq!(
            target(Some("v1.41"), "/events", &[("filters", "{\"a\":1}")]),
            "/v1.41/events?filters=%7B%22a%22%3A1%7D"
        );
        assert_eq!(target(None, "/_ping", &[]), "/_ping");
    }
}
