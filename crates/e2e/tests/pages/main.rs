//! Every page of the portal in a real browser, with the portal in process and stand-ins for the other services: in each
//! language, light and dark, on a phone and at a desk. axe-core finds nothing serious, and nothing scrolls sideways.
//!
//! `BEAVER_SCREENSHOTS=DIR` keeps a picture of each.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod axe;
#[allow(dead_code, reason = "shared with the portal's own tests, which use all of it")]
#[path = "../../../../auth-portal/tests/api/fakes.rs"]
mod fakes;
mod list;
mod look;
mod routes;
#[path = "../../../../auth-portal/examples/preview/scenes.rs"]
mod scenes;

use std::path::{Path, PathBuf};

use auth_portal::{App, Config, Listeners};
use e2e::Outcome;
use e2e::browser::Driver;
use fakes::{AUTHZ_TOKEN, DEPLOY_TOKEN, Fakes, NOW, at};
use look::{Looker, SCREENS};
use service_kit::clock::Clock;
use service_kit::env::EnvReader;
use service_kit::lifecycle::Lifecycle;
use tokio::net::TcpListener;

/// The portal at a free port, with its neighbours.
struct Portal {
    base: String,
    fakes: Fakes,
    lifecycle: Lifecycle,
}

impl Drop for Portal {
    fn drop(&mut self) {
        self.lifecycle.stop();
    }
}

impl Portal {
    async fn start() -> Outcome<Self> {
        let fakes = Fakes::default();
        scenes::set(&fakes);
        let (authz, deploy) = fakes.start().await;
        let main = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://localhost:{}", main.local_addr()?.port());
        let config = Config::from_env(&mut EnvReader::from_pairs([
            ("PORTAL_PUBLIC_URL", base.as_str()),
            ("BEAVER_AUTHZ_URL", authz.as_str()),
            ("BEAVER_DEPLOY_URL", deploy.as_str()),
            ("AUTHZ_INTERNAL_TOKEN", AUTHZ_TOKEN),
            ("DEPLOY_API_TOKEN", DEPLOY_TOKEN),
        ]))?;
        let listeners = Listeners { main, admin: TcpListener::bind("127.0.0.1:0").await? };
        let lifecycle = Lifecycle::new();
        App::start(config, listeners, Clock::manual(at(NOW)), &lifecycle)?;
        Ok(Self { base, fakes, lifecycle })
    }
}

/// Looks at everything in one language; answers what is wrong.
async fn tour(driver: &Driver, language: &str, axe: &str, shots: Option<&Path>) -> Outcome<Vec<String>> {
    let portal = Portal::start().await?;
    let browser = driver.open().await?;
    let looker = Looker { browser: &browser, base: &portal.base, language, axe, shots };
    let mut wrong = Vec::new();
    for view in list::views(&portal.fakes) {
        let (switches, settings) = {
            let mut world = portal.fakes.world();
            let before = ((world.authz_down, world.deploy_down, world.mail.sends), world.settings.clone());
            if let Some(with) = view.with {
                with(&mut world);
            }
            before
        };
        match looker.look(&view).await {
            Ok(faults) => wrong.extend(faults),
            Err(failure) => wrong.push(format!("{} in {language}: {failure}", view.name)),
        }
        let mut world = portal.fakes.world();
        (world.authz_down, world.deploy_down, world.mail.sends) = switches;
        world.settings = settings;
        std::mem::take(&mut world.upstream);
        world.sessions.values_mut().for_each(|session| session.second_factor_needed = false);
    }
    browser.close().await?;
    Ok(wrong)
}

/// Without this, a check that sees nothing would be one that finds nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_page_is_found() {
    let axe = axe::source().await.expect("axe-core");
    let driver = Driver::start().await.expect("a browser");
    let browser = driver.open().await.expect("a window");
    let looker = Looker { browser: &browser, base: "", language: "en", axe, shots: None };
    let bad = "data:text/html,<title>a</title><style>p{color:%23ddd;background:%23fff;width:600px}\
               @media(prefers-color-scheme:dark){p{color:%23000}}</style><input><p>Hardly to be read.</p>";
    let [desk, desk_dark, _, phone] = SCREENS;
    let on_desk = looker.judge(bad, desk).await.expect("a judgement").join("\n");
    assert!(on_desk.contains("critical label") && on_desk.contains("serious color-contrast"), "{on_desk}");
    assert!(on_desk.contains("serious html-has-lang") && !on_desk.contains("sideways"), "{on_desk}");
    let in_the_dark = looker.judge(bad, desk_dark).await.expect("a judgement").join("\n");
    assert!(!in_the_dark.contains("color-contrast"), "{in_the_dark}");
    let on_phone = looker.judge(bad, phone).await.expect("a judgement").join("\n");
    assert!(on_phone.contains("scrolls sideways"), "{on_phone}");
    browser.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_can_be_used_by_everybody() {
    let axe = axe::source().await.expect("axe-core");
    let shots = std::env::var_os("BEAVER_SCREENSHOTS").map(PathBuf::from);
    if let Some(folder) = &shots {
        std::fs::create_dir_all(folder).expect("a folder for the pictures");
    }
    let driver = Driver::start().await.expect("a browser");
    let (english, chinese) = tokio::join!(
        tour(&driver, "en", axe, shots.as_deref()),
        tour(&driver, "zh-Hans", axe, shots.as_deref()),
    );
    let mut wrong = english.expect("a tour");
    wrong.extend(chinese.expect("a tour"));
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
}
