//! docker-guard in front of a real Docker Engine: what it refuses, what of others it leaves alone, and how it
//! starts, stops and bears Docker's absence.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, TagImageOptionsBuilder,
};
use deploy_control::docker::{DockerEngine, spec};
use deploy_control::engine::{ContainerState, Engine as _, EngineError};
use deploy_control::guard;
use serde_json::{Value, json};
use service_kit::lifecycle::Lifecycle;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::rig::{DOCKER_SOCKET, Rig};

/// A request as anybody with access to the socket could write it. Answers status and body.
async fn raw(socket: &Path, request_line: &str, body: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(socket).await.expect("a connection");
    let request = format!(
        "{request_line} HTTP/1.1\r\nhost: docker\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    // The answer may come before the body has been read.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or_default();
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn attacks_are_refused_with_the_rule_and_leave_nothing() {
    let rig = Rig::new().await;
    rig.engine.ensure_network(&rig.network()).await.expect("a network");
    let spec = rig.spec("alice", 10);
    let body = serde_json::to_value(spec::container_body(&spec)).expect("json");
    let create = format!("POST /v1.41/containers/create?name={}", spec.container_name());
    let with = |pointer: &str, value: Value| {
        let mut body = body.clone();
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        body.pointer_mut(parent)
            .expect("there")
            .as_object_mut()
            .expect("an object")
            .insert(key.into(), value);
        body.to_string()
    };
    let stranger = rig.import(&format!("beaver-test/{}-other:latest", rig.installation), "another").await;
    assert_ne!(stranger, rig.image_id);
    let elsewhere = spec.data_dir.parent().expect("a folder").join("elsewhere");
    std::os::unix::fs::symlink("/etc", &elsewhere).expect("a link");
    let missing = spec.data_dir.parent().expect("a folder").join("missing");
    let bind = |source: &Path| {
        json!([format!("{}:/config:ro", spec.config_dir.display()), format!("{}:/data:rw", source.display())])
    };
    let cases = [
        (create.as_str(), with("/HostConfig/Privileged", json!(true)), "Privileged"),
        (&create, with("/HostConfig/Binds", json!(["/:/data:rw"])), "bind"),
        (&create, with("/HostConfig/Binds", bind(&elsewhere)), "symbolic link"),
        (&create, with("/HostConfig/Binds", bind(&missing)), "does not exist"),
        (&create, with("/HostConfig/NetworkMode", json!("host")), "NetworkMode"),
        (&create, with("/Image", json!(stranger)), "image"),
        (&create, with("/Image", json!(rig.image)), "Image"),
        (&create, with("/User", json!("0:0")), "User"),
        (&create, "not json".to_owned(), "body"),
        ("POST /containers/create?name=x", body.to_string(), "name"),
        ("GET /info", String::new(), "allow-list"),
        ("POST /containers/x/exec", "{}".to_owned(), "allow-list"),
        ("GET /containers/%2e%2e/json", String::new(), "path"),
        ("POST /v1.12/containers/x/start", r#"{"Privileged":true}"#.to_owned(), "version"),
        ("GET /images/debian:latest/json", String::new(), "allow-list"),
        ("DELETE /networks/bridge", String::new(), "plan"),
        ("GET /networks/bridge", String::new(), "plan"),
        ("POST /networks/create", r#"{"Name":"x"}"#.to_owned(), "body"),
    ];
    for (line, body, words) in cases {
        let (status, answer) = raw(&rig.socket(), line, &body).await;
        let message = serde_json::from_str::<Value>(&answer).expect("json")["message"].clone();
        assert_eq!(status, 403, "{line}: {answer}");
        assert!(
            message.as_str().is_some_and(|m| m.starts_with("docker-guard: ") && m.contains(words)),
            "{answer}"
        );
    }
    let (status, _) = raw(&rig.socket(), &create, &format!("\"{}\"", "x".repeat(2 << 20))).await;
    assert_eq!(status, 413);
    rig.assert_no_containers().await;
    // And as it should be, it passes.
    let (status, answer) = raw(&rig.socket(), &create, &body.to_string()).await;
    assert_eq!(status, 201, "{answer}");
}

/// Sends bytes as they are and reads to the end of the connection.
async fn raw_bytes(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).await.expect("a connection");
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_readers_could_read_in_two_ways_makes_nothing() {
    let rig = Rig::new().await;
    rig.engine.ensure_network(&rig.network()).await.expect("a network");
    let spec = rig.spec("alice", 10);
    let mut evil = serde_json::to_value(spec::container_body(&spec)).expect("json");
    evil["HostConfig"]["Privileged"] = json!(true);
    let (evil, name) = (evil.to_string(), spec.container_name());
    let inner = format!(
        "POST /v1.41/containers/create?name={name} HTTP/1.1\r\nhost: docker\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{evil}",
        evil.len()
    );
    let outer = |headers: &str, body: &str| {
        format!(
            "POST /v1.41/containers/create?name={name} HTTP/1.1\r\nhost: docker\r\n{headers}\r\n{body}{inner}"
        )
    };
    let length = inner.len();
    let cases = [
        // Two lengths; a length and chunks; each with a second request where one of two readers ends the first.
        (outer(&format!("content-length: 0\r\ncontent-length: {length}\r\n"), ""), "400"),
        (outer(&format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"), "0\r\n\r\n"), "403"),
        (outer("transfer-encoding: chunked\r\n", "0\r\n\r\n"), "403"),
        (outer("transfer-encoding: chunked, identity\r\n", "0\r\n\r\n"), "400"),
        (outer("content-length : 0\r\n", ""), "400"),
        (format!("GET http://docker/_ping HTTP/1.1\r\nhost: docker\r\n\r\n{inner}"), "403"),
        // Rightly delimited: the first passes and the second is judged for itself.
        (format!("GET /_ping HTTP/1.1\r\nhost: docker\r\n\r\n{inner}"), "200"),
    ];
    for (bytes, status) in cases {
        let answer = raw_bytes(&rig.socket(), bytes.as_bytes()).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{bytes}\n{answer}");
        // Of what follows, nothing is ever created.
        assert!(!answer.contains(" 201 "), "{answer}");
        if status == "200" {
            assert!(answer.contains(" 403 ") && answer.contains("Privileged"), "{answer}");
        }
    }
    rig.assert_no_containers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_container_is_neither_shown_nor_touched() {
    let rig = Rig::new().await;
    let name = format!("stranger-{}", rig.installation);
    let body = ContainerCreateBody {
        image: Some(rig.image_id.clone()),
        env: Some(vec!["SECRET=s3cret".to_owned()]),
        // Another installation's, and for the rig's clean-up with its own label: not managed.
        labels: Some([("beaver.installation".to_owned(), rig.installation.clone())].into()),
        ..Default::default()
    };
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    let id = rig.docker.create_container(Some(options), body).await.expect("created").id;
    rig.docker.start_container(&id, None).await.expect("started");

    // Also by the beginning of its id, which Docker takes as well.
    for container in [&name, &id, &id[..12].to_owned()] {
        let refused = |answer: &Result<(), EngineError>| matches!(answer, Err(EngineError::Refused(_)));
        assert!(refused(&rig.engine.start(container).await));
        assert!(refused(&rig.engine.stop(container, Duration::ZERO).await));
        assert!(refused(&rig.engine.remove(container).await));
        assert!(refused(&rig.engine.pause(container).await));
        assert!(refused(&rig.engine.unpause(container).await));
        assert!(rig.engine.usage(container).await.is_err());
        let seen = rig.engine.inspect(container).await.expect("an answer").expect("there");
        assert_eq!((seen.name.as_str(), seen.labels), (name.as_str(), None));
        for line in [
            format!("POST /containers/{container}/stop?t=0"),
            format!("POST /containers/{container}/start"),
            format!("POST /containers/{container}/pause"),
            format!("POST /containers/{container}/unpause"),
            format!("DELETE /containers/{container}?force=true"),
            format!("GET /containers/{container}/logs?stdout=true"),
            format!("GET /containers/{container}/stats?stream=false"),
            format!("POST /containers/{container}/wait"),
        ] {
            let (status, answer) = raw(&rig.socket(), &line, "").await;
            assert_eq!(status, 403, "{line}: {answer}");
        }
    }
    let (status, answer) = raw(&rig.socket(), &format!("GET /containers/{id}/json"), "").await;
    assert!(status == 200 && !answer.contains("s3cret"), "{answer}");
    // All that happened so far, which is that the stranger's container was made and started.
    let now = service_kit::clock::Clock::system().now_secs() + 1;
    let line = format!("GET /events?since=1&until={now}");
    let (_, all) = raw(DOCKER_SOCKET.as_ref(), &line, "").await;
    let (status, seen) = raw(&rig.socket(), &line, "").await;
    assert!(status == 200 && all.contains(&id) && !seen.contains(&id), "{seen}");
    let (_, listed) = raw(&rig.socket(), "GET /containers/json?all=true&filters=%7B%7D", "").await;
    assert!(!listed.contains(&id), "{listed}");
    assert_eq!(rig.engine.list().await, Ok(vec![]));
    let state = rig.docker.inspect_container(&id, None).await.expect("there").state.expect("a state");
    assert_eq!((state.running, state.pid.is_some_and(|pid| pid > 0)), (Some(true), true));
    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    rig.docker.remove_container(&id, Some(options)).await.expect("removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_stays_allowed_when_its_name_moves_on_and_a_missing_one_is_named() {
    let rig = Rig::new().await;
    rig.engine.ensure_network(&rig.network()).await.expect("a network");
    assert_eq!(rig.engine.resolve_image(&rig.image).await.as_deref(), Ok(rig.image_id.as_str()));
    // Keeps the old image on the machine.
    let options =
        TagImageOptionsBuilder::new().repo(&format!("beaver-test/{}-old", rig.installation)).tag("1");
    rig.docker.tag_image(&rig.image, Some(options.build())).await.expect("tagged");
    let newer = rig.import(&rig.image, "newer").await;
    assert_ne!(newer, rig.image_id);
    let mut spec = rig.spec("alice", 10);
    spec.image_id.clone_from(&newer);
    // Not resolved since it moved: the guard asks for itself.
    rig.engine.create(&spec).await.expect("from the new one");
    let old = rig.spec("bob", 11);
    rig.engine.create(&old).await.expect("from the old one");
    assert_eq!(rig.engine.resolve_image(&rig.image).await, Ok(newer));

    let gone = format!("beaver-test/{}-gone:latest", rig.installation);
    let lifecycle = Lifecycle::new();
    let mut config = rig.guard_config();
    config.socket = rig.folder.path().join("second/docker.sock");
    config.images = vec![gone.clone()];
    let engine = DockerEngine::new(&config.socket, &rig.installation);
    guard::start(&lifecycle, config).await.expect("a guard");
    let answer = engine.resolve_image(&gone).await;
    assert_eq!(answer, Err(EngineError::NotFound(format!("image {gone}"))));
    lifecycle.stop();
    assert!(lifecycle.run_until_stopped(Duration::from_secs(5)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_docker_or_guard_all_is_unreachable_and_recovers_by_itself() {
    let rig = Rig::new().await;
    let config = || {
        let mut config = rig.guard_config();
        config.socket = rig.folder.path().join("other.sock");
        config
    };
    let engine = DockerEngine::new(&config().socket, &rig.installation);
    let unreachable =
        |answer: Result<String, EngineError>| matches!(answer, Err(EngineError::Unreachable(_)));
    assert!(unreachable(engine.ping().await), "no guard");

    let lifecycle = Lifecycle::new();
    let mut without_docker = config();
    without_docker.docker_socket = rig.folder.path().join("nobody.sock");
    guard::start(&lifecycle, without_docker).await.expect("a guard needs no Docker to start");
    assert!(unreachable(engine.ping().await), "no Docker");
    let (status, answer) = raw(&config().socket, "GET /_ping", "").await;
    assert!(status == 503 && answer.contains("Docker cannot be reached"), "{status} {answer}");
    lifecycle.stop();
    assert!(lifecycle.run_until_stopped(Duration::from_secs(5)).await);

    let lifecycle = Lifecycle::new();
    guard::start(&lifecycle, config()).await.expect("a guard");
    let version = engine.ping().await.expect("the same engine, once all is there");
    assert!(!version.is_empty());
    lifecycle.stop();
    assert!(lifecycle.run_until_stopped(Duration::from_secs(5)).await);
    assert!(unreachable(engine.ping().await), "gone again");
}

#[tokio::test]
async fn a_docker_that_hangs_costs_a_call_its_own_limit() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("hangs.sock");
    let _never_answers = tokio::net::UnixListener::bind(&socket).expect("a socket");
    let engine = DockerEngine::new(&socket, "beaver");
    let started = tokio::time::Instant::now();
    assert_eq!(engine.ping().await, Err(EngineError::TimedOut("ping")));
    assert!(started.elapsed() < Duration::from_secs(8));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_for_its_group_alone_a_stale_one_is_replaced_and_a_stop_ends_streams() {
    let rig = Rig::new().await;
    rig.engine.ensure_network(&rig.network()).await.expect("a network");
    let metadata = std::fs::symlink_metadata(rig.socket()).expect("a socket");
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o660);

    let second = guard::start(&Lifecycle::new(), rig.guard_config()).await;
    assert!(second.is_err_and(|error| error.to_string().contains("another docker-guard")));

    let mut config = rig.guard_config();
    config.socket = rig.folder.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&config.socket).expect("a socket"));
    let lifecycle = Lifecycle::new();
    guard::start(&lifecycle, config.clone()).await.expect("in place of the stale one");
    let engine = DockerEngine::new(&config.socket, &rig.installation);
    engine.ping().await.expect("answers");
    let mut events = rig.follow(&config.socket).await;
    lifecycle.stop();
    assert!(lifecycle.run_until_stopped(Duration::from_secs(5)).await, "the stream does not hold it up");
    let end = async { while events.recv().await.is_some_and(|event| event.is_ok()) {} };
    tokio::time::timeout(Duration::from_secs(5), end).await.expect("it ends");
    assert!(!config.socket.exists());

    std::fs::write(&config.socket, "precious").expect("a file");
    assert!(guard::start(&Lifecycle::new(), config.clone()).await.is_err());
    assert_eq!(std::fs::read(&config.socket).expect("read"), b"precious");
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_guard_stops_no_container() {
    let rig = Rig::new().await;
    rig.engine.ensure_network(&rig.network()).await.expect("a network");
    let spec = rig.spec("alice", 10);
    let id = rig.run(&spec).await;
    rig.guard.stop();
    assert!(rig.guard.clone().run_until_stopped(Duration::from_secs(5)).await);
    let lifecycle = Lifecycle::new();
    guard::start(&lifecycle, rig.guard_config()).await.expect("a guard");
    let found = rig.engine.inspect(&id).await.expect("an answer").expect("there");
    assert_eq!(found.state, ContainerState::Running);
    rig.engine.remove(&id).await.expect("removed");
    lifecycle.stop();
}
