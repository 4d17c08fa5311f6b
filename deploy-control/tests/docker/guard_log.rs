//! What docker-guard refuses, it tells: each attack gets its status and exactly one line in the log of the real
//! process, with the rule and the request line. Docker is played by a socket that writes down what comes, so that
//! it is seen what does not.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use super::process::{Process, guard};

const GOLDEN: &str = include_str!("../../src/docker/golden/instance.json");
const SECRET: &str = "s3cret-s3cret";

/// Docker, as far as it is looked at: every container is another installation's.
fn record(socket: &Path) -> Arc<Mutex<Vec<String>>> {
    let listener = UnixListener::bind(socket).expect("a socket");
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&lines);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&seen)));
        }
    });
    lines
}

async fn serve(mut stream: UnixStream, seen: Arc<Mutex<Vec<String>>>) {
    let labels = json!({ "beaver.managed": "true", "beaver.installation": "other" });
    let container = json!({ "Id": "f".repeat(64), "Name": "/x", "Config": { "Labels": labels } }).to_string();
    let mut received = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(read) if read > 0 => received.extend_from_slice(&chunk[..read]),
            _ => return,
        }
        while let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..end]).into_owned();
            received.drain(..end + 4);
            let line = head.lines().next().unwrap_or_default().to_owned();
            let (status, body) = match line.split(' ').nth(1) {
                Some(path) if path.starts_with("/containers/") => ("200 OK", container.as_str()),
                _ => ("404 Not Found", r#"{"message":"No such image"}"#),
            };
            seen.lock().expect("not poisoned").push(line);
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1200 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("not in time: {what}");
}

/// An attack: the bytes, the status that it gets, a word of the rule, and the path that the log shows.
struct Attack {
    bytes: Vec<u8>,
    status: u16,
    rule: &'static str,
    line: Option<(String, String)>,
}

fn attack(line: &str, headers: &str, body: &str, status: u16, rule: &'static str) -> Attack {
    let (method, target) = line.split_once(' ').expect("a line");
    let path = target.split('?').next().unwrap_or_default().to_owned();
    let length = if headers.contains("content-length") || headers.contains("transfer-encoding") {
        String::new()
    } else {
        format!("content-length: {}\r\n", body.len())
    };
    let head =
        format!("{line} HTTP/1.1\r\nhost: docker\r\nx-registry-auth: {SECRET}\r\nconnection: close\r\n");
    let bytes = format!("{head}{headers}{length}\r\n{body}").into_bytes();
    Attack { bytes, status, rule, line: Some((method.to_owned(), path)) }
}

fn bodies() -> Vec<Attack> {
    let create = "POST /v1.41/containers/create?name=beaver-alice-7";
    let own = "/srv/beaver/runtime/instances/01JDF3X5S8Q4M7R2V6T9W0YZAB";
    let binds = |data: &str| json!([format!("{own}/config:/config:ro"), data]);
    let host = |key: &str, value: Value| {
        let mut body: Value = serde_json::from_str(GOLDEN).expect("json");
        body["HostConfig"][key] = value;
        body["Env"] = json!([format!("KEY={SECRET}")]);
        body.to_string()
    };
    let cases = [
        (host("Privileged", json!(true)), "Privileged"),
        (host("privileged", json!(true)), "privileged"),
        (host("NetworkMode", json!("host")), "NetworkMode"),
        (host("PidMode", json!("host")), "PidMode"),
        (host("IpcMode", json!("host")), "IpcMode"),
        (host("UTSMode", json!("host")), "UTSMode"),
        (host("UsernsMode", json!("host")), "UsernsMode"),
        (host("CgroupnsMode", json!("host")), "CgroupnsMode"),
        (host("Devices", json!([{ "PathOnHost": "/dev/sda" }])), "Devices"),
        (host("CapAdd", json!(["SYS_ADMIN"])), "CapAdd"),
        (host("CapDrop", json!([])), "CapDrop"),
        (host("SecurityOpt", json!(["seccomp=unconfined"])), "SecurityOpt"),
        (host("Mounts", json!([{ "Type": "volume" }])), "Mounts"),
        (host("VolumesFrom", json!(["x"])), "VolumesFrom"),
        (host("Binds", binds("/:/data:rw")), "bind"),
        (host("Binds", binds(&format!("{own}/../x:/data:rw"))), "bind"),
        (host("Binds", binds(&format!("{own}/data:/data:z"))), "binds"),
        (host("Binds", binds(&format!("{own}/data:/data:rw,rshared"))), "binds"),
        (host("Binds", binds("volume:/data:rw")), "bind"),
        (host("Memory", json!(SECRET)), "invalid type"),
        (GOLDEN.to_owned(), "the image is none"),
        (GOLDEN.replacen("\"Hostname\"", "\"User\": \"0:0\", \"Hostname\"", 1), "duplicate field"),
        (GOLDEN.replacen("\"HostConfig\"", "\"hostconfig\"", 1), "hostconfig"),
        (SECRET.to_owned(), "body"),
    ];
    let mut all: Vec<Attack> =
        cases.into_iter().map(|(body, rule)| attack(create, "", &body, 403, rule)).collect();
    all.push(attack(create, "", &format!("\"{}\"", "x".repeat(2 << 20)), 413, "larger than 1 MiB"));
    all
}

fn lines() -> Vec<Attack> {
    let listed = "allow-list";
    let refused = |line: &str, rule: &'static str| attack(line, "", "", 403, rule);
    let labels = "labels";
    let id = "f".repeat(64);
    vec![
        refused("POST /containers/x/exec", listed),
        refused("POST /exec/x/start", listed),
        refused(&format!("POST /build?remote=http://{SECRET}"), listed),
        refused("POST /swarm/init", listed),
        refused("POST /commit?container=x", listed),
        refused("GET /containers/x/archive?path=/", listed),
        refused("PUT /containers/x/archive?path=/", listed),
        refused("GET /containers/x/export", listed),
        refused("POST /containers/x/update", listed),
        refused("POST /containers/x/rename?name=y", listed),
        refused("GET /plugins", listed),
        refused("POST /volumes/create", listed),
        refused("POST /images/create?fromImage=evil.invalid/app&tag=1", listed),
        refused("POST /images/create?fromSrc=-&repo=app", "fromImage"),
        refused("POST /images/create?fromImage=beaver/app-instance&tag=latest&platform=x", "pull"),
        attack("POST /images/create?fromImage=beaver/app-instance&tag=latest", "", "layers", 403, "no body"),
        attack("POST /session", "upgrade: h2c\r\nconnection: upgrade\r\n", "", 403, "upgraded"),
        attack("GET /_ping", "upgrade: tcp\r\n", "", 403, "upgraded"),
        refused("POST /v1.12/containers/x/start", "version"),
        refused("GET /containers/%2e%2e/json", "path"),
        refused("POST /containers/../containers/create?name=x", "path"),
        // Another installation's container: by name, by id, by the beginning of an id.
        refused("POST /containers/other-alice-1/start", labels),
        refused(&format!("POST /containers/{id}/stop"), labels),
        refused("DELETE /containers/ffffffffffff?force=true", labels),
        refused("GET /containers/ffff/logs?stdout=true", labels),
        // Two readings.
        attack(
            "GET /_ping",
            "content-length: 0\r\ntransfer-encoding: chunked\r\n",
            "0\r\n\r\n",
            403,
            "Content-Length",
        ),
    ]
}

/// Those that are no HTTP: there is no line to name.
fn malformed() -> Vec<Attack> {
    let heads = [
        "GET /_ping HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "GET /_ping HTTP/1.1\r\ncontent-length : 1\r\n\r\n",
        "GET /_ping HTTP/1.1\r\ncontent-length: +1\r\n\r\n",
        "nonsense\r\n\r\n",
    ];
    let attack = |head: &str| Attack { bytes: head.into(), status: 400, rule: "no valid HTTP", line: None };
    heads.into_iter().map(attack).collect()
}

struct Log(PathBuf);

impl Log {
    fn text(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap_or_default()
    }

    fn refusals(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["message"] == "refused").collect()
    }
}

async fn answer(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).await.expect("a connection");
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_one_line_that_names_its_rule_and_nothing_reaches_docker() {
    let folder = tempfile::tempdir().expect("a folder");
    let (docker, socket) = (folder.path().join("docker.sock"), folder.path().join("guard.sock"));
    let seen = record(&docker);
    let log = Log(folder.path().join("log"));
    let file = File::create(&log.0).expect("a file");
    let mut command = guard();
    command.env("PROJECT_ROOT", "/srv/beaver").env("BEAVER_GUARD_SOCKET", &socket);
    command.env("DOCKER_HOST", format!("unix://{}", docker.display())).env("BEAVER_LOG_FORMAT", "json");
    let _process = Process(command.stderr(Stdio::from(file)).spawn().expect("it starts"));
    until("it listens", || socket.exists()).await;

    let slow = Attack {
        bytes: b"POST /networks/create HTTP/1.1\r\nhost: docker\r\nconnection: close\r\ncontent-length: 9\r\n\r\n{".into(),
        status: 408,
        rule: "did not come",
        line: Some(("POST".to_owned(), "/networks/create".to_owned())),
    };
    let mut told = 0;
    for attack in bodies().into_iter().chain(lines()).chain(malformed()).chain([slow]) {
        let shown = String::from_utf8_lossy(&attack.bytes[..attack.bytes.len().min(300)]).into_owned();
        let answer = answer(&socket, &attack.bytes).await;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        assert_eq!(status, Some(attack.status), "{shown}\n{answer}");
        until(&format!("a line about {shown}"), || log.refusals().len() > told).await;
        let lines = log.refusals();
        told += 1;
        assert_eq!(lines.len(), told, "{shown}");
        let line = &lines[told - 1];
        let reason = line["reason"].as_str().unwrap_or_default();
        assert!(reason.starts_with("docker-guard: ") && reason.contains(attack.rule), "{shown}\n{line}");
        if let Some((method, path)) = attack.line {
            assert_eq!((&line["method"], &line["path"]), (&json!(method), &json!(path)));
        }
    }
    assert!(!log.text().contains(SECRET), "{}", log.text());
    // What came to Docker is the guard's own looks: which image a name has, whose a container is.
    for line in seen.lock().expect("not poisoned").iter() {
        let look = (line.starts_with("GET /images/")
            || line.starts_with("GET /v1.41/images/")
            || line.starts_with("GET /containers/"))
            && line.ends_with("/json HTTP/1.1");
        assert!(look, "{line}");
    }
}
