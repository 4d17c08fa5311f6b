//! How Docker's and docker-guard's errors become the engine's. Docker tells some conflicts apart by words alone
//! (an overlap of subnets is a 403 in one version and a 400 in another), so those words are read first.

use bollard::errors::Error;

use crate::engine::EngineError;

/// What Docker says, with a 500, while it shuts down or its containerd is away: nothing is wrong with what it was
/// asked for. The words are those of its gRPC client, of every version since 20.10.
const CLOSING: [&str; 4] =
    ["transport is closing", "client connection is closing", "error while dialing", "context canceled"];

/// Maps an error of the call named `call` about `subject` (`container beaver-alice-7`, `image beaver/app`).
pub(super) fn map(call: &'static str, subject: &str, error: Error) -> EngineError {
    match error {
        Error::DockerResponseServerError { status_code, message } => {
            from_status(status_code, message, subject)
        }
        Error::RequestTimeoutError => EngineError::TimedOut(call),
        Error::IOError { err } => EngineError::Unreachable(err.to_string()),
        Error::HyperResponseError { err } => EngineError::Unreachable(chain(&err)),
        Error::HyperLegacyError { err } => EngineError::Unreachable(chain(&err)),
        Error::SocketNotFoundError(path) => EngineError::Unreachable(format!("{path} does not exist")),
        other => EngineError::Other(other.to_string()),
    }
}

fn from_status(status: u16, message: String, subject: &str) -> EngineError {
    let words = message.to_lowercase();
    let says = |part: &str| words.contains(part);
    if says("address already in use") || says("conflicts with existing route") {
        return EngineError::Conflict(format!("the address of {subject}"));
    }
    if says("same bridge name") {
        return EngineError::Conflict(format!("the bridge of {subject}"));
    }
    if says("pool overlaps") || (says("conflicts with network") && says("networks have")) {
        return EngineError::Conflict(format!("the subnet of {subject}"));
    }
    match status {
        404 => EngineError::NotFound(missing(&message).unwrap_or_else(|| subject.to_owned())),
        409 => EngineError::Conflict(subject.to_owned()),
        400 | 403 | 413 => EngineError::Refused(message),
        502..=504 => EngineError::Unreachable(message),
        500 if CLOSING.iter().any(|part| says(part)) => EngineError::Closing(message),
        _ => EngineError::Other(format!("Docker answered {status} about {subject}: {message}")),
    }
}

/// What Docker says is missing: a start can miss the container's network, a create its image.
fn missing(message: &str) -> Option<String> {
    let kinds = [("No such container: ", "container"), ("No such image: ", "image")];
    for (prefix, kind) in kinds {
        if let Some(name) = message.strip_prefix(prefix) {
            return Some(format!("{kind} {name}"));
        }
    }
    message.strip_prefix("network ")?.strip_suffix(" not found").map(|name| format!("network {name}"))
}

/// The error with its causes: hyper's own text is the outermost alone.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_words_become_the_engines_errors() {
        let of = |status, message: &str| from_status(status, message.to_owned(), "container beaver-alice-7");
        let cases = [
            (of(404, "No such container: x"), EngineError::NotFound("container x".into())),
            (of(404, "No such image: beaver/app"), EngineError::NotFound("image beaver/app".into())),
            (of(404, "network edge-0 not found"), EngineError::NotFound("network edge-0".into())),
            (of(404, "page not found"), EngineError::NotFound("container beaver-alice-7".into())),
            (
                of(409, "Conflict. The container name \"/x\" is already in use"),
                EngineError::Conflict("container beaver-alice-7".into()),
            ),
            (
                of(403, "Pool overlaps with other one on this address space"),
                EngineError::Conflict("the subnet of container beaver-alice-7".into()),
            ),
            (
                of(403, "Address already in use"),
                EngineError::Conflict("the address of container beaver-alice-7".into()),
            ),
            (of(403, "docker-guard: no"), EngineError::Refused("docker-guard: no".into())),
            (of(400, "bad parameter"), EngineError::Refused("bad parameter".into())),
            (
                of(503, "Docker cannot be reached"),
                EngineError::Unreachable("Docker cannot be reached".into()),
            ),
        ];
        for (found, expected) in cases {
            assert_eq!(found, expected);
        }
        for words in [
            "transport is closing: unavailable",
            "grpc: the client connection is closing: unknown",
            "connection error: desc = \"transport: Error while dialing dial unix:///run/containerd.sock\"",
            "context canceled",
        ] {
            assert_eq!(of(500, words), EngineError::Closing(words.into()));
            assert!(of(500, words).is_transient());
        }
        assert!(matches!(of(500, "boom"), EngineError::Other(text) if text.contains("boom")));
        assert_eq!(map("start", "x", Error::RequestTimeoutError), EngineError::TimedOut("start"));
    }
}
