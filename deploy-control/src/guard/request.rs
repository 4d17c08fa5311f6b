//! What a request to docker-guard asks for. Pure: method, path and query become one of the few calls that are
//! allowed, with every part parsed; the line that is sent to Docker is written anew from those parts. Nothing
//! of the caller's path, query or headers reaches Docker unparsed.

use std::fmt::Write as _;

use http::Method;
use url::form_urlencoded;

use super::policy::Refusal;
use crate::image_name::ImageName;

/// One call of the allow-list. Containers, networks and images are by name or id as the caller gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `GET` or `HEAD /_ping`.
    Ping,
    /// `GET /version`.
    Version,
    /// `GET /images/{name}/json`.
    Image(String),
    /// `POST /images/create` from a registry.
    PullImage(ImageName),
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
    /// `POST .../pause`.
    Pause,
    /// `POST .../unpause`.
    Unpause,
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

/// Containers and networks may be named so, but then their routes look like others.
const ROUTE_WORDS: [&str; 3] = ["create", "json", "prune"];

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
        ("POST", ["images", "create"]) => Call::PullImage(pulled_image(query)?),
        ("GET", ["containers", "json"]) => {
            let query = take(query, &[("all", Kind::Flag)], &["filters", "limit", "size"])?;
            Call::ListContainers {
                all: query.iter().any(|(_, value)| matches!(value.as_str(), "true" | "1")),
            }
        }
        ("POST", ["containers", "create"]) => Call::CreateContainer { name: container_name(query)? },
        ("GET", ["networks"]) => {
            take(query, &[], &["filters"])?;
            Call::ListNetworks
        }
        ("POST", ["networks", "create"]) => {
            take(query, &[], &[])?;
            Call::CreateNetwork
        }
        (_, ["containers" | "networks", word, ..]) if ROUTE_WORDS.contains(word) => {
            return Err(Refusal::new(format!("{word} is a word of Docker's API and no name here")));
        }
        (method, ["containers", id, rest @ ..]) => container_call(method, id, rest, query)?,
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
        ("POST", ["pause"]) => {
            take(query, &[], &[])?;
            ContainerCall::Pause
        }
        ("POST", ["unpause"]) => {
            take(query, &[], &[])?;
            ContainerCall::Unpause
        }
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

/// One repository and one tag, or digest; nothing that would make the image from something else, or another one
/// of it. Without a tag Docker would pull all of them.
fn pulled_image(query: &str) -> Result<ImageName, Refusal> {
    let (mut repository, mut reference) = (None, None);
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "fromImage" if repository.is_none() => repository = Some(value),
            "tag" if reference.is_none() => reference = Some(value),
            // Clients send it empty.
            "platform" if value.is_empty() => {}
            _ => return Err(Refusal::new("a pull takes one fromImage, one tag and no other parameter")),
        }
    }
    let (Some(repository), Some(reference)) = (repository, reference) else {
        return Err(Refusal::new("a pull takes one fromImage and one tag"));
    };
    let separator = if reference.contains(':') { '@' } else { ':' };
    let image: ImageName = format!("{repository}{separator}{reference}")
        .parse()
        .map_err(|_| Refusal::new("fromImage and tag are no image's name"))?;
    if image.repository() == repository && image.reference() == reference {
        return Ok(image);
    }
    Err(Refusal::new("fromImage must have neither tag nor digest"))
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
