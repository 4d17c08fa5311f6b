//! The `auth-portal` process: the pages on which people sign up, sign in and look after their instance.

use std::process::ExitCode;
use std::time::Duration;

use auth_portal::{App, Config, Listeners};
use service_kit::clock::Clock;
use service_kit::env::EnvReader;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("healthcheck") {
        return auth_portal::healthcheck::run(EnvReader::from_process());
    }
    service_kit::lifecycle::run("auth-portal", Duration::from_secs(10), |lifecycle| async move {
        let config = Config::from_env(&mut EnvReader::from_process())?;
        let listeners = Listeners::bind(&config).await?;
        App::start(config, listeners, Clock::system(), &lifecycle)
    })
}
