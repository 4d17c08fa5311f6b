//! `cargo run -p auth-portal --example preview`: the portal with made-up neighbours, for work on its looks.
//! Each scene is a session; sign in by setting the cookie that is printed, at <http://localhost:3081>.

#![expect(clippy::print_stdout, reason = "it talks to a developer")]
#![expect(clippy::expect_used, reason = "a preview may fail loudly")]

#[allow(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../../tests/api/fakes.rs"]
mod fakes;
mod scenes;

use std::time::Duration;

use auth_portal::{App, Config, Listeners};
use fakes::{AUTHZ_TOKEN, DEPLOY_TOKEN, Fakes, NOW, at};
use service_kit::clock::Clock;
use service_kit::env::EnvReader;
use service_kit::lifecycle::Lifecycle;

#[tokio::main]
async fn main() {
    let fakes = Fakes::default();
    scenes::set(&fakes);
    // Any mode of registration can be looked at.
    if let Ok(mode) = std::env::var("BEAVER_REGISTRATION") {
        fakes.world().settings.registration = mode.parse().expect("open, invite, approval or closed");
    }
    let (authz, deploy) = fakes.start().await;
    let (authz, deploy) = (authz.to_string(), deploy.to_string());
    // PORTAL_LISTEN, PORTAL_ADMIN_LISTEN and PORTAL_PUBLIC_URL move it where 3081 is taken.
    let own = std::env::vars().filter(|(name, _)| name.starts_with("PORTAL_"));
    let made_up = [
        ("BEAVER_AUTHZ_URL", authz.as_str()),
        ("BEAVER_DEPLOY_URL", deploy.as_str()),
        ("AUTHZ_INTERNAL_TOKEN", AUTHZ_TOKEN),
        ("DEPLOY_API_TOKEN", DEPLOY_TOKEN),
    ];
    let made_up = made_up.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::from_env(&mut EnvReader::from_pairs(own.chain(made_up)));
    let config = config.expect("a configuration");
    let public = config.public.as_str().to_owned();
    let listeners = Listeners::bind(&config).await.expect("free ports");
    let lifecycle = Lifecycle::new();
    App::start(config, listeners, Clock::manual(at(NOW)), &lifecycle).expect("a portal");
    println!("{public}, with a cookie beaver_sid of:");
    for secret in fakes.world().sessions.keys() {
        println!("  {secret}");
    }
    println!("{public}/login takes the name of a scene and \"password of <name>\".");
    let switch = |name: &str| std::env::temp_dir().join(name);
    let (no_authz, no_deploy) = (switch("preview-authz-down"), switch("preview-deploy-down"));
    println!("A neighbour is down while {} or {} exists.", no_authz.display(), no_deploy.display());
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut world = fakes.world();
        world.authz_down = no_authz.exists();
        world.deploy_down = no_deploy.exists();
    }
}
