//! The neighbours of a router that is measured: an authz-service with real signatures, a deploy-control that takes
//! reports, route files of owners' instances, and for each a request with its owner's cookie. By hand:
//! `scripts/bench-router.sh`, which starts it with a folder, a number of instances and the port of the upstream.
//!
//! It tells `authz ADDRESS` and `deploy ADDRESS`, then takes commands, a line each, until its input ends:
//! `sign-in ADDRESS` asks the router at that address once in the name of each owner and takes the newer cookie that it
//! gives, as a browser does; `routes N` writes routes until there are N, `served-after ADDRESS` writes one more and
//! answers how many milliseconds later the router at that address serves it.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "what cannot go on must say where")]
#![expect(clippy::print_stdout, reason = "the answers are printed")]

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use control_api::ids::InstanceId;
use serde_json::{Value, json};

#[path = "../tests/api/fake_authz.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod fake_authz;
#[path = "../tests/api/fake_deploy.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod fake_deploy;

use fake_authz::{FakeAuthz, Person};
use fake_deploy::FakeDeploy;

/// A route that is not served by then never will be.
const PATIENCE: Duration = Duration::from_secs(30);

struct Neighbours {
    folder: PathBuf,
    upstream_port: u16,
    routes: u32,
    /// Host and cookie line of the requests.
    requests: Vec<(String, String)>,
}

impl Neighbours {
    /// Each instance has an address of its own; one server answers at all of them.
    fn upstream(&self, number: u32) -> SocketAddrV4 {
        let address = u32::from(Ipv4Addr::new(127, 1, 0, 1)) + number;
        SocketAddrV4::new(Ipv4Addr::from(address), self.upstream_port)
    }

    fn write(&self, slug: &str, route: &Value) {
        let path = self.folder.join(format!("conf.d/{slug}.json"));
        service_kit::atomic_file::write(&path, route.to_string().as_bytes(), 0o640).expect("written");
    }

    /// One more instance, and who owns it.
    fn add(&mut self) -> (String, Person, InstanceId) {
        let (slug, owner) = (format!("host-{}", self.routes), Person::new("alice"));
        let (upstream, instance) = (self.upstream(self.routes), InstanceId::generate());
        let route = json!({
            "version": 1, "slug": slug, "instance_id": instance, "generation": 1, "owner_id": owner.user,
            "state": "ready", "upstream": upstream.to_string(), "access": "owner"
        });
        self.write(&slug, &route);
        self.routes += 1;
        (slug, owner, instance)
    }

    fn write_requests(&self) {
        let mut text = String::new();
        for (host, cookie) in &self.requests {
            writeln!(text, "{host}\t{cookie}").expect("text");
        }
        std::fs::write(self.folder.join("requests.tsv"), text).expect("written");
    }

    async fn sign_in(&mut self, router: &str) {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        for (host, cookie) in &mut self.requests {
            let ask =
                client.get(format!("http://{router}/")).header("host", &*host).header("cookie", &*cookie);
            let answer = ask.send().await.expect("an answer");
            assert_eq!(answer.status(), 200, "{host}");
            if let Some(newer) = answer.headers().get("set-cookie") {
                let newer = newer.to_str().expect("text");
                newer.split(';').next().expect("a pair").clone_into(cookie);
            }
        }
        self.write_requests();
    }

    /// Writes a route that anybody may use and asks for it until it is served.
    async fn served_after(&mut self, router: &str) -> f64 {
        let slug = format!("fresh-{}", self.routes);
        let route = json!({
            "version": 1, "slug": slug, "instance_id": InstanceId::generate(), "generation": 1,
            "owner_id": Person::new("alice").user, "state": "ready", "access": "public",
            "upstream": self.upstream(self.routes).to_string()
        });
        self.routes += 1;
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let ask = || client.get(format!("http://{router}/")).header("host", format!("{slug}.localhost"));
        assert_eq!(ask().send().await.expect("an answer").status(), 404, "it is not there yet");
        self.write(&slug, &route);
        let written = Instant::now();
        while ask().send().await.expect("an answer").status() != 200 {
            assert!(written.elapsed() < PATIENCE, "{slug} is never served");
        }
        written.elapsed().as_secs_f64() * 1000.0
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().expect("a folder"));
    let hosts: u32 = args.next().and_then(|n| n.parse().ok()).expect("a number of instances");
    let upstream_port = args.next().and_then(|n| n.parse().ok()).expect("the upstream's port");
    std::fs::create_dir_all(folder.join("conf.d")).expect("a folder");
    let (authz, deploy) = (FakeAuthz::start().await, FakeDeploy::start().await);
    let mut neighbours = Neighbours { folder, upstream_port, routes: 0, requests: Vec::new() };
    for _ in 0..hosts {
        let (slug, owner, instance) = neighbours.add();
        let token = authz.app_token(owner, instance);
        neighbours.requests.push((format!("{slug}.localhost"), format!("beaver_app={token}")));
    }
    neighbours.write_requests();
    println!("authz {}\ndeploy {}", authz.address, deploy.address);
    // The servers run on threads of their own.
    for line in std::io::stdin().lines() {
        let line = line.expect("a line");
        match line.split_once(' ') {
            Some(("routes", count)) => {
                let count = count.parse().expect("a number");
                while neighbours.routes < count {
                    neighbours.add();
                }
                println!("routes {count}");
            }
            Some(("sign-in", router)) => {
                neighbours.sign_in(router).await;
                println!("signed-in {}", neighbours.requests.len());
            }
            Some(("served-after", router)) => {
                println!("served-after {:.1}", neighbours.served_after(router).await);
            }
            _ => panic!("no such command: {line}"),
        }
    }
}
