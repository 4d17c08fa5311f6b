//! What the parser of requests takes and what it refuses.

use super::policy::Refusal;
use super::request::{Call, ContainerCall, parse, target};

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
            "POST",
            "/images/create?fromImage=127.0.0.1%3A5000%2Fapp&tag=1&platform=",
            Call::PullImage("127.0.0.1:5000/app:1".parse().expect("a name")),
        ),
        ("GET", "/containers/json?all=true&size=false&filters=%7B%7D", Call::ListContainers { all: true }),
        ("POST", "/containers/create?name=b-x-1&platform=", Call::CreateContainer { name: "b-x-1".into() }),
        ("GET", "/containers/abc/json?size=false", container(ContainerCall::Inspect)),
        ("POST", "/containers/abc/start", container(ContainerCall::Start)),
        ("POST", "/containers/abc/pause", container(ContainerCall::Pause)),
        ("POST", "/v1.41/containers/abc/unpause", container(ContainerCall::Unpause)),
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
        ("POST", "/containers/abc/pause?signal=KILL"),
        ("POST", "/containers/abc/pause/unpause"),
        ("GET", "/containers/abc/pause"),
        ("DELETE", "/containers/abc/unpause"),
        ("POST", "/containers/pause"),
        ("POST", "/containers/prune"),
        // Containers and networks of these names, to Docker: lines that look like others.
        ("DELETE", "/containers/create?force=true"),
        ("POST", "/containers/json/start"),
        ("GET", "/containers/prune/json"),
        ("GET", "/networks/create"),
        ("DELETE", "/networks/prune"),
        ("POST", "/images/create"),
        ("POST", "/images/create?fromImage=app"),
        ("POST", "/images/create?tag=1"),
        ("POST", "/images/create?fromImage=app&tag="),
        ("POST", "/images/create?fromImage=app%3A1&tag=2"),
        ("POST", "/images/create?fromImage=app&tag=1&tag=2"),
        ("POST", "/images/create?fromImage=app&fromImage=evil&tag=1"),
        ("POST", "/images/create?fromSrc=-&repo=app&tag=1"),
        ("POST", "/images/create?fromImage=app&tag=1&fromSrc="),
        ("POST", "/images/create?fromImage=app&tag=1&repo=app"),
        ("POST", "/images/create?fromImage=app&tag=1&changes=USER%20root"),
        ("POST", "/images/create?fromImage=app&tag=1&platform=linux%2Farm64"),
        ("POST", "/images/create?fromImage=..%2Fapp&tag=1"),
        ("POST", "/images/create?fromImage=app&tag=1%26repo%3Dx"),
        ("POST", "/images/load"),
        ("POST", "/images/app/push"),
        ("POST", "/images/app/tag?repo=x"),
        ("GET", "/images/app/get"),
        ("POST", "/build"),
        ("GET", "/images/json"),
        ("POST", "/session"),
        ("POST", "/commit?container=abc"),
        ("GET", "/containers/abc/export"),
        ("HEAD", "/containers/abc/archive?path=/"),
        ("GET", "/containers/abc/attach/ws"),
        ("GET", "/containers/abc/top"),
        ("POST", "/containers/abc/resize"),
        ("POST", "/containers/abc/restart"),
        ("GET", "/plugins"),
        ("POST", "/auth"),
        ("CONNECT", "/containers/abc/start"),
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
