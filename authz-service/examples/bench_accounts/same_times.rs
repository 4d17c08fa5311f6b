//! Whether the time of an answer tells if there is an account: sign-in, a forgotten password and sign-up, each asked in
//! turns for a name or address that is on record and for one that is not.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use control_api::authz::{LoginAccountRequest, RegisterAccountRequest};
use control_api::client::ApiError;
use control_api::mail::{ForgotRequest, Language};
use control_api::wire::WireSecret;

use super::{Outcome, Site, Times, ratio};

/// Pairs of each kind.
const TURNS: u16 = 100;

/// What is asked, and the status of its answer.
#[derive(Clone, Copy)]
enum Question {
    WrongPassword,
    Forgotten,
    SignUp,
}

impl Question {
    const ALL: [(Self, &str); 3] = [
        (Self::WrongPassword, "a sign-in with a wrong password"),
        (Self::Forgotten, "a forgotten password"),
        (Self::SignUp, "a sign-up where addresses are proved"),
    ];
}

/// Prints the times of each and their ratio.
pub(super) async fn same_times(site: &Site) -> Outcome {
    println!("{TURNS} turns with and without an account");
    for (question, what) in Question::ALL {
        let (mut with, mut without) = (vec![], vec![]);
        for turn in 0..TURNS {
            // Who is first changes, so that nothing is warm for one of them alone.
            for known in [turn % 2 == 0, turn % 2 == 1] {
                let time = ask(site, question, turn, known).await?;
                if known { &mut with } else { &mut without }.push(time);
            }
        }
        let (with, without) = (Times(with), Times(without));
        with.print(&format!("{what}, with an account"));
        without.print(&format!("{what}, without"));
        ratio("with an account", &with, "without", &without);
    }
    Ok(())
}

/// From a network of its own each time: none has to wait for a try.
async fn ask(site: &Site, question: Question, turn: u16, known: bool) -> Outcome<Duration> {
    let kind = question as u16;
    let client_addr =
        Some(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, turn, 1 + kind * 2 + u16::from(known), 0, 0, 0, 1)));
    // Both are of the same length.
    let login = format!("{}-{}", if known { "user" } else { "none" }, turn + 1);
    let password = || WireSecret::new("quarry-heron-lamp-2206".to_owned());
    let started = Instant::now();
    let (wanted, answer): (u16, Result<(), ApiError>) = match question {
        Question::WrongPassword => {
            let (agent, remember) = (None, false);
            let body = LoginAccountRequest { login, password: password(), client_addr, agent, remember };
            (401, site.client.login(&body).await.map(drop))
        }
        Question::Forgotten => {
            let body = ForgotRequest { login, language: Language::English, client_addr };
            (202, site.client.forgot(&body).await)
        }
        Question::SignUp => {
            let body = RegisterAccountRequest {
                username: format!("new-{turn}-{}", u8::from(known)),
                email: format!("{login}@example.com"),
                password: password(),
                invite: None,
                client_addr,
                agent: None,
                language: Language::English,
            };
            (403, site.client.register(&body).await.map(drop))
        }
    };
    let took = started.elapsed();
    match answer {
        Ok(()) if wanted == 202 => Ok(took),
        Err(error) if error.problem().is_some_and(|problem| problem.status == wanted) => Ok(took),
        other => Err(format!("turn {turn}: {other:?}").into()),
    }
}
