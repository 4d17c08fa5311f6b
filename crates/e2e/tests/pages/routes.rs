//! Which addresses of the portal show a page, read from its source: a new page that nobody put on the list of what is
//! looked at is noticed here.

use std::fs;
use std::path::Path;

use crate::list;

/// What a GET of these shows is no page of its own.
const NO_PAGE: [(&str, &str); 30] = [
    ("/account/data/account", "leads from a form's address to its page"),
    ("/account/data/files", "leads from a form's address to its page"),
    ("/account/email", "leads from a form's address to its page"),
    ("/account/email/verify", "leads from a form's address to its page"),
    ("/account/instance/delete", "leads from a form's address to its page"),
    ("/account/instance/keep-awake", "leads from a form's address to its page"),
    ("/account/keys", "leads from a form's address to its page"),
    ("/account/keys/revoke", "leads from a form's address to its page"),
    ("/account/passkeys/finish", "leads from a form's address to its page"),
    ("/account/password", "leads from a form's address to its page"),
    ("/account/second-factor/begin", "leads from a form's address to its page"),
    ("/account/second-factor/confirm", "leads from a form's address to its page"),
    ("/account/second-factor/recovery-codes", "leads from a form's address to its page"),
    ("/account/second-factor/remove", "leads from a form's address to its page"),
    ("/account/sessions/others", "leads from a form's address to its page"),
    ("/account/sessions/revoke", "leads from a form's address to its page"),
    ("/account/{action}", "leads from a form's address to its page"),
    ("/account/upstream/link", "leads from a form's address to its page"),
    ("/account/upstream/unlink", "leads from a form's address to its page"),
    ("/admin/audit/export", "a file"),
    ("/admin/invites/withdraw", "leads from a form's address to its page"),
    ("/admin/people/{id}/{action}", "leads from a form's address to its page"),
    ("/admin/rollouts/{id}/cancel", "leads from a form's address to its page"),
    ("/admin/settings/instances", "leads from a form's address to its page"),
    ("/assets/{name}", "files"),
    ("/language", "leads from a form's address to its page"),
    ("/login/upstream", "leads from a form's address to its page"),
    ("/logout", "leads from a form's address to its page"),
    ("/onboarding/provider/skip", "leads from a form's address to its page"),
    ("/provisioning/retry", "leads from a form's address to its page"),
];

/// A stream, and so no page either.
const STREAM: &str = "/provisioning/events";

/// The portal's routes that answer a GET.
fn gets(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            gets(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).expect("source");
        for route in text.split(".route(").skip(1) {
            let Some((address, handler)) = route.trim_start().trim_start_matches('"').split_once('"') else {
                continue;
            };
            let handler = handler.trim_start_matches(',').trim_start();
            if address.starts_with('/') && handler.starts_with("get(") {
                found.push(address.to_owned());
            }
        }
    }
}

/// Whether an address is one of a route such as `/admin/instances/{id}`.
fn is_of(address: &str, route: &str) -> bool {
    let path = address.split('?').next().unwrap_or(address);
    let (path, route): (Vec<_>, Vec<_>) = (path.split('/').collect(), route.split('/').collect());
    path.len() == route.len() && path.iter().zip(&route).all(|(a, b)| a == b || b.starts_with('{'))
}

#[test]
fn every_page_of_the_portal_is_looked_at() {
    let mut routes = Vec::new();
    gets(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../auth-portal/src"), &mut routes);
    assert!(routes.len() > 20, "{routes:?}");
    let fakes = crate::fakes::Fakes::default();
    crate::scenes::set(&fakes);
    let views = list::views(&fakes);
    for route in &routes {
        if route == STREAM || NO_PAGE.iter().any(|(known, _)| known == route) {
            continue;
        }
        assert!(views.iter().any(|view| is_of(&view.path, route)), "{route} is not in tests/pages/list.rs");
    }
    for (known, why) in NO_PAGE {
        assert!(routes.iter().any(|route| route == known), "{known} ({why}) is no route any more");
    }
}

#[test]
fn a_route_with_a_name_in_it_matches_by_its_parts() {
    assert!(is_of("/admin/instances/01J", "/admin/instances/{id}"));
    assert!(is_of("/account?done=stop", "/account"));
    assert!(!is_of("/admin/instances/01J/delete", "/admin/instances/{id}"));
    assert!(!is_of("/account/security", "/account"));
}
