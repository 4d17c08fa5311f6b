//! What a session check costs with many accounts and sessions on record, what 200 sign-ins at once do to memory and to
//! other routes, and whether the time of an answer tells if there is an account. Prints figures; by hand: `scripts/bench-accounts.sh`.
//!
//! Starts the authz-service that is given as its first argument, in a folder and at ports of its own, and removes
//! both. The second argument is the number of accounts; there are ten sessions each. With `BEAVER_PEER_URL` (and
//! `BEAVER_PEER_TOKEN` as its bearer token) the same number of checks is asked of another server in the same run.

#![expect(clippy::print_stdout, reason = "the figures are printed")]

mod same_times;

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use control_api::authz::{LoginAccountRequest, SessionRequest};
use control_api::authz_client::AuthzClient;
use control_api::wire::WireSecret;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use service_kit::secret::{Secret, random_token, sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use tokio::process::{Child, Command};
use url::Url;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Checks that are timed.
const CHECKS: usize = 5000;
/// Sign-ins at once.
const AT_ONCE: usize = 200;
const SESSIONS_EACH: usize = 10;
const PASSWORD: &str = "lodge-willow-dam-7431";
const HOUR_MS: i64 = 3_600_000;

#[tokio::main]
async fn main() -> Outcome {
    let mut args = std::env::args().skip(1);
    let program = PathBuf::from(args.next().ok_or("where is authz-service?")?);
    let accounts: usize = args.next().unwrap_or_else(|| "100000".to_owned()).parse()?;
    if accounts < AT_ONCE {
        return Err(format!("there must be at least {AT_ONCE} accounts").into());
    }
    let site = Site::plan()?;
    let mut service = site.start(&program).await?;
    site.first_account().await?;
    println!("writing {accounts} accounts and {} sessions", accounts * SESSIONS_EACH);
    let pool = site.pool().await?;
    fill(&pool, accounts).await?;
    // A start reads what is on record; the log of the writing is folded into the file.
    stop(service).await?;
    service = site.start(&program).await?;
    let checks = session_checks(&site, &pool, accounts).await?;
    sign_ins(&site, &service, checks).await?;
    same_times::same_times(&site).await?;
    stop(service).await
}

/// Where the service is.
struct Site {
    folder: tempfile::TempDir,
    env: Vec<(&'static str, String)>,
    url: Url,
    token: String,
    client: AuthzClient,
    http: reqwest::Client,
}

impl Site {
    fn plan() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let ports = [free_port()?, free_port()?, free_port()?];
        let token = random_token().expose().clone();
        let env = vec![
            ("AUTHZ_LISTEN", format!("127.0.0.1:{}", ports[0])),
            ("AUTHZ_ADMIN_LISTEN", format!("127.0.0.1:{}", ports[1])),
            ("AUTHZ_INSTANCE_LISTEN", format!("127.0.0.1:{}", ports[2])),
            ("AUTHZ_ISSUER", format!("http://10.88.0.1:{}", ports[2])),
            ("AUTHZ_DATA_DIR", folder.path().display().to_string()),
            ("AUTHZ_INTERNAL_TOKEN", token.clone()),
            ("BEAVER_ROUTER_TOKEN", random_token().expose().clone()),
            ("DEPLOY_API_TOKEN", random_token().expose().clone()),
            // Nobody is there: no account of these orders an instance.
            ("BEAVER_DEPLOY_URL", "http://127.0.0.1:9".to_owned()),
            // A sign-up then says the same for every address. Mails go to the log, which is not read.
            ("BEAVER_EMAIL_VERIFICATION", "required".to_owned()),
            ("RUST_LOG", "warn".to_owned()),
        ];
        let url: Url = format!("http://127.0.0.1:{}/", ports[0]).parse()?;
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(AT_ONCE).build()?;
        let client = AuthzClient::new(http.clone(), url.clone(), Secret::new(token.clone()));
        Ok(Self { folder, env, url, token, client, http })
    }

    async fn start(&self, program: &Path) -> Outcome<Child> {
        let mut command = Command::new(program);
        command.env_clear().envs(self.env.iter().cloned()).stdout(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", program.display()))?;
        loop {
            if let Some(status) = child.try_wait()? {
                return Err(format!("authz-service ended: {status}").into());
            }
            if self.settings().await.is_ok() {
                return Ok(child);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn pool(&self) -> Outcome<SqlitePool> {
        let file = self.folder.path().join("authz.db");
        let options = SqliteConnectOptions::new().filename(file).busy_timeout(Duration::from_secs(30));
        Ok(SqlitePoolOptions::new().max_connections(1).connect_with(options).await?)
    }

    /// The account whose hash all others have too: 100,000 hashes would take hours.
    async fn first_account(&self) -> Outcome {
        let body =
            serde_json::json!({"username": "alice", "email": "alice@example.com", "password": PASSWORD});
        let call = self.http.post(self.url.join("internal/accounts")?).bearer_auth(&self.token).json(&body);
        call.send().await?.error_for_status()?;
        Ok(())
    }

    /// A route that asks no database.
    async fn settings(&self) -> Outcome {
        let call = self.http.get(self.url.join("portal/settings")?).bearer_auth(&self.token);
        call.send().await?.error_for_status()?.bytes().await?;
        Ok(())
    }

    async fn check(&self, number: usize) -> Outcome {
        let session = WireSecret::new(secret(number));
        self.client.session(&SessionRequest { session }).await?;
        Ok(())
    }
}

fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

async fn stop(mut service: Child) -> Outcome {
    let pid = service.id().ok_or("authz-service is gone")?;
    Command::new("kill").arg(pid.to_string()).status().await?;
    service.wait().await?;
    Ok(())
}

/// The secret of a session: no secret at all, so that the client needs no list of a million.
fn secret(number: usize) -> String {
    format!("session-{number:035}")
}

/// Writes accounts and sessions of now.
async fn fill(pool: &SqlitePool, accounts: usize) -> Outcome {
    let started = Instant::now();
    let mut transaction = pool.begin().await?;
    sqlx::query(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
         INSERT INTO accounts (user_id, username, email, email_key, password_hash, state, created_at)
         SELECT printf('01JDF3X5S8%016d', i), 'user-' || i, 'user-' || i || '@example.com',
             'user-' || i || '@example.com', password_hash, 'active', created_at
         FROM n, accounts WHERE username = 'alice'",
    )
    .bind(i64::try_from(accounts)?)
    .execute(&mut *transaction)
    .await?;
    let (now,): (i64,) = sqlx::query_as("SELECT created_at FROM accounts WHERE username = 'alice'")
        .fetch_one(&mut *transaction)
        .await?;
    for number in 0..accounts * SESSIONS_EACH {
        sqlx::query(
            "INSERT INTO sessions (sid, secret_hash, user_id, created_at, last_used_at, ends_at, idle_ends_at)
             VALUES (printf('01JDF3X5S9%016d', ?1), ?2, printf('01JDF3X5S8%016d', ?3), ?4, ?4, ?5, ?6)",
        )
        .bind(i64::try_from(number)?)
        .bind(sha256(secret(number).as_bytes()).as_slice())
        .bind(i64::try_from(number / SESSIONS_EACH + 1)?)
        .bind(now)
        .bind(now + 12 * HOUR_MS)
        .bind(now + HOUR_MS)
        .execute(&mut *transaction)
        .await?;
        if number % 250_000 == 249_999 {
            println!("  {} sessions after {} s", number + 1, started.elapsed().as_secs());
        }
    }
    transaction.commit().await?;
    Ok(())
}

/// Times of one kind.
struct Times(Vec<Duration>);

impl Times {
    fn at(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
    }

    fn median(&self) -> Duration {
        self.at(50)
    }

    fn print(&self, what: &str) {
        println!(
            "{what}: median {:.3} ms, p99 {:.3} ms ({} calls)",
            ms(self.at(50)),
            ms(self.at(99)),
            self.0.len()
        );
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn ratio(what: &str, of: &Times, peer: &str, to: &Times) {
    let ratio = of.median().as_secs_f64() / to.median().as_secs_f64().max(1e-9);
    println!("  {what} / {peer}: {ratio:.2}");
}

/// One after another, each of another session far from the one before.
async fn session_checks(site: &Site, pool: &SqlitePool, accounts: usize) -> Outcome<Times> {
    let sessions = accounts * SESSIONS_EACH;
    let numbers: Vec<usize> = (0..CHECKS).map(|i| i.wrapping_mul(7_919_317) % sessions).collect();
    let (mut checks, mut floor, mut bare, mut peer) = (vec![], vec![], vec![], vec![]);
    let another = Peer::from_env(&site.http)?;
    // In turns, so that what else the machine does meets all of them.
    for number in numbers {
        let started = Instant::now();
        site.check(number).await?;
        checks.push(started.elapsed());
        let started = Instant::now();
        site.settings().await?;
        floor.push(started.elapsed());
        let started = Instant::now();
        let hash = sha256(secret(number).as_bytes());
        let (_,): (String,) = sqlx::query_as(
            "SELECT a.username FROM sessions s JOIN accounts a USING (user_id) WHERE s.secret_hash = ?",
        )
        .bind(hash.as_slice())
        .fetch_one(pool)
        .await?;
        bare.push(started.elapsed());
        if let Some(another) = &another {
            let started = Instant::now();
            another.ask().await?;
            peer.push(started.elapsed());
        }
    }
    let (checks, floor, bare, peer) = (Times(checks), Times(floor), Times(bare), Times(peer));
    checks.print("session check");
    floor.print("the same server, a route without a database");
    bare.print("the same row asked of SQLite in process");
    ratio("session check", &checks, "a route without a database", &floor);
    ratio("session check", &checks, "SQLite in process", &bare);
    if another.is_some() {
        peer.print("JupyterHub, GET /hub/api/user with a token");
        ratio("session check", &checks, "JupyterHub", &peer);
    }
    Ok(checks)
}

/// Another server that tells whose a secret is.
struct Peer {
    http: reqwest::Client,
    url: Url,
    token: String,
}

impl Peer {
    fn from_env(http: &reqwest::Client) -> Outcome<Option<Self>> {
        let Ok(url) = std::env::var("BEAVER_PEER_URL") else { return Ok(None) };
        let token = std::env::var("BEAVER_PEER_TOKEN")?;
        Ok(Some(Self { http: http.clone(), url: url.parse()?, token }))
    }

    async fn ask(&self) -> Outcome {
        let call = self.http.get(self.url.clone()).header("authorization", format!("token {}", self.token));
        call.send().await?.error_for_status()?.bytes().await?;
        Ok(())
    }
}

/// All at once, each person from an address of their own, while others go on working.
async fn sign_ins(site: &Site, service: &Child, idle: Times) -> Outcome {
    println!("{AT_ONCE} sign-ins at once");
    let mut under_way: FuturesUnordered<_> = (0..AT_ONCE).map(|number| sign_in(site, number)).collect();
    let (mut done, mut busy, mut took) = (0_usize, 0_usize, vec![]);
    let mut others = vec![];
    let mut number = 0;
    let work = async {
        while let Some(outcome) = under_way.next().await {
            match outcome? {
                Some(time) => {
                    done += 1;
                    took.push(time);
                }
                None => busy += 1,
            }
        }
        Outcome::Ok(())
    };
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            outcome = &mut work => break outcome?,
            outcome = timed_check(site, number) => others.push(outcome?),
        }
        number += 1;
    }
    let memory = peak_memory(service).await?;
    println!("signed in {done}, told to come back {busy}");
    Times(took).print("a sign-in that was taken");
    let others = Times(others);
    others.print("session checks meanwhile");
    ratio("session check meanwhile", &others, "without sign-ins", &idle);
    println!("memory at its peak: {memory} MB");
    Ok(())
}

async fn timed_check(site: &Site, number: usize) -> Outcome<Duration> {
    let started = Instant::now();
    site.check(number).await?;
    Ok(started.elapsed())
}

/// The time that it took, or nothing where the service was busy.
async fn sign_in(site: &Site, number: usize) -> Outcome<Option<Duration>> {
    let started = Instant::now();
    let request = LoginAccountRequest {
        login: format!("user-{}", number + 1),
        password: WireSecret::new(PASSWORD.to_owned()),
        client_addr: Some(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, u16::try_from(number)?, 0, 0, 0, 0, 1))),
        agent: None,
        remember: false,
    };
    match site.client.login(&request).await {
        Ok(_) => Ok(Some(started.elapsed())),
        Err(error) if error.problem().is_some_and(|problem| problem.status == 503) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// In MB of 1,000,000 bytes: the most that was resident since the start.
async fn peak_memory(service: &Child) -> Outcome<u64> {
    let pid = service.id().ok_or("authz-service is gone")?;
    let status = tokio::fs::read_to_string(format!("/proc/{pid}/status")).await?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).ok_or("no VmHWM")?;
    let kib: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kib * 1024 / 1_000_000)
}
